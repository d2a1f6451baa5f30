package mcp

import (
	"encoding/json"
	"fmt"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
)

// idInput is the input that InvocationIDInput adds.
const idInput = "invocationId"

// tools returns the tools of a profile, one a block in the order of the blocks, which are sorted by id.
func (s *Server) tools(p Profile) ([]*sdk.Tool, error) {
	no, yes := false, true
	var tools []*sdk.Tool
	for _, e := range s.blocks {
		input, err := inputSchema(e, p, s.hidden(e))
		if err != nil {
			return nil, err
		}
		if s.settings.idInput {
			if schemas.Find(e.Input, idInput) != nil {
				return nil, fmt.Errorf("the input %s cannot be added: the block has one: %q", idInput, e.ID)
			}
			input = withIDInput(input)
		}
		tools = append(tools, &sdk.Tool{
			Name: e.ID, Title: e.Name, Description: describe(e, p),
			InputSchema: input, OutputSchema: bare(e.OutputSchema),
			Annotations: &sdk.ToolAnnotations{
				// Calling again with the same arguments sends another message with another id, so no tool is idempotent.
				DestructiveHint: &no, IdempotentHint: false, OpenWorldHint: &yes, ReadOnlyHint: false,
			},
		})
	}
	return tools, nil
}

// hidden returns the parameters that callers of a tool neither see nor may give.
func (s *Server) hidden(e registry.Entry) []string {
	if s.settings.credentialInput {
		return nil
	}
	return secrets(e.Input)
}

func withIDInput(schema json.RawMessage) json.RawMessage {
	const property = `{"type":["string","null"],"description":"Identifies this call, such as the id of the run, the node and the iteration. ` +
		`The same id and input again count once; the same id for anything else is lost. Leave it out where nothing repeats calls."}`
	obj := rawjson.OpenObject(schema)
	properties, _ := obj.Get("properties")
	members := append(rawjson.OpenObject(properties), rawjson.Member{Name: idInput, Value: json.RawMessage(property)})
	return obj.Set("properties", members.JSON()).JSON()
}
