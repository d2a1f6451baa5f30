// Package yamljson reads YAML files as JSON. It knows where in the file each value stands, so that
// a fault in a value is reported with its line.
//
//	file := yamljson.Read(data)
//	if len(file.Faults) > 0 { … }
//	line, column := file.Value("/nodes/order/with")
package yamljson

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
)

// maxNesting bounds how deep a file may nest. It is below the limit of 128 for inputs.
const maxNesting = 100

// Fault is one thing that is wrong with a file.
type Fault struct {
	// Line and Column count from 1. They are 0 if the whole file is at fault.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Path is the JSON Pointer of the value.
	Path    string `json:"path"`
	Message string `json:"message"`
}

// File is a YAML file that holds one mapping. It is not safe for concurrent use.
type File struct {
	// JSON is the mapping, with its members in the order of the file and the digits of its numbers
	// as written. It is nil if the whole file is at fault.
	JSON json.RawMessage
	// Faults are those that Read found, and those added since. A value that JSON cannot represent
	// is a fault, and null in JSON.
	Faults []Fault
	// values has the node of each value by its JSON Pointer, keys the node of each member's name.
	values, keys map[string]*yaml.Node
}

// Read reads YAML, or JSON as a part of it. It takes up to 200 times as much memory as data has, so
// bound the data of strangers.
func Read(data []byte) *File {
	f := &File{values: map[string]*yaml.Node{"": {}}, keys: map[string]*yaml.Node{}}
	if !utf8.Valid(data) {
		f.Fault("", "must be UTF-8")
		return f
	}
	// Editors on Windows begin a file with a byte order mark.
	decoder := yaml.NewDecoder(strings.NewReader(strings.TrimPrefix(string(data), "\ufeff")))
	var doc, more yaml.Node
	if err := decoder.Decode(&doc); err != nil {
		f.syntax(err)
		return f
	}
	f.values[""] = &doc
	switch err := decoder.Decode(&more); {
	case err == nil: // ignoring it would lose what its author wrote
		f.values[""] = &more
		f.Fault("", "must hold one document, not several")
	case !errors.Is(err, io.EOF):
		f.syntax(err)
	case len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode:
		f.Fault("", "must be a mapping of keys to values")
	default:
		f.JSON = f.value(doc.Content[0], "", 1)
	}
	return f
}

// syntax adds the fault of a file that is not YAML. The library gives the line in its message.
func (f *File) syntax(err error) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	fault := Fault{Message: "must be valid YAML: " + message}
	if m := regexp.MustCompile(`^line (\d+): (.*)`).FindStringSubmatch(message); m != nil {
		fault.Line, _ = strconv.Atoi(m[1])
		fault.Column, fault.Message = 1, "must be valid YAML: "+m[2]
	} else if message == "EOF" {
		fault.Message = "must not be empty"
	}
	f.Faults = append(f.Faults, fault)
}

func (f *File) value(n *yaml.Node, at string, depth int) json.RawMessage {
	f.values[at] = n
	tag := n.ShortTag()
	switch {
	case !plain(n):
		f.Fault(at, "tags, anchors and aliases are not allowed")
	case depth > maxNesting:
		f.Fault(at, "must not nest so deep: %d levels are allowed", maxNesting)
	case n.Kind == yaml.MappingNode:
		return f.object(n, at, depth)
	case n.Kind == yaml.SequenceNode:
		elements := []json.RawMessage{}
		for i, c := range n.Content {
			elements = append(elements, f.value(c, at+"/"+strconv.Itoa(i), depth+1))
		}
		return rawjson.AppendArray(nil, elements)
	case tag == "!!str", tag == "!!timestamp":
		return rawjson.Quote(n.Value)
	case tag == "!!bool":
		return json.RawMessage(strings.ToLower(n.Value))
	case (tag == "!!int" || tag == "!!float") && json.Valid([]byte(n.Value)):
		return json.RawMessage(n.Value)
	case tag != "!!null": // such as .inf, 0x1F or 1_000
		f.Fault(at, "must be a JSON value, or text in quotes: %s", text.Clip(n.Value, 80))
	}
	return json.RawMessage("null")
}

// plain reports whether a node is what it looks like. Aliases would let a small file stand for a
// huge one, and a fault in an alias would have no place of its own. A tag may name a type that the
// value does not have, such as !!bool yes.
func plain(n *yaml.Node) bool {
	return n.Kind != yaml.AliasNode && n.Anchor == "" && n.Style&yaml.TaggedStyle == 0
}

func (f *File) object(n *yaml.Node, at string, depth int) json.RawMessage {
	obj := rawjson.Object{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		path := rawjson.Pointer(at, key.Value)
		before := f.keys[path]
		f.keys[path] = key
		switch {
		case key.Kind != yaml.ScalarNode || !plain(key) || key.ShortTag() == "!!merge":
			f.FaultAtKey(path, "a key must be plain text")
		case before != nil:
			f.FaultAtKey(path, "a key must not be given twice: %q", text.Clip(key.Value, 80))
		default:
			obj = append(obj, rawjson.Member{Name: key.Value, Value: f.value(n.Content[i+1], path, depth+1)})
		}
	}
	return obj.JSON()
}

// Fault adds a fault of the value at a JSON Pointer, in the place that [File.Value] returns.
func (f *File) Fault(pointer, format string, args ...any) {
	line, column := f.Value(pointer)
	f.Faults = append(f.Faults, Fault{line, column, pointer, fmt.Sprintf(format, args...)})
}

// FaultAtKey is Fault for the name of a member, in the place that [File.Key] returns. The member's
// value may begin on a later line.
func (f *File) FaultAtKey(pointer, format string, args ...any) {
	line, column := f.Key(pointer)
	f.Faults = append(f.Faults, Fault{line, column, pointer, fmt.Sprintf(format, args...)})
}

// Value returns where the value at a JSON Pointer begins. If there is no such value, it returns the
// place of what should hold it.
func (f *File) Value(pointer string) (line, column int) {
	n := f.values[pointer]
	for n == nil && pointer != "" {
		pointer = pointer[:max(0, strings.LastIndexByte(pointer, '/'))]
		// The name of the nearest member says more than where its value begins.
		n = cmp.Or(f.keys[pointer], f.values[pointer])
	}
	return n.Line, n.Column
}

// Key returns where the name of the member at a JSON Pointer stands. For an element of a list,
// which has no name, it returns what Value does.
func (f *File) Key(pointer string) (line, column int) {
	if key := f.keys[pointer]; key != nil {
		return key.Line, key.Column
	}
	return f.Value(pointer)
}
