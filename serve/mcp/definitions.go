package mcp

import (
	"encoding/json"
	"fmt"

	"github.com/aacflow/segment-blocks/registry"
)

// Definition is a tool in words and schemas, for whoever hands tools to a model without MCP.
type Definition struct {
	Name         string
	Title        string
	Description  string
	InputSchema  json.RawMessage
	OutputSchema json.RawMessage
}

// Definitions returns what a server would tell of the blocks of a registry in a profile, sorted by name. The credential is not among
// the inputs: whoever runs the tool gives it.
func Definitions(reg *registry.Registry, p Profile) ([]Definition, error) {
	s := &Server{blocks: reg.Catalog()}
	tools, err := s.tools(p)
	if err != nil {
		return nil, fmt.Errorf("tool definitions: %w", err)
	}
	definitions := make([]Definition, len(tools))
	for i, t := range tools {
		input, _ := t.InputSchema.(json.RawMessage)
		output, _ := t.OutputSchema.(json.RawMessage)
		definitions[i] = Definition{t.Name, t.Title, t.Description, input, output}
	}
	return definitions, nil
}
