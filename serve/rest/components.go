package rest

// catalogPaths are the paths that do not depend on the blocks.
const catalogPaths = `{
  "/v1/blocks": {"get": {
    "operationId": "list_blocks", "summary": "List blocks", "tags": ["catalog"],
    "parameters": [
      {"name": "search", "in": "query", "description": "Words that all must occur in a block.", "schema": {"type": "string"}},
      {"name": "category", "in": "query", "schema": {"type": "string"}},
      {"name": "tag", "in": "query", "schema": {"type": "string"}},
      {"$ref": "#/components/parameters/IfNoneMatch"}
    ],
    "responses": {
      "200": {"description": "The blocks that all filters fit.", "headers": {"ETag": {"$ref": "#/components/headers/ETag"}}, "content": {"application/json": {"schema": {
        "type": "object", "additionalProperties": false, "required": ["blocks"],
        "properties": {"blocks": {"type": "array", "items": {"$ref": "#/components/schemas/Block"}}}}}}},
      "304": {"$ref": "#/components/responses/NotModified"},
      "default": {"description": "It failed.", "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    }
  }},
  "/v1/blocks/{id}": {"get": {
    "operationId": "get_block", "summary": "Read about a block", "tags": ["catalog"],
    "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}, {"$ref": "#/components/parameters/IfNoneMatch"}],
    "responses": {
      "200": {"description": "The block.", "headers": {"ETag": {"$ref": "#/components/headers/ETag"}}, "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/Block"}},
        "text/markdown": {"schema": {"type": "string"}}}},
      "304": {"$ref": "#/components/responses/NotModified"},
      "default": {"description": "It failed.", "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    }
  }},
  "/v1/blocks/{id}/schema/{which}": {"get": {
    "operationId": "get_schema", "summary": "Read the JSON Schema of a block's input or output", "tags": ["catalog"],
    "parameters": [
      {"name": "id", "in": "path", "required": true, "schema": {"type": "string"}},
      {"name": "which", "in": "path", "required": true, "schema": {"type": "string", "enum": ["input", "output"]}},
      {"$ref": "#/components/parameters/IfNoneMatch"}
    ],
    "responses": {
      "200": {"description": "A JSON Schema 2020-12 that stands alone.", "headers": {"ETag": {"$ref": "#/components/headers/ETag"}}, "content": {"application/schema+json": {"schema": {"$ref": "#/components/schemas/JSONSchema"}}}},
      "304": {"$ref": "#/components/responses/NotModified"},
      "default": {"description": "It failed.", "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    }
  }},
  "/v1/errors": {"get": {
    "operationId": "list_errors", "summary": "List what can go wrong", "tags": ["catalog"],
    "parameters": [{"$ref": "#/components/parameters/IfNoneMatch"}],
    "responses": {
      "200": {"description": "The codes of problems.", "headers": {"ETag": {"$ref": "#/components/headers/ETag"}}, "content": {"application/json": {"schema": {
        "type": "object", "additionalProperties": false, "required": ["errors"],
        "properties": {"errors": {"type": "array", "items": {"$ref": "#/components/schemas/ErrorDoc"}}}}}}},
      "304": {"$ref": "#/components/responses/NotModified"},
      "default": {"description": "It failed.", "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    }
  }},
  "/v1/errors/{code}": {"get": {
    "operationId": "get_error", "summary": "Read about the code of a problem", "tags": ["catalog"],
    "parameters": [{"name": "code", "in": "path", "required": true, "schema": {"type": "string"}}, {"$ref": "#/components/parameters/IfNoneMatch"}],
    "responses": {
      "200": {"description": "What it means.", "headers": {"ETag": {"$ref": "#/components/headers/ETag"}}, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorDoc"}}}},
      "304": {"$ref": "#/components/responses/NotModified"},
      "default": {"description": "It failed.", "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    }
  }}
}`

