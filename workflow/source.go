package workflow

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson/yamljson"
)

// Fault is one thing that is wrong with a file.
type Fault = yamljson.Fault

// FileError lists what is wrong with a workflow file, in the order of the file. Nothing has been
// sent.
type FileError struct {
	File   string  `json:"file"`
	Faults []Fault `json:"faults"`
	// Unlisted counts the faults that are not listed.
	Unlisted int `json:"unlisted,omitempty"`
}

// Error returns a line for each fault: order.workflow.yaml:7:12: what is wrong.
func (f *FileError) Error() string {
	var lines []string
	for _, fault := range f.Faults {
		where := f.File
		if fault.Line > 0 {
			where = fmt.Sprintf("%s:%d:%d", f.File, fault.Line, fault.Column)
		}
		lines = append(lines, text.Escape(where+": "+fault.Message))
	}
	if f.Unlisted > 0 {
		lines = append(lines, fmt.Sprintf("%s: %d more faults are not listed", f.File, f.Unlisted))
	}
	return strings.Join(lines, "\n")
}

// MaxFile is the size of the largest file, in bytes. It has room for 20,000 nodes. Reading YAML
// takes up to 200 times as much memory.
const MaxFile = 2 << 20

const (
	maxFaults = 200
	// maxNesting bounds the parts of an exported condition.
	maxNesting = 100
)

// source is a file as the YAML reader sees it, and what is wrong with it.
type source struct {
	name   string
	file   *yamljson.File
	faults []Fault
}

// open reads YAML, of which JSON is a part, as one JSON value. The value is nil if the file as a
// whole is faulty.
func open(name string, data []byte) (*source, json.RawMessage) {
	if len(data) > MaxFile {
		message := fmt.Sprintf("a workflow must be smaller: %d bytes are allowed, it has %d", MaxFile, len(data))
		return &source{name: name, faults: []Fault{{Message: message}}}, nil
	}
	file := yamljson.Read(data)
	return &source{name, file, file.Faults}, file.JSON
}

// fault adds a fault of the value at a JSON Pointer. If there is no such value, the fault points to
// the nearest one around it.
func (s *source) fault(path, format string, args ...any) {
	line, column := s.file.Value(path)
	s.faults = append(s.faults, Fault{Line: line, Column: column, Path: path, Message: fmt.Sprintf(format, args...)})
}

// faultAtKey is like fault, but points to the name of a member, not to its value.
func (s *source) faultAtKey(path, format string, args ...any) {
	line, column := s.file.Key(path)
	s.faults = append(s.faults, Fault{Line: line, Column: column, Path: path, Message: fmt.Sprintf(format, args...)})
}

// err returns all faults in the order of the file, or nil.
func (s *source) err() error {
	if len(s.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(s.faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
	})
	// The parser and the check may find the same fault.
	list := slices.Compact(s.faults)
	unlisted := max(0, len(list)-maxFaults)
	return &FileError{File: s.name, Faults: list[:len(list)-unlisted], Unlisted: unlisted}
}
