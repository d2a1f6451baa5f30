package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/export/aacflow"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/registry"
)

// addApply adds the flags that give a fork the blocks.
func addApply(cmd *cobra.Command) (fork *string, yes *bool) {
	fork = cmd.Flags().String("apply", "", "folder of a fork to add the blocks to; shows the differences")
	yes = cmd.Flags().Bool("yes", false, "with --apply, write them")
	_ = cmd.MarkFlagDirname("apply")
	cmd.MarkFlagsMutuallyExclusive("apply", "out")
	cmd.MarkFlagsMutuallyExclusive("apply", "format")
	return fork, yes
}

// applied is what was done to a fork, or would be.
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
	app := filepath.Join(dir, "apps", "sim")
	if _, err := os.Stat(app); err != nil {
		app = dir
	}
	a, err := aacflow.Apply(reg, aacflow.Segment(), engine, os.DirFS(app))
	if errors.Is(err, os.ErrNotExist) {
		return applied{}, console.Usage("name the folder of the fork, or another --engine: %w", err)
	}
	if err != nil {
		return applied{}, console.Failed("nothing was changed: %w", err)
	}
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
	status, err := exec.CommandContext(ctx, "git", "-C", app, "status", "--porcelain").Output()
	if err != nil {
		return applied{}, console.Usage("the fork must be a work tree of git, so that the edits can be taken back: %s", dir)
	}
	if first, _, dirty := strings.Cut(string(status), "\n"); dirty {
		return applied{}, console.Usage("commit or stash what the fork has, nothing was changed; the first: %s", first)
	}
	if write {
		_, err = place(app, files, true)
		result.Written = err == nil
	}
	return result, err
}

// tell shows people the differences, and what is left to do.
func (a applied) tell(w io.Writer) {
	if len(a.Changed) == 0 {
		console.Writeln(w, "the fork has all of it; nothing was changed")
		return
	}
	for line := range strings.Lines(string(a.diff)) {
		console.Writeln(w, text.Escape(strings.TrimSuffix(line, "\n")))
	}
	if !a.Written {
		console.Writef(w, "\n%s to change; nothing was written, --yes writes it\n", console.Count(len(a.Changed), "file"))
		return
	}
	console.Writef(w, "\n%s changed. Run in the fork:\n", console.Count(len(a.Changed), "file"))
	for _, command := range a.Commands {
		console.Writeln(w, "  "+command)
	}
	console.Writeln(w, "and commit what they write too:")
	for _, file := range a.Generated {
		console.Writeln(w, "  "+file)
	}
}
