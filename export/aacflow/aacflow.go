// Package aacflow generates what a fork of Sim, such as AACFlow, needs to have the blocks of a registry as its own.
//
//	files, err := aacflow.Native(reg, aacflow.Segment())
//	workflow, err := aacflow.Workflow(reg, "segment_track")
//
// Native returns TypeScript: a tool for each block, one block of the canvas that has them as its operations, and what to add to the fork's
// registries. The tools call the REST API of package rest, so that inputs are judged here and nowhere else. What they say of a
// block is taken from its manifest.
//
// Workflow returns a file to import, for a host that has the blocks through MCP.
package aacflow

//go:generate go run ../../cmd/segment-blocks export aacflow --out ../../examples/aacflow --force
//go:generate go run ../../cmd/segment-blocks export aacflow --format workflow --out ../../examples/aacflow-workflow --force

import (
	"bytes"
	"embed"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"github.com/aacflow/segment-blocks/registry"
)

// File is one generated file.
type File struct {
	// Path is below the folder of the app in the fork, with slashes.
	Path    string
	Content []byte
}

// Integration is what the canvas shows of a vendor, and no manifest says.
type Integration struct {
	// ID names the folder and the block, and with an underscore it starts the ids of the blocks: segment, segment_track.
	ID string
	// Name is for people, Summary one line without a full stop, Description prose.
	Name, Summary, Description string
	// Operations are blocks, without the prefix, in the order of the form. The first is what a new block starts with. Those not named
	// follow, sorted.
	Operations []string
	// Color is that of the block's tile, as CSS has it.
	Color string
	// Docs and Home are addresses: of a guide, and of the vendor.
	Docs, Home string
	// Tags are of the host's own list.
	Tags []string
	// Variables is what the names of the host's variables start with: SEGMENT_BLOCKS for SEGMENT_BLOCKS_URL.
	Variables string
	// Strokes are the lines of the icon, as SVG paths in a square of 24.
	Strokes []string
}

// Segment returns the integration of the blocks in schemas/segment.
func Segment() Integration {
	return Integration{
		ID: "segment", Name: "Segment",
		Summary:     "Send events and customer data to Segment",
		Description: "Tell Segment what users do, who they are and which account they belong to, one call at a time or many at once.",
		Operations:  []string{"track", "identify", "page", "screen", "group", "alias", "batch"},
		Color:       "#1B4B5A",
		Docs:        "https://github.com/aacflow/segment-blocks/blob/main/docs/aacflow.md",
		Home:        "https://segment.com",
		Tags:        []string{"data-analytics", "events", "marketing"},
		Variables:   "SEGMENT_BLOCKS",
		Strokes:     []string{"M3 12h18", "M7 12c5 0 4-7 9-7h5", "M7 12c5 0 4 7 9 7h5"},
	}
}

// Native returns the files that a fork adds, sorted by path: TypeScript, and two pages that say what to do with it. The blocks are
// those of reg whose ids start with that of the integration. It fails where a manifest has a name that the host keeps for itself.
func Native(reg *registry.Registry, in Integration) ([]File, error) {
	ops, err := operationsOf(reg, in)
	if err != nil {
		return nil, fmt.Errorf("generate native blocks: %w", err)
	}
	all, err := template.New("").Delims("[[", "]]").Funcs(template.FuncMap{
		"comment": comment, "quote": quote, "join": strings.Join,
		"literal": literal, "key": key, "access": access,
	}).ParseFS(templates, "templates/*.tmpl")
	if err != nil {
		return nil, fmt.Errorf("generate native blocks: %w", err)
	}
	folder := "tools/" + in.ID + "/"
	page := newPage(in, ops)
	var files []File
	add := func(path, name string, data any) {
		var b bytes.Buffer
		if e := all.ExecuteTemplate(&b, name, data); e != nil && err == nil {
			err = fmt.Errorf("generate %s: %w", path, e)
		}
		files = append(files, File{path, b.Bytes()})
	}
	for _, op := range ops {
		add(folder+op.Name+".ts", "tool.ts.tmpl", op)
	}
	add(folder+"index.ts", "index.ts.tmpl", page)
	add(folder+"service.ts", "service.ts.tmpl", page)
	add(folder+"types.ts", "types.ts.tmpl", page)
	add("blocks/blocks/"+in.ID+".ts", "block.ts.tmpl", page)
	add("components/"+in.ID+"-icon.tsx", "icon.tsx.tmpl", page)
	add("README.md", "README.md.tmpl", page)
	add("REGISTRY.md", "REGISTRY.md.tmpl", page)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files, nil
}

//go:embed templates
var templates embed.FS
