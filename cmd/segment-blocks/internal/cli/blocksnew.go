package cli

import (
	"bytes"
	"embed"
	"errors"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/schemas"
)

// starterBlock has the templates of a new block.
//
//go:embed starter/*.tmpl
var starterBlock embed.FS

// newBlocksNew makes blocks new. What it writes compiles and passes its test as it stands.
func newBlocksNew(p *Program) *cobra.Command {
	return &cobra.Command{
		Use: "new ID", Short: "Write a manifest, an executor and a test to begin with",
		Args: func(cmd *cobra.Command, args []string) error {
			if err := oneBlock(cmd, args); err != nil {
				return err
			}
			if id := args[0]; !schemas.ValidID(id) || token.IsKeyword(packageName(id)) {
				return console.Usage("an id must be lower-case words joined by underscores, 64 characters at most, "+
					"and no word of Go: %q", id)
			}
			return nil
		},
		RunE: p.settled(func(_ *cobra.Command, args []string, _ *settings.Settings) error {
			id := args[0]
			if err := writeStarter(id); err != nil {
				return err
			}
			p.Note("wrote the folder %s; inside a Go module test it with: go test ./%s", id, id)
			return nil
		}),
	}
}

// packageName returns the Go package of a block: its id without what package names do without.
func packageName(id string) string { return strings.ReplaceAll(id, "_", "") }

// writeStarter writes a folder of the block's name.
func writeStarter(id string) error {
	words := strings.Split(id, "_")
	for i, word := range words {
		words[i] = strings.ToUpper(word[:1]) + word[1:]
	}
	names := map[string]string{"ID": id, "Package": packageName(id), "Name": strings.Join(words, " ")}
	err := os.Mkdir(id, 0o755)
	if errors.Is(err, os.ErrExist) {
		return console.Usage("the folder exists already, and is left as it is: %s", id)
	}
	for file, form := range map[string]string{
		id + ".yaml": "manifest.yaml.tmpl", "block.go": "block.go.tmpl", "block_test.go": "block_test.go.tmpl",
	} {
		var b bytes.Buffer
		if err == nil {
			err = template.Must(template.ParseFS(starterBlock, "starter/"+form)).Execute(&b, names)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(id, file), b.Bytes(), 0o644)
		}
	}
	if err != nil {
		return console.Failed("cannot write the block: %w", err)
	}
	return nil
}

// newBlocksLint makes blocks lint.
func newBlocksLint(p *Program) *cobra.Command {
	return &cobra.Command{
		Use: "lint FILE…", Short: "Check manifests, and name every fault with its line",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return console.Usage("%s needs manifests: files, or folders with all they hold", cmd.CommandPath())
			}
			return nil
		},
		RunE: p.settled(func(_ *cobra.Command, args []string, s *settings.Settings) error {
			manifests, err := loadManifests(args)
			result := struct {
				Valid  bool     `json:"valid"`
				Blocks []string `json:"blocks"`
				Faults []string `json:"faults"`
			}{err == nil, []string{}, []string{}}
			for _, m := range manifests {
				result.Blocks = append(result.Blocks, m.ID)
			}
			if joined, ok := err.(interface{ Unwrap() []error }); ok {
				for _, fault := range joined.Unwrap() {
					result.Faults = append(result.Faults, fault.Error())
				}
			} else if err != nil {
				return console.Usage("%w", err)
			}
			if err := p.show(s.Output, result, func(w io.Writer) {
				for _, fault := range result.Faults {
					console.Writeln(w, fault)
				}
				if result.Valid {
					ids := strings.Join(result.Blocks, ", ")
					console.Writef(w, "%s in order: %s\n", console.Count(len(manifests), "manifest"), ids)
				}
			}); err != nil {
				return err
			}
			if !result.Valid {
				return console.End(console.ExitUsage)
			}
			return nil
		}),
	}
}
