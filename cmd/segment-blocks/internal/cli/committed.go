package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/schemas"
)

// committed reads the manifests of a commit, a branch or a tag: those of the file or folder that
// beside names, or of the current folder where it names neither.
func committed(ctx context.Context, ref, beside string) ([]*schemas.Manifest, error) {
	folder, only := ".", ""
	if info, err := os.Stat(beside); err == nil && info.IsDir() {
		folder = beside
	} else if err == nil {
		folder, only = filepath.Dir(beside), filepath.Base(beside)
	}
	commit, err := git(ctx, folder, "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}")
	if err != nil {
		return nil, noCommit(ref, folder, err)
	}
	commit = strings.TrimSpace(commit)
	list, err := git(ctx, folder, "ls-tree", "-z", "--name-only", commit)
	if err != nil {
		return nil, noCommit(ref, folder, err)
	}
	copied, err := os.MkdirTemp("", "segment-blocks-")
	if err != nil {
		return nil, console.Failed("cannot copy manifests of a commit: %w", err)
	}
	defer func() { _ = os.RemoveAll(copied) }()
	for name := range strings.SplitSeq(list, "\x00") {
		if filepath.Ext(name) != ".yaml" {
			continue
		}
		content, err := git(ctx, folder, "cat-file", "blob", commit+":./"+name)
		if err == nil {
			err = os.WriteFile(filepath.Join(copied, name), []byte(content), 0o600)
		}
		if err != nil {
			return nil, console.Failed("cannot read %s of %s: %w", name, ref, err)
		}
	}
	manifests, err := loadManifests([]string{filepath.Join(copied, only)})
	if err != nil {
		return nil, console.Usage("%s: %s", ref, strings.ReplaceAll(err.Error(), copied, folder))
	}
	return manifests, nil
}

// noCommit says why a place that is no file, folder or URL is no commit either.
func noCommit(ref, folder string, err error) error {
	const what = "cannot read manifests: no file or folder has this name, and "
	var failed *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return console.Usage(what+"git, which reads those of a commit, is not installed: %s", ref)
	case errors.As(err, &failed) && bytes.Contains(failed.Stderr, []byte("not a git repository")):
		return console.Usage(what+"%s is in no git repository, whose commits it could be one of: %s", folder, ref)
	case errors.As(err, &failed) && len(failed.Stderr) > 0:
		return console.Usage(what+"git fails: %s: %s", text.OneLine(string(failed.Stderr)), ref)
	case errors.As(err, &failed):
		return console.Usage(what+"no commit, branch or tag either: %s", ref)
	}
	return console.Failed("cannot run git: %w", err)
}

// git runs git in a folder and returns what it prints.
func git(ctx context.Context, folder string, arguments ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", arguments...)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	return string(out), err
}
