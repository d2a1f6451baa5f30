package cli

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/serve/mcp"
	"github.com/aacflow/segment-blocks/serve/rest"
)

// exportFormats are what the blocks can be told as.
func exportFormats() map[string]func(*registry.Registry) (any, error) {
	return map[string]func(*registry.Registry) (any, error){
		"openai": func(reg *registry.Registry) (any, error) {
			return eachTool(reg, func(d mcp.Definition) any {
				type function struct {
					Name        string          `json:"name"`
					Description string          `json:"description"`
					Parameters  json.RawMessage `json:"parameters"`
				}
				return struct {
					Type     string   `json:"type"`
					Function function `json:"function"`
				}{"function", function{d.Name, d.Description, d.InputSchema}}
			})
		},
		"anthropic": func(reg *registry.Registry) (any, error) {
			return eachTool(reg, func(d mcp.Definition) any {
				return struct {
					Name        string          `json:"name"`
					Description string          `json:"description"`
					InputSchema json.RawMessage `json:"input_schema"`
				}{d.Name, d.Description, d.InputSchema}
			})
		},
		"mcp": func(reg *registry.Registry) (any, error) {
			return eachTool(reg, func(d mcp.Definition) any {
				return struct {
					Name         string          `json:"name"`
					Title        string          `json:"title"`
					Description  string          `json:"description"`
					InputSchema  json.RawMessage `json:"inputSchema"`
					OutputSchema json.RawMessage `json:"outputSchema"`
				}{d.Name, d.Title, d.Description, d.InputSchema, d.OutputSchema}
			})
		},
		"json-schema": func(reg *registry.Registry) (any, error) {
			schemas := rawjson.Object{}
			for _, e := range reg.Catalog() {
				both := rawjson.Object{{Name: "input", Value: e.InputSchema}, {Name: "output", Value: e.OutputSchema}}
				schemas = append(schemas, rawjson.Member{Name: e.ID, Value: both.JSON()})
			}
			return schemas, nil
		},
		"openapi": func(reg *registry.Registry) (any, error) { return rest.OpenAPI(reg, blocks.Version()), nil },
	}
}

func eachTool(reg *registry.Registry, told func(mcp.Definition) any) (any, error) {
	definitions := mcp.Definitions(reg, mcp.Agent)
	list := make([]any, len(definitions))
	for i, d := range definitions {
		list[i] = told(d)
	}
	return list, nil
}

func newExport(p *Program) *cobra.Command {
	names := []string{"anthropic", "json-schema", "mcp", "openai", "openapi"}
	cmd := &cobra.Command{
		Use:   "export FORMAT",
		Short: "Print the blocks as definitions for agents and other tools",
		Long: `Print the blocks in a form that other software takes:

  openai        a list of tools of the type function
  anthropic     a list of tools with their input_schema
  mcp           a list of tools as an MCP server tells them
  json-schema   the blocks' own schemas for input and output, by id
  openapi       the OpenAPI 3.1 description of what segment-blocks serve offers
  aacflow       TypeScript for a fork of Sim, or a workflow to import; see segment-blocks export aacflow --help

The first three have plain schemas, which all providers of models take; the rules that those cannot say stand in the
descriptions. The write key is no input in them: whoever runs the tool gives it.`,
		Example: `  segment-blocks export openai
  segment-blocks export json-schema --output yaml
  segment-blocks export aacflow --out sim-blocks`,
		ValidArgs: names,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(names, args[0]) {
				return console.Usage("name one format: aacflow, %s", strings.Join(names, ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := p.load(cmd)
			if err != nil {
				return err
			}
			reg, err := p.registry()
			if err != nil {
				return err
			}
			doc, err := exportFormats()[args[0]](reg)
			if err != nil {
				return console.Failed("%w", err)
			}
			if s.Output == "yaml" {
				return p.Print("yaml", doc)
			}
			return p.Print("json", doc)
		},
	}
	cmd.AddCommand(newExportAACFlow(p))
	return cmd
}
