package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/export/aacflow"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/serve/mcp"
	"github.com/aacflow/segment-blocks/serve/rest"
)

// export returns the blocks in a format as a value to print. Tools have the schemas of the profile
// for agents, which every provider of models accepts.
func export(reg *registry.Registry, format string) any {
	switch format {
	case "json-schema": // one document, since files would need a folder
		var all rawjson.Object
		for _, e := range reg.Catalog() {
			both := rawjson.Object{}.Set("input", e.InputSchema).Set("output", e.OutputSchema)
			all = all.Set(e.ID, both.JSON())
		}
		return all
	case "openapi":
		return rest.OpenAPI(reg, blocks.Version())
	}
	// Lists of tools differ only in the name of the schema and in what is around it, so they are
	// made in one loop.
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
// model is to see neither. The output is a document whatever the terminal, since a person does not
// read it.
func newExport(p *Program) *cobra.Command {
	// The format aacflow is a command of its own below this one, since it has flags. Messages name
	// it beside the others all the same.
	names := []string{"anthropic", "json-schema", "mcp", "openai", "openapi"}
	cmd := command("export FORMAT", "Print the blocks as definitions for agents and other tools",
		func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return console.Usage("name one format: aacflow, %s", strings.Join(names, ", "))
			}
			if !slices.Contains(names, args[0]) {
				return console.Usage("the format must be aacflow, %s: %q%s", text.Or(names...), args[0],
					schemas.DidYouMean(args[0], append(names, "aacflow")))
			}
			return nil
		})
	cmd.ValidArgs = names
	cmd.AddCommand(newExportAACFlow(p))
	return p.runs(cmd, func(args []string, _ *settings.Settings) error {
		return p.printDocument(export(p.registry(), args[0]))
	})
}

// newExportAACFlow makes export aacflow. It is the one format of many files, and so it has a folder
// and a --force, which the other formats need not have. A workflow is one file, and goes to stdout
// without a folder.
func newExportAACFlow(p *Program) *cobra.Command {
	cmd := command("aacflow --out DIR|--apply DIR", "Write TypeScript for a fork of Sim, or a workflow to import")
	flags := cmd.Flags()
	out := flags.String("out", "", "`folder` to write to, created if missing")
	format := "native"
	addChoice(cmd, &format, "format", "native or workflow", "native", "workflow")
	block := flags.String("block", "segment_track", "block for the workflow to call")
	force := flags.Bool("force", false, "replace files that differ")
	engine := aacflow.Sim08
	addChoice(cmd, &engine, "engine", "form of Sim in the fork: "+text.Or(aacflow.Engines()...), aacflow.Engines()...)
	_ = cmd.MarkFlagDirname("out")
	// A fork gets all the files for its form of Sim, so there is no format or folder to choose.
	// Without --yes nothing is written: somebody else's code is to be looked at first.
	fork := flags.String("apply", "", "`folder` of the fork to add the blocks to; prints the differences")
	yes := flags.Bool("yes", false, "with --apply, write the differences")
	_ = cmd.MarkFlagDirname("apply")
	cmd.MarkFlagsMutuallyExclusive("apply", "out")
	cmd.MarkFlagsMutuallyExclusive("apply", "format")
	_ = cmd.RegisterFlagCompletionFunc("block", p.completeBlock)
	return p.runs(cmd, func(_ []string, _ *settings.Settings) error {
		if *fork != "" { // the flags that say otherwise exclude it
			result, err := apply(cmd.Context(), p.registry(), engine, *fork, *yes)
			if err != nil {
				return err
			}
			return p.show(result, result.tell)
		}
		var files []aacflow.File
		var err error
		switch {
		case format == "workflow":
			files, err = p.workflowFiles(*block)
		case flags.Changed("block"): // it would be ignored, and somebody expects one block
			err = console.Usage("--block is for --format workflow; native has all blocks")
		case *out == "":
			err = console.Usage("name the folder to write to, such as --out sim-blocks")
		default:
			files, err = aacflow.Native(p.registry(), aacflow.Segment(), engine)
		}
		if err != nil {
			return err
		}
		// Without this step the import looks complete and calls nothing.
		if format == "workflow" {
			defer p.Note(
				"after the import, choose the MCP server and the tool in the workflow's MCP block: %s is a placeholder",
				aacflow.PlaceholderServer,
			)
		}
		// A workflow is one file, so it can go to the next program. TypeScript is many, and the
		// case above has refused it without a folder.
		if *out == "" {
			console.WriteString(p.Stdout, string(files[0].Content))
			return nil
		}
		written, err := writeFiles(*out, files, *force)
		if err != nil {
			return err
		}
		return p.show(written, written.tell)
	})
}

// workflowFiles returns the one file of a workflow that calls a block. A block that is not there is
// a slip on the command line, not a failure of the export.
func (p *Program) workflowFiles(block string) ([]aacflow.File, error) {
	if _, err := p.find(block); err != nil {
		return nil, err
	}
	content, err := aacflow.Workflow(p.registry(), block)
	return []aacflow.File{{Path: block + ".json", Content: content}}, err
}

// placed lists generated files by what was done with them. A script can tell whether there is
// anything to commit.
type placed struct {
	Written   []string `json:"written"`
	Unchanged []string `json:"unchanged"`
}

// tell names what was written. What is unchanged is only counted: most files are, most of the time.
func (p placed) tell(w io.Writer) {
	for _, path := range p.Written {
		console.Writeln(w, "wrote "+text.Escape(path))
	}
	console.Writef(w, "%s written, %d unchanged\n", console.Count(len(p.Written), "file"), len(p.Unchanged))
}

