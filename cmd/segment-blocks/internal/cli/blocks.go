package cli

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
)

// newBlocks makes the commands that show what blocks there are, and those for whoever writes them.
// They need no source.
func newBlocks(p *Program) *cobra.Command {
	return group(
		"blocks", "List, show, write and check blocks",
		newBlocksList(p), newBlocksShow(p), newBlocksSchema(p), newBlocksDiff(p), newBlocksLint(p), newBlocksNew(p),
	)
}

// listedBlock is a block in a list. blocks show has the rest of it. The keys are those of the
// catalog, so that a script can go from one to the other.
type listedBlock struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Summary  string   `json:"summary"`
	Version  string   `json:"version"`
	Category string   `json:"category"`
	Tags     []string `json:"tags"`
	schemas.Deprecation
}

// newBlocksList makes blocks list. Its JSON has a summary of each block and not the schemas, which
// would be most of the output.
func newBlocksList(p *Program) *cobra.Command {
	cmd := command("list", "List the blocks")
	search := cmd.Flags().String("search", "",
		"words that must all occur in the block's id, name, descriptions or parameters")
	category := cmd.Flags().String("category", "", "only blocks of this category")
	tag := cmd.Flags().String("tag", "", "only blocks with this tag")
	return p.runs(cmd, func(_ []string, _ *settings.Settings) error {
		// Without a match the JSON is an empty list, and no null.
		entries, categories, tags := []listedBlock{}, []string{}, []string{}
		for _, b := range p.registry().Search(*search) {
			m := b.Manifest()
			// All of them are noted before the filters apply, so that a near one can be suggested.
			categories, tags = append(categories, m.Category), append(tags, m.Tags...)
			if (*category == "" || m.Category == *category) && (*tag == "" || slices.Contains(m.Tags, *tag)) {
				one := listedBlock{m.ID, m.Name, m.Summary, m.Version, m.Category, m.Tags, m.Deprecation}
				entries = append(entries, one)
			}
		}
		return p.show(entries, func(w io.Writer) {
			// An empty list is hardly what was meant, so a word that is near is suggested.
			if len(entries) == 0 {
				near := cmp.Or(schemas.DidYouMean(*category, categories), schemas.DidYouMean(*tag, tags))
				p.Note("no block matches%s", near)
			}
			console.WriteList(w, entries, func(e listedBlock) []string {
				if e.Deprecated != "" {
					e.Summary += " (deprecated)"
				}
				return []string{e.ID, e.Category, e.Summary}
			})
		})
	})
}

// newBlocksShow makes blocks show, whose JSON is the entry of the catalog that serve and agents
// get.
func newBlocksShow(p *Program) *cobra.Command {
	cmd := command("show BLOCK", "Show a block: parameters, rules, outputs and examples", oneBlock)
	cmd.ValidArgsFunction = p.completeBlock
	return p.runs(cmd, func(args []string, _ *settings.Settings) error {
		entry, err := p.entryOf(args[0])
		if err != nil {
			return err
		}
		return p.show(entry, func(w io.Writer) { writeBlock(w, p.Style(w), entry) })
	})
}

// newBlocksSchema makes blocks schema. Its second argument is optional, because nearly everybody
// wants the schema of the input.
func newBlocksSchema(p *Program) *cobra.Command {
	which := []string{"input", "output"} // the second argument; without one it is input
	cmd := command("schema BLOCK [input|output]", "Print a block's JSON Schema", oneBlock,
		func(_ *cobra.Command, args []string) error {
			if len(args) > 1 && !slices.Contains(which, args[1]) {
				near := schemas.DidYouMean(args[1], which)
				return console.Usage("the schema must be input or output: %q%s", args[1], near)
			}
			return nil
		})
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 1 {
			return which, cobra.ShellCompDirectiveNoFileComp
		}
		return p.completeBlock(cmd, args, typed)
	}
	return p.runs(cmd, func(args []string, _ *settings.Settings) error {
		entry, err := p.entryOf(args[0])
		if err != nil {
			return err
		}
		// A schema is for a program, so there is no form of it for people.
		schema := entry.InputSchema
		if len(args) == 2 && args[1] == "output" {
			schema = entry.OutputSchema
		}
		return p.printDocument(schema)
	})
}

// entryOf returns the entry of a block in the catalog, or an error that suggests a similar id. It
// is what REST and agents get, so that all three describe a block in the same way.
func (p *Program) entryOf(id string) (registry.Entry, error) {
	b, err := p.find(id)
	if err != nil {
		return registry.Entry{}, err
	}
	return p.registry().Entry(b), nil
}

