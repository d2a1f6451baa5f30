// Command build bundles the catalog's page: it reads the folder app beside it and writes the files
// that package catalog embeds. Run it with go generate ./serve/catalog, after npm ci in app.
//
// The same sources give the same bytes, under the same names: a change of the page is a change of
// few files.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

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
		Outdir:      out, Bundle: true, Splitting: true, Format: api.FormatESModule,
		EntryNames: "[name]", ChunkNames: "[name]-[hash]", Target: api.ES2022, Charset: api.CharsetUTF8,
		MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true,
		// Elements are made with h itself: preact's jsx-runtime would be one more function to load.
		JSX: api.JSXTransform, JSXFactory: "h", JSXFragment: "Fragment", TsconfigRaw: "{}",
		Inject:        []string{filepath.Join(app, "src", "jsx.ts")},
		LegalComments: api.LegalCommentsNone, LogLevel: api.LogLevelWarning, Metafile: true,
	})
	if len(result.Errors) > 0 {
		return errors.New("esbuild refused the sources")
	}
	var bundle metafile
	if err := json.Unmarshal([]byte(result.Metafile), &bundle); err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil { // which may hold files of earlier sources
		return err
	}
	if err := os.Mkdir(out, 0o755); err != nil {
		return err
	}
	plain := plainNames(bundle)
	for _, file := range result.OutputFiles {
		path := filepath.Join(out, plain.Replace(filepath.Base(file.Path)))
		if err := os.WriteFile(path, []byte(plain.Replace(string(file.Contents))), 0o644); err != nil {
			return err
		}
	}
	if err := writeLicenses(app, out, bundle); err != nil {
		return err
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

// metafile is what esbuild tells of a bundle.
type metafile struct {
	Inputs  map[string]struct{}
	Outputs map[string]struct{ Inputs map[string]struct{} }
}

// plainNames replaces the names of files with a hash by names without one. Files that several
// screens share, which esbuild calls chunk, are numbered in the order of what is in them.
func plainNames(bundle metafile) *strings.Replacer {
	hashed := regexp.MustCompile(`^(.*)-[0-9A-Z]{8}\.js$`)
	var names []string
	shared := map[string]string{} // what is in a chunk: its name
	for path, output := range bundle.Outputs {
		name := filepath.Base(path)
		switch m := hashed.FindStringSubmatch(name); {
		case m == nil:
		case m[1] == "chunk":
			shared[strings.Join(slices.Sorted(maps.Keys(output.Inputs)), " ")] = name
		default:
			names = append(names, name, m[1]+".js")
		}
	}
	for i, inputs := range slices.Sorted(maps.Keys(shared)) {
		names = append(names, shared[inputs], fmt.Sprintf("shared%d.js", i+1))
	}
	return strings.NewReplacer(names...)
}

var packageOf = regexp.MustCompile(`node_modules/((?:@[^/]+/)?[^/]+)/`)

// writeLicenses writes the licences of the packages that the bundle holds, as they demand.
func writeLicenses(app, out string, bundle metafile) error {
	packages := map[string]bool{}
	for input := range bundle.Inputs {
		if m := packageOf.FindStringSubmatch(input); m != nil {
			packages[m[1]] = true
		}
	}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		license, err := os.ReadFile(filepath.Join(app, "node_modules", name, "LICENSE"))
		if err != nil {
			return fmt.Errorf("a package has no licence: %w", err)
		}
		fmt.Fprintf(&text, "%s\n\n%s\n\n", name, strings.TrimSpace(string(license)))
	}
	return os.WriteFile(filepath.Join(out, "licenses.txt"), []byte(strings.TrimSpace(text.String())+"\n"), 0o644)
}
