package cli

import (
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

// export returns the blocks in a format as a value to print.
func export(reg *registry.Registry, format string) any {
	switch format {
	case "json-schema":
		var all rawjson.Object
		for _, e := range reg.Catalog() {
			both := rawjson.Object{}.Set("input", e.InputSchema).Set("output", e.OutputSchema)
			all = all.Set(e.ID, both.JSON())
		}
		return all
	case "openapi":
		return rest.OpenAPI(reg, blocks.Version())
	}
	// Lists of tools differ in the name of the schema and in what is around it.
	schema := map[string]string{"openai": "parameters", "anthropic": "input_schema", "mcp": "inputSchema"}[format]
	list := []rawjson.Object{}
	for _, d := range mcp.Definitions(reg, mcp.Agent) {
		tool := rawjson.Object{}.Set("name", rawjson.Quote(d.Name)).Set("description", rawjson.Quote(d.Description)).
			Set(schema, d.InputSchema)
		switch format {
		case "openai":
			tool = rawjson.Object{}.Set("type", rawjson.Quote("function")).Set("function", tool.JSON())
		case "mcp":
			tool = tool.Set("title", rawjson.Quote(d.Title)).Set("outputSchema", d.OutputSchema)
		}
		list = append(list, tool)
	}
	return list
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
