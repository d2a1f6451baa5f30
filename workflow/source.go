package workflow

import (
	"cmp"
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

// open reads YAML, of which JSON is a part.
func open(data []byte) *yamljson.File {
	if len(data) > MaxFile {
		message := fmt.Sprintf("a workflow must be smaller: %d bytes are allowed, it has %d", MaxFile, len(data))
		return &yamljson.File{Faults: []Fault{{Message: message}}}
	}
	return yamljson.Read(data)
}

// err returns all faults in the order of the file, or nil.
func (p *parser) err() error {
	if len(p.Faults) == 0 {
		return nil
	}
	slices.SortStableFunc(p.Faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
	})
	// The parser and the check may find the same fault.
	list := slices.Compact(p.Faults)
	unlisted := max(0, len(list)-maxFaults)
	return &FileError{File: p.name, Faults: list[:len(list)-unlisted], Unlisted: unlisted}
}