// componentSchemas describe what is the same for all blocks. Tests compare them with real answers.
const componentSchemas = `{
  "Block": {
    "type": "object",
    "required": ["id", "name", "summary", "description", "whenToUse", "version", "category", "tags", "input", "output", "rules",
      "inputSchema", "outputSchema", "examples", "refused"],
    "properties": {
      "id": {"type": "string"}, "name": {"type": "string"}, "summary": {"type": "string"}, "description": {"type": "string"},
      "whenToUse": {"type": "string"}, "version": {"type": "string"}, "category": {"type": "string"},
      "tags": {"type": "array", "items": {"type": "string"}}, "link": {"type": "string"},
      "input": {"type": "array", "items": {"$ref": "#/components/schemas/Field"}},
      "output": {"type": "array", "items": {"$ref": "#/components/schemas/Field"}},
      "rules": {"type": "array", "items": {"type": "string"}},
      "inputSchema": {"$ref": "#/components/schemas/JSONSchema"}, "outputSchema": {"$ref": "#/components/schemas/JSONSchema"},
      "examples": {"type": "array", "items": {"$ref": "#/components/schemas/Example"}},
      "refused": {"type": "array", "items": {"$ref": "#/components/schemas/Refusal"}}
    }
  },
  "JSONSchema": {"type": "object", "description": "A JSON Schema 2020-12.", "additionalProperties": true},
  "Example": {
    "type": "object", "additionalProperties": false, "required": ["title", "input", "output"],
    "properties": {
      "title": {"type": "string"}, "input": {"type": "object", "additionalProperties": true},
      "output": {"type": "object", "additionalProperties": true}
    }
  },
  "Refusal": {
    "type": "object", "additionalProperties": false, "required": ["title", "input", "violations"],
    "properties": {
      "title": {"type": "string"}, "input": {"type": "object", "additionalProperties": true},
      "violations": {"type": "array", "items": {
        "type": "object", "additionalProperties": false, "required": ["path", "code"],
        "properties": {"path": {"type": "string"}, "code": {"type": "string"}}}}
    }
  },
  "Field": {
    "type": "object", "required": ["name", "type", "description"],
    "properties": {
      "name": {"type": "string"}, "type": {"type": "string"}, "description": {"type": "string"},
      "filledBy": {"type": "string", "enum": ["user-only", "user-or-llm"]}, "secret": {"type": "boolean"}, "format": {"type": "string"},
      "kinds": {"type": "array", "items": {"type": "string"}}, "example": {},
      "fields": {"type": "array", "items": {"$ref": "#/components/schemas/Field"}}
    }
  },
  "Violation": {
    "type": "object", "additionalProperties": false, "required": ["path", "code", "message"],
    "properties": {
      "path": {"type": "string", "description": "JSON Pointer into the input, or into the body for invalid_request."},
      "code": {"type": "string"}, "message": {"type": "string"}
    }
  },
  "UnlistedViolations": {"type": "integer", "minimum": 1, "description": "How many violations there are beyond those listed."},
  "Warning": {
    "type": "object", "additionalProperties": false, "required": ["path", "code", "message"],
    "properties": {"path": {"type": "string"}, "code": {"type": "string"}, "message": {"type": "string"}}
  },
  "Item": {
    "type": "object", "additionalProperties": false, "required": ["index", "messageId", "status"],
    "properties": {
      "index": {"type": "integer"}, "messageId": {"type": "string"},
      "status": {"type": "string", "enum": ["accepted", "rejected", "unconfirmed", "unsent"]}
    }
  },
  "Receipt": {
    "type": "object", "additionalProperties": false,
    "required": ["invocationId", "block", "messageIds", "accepted", "requests", "attempts", "bytes", "startedAt", "durationMs", "warnings"],
    "properties": {
      "invocationId": {"type": "string"}, "block": {"type": "string"}, "source": {"type": "string"},
      "credential": {"type": "string", "description": "A fingerprint, never the credential itself."},
      "delivery": {"type": "string", "description": "The way the messages leave, and so what success means: direct and coalesced wait for the receiver, durable for the disk."},
      "endpoint": {"type": "string"},
      "emulated": {"type": "boolean", "description": "True where the source is an emulator, so that nothing has reached the real receiver."},
      "messageIds": {"type": "array", "items": {"type": "string"}},
      "accepted": {"type": "integer", "description": "How many messages the receiver has confirmed."},
      "stored": {"type": "integer", "description": "How many messages have been stored to be sent later."},
      "requests": {"type": "integer"}, "attempts": {"type": "integer"}, "bytes": {"type": "integer"},
      "startedAt": {"type": "string", "format": "date-time"}, "durationMs": {"type": "number"},
      "warnings": {"type": "array", "items": {"$ref": "#/components/schemas/Warning"}}
    }
  },
  "Request": {
    "type": "object", "additionalProperties": false, "required": ["method", "url", "header", "body", "bytes"],
    "properties": {
      "method": {"type": "string"}, "url": {"type": "string"},
      "header": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
      "body": {"type": "string"}, "bytes": {"type": "integer"}
    }
  },
  "Verdict": {
    "oneOf": [
      {
        "type": "object", "additionalProperties": false, "required": ["valid", "violations"],
        "properties": {"valid": {"const": true}, "violations": {"type": "array", "maxItems": 0, "items": {"$ref": "#/components/schemas/Violation"}}}
      },
      {
        "type": "object", "additionalProperties": false, "required": ["valid", "code", "violations"],
        "properties": {
          "valid": {"const": false}, "code": {"type": "string", "description": "The one that invoke would fail with."},
          "violations": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Violation"}},
          "unlistedViolations": {"$ref": "#/components/schemas/UnlistedViolations"}
        }
      }
    ]
  },
  "Problem": {
    "type": "object", "required": ["type", "title", "status", "detail", "code", "retryable"],
    "properties": {
      "type": {"type": "string", "format": "uri-reference"}, "title": {"type": "string"}, "status": {"type": "integer"},
      "detail": {"type": "string"}, "instance": {"type": "string", "description": "The request id."},
      "code": {"type": "string"}, "retryable": {"type": "boolean"},
      "violations": {"type": "array", "items": {"$ref": "#/components/schemas/Violation"}},
      "unlistedViolations": {"$ref": "#/components/schemas/UnlistedViolations"},
      "items": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}},
      "upstreamStatus": {"type": "integer"}, "retryAfterSeconds": {"type": "number"},
      "receipt": {"$ref": "#/components/schemas/Receipt"}
    }
  },
  "ResultFailure": {
    "type": "object", "additionalProperties": false, "required": ["success", "output", "error"],
    "properties": {
      "success": {"const": false}, "error": {"type": "string"},
      "output": {
        "type": "object", "required": ["code", "retryable", "violations"],
        "properties": {
          "code": {"type": "string"}, "retryable": {"type": "boolean"}, "retryAfterSeconds": {"type": "number"},
          "violations": {"type": "array", "items": {"$ref": "#/components/schemas/Violation"}},
          "unlistedViolations": {"$ref": "#/components/schemas/UnlistedViolations"},
          "items": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}},
          "receipt": {"$ref": "#/components/schemas/Receipt"}
        }
      }
    }
  },
  "ErrorDoc": {
    "type": "object", "additionalProperties": false, "required": ["code", "status", "meaning", "remedy", "sent"],
    "properties": {
      "code": {"type": "string"}, "status": {"type": "integer"}, "meaning": {"type": "string"}, "remedy": {"type": "string"},
      "sent": {"type": "string", "enum": ["no", "maybe", "yes"]}
    }
  }
}`

// componentHeaders, componentParameters and componentResponses are what all the GETs share.
const (
	componentHeaders    = `{"ETag": {"description": "Names this state of the answer, for If-None-Match.", "schema": {"type": "string"}}}`
	componentParameters = `{"IfNoneMatch": {
  "name": "If-None-Match", "in": "header", "schema": {"type": "string"},
  "description": "The ETag of an earlier answer: where that still holds, the answer is 304 and has no body."
}}`
	componentResponses = `{"NotModified": {"description": "As If-None-Match says.", "headers": {"ETag": {"$ref": "#/components/headers/ETag"}}}}`
)
