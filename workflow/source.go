package workflow

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// Fault is one thing that is wrong with a file.
type Fault struct {
	// Line and Column count from 1; they are 0 where the file as a whole is at fault.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Path is the JSON Pointer of the value.
	Path    string `json:"path"`
	Message string `json:"message"`
}

// FileError is the error of a file that is not a workflow, with all that is wrong with it, in the
// order of the file. Nothing has been sent.
type FileError struct {
	File   string  `json:"file"`
	Faults []Fault `json:"faults"`
	// Unlisted counts the faults beyond those listed.
	Unlisted int `json:"unlisted,omitempty"`
}

// Error has a line for each fault: order.workflow.yaml:7:12: what is wrong.
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

// MaxFile is the largest file, in bytes: 20,000 nodes have room in it. YAML takes up to 200 times
// as much memory while it is read.
const MaxFile = 2 << 20

const (
	maxFaults = 200
	// maxNesting bounds how deep it may nest, where an input may nest 128 levels, and how many parts
	// an exported condition may have.
	maxNesting = 100
)

// source is a file as YAML reads it, and what is wrong with it.
type source struct {
	file   string
	faults []Fault
	// at has the YAML of each value by its JSON Pointer, and keys that of the names of members.
	at, keys map[string]*yaml.Node
}

// open reads YAML, or JSON as a part of it, as one JSON value.
func open(name string, data []byte) (*source, json.RawMessage) {
	s := &source{file: name, at: map[string]*yaml.Node{}, keys: map[string]*yaml.Node{}}
	// Editors on Windows begin a file with a byte order mark.
	data = []byte(strings.TrimPrefix(string(data), "\ufeff"))
	if len(data) > MaxFile {
		s.fault("", "a workflow must be smaller: %d bytes are allowed, it has %d", MaxFile, len(data))
		return s, nil
	}
	if !utf8.Valid(data) {
		s.fault("", "a workflow must be UTF-8")
		return s, nil
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc, more yaml.Node
	if err := decoder.Decode(&doc); err != nil {
		s.syntax(err)
		return s, nil
	}
	// The second document would be ignored without a word.
	if decoder.Decode(&more) == nil {
		s.at[""] = &more
		s.fault("", "a file must hold one workflow, not several documents")
		return s, nil
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		s.fault("", "a workflow must be a mapping of keys to values")
		return s, nil
	}
	raw := s.toJSON(doc.Content[0], "", 1)
	return s, raw
}

// syntax adds the fault of a file that is not YAML. The library gives the line in its message.
func (s *source) syntax(err error) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	f := Fault{Message: "must be valid YAML: " + message}
	if m := regexp.MustCompile(`^line (\d+): (.*)`).FindStringSubmatch(message); m != nil {
		f.Line, _ = strconv.Atoi(m[1])
		f.Column, f.Message = 1, "must be valid YAML: "+m[2]
	} else if message == "EOF" {
		f.Message = "must not be empty"
	}
	s.faults = append(s.faults, f)
}

// toJSON writes a YAML tree as JSON, members in the order of the file and numbers with the digits
// they have there. It refuses what JSON has no words for.
func (s *source) toJSON(n *yaml.Node, at string, depth int) json.RawMessage {
	s.at[at] = n
	null := json.RawMessage("null")
	switch {
	// Aliases would let a small file stand for a huge one, and no fault in it could be told by its
	// place.
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		s.fault(at, "anchors and aliases are not allowed")
		return null
	case depth > maxNesting:
		s.fault(at, "must not nest so deep: %d levels are allowed", maxNesting)
		return null
	case n.Kind == yaml.MappingNode:
		return s.object(n, at, depth)
	case n.Kind == yaml.SequenceNode:
		elements := []json.RawMessage{}
		for i, c := range n.Content {
			elements = append(elements, s.toJSON(c, at+"/"+strconv.Itoa(i), depth+1))
		}
		return rawjson.AppendArray(nil, elements)
	}
	value, ok := schemas.ScalarJSON(n)
	if !ok {
		s.fault(at, "must be a value that JSON has: %s", text.Clip(n.Value, 80))
	}
	return value
}

func (s *source) object(n *yaml.Node, at string, depth int) json.RawMessage {
	obj := rawjson.Object{}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		path := rawjson.Pointer(at, key.Value)
		s.keys[path] = key
		switch {
		case key.Kind != yaml.ScalarNode || key.Anchor != "" || key.ShortTag() == "!!merge":
			s.faultAt(key, path, "a key must be plain text")
		case seen[key.Value]:
			s.faultAt(key, path, "a key must not be given twice: %q", text.Clip(key.Value, 80))
		default:
			seen[key.Value] = true
			obj = append(obj, rawjson.Member{Name: key.Value, Value: s.toJSON(value, path, depth+1)})
		}
	}
	return obj.JSON()
}

// fault adds a fault of the value at a JSON Pointer, or of the nearest one around it that is there.
func (s *source) fault(path, format string, args ...any) {
	n := s.at[path]
	for p := path; n == nil && p != ""; {
		p = p[:strings.LastIndexByte(p, '/')]
		// The name of the nearest member says more than where its value begins.
		n = cmp.Or(s.keys[p], s.at[p])
	}
	s.faultAt(n, path, format, args...)
}

// faultAtKey is fault for the name of a member in place of its value.
func (s *source) faultAtKey(path, format string, args ...any) {
	if key := s.keys[path]; key != nil {
		s.faultAt(key, path, format, args...)
		return
	}
	s.fault(path, format, args...)
}

func (s *source) faultAt(n *yaml.Node, path, format string, args ...any) {
	f := Fault{Path: path, Message: fmt.Sprintf(format, args...)}
	if n != nil {
		f.Line, f.Column = n.Line, n.Column
	}
	s.faults = append(s.faults, f)
}

// err returns all faults, sorted, or nil.
func (s *source) err() error {
	if len(s.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(s.faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
	})
	// The parser and the check may find the same: it is told once.
	list := slices.Compact(s.faults)
	unlisted := max(0, len(list)-maxFaults)
	return &FileError{File: s.file, Faults: list[:len(list)-unlisted], Unlisted: unlisted}
}
