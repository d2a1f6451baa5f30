package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Schema is a compiled JSON Schema of an object. It is safe for concurrent use.
type Schema struct {
	raw      json.RawMessage
	compiled *jsonschema.Schema
	shape    *shape
	plan     *place
	walks    sync.Pool // of *walk
	arenas   sync.Pool // of *arena
	fields   []Field
	secrets  map[string]bool // names of secret fields, at any depth
	rules    []string
}

// Compile reads a JSON Schema 2020-12 that stands alone: a $ref may lead only to the document itself. Compiling costs
// milliseconds; do it once. The url names the schema in errors and is never fetched.
func Compile(url string, raw json.RawMessage) (*Schema, error) {
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
	s := &Schema{raw: raw, compiled: compiled, shape: shapeOf(raw), plan: planOf(compiled)}
	s.fields = fieldsOf(raw)
	s.secrets = secretNames(s.fields, map[string]bool{})
	s.rules = rulesOf(raw)
	return s, nil
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

// Rules returns, in words, what the schema demands beyond the types of its fields: the titles of its allOf, and of those of
// the objects in its arrays.
func (s *Schema) Rules() []string { return s.rules }

// AcceptsJSON reports whether data is valid without a doubt: JSON as [rawjson.Check] wants it, of an object that Validate has nothing to
// say of. It reads data once and allocates nothing. Where it returns false nothing is known.
func (s *Schema) AcceptsJSON(data []byte, limits rawjson.Limits) bool {
	_, ok := s.walk(data, limits, nil)
	return ok
}

// AcceptsMap is AcceptsJSON for what [rawjson.EncodeObject] would write of m, if it can write it at all. Values that the schema does not
// look into are not looked at. Blank tells the same as [Opened.Blank].
func (s *Schema) AcceptsMap(m map[string]any) (blank, ok bool) {
	var w values
	ok = m != nil && w.object(s.plan, m) == yes
	return w.blank, ok
}

// Scan is AcceptsJSON for those who go on to use the object. They should release it in the end.
func (s *Schema) Scan(data []byte, limits rawjson.Limits) (*Opened, bool) {
	opened := &Opened{Object: make(rawjson.Object, 0, 8), home: &s.arenas}
	blank, ok := s.walk(data, limits, opened)
	opened.Blank = blank
	return opened, ok
}

func (s *Schema) walk(data []byte, limits rawjson.Limits, opened *Opened) (blank, ok bool) {
	w := s.borrow()
	defer s.giveBack(w)
	w.begin(data, limits, opened)
	ok = w.Peek() == '{' && w.value(s.plan) == yes && w.End()
	return w.blank, ok
}

// accepts is AcceptsJSON for an object whose values have been checked.
func (s *Schema) accepts(obj rawjson.Object) bool {
	w := s.borrow()
	defer s.giveBack(w)
	w.begin(nil, rawjson.Limits{}, nil)
	return w.members(s.plan, obj) == yes
}

func (s *Schema) borrow() *walk {
	if w, ok := s.walks.Get().(*walk); ok {
		return w
	}
	return new(walk)
}

func (s *Schema) giveBack(w *walk) {
	w.data, w.opened = nil, nil
	s.walks.Put(w)
}

// Validate returns all that is wrong with obj, in the order of the schema's fields, or nil. The values of obj must be checked
// JSON (see [rawjson.ParseObject]).
//
// Violations that the caller knows of already join the result; what the schema says of the same places, or of what is inside
// them, is left out. Values that the schema demands nothing of but their type, such as free-form properties, are not decoded.
func (s *Schema) Validate(obj rawjson.Object, known ...Violation) []Violation {
	if len(known) == 0 && s.accepts(obj) {
		return nil
	}
	err := s.judge(obj)
	if err == nil && len(known) == 0 {
		return nil
	}
	e := explainer{schema: s}
	for _, v := range known {
		e.found = append(e.found, ranked{Violation: v, rank: s.rank(v.Path)})
	}
	e.known = len(known)
	var invalid *jsonschema.ValidationError
	switch {
	case errors.As(err, &invalid):
		e.instance = obj.JSON()
		e.explain(invalid)
		if len(e.found) == 0 { // whatever is not explained is a violation all the same
			e.found = append(e.found, ranked{Violation: Violation{Code: "invalid_value", Message: plain(invalid).Error()}})
		}
	case err != nil: // jsonschema gave up
		e.found = append(e.found, ranked{Violation: Violation{Code: "invalid_value", Message: err.Error()}})
	}
	return e.sorted()
}

// judge asks jsonschema. It panics on a number whose exponent is too large to reckon with, which is a reason to refuse the input
// and none to end the program.
func (s *Schema) judge(obj rawjson.Object) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("must hold no number that is too large to be judged")
		}
	}()
	return s.compiled.Validate(s.shape.projectObject(obj))
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

// concealed returns a value as it may be shown: members that carry the name of a secret field are replaced, wherever they
// are, since a value that breaks its schema may hold them anywhere.
func (s *Schema) concealed(value json.RawMessage) json.RawMessage {
	switch rawjson.KindOf(value) {
	case rawjson.ObjectKind:
		obj := rawjson.OpenObject(value)
		for i, m := range obj {
			if s.secrets[m.Name] {
				obj[i].Value = rawjson.Quote("[redacted]")
			} else {
				obj[i].Value = s.concealed(m.Value)
			}
		}
		return obj.JSON()
	case rawjson.ArrayKind:
		elements := rawjson.OpenArray(value)
		for i, e := range elements {
			elements[i] = s.concealed(e)
		}
		return rawjson.AppendArray(nil, elements)
	}
	return value
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

// secretAt reports whether the value that a JSON Pointer leads to is secret, or lies within one that is.
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
