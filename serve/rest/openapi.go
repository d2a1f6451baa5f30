package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
)

// OpenAPI returns the OpenAPI 3.1 description of the API for the blocks of a registry.
//
// Each block has operations of its own, so that a generated client gets a function for each block with its types, where one operation
// for all blocks would leave it with a choice among all inputs. The schemas demand what those of the manifests do, written as generators
// understand it. They are the strict form. What the runtime takes beyond it (json parameters given as text, "" and null for
// absent) is said in words, and examples that make use of it are left out.
func OpenAPI(reg *registry.Registry, version string) json.RawMessage {
	paths := rawjson.OpenObject(json.RawMessage(catalogPaths))
	components := rawjson.OpenObject(json.RawMessage(componentSchemas))
	for _, b := range reg.List() {
		m := b.Manifest()
		base := "/v1/blocks/" + m.ID
		result := object{"oneOf": []any{
			object{
				"type": "object", "additionalProperties": false, "required": []string{"success", "output"},
				"properties": object{
					"success": object{"const": true}, "output": ref(m.ID + "_output"),
					"emulated": object{"const": true, "description": "Only there where the source is an emulator, so that nothing has reached the real receiver."},
				},
			},
			ref("ResultFailure"),
		}}
		// The result has a name because generators make a type only of the first media type of an answer.
		components = components.
			Set(m.ID+"_input", typed(m.Input.JSON())).
			Set(m.ID+"_output", m.Output.JSON()).
			Set(m.ID+"_result", encode(result))
		success := object{
			typeJSON:   object{"schema": answerSchema(object{"output": ref(m.ID + "_output"), "receipt": ref("Receipt")})},
			typeResult: object{"schema": ref(m.ID + "_result")},
		}
		requests := object{"type": "array", "items": ref("Request")}
		preview := object{typeJSON: object{"schema": answerSchema(object{"requests": requests, "receipt": ref("Receipt")})}}
		paths = paths.
			Set(base+"/invoke", encode(object{"post": operation(m, m.ID, m.Summary, m.Description, success)})).
			Set(base+"/preview", encode(object{"post": operation(m, m.ID+"_preview", "Show what "+m.ID+" would send", "Sends nothing.", preview)})).
			Set(base+"/validate", encode(object{"post": operation(m, m.ID+"_validate", "Check an input of "+m.ID,
				"Sends nothing. An input that would be refused is no failure of this operation.", object{typeJSON: object{"schema": ref("Verdict")}})}))
	}
	return encode(object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Tool blocks", "version": version, "license": object{"name": "Apache 2.0", "identifier": "Apache-2.0"},
			"description": "Lists, checks and invokes tool blocks. Inputs are described in their strict form; a parameter whose x-aacflow-type is json may " +
				"also be a text that holds the JSON, and an empty text or null counts as absent.",
		},
		"servers":  []any{object{"url": "/"}},
		"security": []any{object{}, object{"token": []string{}}},
		"tags":     []any{object{"name": "catalog"}, object{"name": "invoke"}},
		"paths":    paths,
		"components": object{
			"schemas":    components,
			"headers":    json.RawMessage(componentHeaders),
			"parameters": json.RawMessage(componentParameters),
			"responses":  json.RawMessage(componentResponses),
			"securitySchemes": object{
				"token": object{"type": "http", "scheme": "bearer", "description": "Needed where the server has been given a token."},
			},
		},
	})
}

// object is a JSON object that is written here.
type object = map[string]any

func (s *server) openapi(w http.ResponseWriter, r *http.Request, _ []string) {
	writeCached(w, r, typeJSON, OpenAPI(s.registry, s.version))
}

func operation(m *schemas.Manifest, id, summary, description string, success object) object {
	return object{
		"operationId": id, "summary": summary, "description": description, "tags": []string{"invoke"},
		"parameters": []any{object{
			"name": keyHeader, "in": "header", "schema": object{"type": "string", "minLength": 1, "maxLength": 255},
			"description": "Names the invocation. The same key, block, source and input again give the same message ids, which the receiver counts once.",
		}},
		"requestBody": object{"required": true, "content": object{typeJSON: object{
			"schema": object{
				"type": "object", "additionalProperties": false, "required": []string{"input"},
				"properties": object{
					"input":  ref(m.ID + "_input"),
					"source": object{"type": []string{"string", "null"}, "description": "Name of a source that the server has. Left out, it is the first that fits."},
				},
			},
			"examples": examplesOf(m),
		}}},
		"responses": object{
			"200": object{
				"description": "It worked.", "content": success,
				"headers": object{keyHeader: object{"description": "The key of the request, or a random one to repeat it with.", "schema": object{"type": "string"}}},
			},
			"default": object{"description": "It failed.", "content": object{"application/problem+json": object{"schema": ref("Problem")}}},
		},
	}
}

func answerSchema(properties object) object {
	var names []string
	for _, name := range []string{"output", "requests", "receipt"} {
		if properties[name] != nil {
			names = append(names, name)
		}
	}
	return object{"type": "object", "additionalProperties": false, "required": names, "properties": properties}
}

// examplesOf returns those of the manifest's examples that keep the strict schema.
func examplesOf(m *schemas.Manifest) object {
	examples := object{}
	for i, x := range m.Examples {
		if len(m.Input.Validate(context.Background(), x.Input)) == 0 {
			examples["example"+strconv.Itoa(i+1)] = object{"summary": x.Title, "value": object{"input": x.Input}}
		}
	}
	return examples
}

func ref(schema string) object { return object{"$ref": "#/components/schemas/" + schema} }
