// Package aacflow generates what a fork of Sim, such as AACFlow, needs to offer the blocks of a
// registry natively.
//
//	files, err := aacflow.Native(reg, aacflow.Segment(), aacflow.Sim08)
//	workflow, err := aacflow.Workflow(reg, "segment_track")
//
// Native returns TypeScript: a tool for each block, one canvas block with the tools as its
// operations, and the lines to add to the fork's registries. The tools call the REST API of package
// rest, so only this side validates inputs. Their descriptions come from the manifests. Apply also
// edits the fork's registries.
//
// Workflow returns a workflow to import into a host that reaches the blocks through MCP.
package aacflow

//go:generate go run ../../cmd/segment-blocks export aacflow --out ../../examples/aacflow --force
//go:generate go run ../../cmd/segment-blocks export aacflow --format workflow --force --out ../../examples/aacflow-workflow

import (
	"bytes"
	"embed"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
)

// A File is one generated file.
type File struct {
	// Path is relative to the folder of the app, apps/sim, and has slashes.
	Path    string
	Content []byte
}

// An Integration describes a vendor on the canvas. It has what no manifest says.
type Integration struct {
	// ID names the folder and the canvas block, such as segment. The ids of the vendor's blocks
	// start with it and an underscore: segment_track.
	ID string
	// Name is for people, Summary is one line without a full stop, and Description is prose.
	Name, Summary, Description string
	// Operations are the ids of blocks without the prefix, in the order of the form. A new canvas
	// block starts with the first one, and has its icon and color. Other blocks of the vendor
	// follow, sorted.
	Operations []string
	// Home is the URL of the vendor.
	Home string
	// Tags are from the host's own list.
	Tags []string
	// Variables is the prefix of the environment variables that the tools read, such as
	// SEGMENT_BLOCKS for SEGMENT_BLOCKS_URL.
	Variables string
}

// Segment returns the integration of the blocks in schemas/segment.
func Segment() Integration {
	return Integration{
		ID: "segment", Name: "Segment",
		Summary: "Send events and customer data to Segment",
		Description: "Tell Segment what users do, who they are and which account they belong to, one call at a " +
			"time or many at once.",
		Operations: []string{"track", "identify", "page", "screen", "group", "alias", "batch"},
		Home:       "https://segment.com",
		Tags:       []string{"data-analytics", "events", "marketing"},
		Variables:  "SEGMENT_BLOCKS",
	}
}

// Native returns the files to add to a fork, sorted by path: TypeScript, and two pages that say
// what to do with it. It takes the blocks of reg whose ids start with the integration's id. It
// fails if a manifest uses a name that the host reserves or a category that it lacks, or the engine
// is unknown.
func Native(reg *registry.Registry, in Integration, engine Engine) ([]File, error) {
	files, _, err := generate(reg, in, engine)
	return files, err
}

func generate(reg *registry.Registry, in Integration, engine Engine) ([]File, page, error) {
	p, err := newPage(reg, in, engine)
	if err != nil {
		return nil, p, fmt.Errorf("generate native blocks: %w", err)
	}
	all, folder := parsedTemplates(), "tools/"+in.ID+"/"
	var files []File
	add := func(path, name string, data any) {
		var b bytes.Buffer
		if e := all.ExecuteTemplate(&b, name, data); e != nil && err == nil {
			err = fmt.Errorf("generate %s: %w", path, e)
		}
		files = append(files, File{path, b.Bytes()})
	}
	for _, op := range p.Operations {
		add(folder+op.Name+".ts", "tool.ts.tmpl", op)
	}
	add(folder+"index.ts", "index.ts.tmpl", p)
	add(folder+"service.ts", "service.ts.tmpl", p)
	add(folder+"types.ts", "types.ts.tmpl", p)
	add("blocks/blocks/"+in.ID+".ts", "block.ts.tmpl", p)
	add("README.md", "README.md.tmpl", p)
	add("REGISTRY.md", "REGISTRY.md.tmpl", p)
	if err != nil {
		return nil, p, err
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files, p, nil
}

//go:embed templates
var templates embed.FS

func parsedTemplates() *template.Template {
	return template.Must(template.New("").Delims("[[", "]]").Funcs(template.FuncMap{
		"comment": comment, "oneLine": oneLine, "quote": quote, "key": key, "access": access, "title": title,
		"prose": prose, "list": list, "object": object, "literal": literal, "declaration": declaration, "array": array,
		"json":  func(text string) string { return string(rawjson.Quote(text)) },
		"fixed": fixed, "formatType": formatType, "placeholder": placeholder,
		// The host refers to the block of the call by its title, in lower case and without spaces.
		"reference": func(id string) string { return strings.ReplaceAll(id, "_", "") },
	}).ParseFS(templates, "templates/*.tmpl"))
}
