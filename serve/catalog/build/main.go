// Command build bundles the catalog's page: it reads the folder app beside it and writes the files
// that package catalog embeds. Run it with go generate ./serve/catalog, after npm ci in that folder.
//
// The same sources give the same bytes, under the same names: a change of the page is a change of
// few files.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: build FOLDER")
		os.Exit(2)
	}
	if err := build(filepath.Join("..", "app"), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

// build bundles the folder app into the folder out.
func build(app, out string) error {
	if _, err := os.Stat(filepath.Join(app, "node_modules")); err != nil {
		return fmt.Errorf("the packages of the page are missing: run npm ci in serve/catalog/app: %w", err)
	}
	result := api.Build(api.BuildOptions{
		EntryPoints: []string{filepath.Join(app, "src", "app.tsx"), filepath.Join(app, "src", "style.css")},
		Outdir:      out, Write: true, Bundle: true, Splitting: true, Format: api.FormatESModule,
		EntryNames: "[name]", ChunkNames: "[name]", Target: api.ES2022, Charset: api.CharsetUTF8,
		MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true,
		JSX: api.JSXAutomatic, JSXImportSource: "preact",
		LegalComments: api.LegalCommentsNone, LogLevel: api.LogLevelWarning,
	})
	if len(result.Errors) > 0 {
		return errors.New("esbuild refused the sources")
	}
	for _, name := range []string{"index.html", "icon.svg"} {
		data, err := os.ReadFile(filepath.Join(app, "src", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
