package importer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"

	"github.com/aacflow/segment-blocks/internal/paths"
	"github.com/aacflow/segment-blocks/internal/text"
)

// state is what an import remembers in a file, so that it can go on after having been killed.
type state struct {
	Version int `json:"version"`
	// Done tells that everything has been accepted or rejected.
	Done bool `json:"done"`
	Plan plan `json:"plan"`
	// Position is where to go on: everything before it has been accepted, or is in the file of
	// rejects.
	Position position `json:"position"`
	Counts   Counts   `json:"counts"`
	// Ahead is how many events behind the position had been accepted as well. They are sent once
	// more, with the ids that they had.
	Ahead int64 `json:"ahead"`
	// RejectsBytes is how long the file of rejects was, and RejectsFile its path.
	RejectsBytes int64     `json:"rejectsBytes"`
	RejectsFile  string    `json:"rejectsFile,omitempty"`
	Updated      time.Time `json:"updated"`
}

// stateVersion changes with what messageIds are derived from, so that no release goes on with
// events that another one has sent under other ids.
const stateVersion = 3

// plan is what must be the same for an import to go on.
type plan struct {
	Source       string     `json:"source"`
	Credential   string     `json:"credential"` // the fingerprint of the write key
	Endpoint     string     `json:"endpoint"`
	Type         string     `json:"type,omitempty"`
	Encoding     Encoding   `json:"encoding"`
	TimeFormat   TimeFormat `json:"timeFormat,omitempty"`
	TimeZone     string     `json:"timeZone,omitempty"`
	Map          []string   `json:"map,omitempty"`
	Delimiter    string     `json:"delimiter,omitempty"`
	InvocationID string     `json:"invocationId,omitempty"`
	Part         *Part      `json:"part,omitempty"`
	Files        []planFile `json:"files"`
}

// planFile is one of the files. Its name is for people only.
type planFile struct {
	Name   string `json:"name"`
	ID     string `json:"id"` // what it was when the import began, from which messageIds are derived
	Format Format `json:"format"`
	// Latest is the id of what the file has become since, such as by growing.
	Latest string `json:"latest,omitempty"`
}

// newPlan describes an import. It has the fingerprint of the write key in place of the key, since
// the state is a file that people pass around.
func newPlan(o *Options, inputs []*input) plan {
	p := plan{
		Source: o.Source, Credential: o.Key.Fingerprint(), Endpoint: o.Endpoint, Type: string(o.Type), Map: o.Map,
		Delimiter: string(rune(o.Delimiter)), InvocationID: o.InvocationID, Part: o.Part,
		Encoding: o.Encoding, TimeFormat: o.TimeFormat, TimeZone: o.TimeZone,
	}
	for _, in := range inputs {
		p.Files = append(p.Files, planFile{Name: in.path, ID: in.id, Format: in.format})
	}
	return p
}

// adopt takes files for those of an earlier plan: one that has not changed since, or one of which
// not all was imported. Whether the part that was is still the same is found out when reading goes
// on there. It tells whether any has changed.
func (p *plan) adopt(s *state, inputs []*input) (changed bool) {
	if len(s.Plan.Files) != len(inputs) {
		return false
	}
	for i, in := range inputs {
		was, f := s.Plan.Files[i], &p.Files[i]
		known := in.id == was.ID || in.id == was.Latest
		changed = changed || !known
		sameName := filepath.Base(f.Name) == filepath.Base(was.Name)
		if known || i >= s.Position.File && (sameName || !s.Done) {
			if in.id != was.ID {
				f.Latest = in.id
			}
			f.ID, in.id = was.ID, was.ID
		}
	}
	return changed
}

