package cli

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/serve/mcp"
	"github.com/aacflow/segment-blocks/serve/rest"
)

// exportTools returns the blocks as tools, in a format of those that list them.
func exportTools(reg *registry.Registry, format string) any {
	definitions := mcp.Definitions(reg, mcp.Agent)
	type function struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Parameters  json.RawMessage `json:"parameters"`
	}
	list := make([]any, len(definitions))
	for i, d := range definitions {
		switch format {
		case "openai":
			list[i] = struct {
				Type     string   `json:"type"`
				Function function `json:"function"`
			}{"function", function{d.Name, d.Description, d.InputSchema}}
		case "anthropic":
			list[i] = struct {
				Name        string          `json:"name"`
				Description string          `json:"description"`
				InputSchema json.RawMessage `json:"input_schema"`
			}{d.Name, d.Description, d.InputSchema}
		default:
			list[i] = struct {
				Name         string          `json:"name"`
				Title        string          `json:"title"`
				Description  string          `json:"description"`
				InputSchema  json.RawMessage `json:"inputSchema"`
				OutputSchema json.RawMessage `json:"outputSchema"`
			}{d.Name, d.Title, d.Description, d.InputSchema, d.OutputSchema}
		}
	}
	return list
}

// export returns the blocks in a format as a value to print.
func export(reg *registry.Registry, format string) any {
	switch format {
	case "json-schema":
		schemas := rawjson.Object{}
		for _, e := range reg.Catalog() {
			both := rawjson.Object{{Name: "input", Value: e.InputSchema}, {Name: "output", Value: e.OutputSchema}}
			schemas = append(schemas, rawjson.Member{Name: e.ID, Value: both.JSON()})
		}
		return schemas
	case "openapi":
		return rest.OpenAPI(reg, blocks.Version())
	}
	return exportTools(reg, format)
}

// newExport makes export. The formats of tools have no source or write key among their inputs: a
// model is to see neither.
func newExport(p *Program) *cobra.Command {
	names := []string{"anthropic", "json-schema", "mcp", "openai", "openapi"}
	cmd := &cobra.Command{
		Use:       "export FORMAT",
		Short:     "Print the blocks as definitions for agents and other tools",
		ValidArgs: names,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(names, args[0]) {
				return console.Usage("name one format: aacflow, %s", strings.Join(names, ", "))
			}
			return nil
		},
		RunE: p.settled(func(_ *cobra.Command, args []string, s *settings.Settings) error {
			return p.Print(document(s), export(p.registry(), args[0]))
		}),
	}
	cmd.AddCommand(newExportAACFlow(p))
	return cmd
}
