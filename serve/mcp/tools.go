package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
)

// idInput is the input that Config.InvocationIDInput adds.
const idInput = "invocationId"

// tools returns the tools of a profile, one for each major version of each block, sorted by id.
func (s *Server) tools(p Profile) ([]*sdk.Tool, error) {
	no, yes := false, true
	var tools []*sdk.Tool
	for _, e := range s.blocks {
		hidden := secrets(e.Input)
		if s.cfg.CredentialInput {
			hidden = nil
		}
		input := inputSchema(e, p, hidden)
		if s.cfg.InvocationIDInput {
			if schemas.Find(e.Input, idInput) != nil {
				return nil, fmt.Errorf("the input %s cannot be added: the block already has it: %q", idInput, e.ID)
			}
			input = withIDInput(input)
		}
		tools = append(tools, &sdk.Tool{
			Meta: sdk.Meta{MetaVersion: e.Version}, Name: e.Unique(), Title: e.Name, Description: describe(e, p),
			InputSchema: input, OutputSchema: outputSchema(e, p),
			Annotations: &sdk.ToolAnnotations{
				// A call with the same arguments sends another message with another id, so no tool
				// is idempotent.
				DestructiveHint: &no, IdempotentHint: false, OpenWorldHint: &yes, ReadOnlyHint: false,
			},
		})
	}
	return tools, nil
}

// secrets returns the parameters at the root of an input that hold credentials.
func secrets(fields []schemas.Field) []string {
	var names []string
	for _, f := range fields {
		if f.Secret {
			names = append(names, f.Name)
		}
	}
	return names
}

func withIDInput(schema json.RawMessage) json.RawMessage {
	const property = `{"type":["string","null"],"description":"Identifies this call, such as the id of the run, ` +
		`the node and the iteration. The same id and input again count once; the same id with another input is lost. ` +
		`Omit it if nothing repeats calls."}`
	obj := rawjson.OpenObject(schema)
	members := append(obj.Object("properties"), rawjson.Member{Name: idInput, Value: json.RawMessage(property)})
	return obj.Set("properties", members.JSON()).JSON()
}

// resource returns the page of a block and its handler. A model reads it before it calls the block.
// Credentials are left out, because a model does not fill them in.
func resource(e registry.Entry) (*sdk.Resource, sdk.ResourceHandler) {
	e.Input = slices.DeleteFunc(slices.Clone(e.Input), func(f schemas.Field) bool { return f.Secret })
	text := e.Markdown()
	r := &sdk.Resource{
		URI: "segment-blocks://blocks/" + e.Unique(), Name: e.Unique(), Title: e.Name,
		Description: e.Summary + ": parameters, rules, examples and what is refused.",
		MIMEType:    "text/markdown", Size: int64(len(text)),
	}
	return r, func(context.Context, *sdk.ReadResourceRequest) (*sdk.ReadResourceResult, error) {
		page := &sdk.ResourceContents{URI: r.URI, MIMEType: r.MIMEType, Text: text}
		return &sdk.ReadResourceResult{Contents: []*sdk.ResourceContents{page}}, nil
	}
}

// Definition is a tool in words and schemas, for hosts that give tools to a model without MCP.
type Definition struct {
	Name         string
	Title        string
	Description  string
	InputSchema  json.RawMessage
	OutputSchema json.RawMessage
}

// Definitions returns the tools that a server would offer for the blocks of a registry in a
// profile, sorted by name. The inputs lack the credential: the host that runs the tool adds it.
func Definitions(reg *registry.Registry, p Profile) (list []Definition) {
	for _, e := range reg.Catalog() {
		list = append(list, Definition{
			e.ID, e.Name, describe(e, p), inputSchema(e, p, secrets(e.Input)), outputSchema(e, p),
		})
	}
	return list
}