// difference says in words what another plan has otherwise, or returns "".
func (p *plan) difference(other *plan) string {
	for _, c := range []struct{ what, was, is string }{
		{"the source", p.Source, other.Source},
		{"the write key", p.Credential, other.Credential},
		{"the endpoint", p.Endpoint, other.Endpoint},
		// These change the messageIds or what the events become, so what was sent would count
		// twice.
		{"--type", p.Type, other.Type},
		{"--encoding", string(p.Encoding), string(other.Encoding)},
		{"--time-format", string(p.TimeFormat), string(other.TimeFormat)},
		{"--time-zone", p.TimeZone, other.TimeZone},
		{"--delimiter", p.Delimiter, other.Delimiter},
		{"--invocation-id", p.InvocationID, other.InvocationID},
	} {
		if c.was != c.is {
			return fmt.Sprintf("%s was %q and is %q", c.what, c.was, c.is)
		}
	}
	if !slices.Equal(p.Map, other.Map) {
		return fmt.Sprintf("--map was %q and is %q", p.Map, other.Map)
	}
	if (p.Part == nil) != (other.Part == nil) || p.Part != nil && *p.Part != *other.Part {
		return "another part of the file was imported"
	}
	if len(p.Files) != len(other.Files) {
		return fmt.Sprintf("the files were %d and are %d", len(p.Files), len(other.Files))
	}
	for i, f := range p.Files {
		o := other.Files[i]
		if f.ID != o.ID {
			return fmt.Sprintf("the contents of the file have changed since: %q", o.Name)
		}
		if f.Format != o.Format {
			return fmt.Sprintf("the format was %s and is %s: %q", f.Format, o.Format, o.Name)
		}
	}
	return ""
}

// sameName tells whether a file here has the name of the one in its place there.
func (p *plan) sameName(other *plan) bool {
	for i, f := range p.Files[:min(len(p.Files), len(other.Files))] {
		if filepath.Base(f.Name) == filepath.Base(other.Files[i].Name) {
			return true
		}
	}
	return false
}

// lock keeps another process from importing the same, or into the same file of rejects, at the same
// time: both would write the state and the rejects. It leaves no files behind.
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
			continue // a device takes what anybody writes
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

// tryLock locks a file that its holder removes. Between opening and locking it, the holder may have
// removed it, and the lock on a file without a name keeps nobody away.
func tryLock(file *flock.Flock) (bool, error) {
	for {
		ok, err := file.TryLock()
		if !ok || err != nil {
			return false, err
		}
		locked, err := file.Stat()
		if err == nil {
			named, missing := os.Stat(file.Path())
			if missing == nil && os.SameFile(locked, named) {
				return true, nil
			}
		}
		if err := errors.Join(err, file.Unlock()); err != nil {
			return false, err
		}
	}
}

// begin finds where to go on, looks at the files, opens the rejects and writes the first state. It
// tells whether an earlier run has finished the import.
func (im *Import) begin(ctx context.Context) (finished bool, err error) {
	earlier, err := im.earlier()
	if err != nil {
		return false, &InputError{err}
	}
	im.written = state{Plan: im.plan, RejectsFile: im.options.RejectsPath}
	if earlier != nil {
		im.written, im.counts = *earlier, earlier.Counts
		im.written.Plan = im.plan
		if earlier.Done {
			im.note("this import was finished on %s, and nothing is sent again; --restart begins it anew",
				earlier.Updated.Format(time.RFC3339))
			return true, nil
		}
		im.counts.Repeated += earlier.Ahead
	}
	im.reader = im.newReader(im.written.Position)
	im.next = im.reader.at
	if err := im.describe(ctx); err != nil {
		return false, err
	}
	if im.next.Offset > 0 { // before anything is written, since it finds out whether the file was edited
		if err := im.reader.openFile(ctx); err != nil {
			return false, err
		}
	}
	// The file of rejects is opened first, so that one which cannot be written is known before
	// anything is sent, and so that rejects never stand without a state.
	if im.rejects, err = openRejects(im.options.RejectsPath, im.written.RejectsBytes); err != nil {
		return false, err
	}
	im.rejects.count = im.counts.Rejected
	if im.written.Counts.Events == 0 && im.options.StatePath != "" {
		im.written.Position = im.next
		if err = im.written.write(im.options.StatePath); err != nil {
			return false, errors.Join(err, im.rejects.close())
		}
	}
	return false, nil
}

// note tells a sentence, if anyone listens.
func (im *Import) note(format string, args ...any) {
	if im.options.Note != nil {
		im.options.Note(fmt.Sprintf(format, args...))
	}
}

