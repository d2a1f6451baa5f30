package aacflow

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/serve/mcp"
)

// PlaceholderServer stands in a workflow for the id of the MCP server, which is different in every
// workspace. After the import, choose the server and the tool in the MCP block again.
const PlaceholderServer = "mcp-00000000"

// Workflow returns a workflow to import. It takes the parameters of a block, calls the block as a
// tool of an MCP server, and responds with the tool's result. Choose the server after the import;
// see [PlaceholderServer]. It does not take secrets, nor parameters whose names the host could not
// refer to, such as utm.source: give those in the block of the call.
//
// The workflow does not let the engine retry the call. The block itself retries with the same
// message ids, while a retry of the engine would be another call.
func Workflow(reg *registry.Registry, id string) ([]byte, error) {
	definitions := mcp.Definitions(reg, mcp.Sim)
	i := slices.IndexFunc(definitions, func(d mcp.Definition) bool { return d.Name == id })
	block, err := reg.Find(id)
	if i < 0 { // a reference to an older major version has no tool
		return nil, fmt.Errorf("generate workflow: %q %w", id, cmp.Or(err, registry.ErrUnknown))
	}
	e := reg.Entry(block)
	inputs := []schemas.Field{}
	referable := regexp.MustCompile(`^[^][.<>+*/=!\s]+$`)
	for _, f := range e.Input {
		if !f.Secret && !isAdvanced([]operation{{Entry: e}}, f.Name) && referable.MatchString(f.Name) {
			inputs = append(inputs, f)
		}
	}
	var out, indented bytes.Buffer
	err = parsedTemplates().ExecuteTemplate(&out, "workflow.json.tmpl", map[string]any{
		"Block": e, "Inputs": inputs, "Schema": string(definitions[i].InputSchema), "Server": PlaceholderServer,
	})
	if err := cmp.Or(err, json.Indent(&indented, out.Bytes(), "", "  ")); err != nil {
		return nil, fmt.Errorf("generate workflow: %w", err)
	}
	return indented.Bytes(), nil
}

// formatType returns the type of an input of a workflow. A number is text, because the host would
// take one that is not given for 0.
func formatType(f schemas.Field) string {
	switch {
	case f.Type == "number":
		return "string"
	case f.Type != "json":
		return f.Type
	case slices.Contains(f.Kinds, rawjson.ArrayKind):
		return "array"
	}
	return "object"
}
