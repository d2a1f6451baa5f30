package schemas

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas/internal/plan"
)

// Schema is a compiled JSON Schema of an object. It is safe for concurrent use.
type Schema struct {
	raw     json.RawMessage
	root    *part
	fields  []Field
	secrets map[string]bool // names of secret fields, at any depth
	rules   []string
}

// Compile reads a JSON Schema 2020-12 that stands alone: a $ref may lead only to the document
// itself. Compiling costs milliseconds; do it once. The url names the schema in errors and is never
// fetched.
func Compile(url string, raw json.RawMessage) (*Schema, error) {
	root, err := newPart(url, raw)
	if err != nil {
		return nil, err
	}
	s := &Schema{raw: raw, root: root, fields: fieldsOf(raw), rules: rulesOf(raw)}
	s.secrets = secretNames(s.fields, map[string]bool{})
	return s, nil
}

func compile(url string, raw json.RawMessage) (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.Draft = jsonschema.Draft2020
	c.AssertFormat = true
	c.LoadURL = func(s string) (io.ReadCloser, error) {
		return nil, fmt.Errorf("a schema must stand alone, it refers to %q", s)
	}
	if err := c.AddResource(url, bytes.NewReader(raw)); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	compiled, err := c.Compile(url)
	if err != nil {
		return nil, fmt.Errorf("compile schema: %w", plain(err))
	}
	return compiled, nil
}

// plain reduces the tree of errors that a faulty schema leads to to its first leaf.
func plain(err error) error {
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	for len(invalid.Causes) > 0 {
		invalid = invalid.Causes[0]
	}
	return fmt.Errorf("%s %s", instancePointer(invalid.InstanceLocation), invalid.Message)
}

// JSON returns the schema as a document that stands alone. It must not be changed.
func (s *Schema) JSON() json.RawMessage { return s.raw }

// Fields returns the properties in the order of the manifest. It must not be changed.
func (s *Schema) Fields() []Field { return s.fields }

// Rules returns, in words, what the schema demands beyond the types of its fields: the titles of
// its allOf, and of those of the objects in its arrays.
func (s *Schema) Rules() []string { return s.rules }

// AcceptsJSON reports whether data is valid without a doubt: JSON as [rawjson.Check] wants it, of
// an object that Validate has nothing to say of. It reads data once and allocates nothing. Where it
// returns false nothing is known.
func (s *Schema) AcceptsJSON(data []byte, limits rawjson.Limits) bool {
	return s.root.plan.AcceptsJSON(data, limits)
}

// Opened is an object that Scan has accepted.
type Opened = plan.Opened

// Scan is AcceptsJSON for a caller that goes on to use the object.
func (s *Schema) Scan(data []byte, limits rawjson.Limits) (*Opened, bool) {
	return s.root.plan.Open(data, limits)
}

// maxFound is how many violations Validate looks for: enough to say that there are many.
const maxFound = 1000

// Validate returns what is wrong with obj, in the order of the schema's fields, or nil. The values
// of obj must be checked JSON (see [rawjson.ParseObject]). It stops looking at 1,000. When ctx ends
// it returns what it has found until then: ask ctx.Err().
//
// Violations that the caller knows of already join the result; what the schema says of the same
// places, or of what is inside them, is left out. Values that the schema demands nothing of but
// their type, such as free-form properties, are not decoded.
func (s *Schema) Validate(ctx context.Context, obj rawjson.Object, known ...Violation) []Violation {
	if len(known) == 0 && s.root.plan.AcceptsObject(obj) {
		return nil
	}
	f := newFinder(s, known)
	f.find(ctx, s.root, obj.JSON(), "")
	return f.sorted()
}

func fieldsOf(schema json.RawMessage) []Field {
	root := rawjson.OpenObject(schema)
	properties, _ := root.Get("properties")
	var fields []Field
	for _, p := range rawjson.OpenObject(properties) {
		def := rawjson.OpenObject(p.Value)
		f := Field{
			Name:        p.Name,
			Type:        def.Text("x-aacflow-type"),
			Description: def.Text("description"),
			FilledBy:    def.Text("x-filled-by"),
			Format:      def.Text("format"),
			Kinds:       kindsOf(def),
		}
		secret, _ := def.Get("writeOnly")
		f.Secret = string(secret) == "true"
		examples, _ := def.Get("examples")
		if list := rawjson.OpenArray(examples); len(list) > 0 {
			f.Example = list[0]
		}
		if f.Fields = fieldsOf(p.Value); f.Fields == nil {
			items, _ := def.Get("items")
			f.Fields = fieldsOf(items)
		}
		fields = append(fields, f)
	}
	return fields
}

func kindsOf(def rawjson.Object) []rawjson.Kind {
	raw, ok := def.Get("type")
	if !ok {
		return nil
	}
	if one, ok := rawjson.Text(raw); ok {
		return []rawjson.Kind{rawjson.Kind(one)}
	}
	var kinds []rawjson.Kind
	for _, t := range rawjson.OpenArray(raw) {
		name, _ := rawjson.Text(t)
		kinds = append(kinds, rawjson.Kind(name))
	}
	return kinds
}

func rulesOf(schema json.RawMessage) []string {
	root := rawjson.OpenObject(schema)
	var rules []string
	all, _ := root.Get("allOf")
	for _, rule := range rawjson.OpenArray(all) {
		if title := rawjson.OpenObject(rule).Text("title"); title != "" {
			rules = append(rules, title)
		}
	}
	properties, _ := root.Get("properties")
	for _, p := range rawjson.OpenObject(properties) {
		if items, ok := rawjson.OpenObject(p.Value).Get("items"); ok {
			rules = append(rules, rulesOf(items)...)
		}
	}
	return slices.Clip(rules)
}

func secretNames(fields []Field, into map[string]bool) map[string]bool {
	for _, f := range fields {
		if f.Secret {
			into[f.Name] = true
		}
		secretNames(f.Fields, into)
	}
	return into
}

// secretAt reports whether the value that a JSON Pointer leads to is secret, or lies within one
// that is.
func (s *Schema) secretAt(pointer string) bool {
	fields := s.fields
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		f := Find(fields, token)
		switch {
		case f == nil:
			continue // a place in a list
		case f.Secret:
			return true
		}
		fields = f.Fields
	}
	return false
}
