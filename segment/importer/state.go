package importer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/aacflow/segment-blocks/internal/paths"
	"github.com/aacflow/segment-blocks/internal/text"
)

// state is what the state file holds, so that an import can continue after a kill.
type state struct {
	Version int `json:"version"`
	// Done tells that every event has been accepted or rejected.
	Done bool `json:"done"`
	Plan plan `json:"plan"`
	// Position is where the next run continues: every event before it has been accepted, or is in
	// the file of rejects.
	Position position `json:"position"`
	Counts   Counts   `json:"counts"`
	// Ahead is how many events behind the position have been accepted, too. The next run sends them
	// again, with the same messageIds.
	Ahead int64 `json:"ahead"`
	// RejectsBytes is the size of the file of rejects, and RejectsFile its path.
	RejectsBytes int64     `json:"rejectsBytes"`
	RejectsFile  string    `json:"rejectsFile,omitempty"`
	Updated      time.Time `json:"updated"`
}

// stateVersion changes with the way messageIds are derived, so that no release continues an import
// in which another one has sent events with other ids.
const stateVersion = 3

// plan is what must be the same for an import to continue.
type plan struct {
	// Options are those that change where events go, what they become, or their messageIds. With
	// other ones, events that were sent would be sent again and count twice.
	Options map[string]string `json:"options"`
	Files   []planFile        `json:"files"`
}

// planFile is one of the files. Its name is for people only.
type planFile struct {
	Name string `json:"name"`
	ID   string `json:"id"` // when the import began; messageIds are derived from it
	// Latest is the id that the file has now, if it has grown or was edited since.
	Latest string `json:"latest,omitempty"`
}

// newPlan returns the plan of an import. It has the fingerprint of the write key in place of the
// key, because people pass state files around.
func newPlan(o *Options, inputs []*input) plan {
	part := ""
	if o.Part != nil {
		part = fmt.Sprintf("%d-%d", o.Part.From, o.Part.To)
	}
	p := plan{Options: map[string]string{
		"source": o.Source, "endpoint": o.Endpoint, "write key": o.Key.Fingerprint(), "part of the file": part,
		"--type": string(o.Type), "--map": strings.Join(o.Map, "\n"), "--delimiter": string(rune(o.Delimiter)),
		"--encoding": string(o.Encoding), "--time-format": string(o.TimeFormat), "--time-zone": o.TimeZone,
		"--invocation-id": o.InvocationID,
	}}
	for i, in := range inputs {
		p.Options[fmt.Sprintf("format of file %d", i+1)] = string(in.format)
		p.Files = append(p.Files, planFile{Name: in.path, ID: in.id})
	}
	return p
}

// adopt gives files the ids that they have in an earlier plan, if they have not changed since, or
// were not imported to their end. Opening such a file checks that the imported part is as it was.
// Changed tells whether any file has changed, edited whether one of these still has its name.
func (p *plan) adopt(s *state, inputs []*input) (changed, edited bool) {
	if len(s.Plan.Files) != len(inputs) {
		return false, false
	}
	for i, in := range inputs {
		was, f := s.Plan.Files[i], &p.Files[i]
		known := in.id == was.ID || in.id == was.Latest
		named := filepath.Base(f.Name) == filepath.Base(was.Name)
		changed, edited = changed || !known, edited || !known && named
		if known || i >= s.Position.File && (named || !s.Done) {
			if in.id != was.ID {
				f.Latest = in.id
			}
			f.ID, in.id = was.ID, was.ID
		}
	}
	return changed, edited
}

// difference says in words what is different in another plan, or returns "".
func (p *plan) difference(other *plan) string {
	if len(p.Files) != len(other.Files) {
		return fmt.Sprintf("the files were %d and are %d", len(p.Files), len(other.Files))
	}
	for _, name := range slices.Sorted(maps.Keys(other.Options)) {
		if was, is := p.Options[name], other.Options[name]; was != is {
			if !strings.HasPrefix(name, "--") {
				name = "the " + name
			}
			return fmt.Sprintf("%s was %q and is %q", name, was, is)
		}
	}
	for i, o := range other.Files {
		if p.Files[i].ID != o.ID {
			return fmt.Sprintf("the contents of the file have changed since: %q", o.Name)
		}
	}
	return ""
}

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

// sizeOf returns the size of a file, 0 where there is none.
func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// readState reads the state that an earlier run has left, the zero value where there is none.
func readState(path string) (s state, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("cannot read the state of the import: %w", err)
	}
	err = json.Unmarshal(data, &s)
	if at := s.Position; err != nil || s.Version == 0 || at.File < 0 || at.File >= len(s.Plan.Files) ||
		at.Line < 0 || at.Offset < 0 || s.RejectsBytes < 0 {
		return s, fmt.Errorf("the file does not hold the state of an import; name another file with --state,"+
			" or remove this one: %q", path)
	}
	return s, nil
}

// write replaces the file. It writes a new one beside it and renames that, so a kill leaves the old
// file or the new one.
func (s *state) write(path string) error {
	s.Version, s.Updated = stateVersion, time.Now().UTC().Truncate(time.Second)
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return unwritable("the state of the import", "--state", err)
	}
	_, err = f.Write(append(data, '\n'))
	if err == nil {
		err = f.Sync() // the new contents are on disk before they take the name
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return unwritable("the state of the import", "--state", errors.Join(err, os.Remove(f.Name())))
	}
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
