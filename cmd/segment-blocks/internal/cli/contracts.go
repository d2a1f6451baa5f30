package cli

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/internal/loopback"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/schemas/contract"
)

// newBlocksDiff makes blocks diff. Its exit code is for CI: it is 0 if each version is high enough,
// even if something has changed.
func newBlocksDiff(p *Program) *cobra.Command {
	const lacking = "%[1]s needs two places: files or folders of manifests, commits, or URLs of services"
	cmd := command("diff OLD NEW", "Compare manifests, and say which version a change needs",
		needs(2, lacking), cobra.ArbitraryArgs)
	return p.runs(cmd, func(args []string, _ *settings.Settings) error {
		before, err := p.contractsAt(cmd.Context(), args[0], args[1])
		if err != nil {
			return err
		}
		after, err := p.contractsAt(cmd.Context(), args[1], args[0])
		if err != nil {
			return err
		}
		// The changes are the result in any case. If a version is too low, an error says that too,
		// because CI shows both.
		diffs := contract.CompareAll(before, after)
		if err := p.show(diffs, func(w io.Writer) { writeDiffs(w, p.Style(w), diffs) }); err != nil {
			return err
		}
		wrong := 0 // blocks that CI must fail for
		for _, d := range diffs {
			if !d.Versioned {
				wrong++
			}
		}
		if wrong > 0 {
			return console.Failed("%s changed more than the version says", console.Count(wrong, "block"))
		}
		return nil
	})
}

// writeDiffs writes a line for each block and, below it, one for each change.
func writeDiffs(w io.Writer, s console.Style, diffs []contract.Diff) {
	// The first that holds is the verdict: what CI fails for comes before what is allowed.
	for _, d := range diffs {
		verdict := "unchanged"
		switch {
		case d.Needs == "":
			verdict = s.Bad("gone")
		case !d.Versioned:
			verdict = s.Bad("needs " + d.Needs)
		case d.Before == "":
			verdict = "new"
		case d.Breaking():
			verdict = "breaking, and a new major version"
		case len(d.Changes) > 0:
			verdict = "compatible"
		}
		console.Writef(w, "%s  %s  %s\n", s.Strong(d.Block), versions(d), verdict)
		var rows [][]string
		for _, c := range d.Changes {
			if c.Part == "block" {
				continue // the verdict says so
			}
			effect := "compatible"
			if c.Breaking {
				effect = "breaking"
			}
			rows = append(rows, []string{effect, c.Part + " " + c.Path, c.Message})
		}
		console.WriteTableWithin(w, rows, console.PageWidth(w))
	}
}

// versions says from which version to which a block went. One that is new or gone has only one.
func versions(d contract.Diff) string {
	if d.Before == "" || d.After == "" || d.Before == d.After {
		return cmp.Or(d.After, d.Before)
	}
	return d.Before + " → " + d.After
}

// loadManifests reads manifests from files and folders. The faults are all that is wrong with all
// of them; the error says that one is not there.
func loadManifests(places []string) (manifests []*schemas.Manifest, faults []string, err error) {
	folders := map[string][]string{} // to the files that were named in them; nil is all
	for _, place := range places {
		info, err := os.Stat(place)
		switch {
		case err != nil:
			return nil, nil, console.Usage("cannot read manifests: %w", err)
		case info.IsDir():
			folders[filepath.Clean(place)] = nil
			continue
		case filepath.Ext(place) != ".yaml":
			return nil, nil, console.Usage("a manifest is a file that ends in .yaml: %s", place)
		}
		// If a folder itself is named, all of its files count, in whatever order the places come.
		folder := filepath.Dir(place)
		if names, ok := folders[folder]; !ok || names != nil {
			folders[folder] = append(names, filepath.Base(place))
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		list, wrong := loadFolder(os.DirFS(folder), folder, folders[folder]...)
		manifests, faults = append(manifests, list...), append(faults, wrong...)
	}
	return manifests, faults, nil
}

// loadFolder reads a folder as one, since manifests may refer to definitions in a file beside them.
// A fault that begins with a file gets the folder in front: editors open a file from such a text if
// it leads there from the current folder.
func loadFolder(files fs.FS, folder string, named ...string) (list []*schemas.Manifest, faults []string) {
	list, err := schemas.Load(files, named...)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("the folder has no manifest: %s", folder)
	}
	if err == nil {
		return list, nil
	}
	for fault := range strings.SplitSeq(err.Error(), "\n") { // joined errors have a line each
		if strings.Contains(fault, ".yaml:") && folder != "." {
			fault = folder + string(filepath.Separator) + fault
		}
		faults = append(faults, fault)
	}
	return nil, faults
}