// earlier returns what an earlier run has left: a state to go on from, that of an import which was
// finished, or nil to begin at the beginning.
func (im *Import) earlier() (*state, error) {
	o := &im.options
	s, err := readState(o.StatePath)
	if err != nil || o.Restart {
		return nil, err
	}
	difference, changed := "", false
	if s != nil {
		if s.Version != stateVersion {
			return nil, fmt.Errorf("the state is that of another release, which gives events other messageIds:"+
				" go on with that release, or send everything as new events with --restart: %q", o.StatePath)
		}
		changed = im.plan.adopt(s, im.inputs)
		difference = s.Plan.difference(&im.plan)
	}
	switch {
	case s != nil && s.Done && difference == "" && !changed:
		return s, nil
	case s != nil && s.Done && difference == "":
		im.note("%s has changed since it was imported on %s: going on behind what was imported, at line %d",
			o.Files[s.Position.File], s.Updated.Format(time.RFC3339), s.Position.Line)
		s.Done, s.Counts, s.Ahead = false, Counts{}, 0
		return s, im.appendRejects(s)
	case s != nil && s.Done && changed && s.Plan.sameName(&im.plan):
		return nil, fmt.Errorf("this file was imported on %s and has changed since: all its events would be sent as"+
			" new ones, and those that were sent count twice; import the new lines from a file of their own,"+
			" send everything with --restart, or name another state with --state where this is another file: %q",
			s.Updated.Format(time.RFC3339), o.Files[0])
	case s == nil || s.Done:
		if o.Resume {
			im.note("there is nothing to go on from, so this begins at the beginning")
		}
		return nil, im.keepRejects()
	case !o.Resume:
		return nil, fmt.Errorf("an earlier run has not finished this import: --resume goes on after %s events,"+
			" --restart begins again; it is described in %q", text.Grouped(s.Counts.Events), o.StatePath)
	case difference != "":
		return nil, fmt.Errorf("cannot resume, because %s; --restart begins again", difference)
	}
	im.moveRejects(s)
	if s.Counts.Events == 0 {
		im.note("the earlier run has sent nothing, so this begins at the beginning")
		return s, nil
	}
	im.note("going on after %s events, at line %d of %s", text.Grouped(s.Counts.Events), s.Position.Line,
		o.Files[s.Position.File])
	return s, nil
}

// moveRejects lets an import go on with another file of rejects where the first one is gone, or is
// full.
func (im *Import) moveRejects(s *state) {
	path := im.options.RejectsPath
	if s.RejectsBytes == 0 || s.RejectsFile == "" || paths.Same(path, s.RejectsFile) {
		return
	}
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		return // it was moved, or is not long enough
	}
	im.note("further rejects go to %s; those of the earlier run are in %s", path, s.RejectsFile)
	s.RejectsBytes = 0
}

// appendRejects lets the rejects of what was added to a file go behind those of before, where these
// are as they were left.
func (im *Import) appendRejects(s *state) error {
	if info, err := os.Stat(im.options.RejectsPath); err == nil && info.Size() == s.RejectsBytes {
		return nil
	}
	s.RejectsBytes = 0
	return im.keepRejects()
}

// keepRejects refuses to overwrite the rejects of an earlier import.
func (im *Import) keepRejects() error {
	path := im.options.RejectsPath
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		return fmt.Errorf("there are rejects of an earlier import, which would be lost:"+
			" name another file with --rejects, or move %q away", path)
	}
	return nil
}

// readState reads the state that an earlier run has left, nil where there is none.
func readState(path string) (*state, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // there being none is no failure
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the state of the import: %w", err)
	}
	s := &state{}
	if err := json.Unmarshal(data, s); err != nil || s.Version == 0 || len(s.Plan.Files) == 0 {
		return nil, fmt.Errorf("this is no state of an import; name another file with --state, or remove this one: %q", path)
	}
	return s, nil
}

// write replaces the file by a new one, whole or not at all.
func (s *state) write(path string) error {
	s.Version, s.Updated = stateVersion, time.Now().UTC().Truncate(time.Second)
	data, err := json.MarshalIndent(s, "", "  ")
	if err == nil {
		err = replaceFile(path, append(data, '\n'))
	}
	if err != nil {
		return unwritable("the state of the import", "--state", err)
	}
	return nil
}

// replaceFile writes beside the file and renames, so that a kill leaves the old file or the new
// one.
func replaceFile(path string, data []byte) error {
	f, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	// The new contents are on disk before they take the name.
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
