package aacflow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/serve/mcp"
)

// PlaceholderServer stands in a workflow for the id of the MCP server, which each workspace has its own of. After the import, choose the
// server and the tool in the MCP block again.
const PlaceholderServer = "mcp-00000000"

// exportedAt is in every file, so that the same blocks give the same file.
const exportedAt = "2026-01-01T00:00:00.000Z"

// Workflow returns a workflow to import: it starts with the parameters of a block, calls it as a tool of an MCP server, and responds with what
// comes of it. The server is to be chosen after the import, see [PlaceholderServer].
//
// The block is not tried again by the engine: the blocks retry by themselves, with ids that make it safe, and the engine's retry is
// another call.
func Workflow(reg *registry.Registry, id string) ([]byte, error) {
	definitions, err := mcp.Definitions(reg, mcp.Sim)
	if err != nil {
		return nil, fmt.Errorf("generate workflow: %w", err)
	}
	i := slices.IndexFunc(definitions, func(d mcp.Definition) bool { return d.Name == id })
	block, ok := reg.Lookup(id)
	if !ok || i < 0 {
		return nil, fmt.Errorf("generate workflow: no block has this id%s: %q", reg.Suggest(id), id)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(workflowFile(registry.EntryOf(block), definitions[i].InputSchema)); err != nil {
		return nil, fmt.Errorf("generate workflow: %w", err)
	}
	return out.Bytes(), nil
}

type exported struct {
	Version    string        `json:"version"`
	ExportedAt string        `json:"exportedAt"`
	State      workflowState `json:"state"`
}

type workflowState struct {
	Blocks    map[string]blockState `json:"blocks"`
	Edges     []edge                `json:"edges"`
	Loops     struct{}              `json:"loops"`
	Parallels struct{}              `json:"parallels"`
	Metadata  struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	} `json:"metadata"`
	Variables struct{} `json:"variables"`
}

type blockState struct {
	ID        string              `json:"id"`
	Type      string              `json:"type"`
	Name      string              `json:"name"`
	Position  position            `json:"position"`
	SubBlocks map[string]subState `json:"subBlocks"`
	Outputs   map[string]output   `json:"outputs"`
	Enabled   bool                `json:"enabled"`
}

type position struct {
	X int `json:"x"`
	Y int `json:"y"`
}

type subState struct {
	ID    string `json:"id"`
	Type  string `json:"type"`
	Value any    `json:"value"`
}

type output struct {
	Type        string `json:"type"`
	Description string `json:"description"`
}

type edge struct {
	ID           string `json:"id"`
	Source       string `json:"source"`
	Target       string `json:"target"`
	SourceHandle string `json:"sourceHandle"`
	TargetHandle string `json:"targetHandle"`
}

// formatField is one input of the workflow.
type formatField struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value string `json:"value"`
}

func workflowFile(e registry.Entry, schema json.RawMessage) exported {
	advanced := advancedIn([]operation{{Entry: e}})
	var inputs []formatField
	var arguments rawjson.Object
	for _, f := range e.Input {
		if f.Secret || advanced[f.Name] {
			continue
		}
		inputs = append(inputs, formatField{"input-" + f.Name, f.Name, formatType(f), placeholder(f.Example)})
		arguments = append(arguments, rawjson.Member{Name: f.Name, Value: rawjson.Quote("<start." + f.Name + ">")})
	}
	file := exported{Version: "1.0", ExportedAt: exportedAt}
	s := &file.State
	s.Metadata.Name = e.Name
	s.Metadata.Description = e.Summary + ". After the import, choose your MCP server and the tool " + e.ID + " in the block named " + e.Name +
		": the server in this file is a placeholder."
	s.Blocks = map[string]blockState{
		"start": state("start", "start_trigger", "Start", 0, nil, subState{"inputFormat", "input-format", inputs}),
		"call": state(
			"call", "mcp", e.Name, 1, map[string]output{"content": {"array", "What the tool says, as a list of texts"}},
			subState{"server", "mcp-server-selector", PlaceholderServer},
			subState{"tool", "mcp-tool-selector", PlaceholderServer + "-" + e.ID},
			subState{"arguments", "mcp-dynamic-args", arguments},
			subState{"_toolSchema", "short-input", schema},
		),
		"respond": state(
			"respond", "response", "Response", 2, nil,
			subState{"dataMode", "dropdown", "json"},
			// An object goes into the text as JSON; a text would go in without quotes.
			subState{"data", "code", `{"result": <` + reference(e.Name) + `.structuredContent>}`},
			subState{"status", "short-input", "200"},
		),
	}
	s.Edges = []edge{
		{"start-call", "start", "call", "source", "target"},
		{"call-respond", "call", "respond", "source", "target"},
	}
	return file
}

func state(id, kind, name string, column int, outputs map[string]output, subs ...subState) blockState {
	b := blockState{
		ID: id, Type: kind, Name: name, Position: position{X: column * 320}, Enabled: true,
		SubBlocks: map[string]subState{}, Outputs: map[string]output{},
	}
	for _, sub := range subs {
		b.SubBlocks[sub.ID] = sub
	}
	for name, out := range outputs {
		b.Outputs[name] = out
	}
	return b
}

func formatType(f schemas.Field) string {
	switch {
	case f.Type != "json":
		return f.Type
	case slices.Contains(f.Kinds, rawjson.ArrayKind):
		return "array"
	}
	return "object"
}

// reference returns the name of a block as references have it: in lower case, without blanks and dots.
func reference(name string) string {
	return strings.ToLower(strings.NewReplacer(" ", "", ".", "").Replace(name))
}