// contractsAt returns the contracts at a place: a service, a published contract, manifests, or a
// commit with manifests where beside, the other place of a comparison, has them.
func (p *Program) contractsAt(ctx context.Context, place, beside string) ([]contract.Contract, error) {
	if strings.HasPrefix(place, "http://") || strings.HasPrefix(place, "https://") {
		return p.contractsOf(ctx, strings.TrimRight(place, "/")+"/v1/blocks")
	}
	if filepath.Ext(place) == ".json" {
		// Any JSON can be decoded into a contract, so what it must have is looked for.
		var c contract.Contract
		data, err := os.ReadFile(place)
		if err == nil {
			err = json.Unmarshal(data, &c)
		}
		if err == nil && (c.ID == "" || c.InputSchema == nil || c.OutputSchema == nil) {
			err = errors.New("it has no id, inputSchema or outputSchema")
		}
		if err != nil {
			return nil, console.Usage("cannot read the contract %s: %w", place, err)
		}
		return []contract.Contract{c}, nil
	}
	// A file or folder comes before a commit: a branch that is called as a folder can be named by
	// its hash, and a folder has no other name.
	load := func() ([]*schemas.Manifest, []string, error) { return loadManifests([]string{place}) }
	if _, missing := os.Stat(place); errors.Is(missing, fs.ErrNotExist) && filepath.Ext(place) != ".yaml" {
		load = func() ([]*schemas.Manifest, []string, error) { return committed(ctx, place, beside) }
	}
	manifests, faults, err := load()
	switch {
	case err != nil:
		return nil, err
	case faults != nil:
		return nil, console.Faults(console.CodeUsage, place+" has no manifests to compare", faults)
	}
	var list []contract.Contract
	for _, m := range manifests {
		list = append(list, contract.Of(m))
	}
	return list, nil
}

// contractsOf asks a service for its catalog. The token is that of the service here, so it goes
// only over TLS or to this machine.
func (p *Program) contractsOf(ctx context.Context, address string) ([]contract.Contract, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, console.Usage("the service's URL is not valid: %w", err)
	}
	token := ""
	if u.Scheme == "https" || loopback.Host(u.Hostname()) {
		token = p.Variable(tokenVariable)
	}
	// A catalog of many blocks may take longer than the few bytes that doctor asks for.
	a, err := network().SetTimeout(time.Minute).R().SetContext(ctx).SetAuthToken(token).Get(address)
	if err != nil {
		message := "cannot reach the service: " + bare(err).Error()
		return nil, console.Fail(console.ExitUnreachable, "unavailable", message, err)
	}
	if a.StatusCode() != http.StatusOK {
		return nil, console.Failed("the service answered %s instead of its catalog: %s", a.Status(), address)
	}
	// Any service of another kind may answer 200 as well.
	var catalog struct{ Blocks []registry.Entry }
	if err := json.Unmarshal(a.Body(), &catalog); err != nil {
		return nil, console.Failed("the service's answer is not a catalog: %s: %w", address, err)
	}
	// What clients rely on is what the service says now, whatever manifests it was built from.
	var list []contract.Contract
	for _, e := range catalog.Blocks {
		list = append(list, contract.New(e.ID, e.Version, e.InputSchema, e.OutputSchema, e.Refused))
	}
	return list, nil
}

// committed reads the manifests of a commit, a branch or a tag: those of the file or folder that
// beside names, or of the current folder where it names neither. It reads an archive of them, since
// checking the commit out would touch the user's work tree.
func committed(ctx context.Context, ref, beside string) ([]*schemas.Manifest, []string, error) {
	// The commit is read where the other place lies, which may be another repository than that of
	// the current folder.
	folder, named := ".", []string{}
	if info, err := os.Stat(beside); err == nil && info.IsDir() {
		folder = beside
	} else if err == nil {
		folder, named = filepath.Dir(beside), []string{filepath.Base(beside)}
	}
	// A name that begins with a dash is not to be taken for an option of git's.
	commit, err := git(ctx, folder, "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}")
	if err != nil {
		return nil, nil, noCommit(ref, folder, err)
	}
	// These are the files that a folder is searched for: the * of a glob does not go into folders.
	archive, err := git(ctx, folder, "archive", "--format=zip", strings.TrimSpace(commit), ":(glob)*.yaml")
	if err != nil {
		return nil, nil, noCommit(ref, folder, err)
	}
	// A packed file is a file system, and so is read as a folder is. A file that the commit does
	// not have would otherwise count as one without manifests.
	files, err := zip.NewReader(strings.NewReader(archive), int64(len(archive)))
	for _, name := range named {
		if err == nil {
			_, err = fs.Stat(files, name)
		}
	}
	if err != nil {
		return nil, nil, console.Usage("%s: cannot read manifests: %w", ref, err)
	}
	manifests, faults := loadFolder(files, folder, named...)
	return manifests, faults, nil
}

// noCommit says why a place that is no file, folder or URL is no commit either. Mostly it is a
// misspelt path, so the message begins with that.
func noCommit(ref, folder string, err error) error {
	const what = "cannot read manifests: no file or folder has this name, and "
	var failed *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return console.Usage(what+"git, which reads those of a commit, is not installed: %s", ref)
	case errors.As(err, &failed) && bytes.Contains(failed.Stderr, []byte("not a git repository")):
		return console.Usage(what+"%s is not in a git repository, so this cannot be a commit: %s", folder, ref)
	case errors.As(err, &failed) && len(failed.Stderr) > 0:
		return console.Usage(what+"git fails: %s: %s", text.OneLine(string(failed.Stderr)), ref)
	case errors.As(err, &failed):
		return console.Usage(what+"no commit, branch or tag either: %s", ref)
	}
	return console.Failed("cannot run git: %w", err)
}

// git runs git in a folder and returns what it prints. Its messages are in English whatever the
// user's language, since noCommit reads them.
func git(ctx context.Context, folder string, arguments ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", arguments...)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	return string(out), err
}