// writeFiles writes files below a folder, all of them or none: it looks at what is there, writes
// the files to a folder of their own, and only then moves them to their places.
func writeFiles(folder string, files []aacflow.File, force bool) (placed, error) {
	// Lists are empty and not null in JSON.
	result := placed{[]string{}, []string{}}
	// What is there is looked at first, so that a refusal comes before anything is written.
	var changed []aacflow.File
	var differ []string
	for _, f := range files {
		path := filepath.Join(folder, filepath.FromSlash(f.Path))
		there, err := os.ReadFile(path)
		switch {
		case err == nil && bytes.Equal(there, f.Content): // its time stays, and no build runs again
			result.Unchanged = append(result.Unchanged, path)
			continue
		case err == nil && !force: // somebody may have edited it
			differ = append(differ, path)
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return placed{}, console.Failed("nothing was changed, cannot write: %w", err)
		}
		result.Written = append(result.Written, path)
		changed = append(changed, f)
	}
	if len(differ) > 0 {
		return placed{}, console.Usage(
			"--force replaces files that differ, without it nothing is written; %s, the first: %s",
			console.Count(len(differ), "file"), differ[0],
		)
	}
	// What is staged is on the same file system, so that a rename only has to move a name. A full
	// disk is then noticed before anything has changed.
	err := os.MkdirAll(folder, 0o755)
	staged := ""
	if err == nil {
		staged, err = os.MkdirTemp(folder, ".segment-blocks-*")
		defer func() { _ = os.RemoveAll(staged) }()
	}
	for i, f := range changed {
		if err == nil {
			err = os.WriteFile(filepath.Join(staged, strconv.Itoa(i)), f.Content, 0o644)
		}
	}
	if err != nil {
		return placed{}, console.Failed("nothing was changed, cannot write: %w", err)
	}
	// What fails now is rare, and cannot be taken back: the error says how far it came. The same
	// command again goes on, since what is written is unchanged then.
	for i, path := range result.Written {
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.Rename(filepath.Join(staged, strconv.Itoa(i)), path)
		}
		if err != nil {
			return placed{}, console.Failed("cannot write all files, %d of %d are written: %w", i, len(changed), err)
		}
	}
	return result, nil
}

// applied is what was done to a fork, or would be. Commands are the fork's own checks to run, and
// Generated the files that they write and that belong into the same commit.
type applied struct {
	Written   bool     `json:"written"`
	Changed   []string `json:"changed"`
	Commands  []string `json:"commands"`
	Generated []string `json:"generated"`
	diff      []byte
}

// apply gives a fork the blocks. Only write lets it change anything, and only in a work tree of git
// that has no other changes, so that all of it can be looked at and taken back.
func apply(
	ctx context.Context, reg *registry.Registry, engine aacflow.Engine, dir string, write bool,
) (applied, error) {
	// The folder may be the root of the repository or that of the app in it.
	app := filepath.Join(dir, "apps", "sim")
	if _, err := os.Stat(app); err != nil {
		app = dir
	}
	a, err := aacflow.Apply(reg, aacflow.Segment(), engine, os.DirFS(app))
	if errors.Is(err, os.ErrNotExist) { // a registry that this form of Sim has is not there
		return applied{}, console.Usage("name the folder of the fork, or another --engine: %w", err)
	}
	if err != nil {
		return applied{}, console.Failed("nothing was changed: %w", err)
	}
	// The differences are shown whether or not they are written: they are what a reviewer looks at.
	result := applied{Changed: []string{}, Commands: a.Commands, Generated: a.Generated}
	var files []aacflow.File
	for _, c := range a.Changes {
		result.Changed = append(result.Changed, c.Path)
		files = append(files, c.File)
		if c.Before == nil {
			result.diff = append(result.diff, "new file "+c.Path+"\n"...)
		} else {
			result.diff = append(result.diff, diff.Diff("a/"+c.Path, c.Before, "b/"+c.Path, c.Content)...)
		}
	}
	if len(files) == 0 {
		return result, nil
	}
	// Whether there is anything to change was found out first: a fork that has it all may be dirty.
	status, err := exec.CommandContext(ctx, "git", "-C", app, "status", "--porcelain").Output()
	if err != nil {
		return applied{}, console.Usage("the fork must be a git work tree, so that you can undo the edits: %s", dir)
	}
	if first, _, dirty := strings.Cut(string(status), "\n"); dirty {
		return applied{}, console.Usage("nothing was changed: commit or stash the fork's changes first: %s", first)
	}
	// The work tree is clean, so whatever is replaced can be had back.
	if write {
		_, err = writeFiles(app, files, true)
		result.Written = err == nil
	}
	return result, err
}

// tell shows people the differences, and what is left to do. The texts come from files of the fork,
// so they are escaped.
func (a applied) tell(w io.Writer) {
	if len(a.Changed) == 0 {
		console.Writeln(w, "the fork is up to date; nothing was changed")
		return
	}
	for line := range strings.Lines(string(a.diff)) {
		console.Writeln(w, text.Escape(strings.TrimSuffix(line, "\n")))
	}
	changed := console.Count(len(a.Changed), "file")
	if !a.Written {
		console.Writef(w, "\n%s to change; nothing was written; --yes writes them\n", changed)
		return
	}
	console.Writef(w, "\n%s changed. Run in the fork:\n", changed)
	for _, command := range a.Commands {
		console.Writeln(w, "  "+command)
	}
	console.Writeln(w, "and commit their output too:")
	for _, file := range a.Generated {
		console.Writeln(w, "  "+file)
	}
}
