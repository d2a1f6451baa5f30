package aacflow

import (
	"cmp"
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

// Engine is the form of Sim that a fork has, named by its version or by the month since which the
// form is current.
type Engine string

const (
	// Sim08 is Sim v0.8 of August 2026 and later. It alone has sentences on the cards of the
	// canvas, templates and skills.
	Sim08 Engine = "sim-0.8"
	// Sim202605 is the form from 21 March 2026 on, with categories of integrations.
	Sim202605 Engine = "sim-2026-05"
	// Sim202602 is the form before, which is that of AACFlow's own pages.
	Sim202602 Engine = "sim-2026-02"
)

// Engines returns all engines, the newest first. The first loses nothing that a manifest says, and
// no older one does so.
func Engines() []Engine { return []Engine{Sim08, Sim202605, Sim202602} }

func (e Engine) check() error {
	if slices.Contains(Engines(), e) {
		return nil
	}
	return fmt.Errorf("the engine must be one of %q: %q", Engines(), string(e))
}

// changes are the edits of a file that a fork has, whose path is relative to the folder of the app.
type changes struct {
	Path  string
	Edits []edit
}

// An edit adds lines to a file.
type edit struct {
	// Where tells people the place.
	Where string
	// Kind is how the place is found.
	Kind editKind
	// List is the constant of the object that entries go into, or several, parted by |.
	List string
	Text string
}

type editKind int

const (
	imports editKind = iota // among the imports, by the name of the module
	entries                 // in the object List, by key
	ending                  // at the end
)

// Changes are what the fork's own files need.
func (p page) Changes() []changes {
	var names, tools strings.Builder
	for _, op := range p.Sorted() {
		fmt.Fprintf(&names, "  %s,\n", op.Const())
		fmt.Fprintf(&tools, "  %s: %s,\n", op.ID, op.Const())
	}
	const amongImports = "Among the imports"
	block := p.Type() + "Block"
	constant, imported := "registry", block
	if p.Engine == Sim08 {
		constant, imported = "BLOCK_REGISTRY", block+", "+block+"Meta"
	}
	blocks := []edit{
		{amongImports, imports, "", fmt.Sprintf("import { %s } from '@/blocks/blocks/%s'\n", imported, p.ID)},
		{"In the object `" + constant + "`", entries, "BLOCK_REGISTRY|registry", "  " + p.ID + ": " + block + ",\n"},
	}
	if p.Engine == Sim08 {
		const metas = "BLOCK_META_REGISTRY"
		entry := "  " + p.ID + ": " + block + "Meta,\n"
		blocks = append(blocks, edit{"In the object `" + metas + "`", entries, metas, entry})
	}
	return []changes{
		{"tools/registry.ts", []edit{
			{amongImports, imports, "", fmt.Sprintf("import {\n%s} from '@/tools/%s'\n", names.String(), p.ID)},
			{"In the object `tools`", entries, "tools", tools.String()},
		}},
		{p.Registry, blocks},
		{"components/icons.tsx", []edit{{"At the end", ending, "", p.icon()}}},
	}
}

//go:embed icon.tsx.txt
var iconComponent string

// icon is the component of the icon. The generators of the fork look for it in the text of the file
// that has all icons.
func (p page) icon() string {
	return fmt.Sprintf(iconComponent, p.Type(), oneLine(cmp.Or(p.First().Icon, "M4 4h16v16H4z")))
}

// maps is the file of the blocks' registry since 27 June 2026.
const maps = "blocks/registry-maps.ts"

// Commands are to be run in the root of the fork after the edits, in this order.
func (p page) Commands() []string {
	switch p.Engine {
	case Sim08:
		return []string{
			"bun run tool-metadata:generate", "bun run scripts/generate-docs.ts", "bun run docs-manifest:generate",
			"bun run lint", "bun run check:canvas-sentences", "bun run integration-catalog:check",
			"bun run check:import-specifiers", "bun run check:bare-icons", "bun run tool-metadata:check",
			"bun run type-check",
		}
	default:
		return []string{"bun run scripts/generate-docs.ts", "bun run lint", "bun run type-check"}
	}
}

// Generated are the files that the commands write and that belong in the same commit, from the root
// of the fork.
func (p page) Generated() []string {
	docs := []string{
		"apps/docs/components/icons.tsx", "apps/docs/components/ui/icon-mapping.ts",
		"apps/docs/content/docs/en/" + map[bool]string{true: "integrations", false: "tools"}[p.Engine == Sim08] +
			"/{" + p.ID + ".mdx,meta.json}",
	}
	if p.Engine != Sim08 {
		return docs
	}
	return append([]string{
		"apps/sim/tools/generated/*", "apps/sim/lib/integrations/icon-mapping.ts",
		"apps/sim/lib/copilot/generated/docs-manifest.ts", "packages/deployment-config/src/integrations.json",
	}, docs...)
}
