package cli

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/segment/importer"
)

// lock keeps another process from importing the same, or into the same file of rejects, at the same time: both would write the state and the
// rejects.
func (r *importRun) lock() (release func(), err error) {
	var held []func()
	release = func() {
		for _, one := range held {
			one()
		}
	}
	if path := r.options.RejectsPath; path != "" {
		info, err := os.Stat(filepath.Dir(resolved(path)))
		switch {
		case err != nil:
			return nil, console.Usage("cannot write the rejects: %w", err)
		case !info.IsDir():
			return nil, console.Usage("the rejects must be in a folder: %q", path)
		}
	}
	for _, l := range []struct{ path, what, taken string }{
		{r.options.StatePath, "the state of the import", "another process is importing this"},
		{r.options.RejectsPath, "the rejects", "another process is writing its rejects to the same file"},
	} {
		if info, err := os.Stat(l.path); l.path == "" || err == nil && !info.Mode().IsRegular() {
			continue // a device takes what anybody writes
		}
		file := flock.New(resolved(l.path) + ".lock")
		switch ok, err := file.TryLock(); {
		case err != nil:
			release()
			return nil, console.Failed("cannot lock %s: %w", l.what, err)
		case !ok:
			release()
			return nil, console.Failed("%s: it holds %q", l.taken, l.path+".lock")
		}
		// The file stays: if it were removed, another process could lock a file that has no name
		// any more.
		held = append(held, func() { _ = file.Unlock() })
	}
	return release, nil
}

// earlier finds what an earlier run has left: a state to go on from, or that of an import which was finished.
func (r *importRun) earlier() (finished *importer.State, err error) {
	o := &r.options
	var state *importer.State
	if o.StatePath != "" {
		if state, err = importer.ReadState(o.StatePath); err != nil {
			return nil, console.Usage("%w", err)
		}
	}
	if r.flags.restart {
		return nil, nil //nolint:nilnil // nothing counts
	}
	difference := ""
	if state != nil {
		r.adopt(state)
		difference = state.Plan.Difference(o.Plan)
	}
	switch {
	case state != nil && state.Done && difference == "":
		return state, nil
	case state != nil && state.Done && r.target.emulator != nil && state.Plan.Source != o.Plan.Source:
		o.StatePath = "" // what was sent to a source stays known
	case state != nil && state.Done && state.Plan.OtherContents(o.Plan):
		return nil, console.Usage("this file was imported on %s and has changed since: all its events would be sent as new ones, and those that were sent count twice; "+
			"import the new lines from a file of their own, send everything with --restart, or name another state with --state where this is another file: %q",
			state.Updated.Format(time.RFC3339), o.Inputs[0].Path)
	case state != nil && !state.Done && !r.flags.resume:
		return nil, console.Usage("an earlier run has not finished this import: --resume goes on after %s, --restart begins again; it is described in %q",
			console.Count(int(state.Counts.Events), "event"), o.StatePath)
	case state != nil && !state.Done && difference != "":
		return nil, console.Usage("cannot resume, because %s; --restart begins again", difference)
	case state != nil && !state.Done:
		r.goOnRejecting(state)
		o.State = state
		r.program.Note("going on after %s, at line %d of %s", console.Count(int(state.Counts.Events), "event"), state.Position.Line, r.fileAt(state.Position))
		return nil, nil //nolint:nilnil // o.State has it
	case r.flags.resume:
		r.program.Note("there is nothing to go on from, so this begins at the beginning")
	}
	return nil, r.keepRejects()
}

// adopt recognises the whole file that came in the place of one that was cut, so that the import goes on as the same.
func (r *importRun) adopt(state *importer.State) {
	o := &r.options
	if len(state.Plan.Files) != len(o.Inputs) {
		return
	}
	for i, in := range o.Inputs {
		if state.Plan.Adopt(i, in, state.Cut && i == state.Position.File) {
			o.Plan.Files[i] = state.Plan.Files[i]
			o.Plan.Files[i].Name = in.Path
		}
	}
}

// goOnRejecting lets an import go on with another file of rejects where the first one is not to be had any more, or is full.
func (r *importRun) goOnRejecting(state *importer.State) {
	path := r.options.RejectsPath
	if state.RejectsBytes == 0 || state.RejectsFile == "" || sameFile(path, state.RejectsFile) {
		return
	}
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		return // it was moved, or is not long enough
	}
	r.program.Note("further rejects go to %s; those of the earlier run are in %s", path, state.RejectsFile)
	state.RejectsBytes = 0
}

// keepRejects refuses to overwrite what an earlier import has left.
func (r *importRun) keepRejects() error {
	if r.options.RejectsPath == "" {
		return nil
	}
	if info, err := os.Stat(r.options.RejectsPath); err == nil && info.Size() > 0 {
		return console.Usage("there are rejects of an earlier import, which would be lost: name another file with --rejects, or move %q away", r.options.RejectsPath)
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		return console.Usage("cannot write the rejects: %w", err)
	}
	return nil
}

func (r *importRun) fileAt(at importer.Position) string {
	if at.File < len(r.options.Inputs) {
		return r.options.Inputs[at.File].Path
	}
	return "the end"
}
