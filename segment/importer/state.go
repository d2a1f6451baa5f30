package importer

import (
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