// writeBlock writes what a person needs in order to use a block, with examples as commands to copy.
// Programs get the entry of the catalog, which has the schemas too.
func writeBlock(w io.Writer, s console.Style, e registry.Entry) {
	console.Writef(w, "%s  %s\n%s\n\n", s.Strong(e.ID), e.Name, e.Summary)
	width := console.PageWidth(w)
	if notice := e.Notice(); notice != "" { // first, before somebody reads on for nothing
		console.Writef(w, "%s\n", console.Wrap("Deprecated: "+notice, "", width))
	}
	console.Writef(w, "%s\n%s\n", console.Wrap(e.Description, "", width), console.Wrap(e.WhenToUse, "", width))
	console.Writeln(w, s.Strong("Input"))
	console.WriteTableWithin(w, fieldRows(e.Input, ""), width)
	// What Segment itself demands is in no column of the table: every parameter is optional there.
	if len(e.Rules) > 0 {
		console.Writef(w, "\n%s\n", s.Strong("Rules"))
		for _, rule := range e.Rules {
			console.WriteString(w, console.Hang("  ", rule, width))
		}
	}
	console.Writef(w, "\n%s\n", s.Strong("Output"))
	console.WriteTableWithin(w, fieldRows(e.Output, ""), width)
	// The examples are those of the manifest, which a test runs.
	if len(e.Examples) > 0 {
		console.Writef(w, "\n%s\n", s.Strong("Examples"))
		for _, x := range e.Examples {
			input := shellQuote(string(x.Input.JSON()))
			console.Writef(w, "  %s\n    segment-blocks run %s --input %s\n", x.Title, e.ID, input)
		}
	}
	if len(e.Changes) > 0 {
		console.Writef(w, "\n%s\n", s.Strong("Changes"))
		for _, c := range e.Changes {
			console.WriteString(w, console.Hang("  "+c.Version+"  ", c.Text, console.PageWidth(w)))
		}
	}
	console.Writef(w, "\nversion %s, %s, tags %s\n", e.Version, e.Category, strings.Join(e.Tags, ", "))
	if e.Link != "" {
		console.Writeln(w, e.Link)
	}
}

// fieldRows lists the name, kind and description of fields and, indented, of those inside them. A
// field without one type lists its kinds.
func fieldRows(fields []schemas.Field, indent string) [][]string {
	var rows [][]string
	for _, f := range fields {
		kind := f.Type
		if kind == "" { // an output is not bound to the host's types
			kinds := make([]string, len(f.Kinds))
			for i, k := range f.Kinds {
				kinds[i] = string(k)
			}
			kind = strings.Join(kinds, "|")
		}
		if f.Secret { // it has no flag, and this is why
			kind = strings.TrimPrefix(kind+", secret", ", ")
		}
		rows = append(rows, []string{indent + f.Name, kind, f.Description})
		rows = append(rows, fieldRows(f.Fields, indent+"  ")...)
	}
	return rows
}

// shellQuote quotes text for a POSIX shell, so that an example can be copied as it stands.
func shellQuote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// starterBlock has the templates of a new block.
//
//go:embed starter/*.tmpl
var starterBlock embed.FS

// newBlocksNew makes blocks new. What it writes compiles and passes its test as it stands.
func newBlocksNew(p *Program) *cobra.Command {
	cmd := command("new ID", "Write a starter block: manifest, executor and test",
		func(cmd *cobra.Command, args []string) error {
			if err := oneBlock(cmd, args); err != nil {
				return err
			}
			// The id is the name of a Go package too.
			if id := args[0]; !schemas.ValidID(id) || token.IsKeyword(packageName(id)) {
				return console.Usage("an id must be lower-case words joined by underscores, 64 characters at most, "+
					"and no word of Go: %q", id)
			}
			return nil
		})
	return p.runs(cmd, func(args []string, _ *settings.Settings) error {
		id := args[0]
		if err := writeStarter(id); err != nil {
			return err
		}
		p.Note("wrote the folder %s; inside a Go module test it with: go test ./%s", id, id)
		return nil
	})
}

// packageName returns the Go package of a block: its id without underscores, which Go's style keeps
// out of the names of packages.
func packageName(id string) string { return strings.ReplaceAll(id, "_", "") }

// writeStarter writes a folder of the block's name.
func writeStarter(id string) error {
	words := strings.Split(id, "_")
	for i, word := range words {
		words[i] = strings.ToUpper(word[:1]) + word[1:]
	}
	// A folder that exists may hold somebody's work, so nothing is written into it: Mkdir fails.
	names := map[string]string{"ID": id, "Package": packageName(id), "Name": strings.Join(words, " ")}
	err := os.Mkdir(id, 0o755)
	if errors.Is(err, os.ErrExist) {
		return console.Usage("the folder already exists and was not changed: %s", id)
	}
	// The templates are part of the program, and a test writes them out, so parsing cannot fail.
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

// newBlocksLint makes blocks lint. Its result is the faults, so they go to stdout. A file that
// cannot be read is no result, and an error on stderr.
func newBlocksLint(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "lint FILE…", Short: "Check manifests and print every fault with its line",
		Args: needs(1, "%[1]s needs manifests: files or folders"),
	}
	return p.runs(cmd, func(args []string, _ *settings.Settings) error {
		manifests, faults, err := loadManifests(args)
		if err != nil {
			return err
		}
		result := struct {
			Valid  bool     `json:"valid"`
			Blocks []string `json:"blocks"`
			Faults []string `json:"faults"`
		}{len(faults) == 0, []string{}, append([]string{}, faults...)}
		for _, m := range manifests {
			result.Blocks = append(result.Blocks, m.ID)
		}
		// The code is that of an input that is not valid, which a manifest is here.
		exit := console.ExitOK
		if !result.Valid {
			exit = console.ExitUsage
		}
		return p.conclude(exit, result, func(w io.Writer) {
			for _, fault := range result.Faults {
				console.Writeln(w, fault)
			}
			if result.Valid {
				ids := strings.Join(result.Blocks, ", ")
				console.Writef(w, "%s valid: %s\n", console.Count(len(manifests), "manifest"), ids)
			}
		})
	})
}
