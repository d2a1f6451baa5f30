// Command gen writes what is generated from the manifests, their schema, the error codes, and the
// schema and an example of workflow files:
//
//   - docs/blocks, docs/errors.md, docs/manifest.md and the table of blocks in the README
//   - docs/openapi.json, docs/workflow.schema.json and docs/workflow.svg
//   - the Go types of package segment
//   - the contract of each version of a block, in schemas/contracts
//
// Run it with go generate ./docs/gen. A test fails if a file is not what it would write.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/serve/rest"
	"github.com/aacflow/segment-blocks/workflow"
)

//go:generate go run .

// openAPIVersion is the version in the committed description. The one that serve returns has the
// version of the program.
const openAPIVersion = "1.0.0"

func main() {
	if err := run(filepath.Join("..", "..")); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// run writes the files below the module's root. It removes none: a test finds the pages of blocks
// that no longer exist.
func run(root string) error {
	files, err := generate(root)
	if err != nil {
		return err
	}
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns the content of every generated file, by its path below the module's root. In the
// README, only the part between the markers is generated; the rest stays as it is.
func generate(root string) (map[string][]byte, error) {
	reg := registry.New()
	if err := blocks.Register(reg); err != nil {
		return nil, err
	}
	entries := reg.Catalog()
	files, err := contracts(root, reg.All())
	if err != nil {
		return nil, err
	}
	files["docs/blocks/README.md"] = index(entries)
	for _, b := range reg.All() {
		e := reg.Entry(b)
		files["docs/blocks/"+e.Unique()+".md"] = page(e)
	}
	files["docs/workflow.schema.json"] = workflow.Schema()
	// An error names the file that cannot be written, because several files come from one source.
	for name, content := range map[string]func() ([]byte, error){
		"segment/calls.go":  func() ([]byte, error) { return calls(entries) },
		"docs/openapi.json": func() ([]byte, error) { return indented(rest.OpenAPI(reg, openAPIVersion)) },
		"docs/workflow.svg": func() ([]byte, error) {
			return drawing(filepath.Join(root, "examples/signup.workflow.yaml"))
		},
		"docs/errors.md":   func() ([]byte, error) { return errorsPage(entries) },
		"docs/manifest.md": manifestPage,
		"README.md": func() ([]byte, error) {
			return between(filepath.Join(root, "README.md"), table(entries))
		},
	} {
		if files[name], err = content(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return files, nil
}

// drawing returns the picture of a workflow. The example is one that a test runs.
func drawing(file string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	g, err := workflow.Parse(file, data)
	if err != nil {
		return nil, err
	}
	return []byte(g.SVG()), nil
}

// indented formats JSON so that its changes can be reviewed line by line.
func indented(raw json.RawMessage) ([]byte, error) {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}
