package schemas

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"

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
	text    bool // what TakesTextForJSON returns
}

// Compile reads a JSON Schema 2020-12 that stands alone: a $ref may lead only to the document
// itself. Compiling costs milliseconds; do it once. The url names the schema in errors and is never
// fetched.
func Compile(url string, raw json.RawMessage) (*Schema, error) {
	root, err := newPart(url, "", raw)
	if err != nil {
		return nil, err
	}
	s := &Schema{raw: raw, root: root, fields: fieldsOf(raw), rules: rulesOf(raw)}
	s.secrets = secretNames(s.fields, map[string]bool{})
	s.text = slices.ContainsFunc(s.fields, func(f Field) bool {
		return f.HoldsJSON() && (f.Kinds == nil || slices.Contains(f.Kinds, rawjson.StringKind))
	})
	return s, nil
}

func compile(url string, raw json.RawMessage) (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.Draft = jsonschema.Draft2020
	c.AssertFormat = true
	c.LoadURL = func(s string) (io.ReadCloser, error) {
		return nil, fmt.Errorf("a schema must be self-contained, but it refers to %q", s)
	}
	if err := c.AddResource(url, bytes.NewReader(raw)); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	compiled, err := c.Compile(url)
	if err != nil {
		return nil, fmt.Errorf("compile schema: %w", plainError(err))
	}
	return compiled, nil
}

// plainError returns the first leaf of the tree of errors that jsonschema builds.
func plainError(err error) error {
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return err
	}
	for len(invalid.Causes) > 0 {
		invalid = invalid.Causes[0]
	}
	return schemaError{unescaped(invalid.InstanceLocation), invalid.Message}
}

// schemaError says what is wrong with a schema, and where in it.
type schemaError struct{ pointer, message string }

func (e schemaError) Error() string { return e.pointer + " " + e.message }

// JSON returns the schema as a document that stands alone. It must not be changed.
func (s *Schema) JSON() json.RawMessage { return s.raw }

// Fields returns the properties in the order of the manifest. It must not be changed.
func (s *Schema) Fields() []Field { return s.fields }

// TakesTextForJSON reports whether a field that holds JSON may be text as well, so that the schema
// accepts its JSON in text.
func (s *Schema) TakesTextForJSON() bool { return s.text }

// Rules returns, in words, what the schema demands beyond the types of its fields: the titles in
// its allOf, and in the allOf of the objects in its arrays.
func (s *Schema) Rules() []string { return s.rules }

// AcceptsJSON reports whether data is certainly valid: JSON that [rawjson.Check] accepts, of an
// object in which Validate finds no fault. It reads data once and allocates nothing. False decides
// nothing: ask Validate.
func (s *Schema) AcceptsJSON(data []byte, limits rawjson.Limits) bool {
	return s.root.plan.AcceptsJSON(data, limits)
}

// Opened is an object that Scan has accepted.
type Opened = plan.Opened

// Scan is AcceptsJSON for a caller that then uses the object.
func (s *Schema) Scan(data []byte, limits rawjson.Limits) (*Opened, bool) {
	return s.root.plan.Open(data, limits)
}

// A part is as much of a schema as jsonschema judges in one go. The elements of an array are a part
// of their own, and are judged one by one: jsonschema builds a tree of errors for all that it is
// given, which for a long list of faulty elements would take hundreds of times the memory of the
// list.
type part struct {
	at       string          // the array, in the part above, whose elements this part judges
	raw      json.RawMessage // without the schemas of the elements
	compiled *jsonschema.Schema
	decoder  *plan.Plan // of the same
	plan     *plan.Plan // of the schema with the elements
	arrays   []*part
}

// newPart compiles a schema that stands alone.
func newPart(url, at string, raw json.RawMessage) (*part, error) {
	compiled, err := compile(url, raw)
	if err != nil {
		return nil, err
	}
	p := &part{at: at, raw: raw, compiled: compiled, plan: plan.New(compiled)}
	if !dependsOnItsPlace(raw) {
		if err := p.takeElements(url); err != nil {
			return nil, err
		}
	}
	p.decoder = plan.New(p.compiled)
	return p, nil
}

// dependsOnItsPlace reports whether a schema may have keywords that look beyond the schema that
// they stand in.
func dependsOnItsPlace(raw json.RawMessage) bool {
	for _, keyword := range []string{`"$ref"`, `"$dynamicRef"`, `"unevaluatedItems"`} {
		if bytes.Contains(raw, []byte(keyword)) {
			return true
		}
	}
	return false
}

// takeElements makes a part of the elements of each array that properties lead to, and compiles the
// rest.
func (p *part) takeElements(url string) (err error) {
	var without func(raw json.RawMessage, at string) json.RawMessage
	without = func(raw json.RawMessage, at string) json.RawMessage {
		obj := rawjson.OpenObject(raw)
		if obj == nil {
			return raw
		}
		_, prefixed := obj.Get("prefixItems")
		if items, ok := obj.Get("items"); ok && !prefixed && err == nil {
			var each *part
			each, err = newPart(url, at, items)
			p.arrays = append(p.arrays, each)
			obj = obj.Without("items")
		}
		if properties, ok := obj.Get("properties"); ok {
			known := rawjson.OpenObject(properties)
			for i, member := range known {
				known[i].Value = without(member.Value, rawjson.Pointer(at, member.Name))
			}
			obj = obj.Set("properties", known.JSON())
		}
		return obj.JSON()
	}
	rest := without(p.raw, "")
	if err == nil && len(p.arrays) > 0 {
		p.raw = rest
		p.compiled, err = compile(url, rest)
	}
	return err
}

// judge asks jsonschema about a value.
func (p *part) judge(value json.RawMessage) error {
	return p.compiled.Validate(p.decoder.Decode(value))
}

// unescaped undoes the percent-encoding that jsonschema puts over a JSON Pointer.
func unescaped(location string) string {
	pointer, _ := url.PathUnescape(location)
	return cmp.Or(pointer, location)
}
