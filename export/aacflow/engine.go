package aacflow

import (
	"cmp"
	_ "embed"
	"fmt"
	"strings"
)

// Engine is the form of Sim that a fork has, named after its version or its first month.
type Engine string

const (
	// Sim08 is Sim v0.8 of August 2026 and later. Only it has sentences on the cards of the canvas,
	// templates and skills.
	Sim08 Engine = "sim-0.8"
	// Sim202605 is the form since 21 March 2026, with categories of integrations.
	Sim202605 Engine = "sim-2026-05"
	// Sim202602 is the form before that, which AACFlow's own pages show.
	Sim202602 Engine = "sim-2026-02"
)

// Engines returns all engines, the newest first. Only the newest keeps all that a manifest says.
func Engines() []Engine { return []Engine{Sim08, Sim202605, Sim202602} }

// changes are the edits of one of the fork's own files.
type changes struct {
	Path  string // relative to the folder of the app
	Edits []edit
}

// Changes returns the edits of the fork's own files.
func (p page) Changes() []changes {
	var names, tools strings.Builder
	for _, op := range p.Sorted() {
		fmt.Fprintf(&names, "  %s,\n", op.Const())
		fmt.Fprintf(&tools, "  %s: %s,\n", op.ID, op.Const())
	}
	block, folder := p.Type()+"Block", "@/blocks/blocks/"+p.ID
	entry := "  " + p.ID + ": " + block
	blocks := []edit{
		addImport(fmt.Sprintf("import { %s } from '%s'\n", block, folder)),
		addEntries(entry+",\n", "registry", "BLOCK_REGISTRY"),
	}
	if p.Catalogued() {
		blocks = []edit{
			addImport(fmt.Sprintf("import { %s, %sMeta } from '%s'\n", block, block, folder)),
			addEntries(entry+",\n", "BLOCK_REGISTRY", "registry"),
			addEntries(entry+"Meta,\n", "BLOCK_META_REGISTRY"),
		}
	}
	return []changes{
		{"tools/registry.ts", []edit{
			addImport(fmt.Sprintf("import {\n%s} from '@/tools/%s'\n", names.String(), p.ID)),
			addEntries(tools.String(), "tools"),
		}},
		{p.Registry, blocks},
		{"components/icons.tsx", []edit{addAtEnd(p.icon())}},
	}
}

//go:embed icon.tsx.txt
var iconComponent string

// icon returns the component of the icon. The fork's generators look for it in the text of the file
// with all icons.
func (p page) icon() string {
	return fmt.Sprintf(iconComponent, p.Type(), oneLine(cmp.Or(p.First().Icon, "M4 4h16v16H4z")))
}

// maps is the file with the registry of blocks since 27 June 2026.
const maps = "blocks/registry-maps.ts"

// Commands returns what to run in the root of the fork after the edits, in this order.
func (p page) Commands() []string {
	if !p.Catalogued() {
		return []string{"bun run scripts/generate-docs.ts", "bun run lint", "bun run type-check"}
	}
	return []string{
		"bun run tool-metadata:generate", "bun run scripts/generate-docs.ts", "bun run docs-manifest:generate",
		"bun run lint", "bun run check:canvas-sentences", "bun run integration-catalog:check",
		"bun run check:import-specifiers", "bun run check:bare-icons", "bun run tool-metadata:check",
		"bun run type-check",
	}
}

// Generated returns the files that the commands write, relative to the root of the fork. They
// belong into the same commit.
func (p page) Generated() []string {
	var files []string
	folder := "tools"
	if p.Catalogued() {
		files = []string{
			"apps/sim/tools/generated/*", "apps/sim/lib/integrations/icon-mapping.ts",
			"apps/sim/lib/copilot/generated/docs-manifest.ts", "packages/deployment-config/src/integrations.json",
		}
		folder = "integrations"
	}
	return append(files,
		"apps/docs/components/icons.tsx", "apps/docs/components/ui/icon-mapping.ts",
		"apps/docs/content/docs/en/"+folder+"/{"+p.ID+".mdx,meta.json}",
	)
}
