package importer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/gofrs/flock"

	"github.com/aacflow/segment-blocks/internal/paths"
	"github.com/aacflow/segment-blocks/internal/text"
)

// begin finds the position to start at, looks at the files, opens the rejects and writes the first
// state. It tells whether an earlier run has finished the import.
func (im *Import) begin(ctx context.Context) (finished bool, err error) {
	if im.written, err = im.earlier(); err != nil {
		return false, &InputError{err}
	}
	s := &im.written
	s.Plan, im.counts = im.plan, s.Counts
	if s.Done {
		return true, nil
	}
	im.counts.Repeated += s.Ahead
	im.reader = im.newReader(s.Position)
	if err := im.describe(ctx); err != nil {
		return false, err
	}
	if s.Position.Offset > 0 { // before anything is written, in case the file was edited
		if err := im.reader.openFile(ctx); err != nil {
			return false, err
		}
	}
	im.next = im.reader.at
	// The state is written after that, so that there is none if the rejects cannot be written.
	if im.rejects, err = openRejects(im.options.RejectsPath, s.RejectsBytes); err != nil {
		return false, err
	}
	im.rejects.count = im.counts.Rejected
	if err = im.checkpoint(); err != nil {
		err = errors.Join(err, im.rejects.close())
	}
	return false, err
}

// note passes a sentence on to Note.
func (im *Import) note(format string, args ...any) {
	if im.options.Note != nil {
		im.options.Note(fmt.Sprintf(format, args...))
	}
}

// earlier returns the state that an earlier run has left, to continue from or of a finished import.
// It returns the zero value to start at the beginning.
func (im *Import) earlier() (s state, err error) {
	o := &im.options
	if s, err = readState(o.StatePath); err != nil || o.Restart {
		return state{}, err
	}
	changed, edited := im.plan.adopt(&s, im.inputs)
	difference := s.Plan.difference(&im.plan)
	finished, resumes := s.Updated.Format(time.RFC3339), s.Version != 0 && !s.Done
	switch {
	case s.Version == 0 && o.Resume:
		im.note("there is no import to resume, so this starts at the beginning")
	case s.Version == 0:
	case s.Version != stateVersion:
		return s, fmt.Errorf("the state was written by another release, which gives events other messageIds;"+
			" continue with that release, or send everything as new events with --restart: %q", o.StatePath)
	case s.Done && difference == "" && !changed:
		im.note("this import was finished on %s, and nothing is sent again; --restart starts it again", finished)
		return s, nil
	case s.Done && difference == "":
		im.note("%s has changed since it was imported on %s; continuing behind the imported part, at line %d",
			o.Files[s.Position.File], finished, s.Position.Line)
		s.Done, s.Counts, s.Ahead = false, Counts{}, 0
	case s.Done && edited:
		return s, fmt.Errorf("this file was imported on %s and has changed since: all its events would be sent as"+
			" new ones, and those that were sent would count twice; import the new lines from a file of their own,"+
			" send everything with --restart, or, if this is another file, name another state with --state: %q",
			finished, o.Files[0])
	case s.Done: // this import replaces the state of another
		s = state{}
	case !o.Resume:
		return s, fmt.Errorf("an earlier run has not finished this import: --resume continues after %s events,"+
			" --restart starts again; the state of the import is in %q", text.Grouped(s.Counts.Events), o.StatePath)
	case difference != "":
		return s, fmt.Errorf("cannot resume, because %s; --restart starts again", difference)
	case s.Counts.Events == 0:
		im.note("the earlier run has sent nothing, so this starts at the beginning")
	default:
		im.note("continuing after %s events, at line %d of %s", text.Grouped(s.Counts.Events), s.Position.Line,
			o.Files[s.Position.File])
	}
	return s, im.placeRejects(&s, resumes)
}

// placeRejects decides where the rejects go: behind those of the earlier run, or into a new file if
// the import is resumed with one. It refuses to overwrite any others.
func (im *Import) placeRejects(s *state, resumes bool) error {
	path := im.options.RejectsPath
	switch size := sizeOf(path); {
	case size == s.RejectsBytes || resumes && paths.Same(path, s.RejectsFile):
		return nil
	case size > 0:
		return fmt.Errorf("the rejects of an earlier import would be lost;"+
			" name another file with --rejects, or move this one: %q", path)
	case resumes:
		im.note("further rejects go to %s; those of the earlier run are in %s", path, s.RejectsFile)
	}
	s.RejectsBytes = 0
	return nil
}

// lock keeps other processes from writing the same state or rejects at the same time. It leaves no
// files behind.
func (im *Import) lock() (release func(), err error) {
	var held []*flock.Flock
	release = func() {
		for _, file := range held {
			_ = os.Remove(file.Path()) // before others can lock it; see tryLock
			_ = file.Unlock()
		}
	}
	for _, l := range []struct{ path, what, flag, taken string }{
		{im.options.StatePath, "the state of the import", "--state", "another process is importing this"},
		{im.options.RejectsPath, "the rejects", "--rejects", "another process is writing its rejects to the same file"},
	} {
		if info, err := os.Stat(l.path); l.path == "" || err == nil && !info.Mode().IsRegular() {
			continue // anybody may write to a device
		}
		file := flock.New(paths.Resolve(l.path) + ".lock")
		ok, err := tryLock(file)
		if err == nil && !ok {
			err = fmt.Errorf("%s: it holds %q", l.taken, l.path+".lock")
		} else if err != nil {
			err = &InputError{unwritable(l.what, l.flag, &fs.PathError{Op: "open", Path: l.path, Err: reason(err)})}
		}
		if err != nil {
			release()
			return nil, err
		}
		held = append(held, file)
	}
	return release, nil
}

// tryLock locks a file that its holder removes. The holder may do so between our opening and
// locking it, and then the lock is on a file without a name, and keeps nobody away.
func tryLock(file *flock.Flock) (bool, error) {
	for {
		if ok, err := file.TryLock(); !ok || err != nil {
			return false, err
		}
		locked, err := file.Stat()
		if named, missing := os.Stat(file.Path()); err == nil && missing == nil && os.SameFile(locked, named) {
			return true, nil
		}
		if err := errors.Join(err, file.Unlock()); err != nil {
			return false, err
		}
	}
}
