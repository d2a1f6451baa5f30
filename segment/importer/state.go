package importer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// State is what an import remembers in a file, so that it can go on after having been killed.
type State struct {
	Version int `json:"version"`
	// Done tells that everything has been accepted or rejected.
	Done bool `json:"done"`
	Plan Plan `json:"plan"`
	// Position is where to go on: everything before it has been accepted, or is in the file of rejects.
	Position Position `json:"position"`
	Counts   Counts   `json:"counts"`
	// Ahead is how many events behind the position had been accepted as well. They are sent once more, with the ids that they had.
	Ahead int64 `json:"ahead"`
	// RejectsBytes is how long the file of rejects was.
	RejectsBytes int64 `json:"rejectsBytes"`
	// RejectsFile is its path.
	RejectsFile string `json:"rejectsFile,omitempty"`
	// Cut tells that a packed file ended too early: the whole one may take its place.
	Cut     bool      `json:"cut,omitempty"`
	Updated time.Time `json:"updated"`
}

// Counts are what an import has done, over all runs of it.
type Counts struct {
	// Events are the lines or rows that are not empty.
	Events int64 `json:"events"`
	// Accepted events have been confirmed by the receiver, Rejected ones were not sent.
	Accepted int64 `json:"accepted"`
	Rejected int64 `json:"rejected"`
	// Repeated is how many had been accepted and were sent again after a stop, at least: what was sent in the last moment before a kill
	// is not counted.
	Repeated int64 `json:"repeated"`
	// Duplicates is how many events gave the messageId of an earlier one, at least: the latest 100,000 ids of a run are remembered.
	Duplicates int64 `json:"duplicates,omitempty"`
	// Requests, Attempts and Bytes are those of the receipts.
	Requests int64   `json:"requests"`
	Attempts int64   `json:"attempts"`
	Bytes    int64   `json:"bytes"`
	Seconds  float64 `json:"seconds"`
}

// Plan is what must be the same for an import to go on.
type Plan struct {
	// Source is the name of the source, Credential the fingerprint of its key, and Endpoint where it sends.
	Source       string     `json:"source"`
	Credential   string     `json:"credential"`
	Endpoint     string     `json:"endpoint"`
	Type         string     `json:"type,omitempty"`
	Map          []string   `json:"map,omitempty"`
	Delimiter    string     `json:"delimiter,omitempty"`
	InvocationID string     `json:"invocationId,omitempty"`
	Files        []PlanFile `json:"files"`
}

// PlanFile is one of the files. Its name is for people only.
type PlanFile struct {
	Name   string `json:"name"`
	ID     string `json:"id"`
	Size   int64  `json:"size,omitempty"`
	Format Format `json:"format"`
	// Whole is the ID of the whole file that came in the place of one that was cut, whose ID goes on to make the messageIds.
	Whole string `json:"whole,omitempty"`
}

// Adopt takes the file of an earlier plan for the one at hand: where that is the whole one which came for one that was cut, or, with cut, one
// that begins with all that the earlier had.
func (p Plan) Adopt(i int, in *Input, cut bool) (adopted bool) {
	f := p.Files[i]
	whole := f.Whole != "" && f.Whole == in.ID
	if !whole && (!cut || f.ID == in.ID || f.Size <= 0 || !in.beginsWith(f.Size, f.ID)) {
		return false
	}
	p.Files[i].Whole, in.ID = in.ID, f.ID
	return true
}

// Difference says in words what another plan has otherwise, or returns "".
func (p Plan) Difference(other Plan) string {
	for _, c := range []struct{ what, was, is string }{
		{"the source", p.Source, other.Source},
		{"the write key", p.Credential, other.Credential},
		{"the endpoint", p.Endpoint, other.Endpoint},
		{"--type", p.Type, other.Type},
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

// OtherContents tells whether a file that has the name of one here holds something else.
func (p Plan) OtherContents(other Plan) bool {
	for i, f := range p.Files {
		if i < len(other.Files) && f.ID != other.Files[i].ID && filepath.Base(f.Name) == filepath.Base(other.Files[i].Name) {
			return true
		}
	}
	return false
}

const stateVersion = 2

// ReadState reads the state that an earlier run has left, nil where there is none.
func ReadState(path string) (*State, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // there being none is no failure
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the state of the import: %w", err)
	}
	s := &State{}
	if err := json.Unmarshal(data, s); err != nil || s.Version != stateVersion || len(s.Plan.Files) == 0 {
		return nil, fmt.Errorf("this is no state of an import that this release can go on with; name another with --state, or take it away: %q", path)
	}
	return s, nil
}

// write replaces the file by a new one, whole or not at all.
func (s *State) write(path string) error {
	s.Version, s.Updated = stateVersion, time.Now().UTC().Truncate(time.Second)
	data, err := json.MarshalIndent(s, "", "  ")
	if err == nil {
		err = replaceFile(path, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("cannot write the state of the import: %w", err)
	}
	return nil
}

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
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
