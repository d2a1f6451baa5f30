package schemas

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/rawjson/yamljson"
)

// reader reads one file, and adds to its faults. It does not stop at the first, so that whoever
// writes a manifest sees all of them at once.
type reader struct {
	*yamljson.File
	name        string
	host        Conventions
	definitions map[string]rawjson.Object // the $defs of each file
}

// Keywords returns the keywords that the schemas of a manifest may have, our own included, sorted.
// JSON Schema ignores a keyword that it does not know; a manifest may not have any, because a
// misspelt keyword is a lost rule.
func Keywords() []string {
	return slices.Sorted(strings.FieldsSeq(`
		title description examples default deprecated readOnly writeOnly $comment $ref
		x-aacflow-type x-filled-by x-code x-codes x-hint x-says
		type const enum format minLength maxLength pattern
		minimum maximum exclusiveMinimum exclusiveMaximum multipleOf
		required minProperties maxProperties dependentRequired
		minItems maxItems uniqueItems minContains maxContains
		additionalProperties propertyNames items contains unevaluatedProperties unevaluatedItems
		not if then else prefixItems allOf anyOf oneOf $defs properties patternProperties`))
}

// Rewrite returns a JSON Schema with edit applied to each schema in it, innermost first. Constants,
// examples and the schemas true and false do not change.
func Rewrite(schema json.RawMessage, edit func(rawjson.Object) rawjson.Object) json.RawMessage {
	return rewrite(schema, "", func(_ string, s json.RawMessage) json.RawMessage {
		if rawjson.KindOf(s) != rawjson.ObjectKind {
			return s
		}
		return edit(rawjson.OpenObject(s)).JSON()
	})
}

// rewrite is Rewrite for an edit that sees whatever stands in the place of a schema, with its JSON
// Pointer.
func rewrite(schema json.RawMessage, at string, edit func(string, json.RawMessage) json.RawMessage) json.RawMessage {
	s := rawjson.OpenObject(schema)
	for i, m := range s {
		here := rawjson.Pointer(at, m.Name)
		switch m.Name {
		case "additionalProperties", "propertyNames", "items", "contains", "unevaluatedProperties",
			"unevaluatedItems", "not", "if", "then", "else":
			s[i].Value = rewrite(m.Value, here, edit)
		case "prefixItems", "allOf", "anyOf", "oneOf":
			list := rawjson.OpenArray(m.Value)
			for j, inner := range list {
				list[j] = rewrite(inner, fmt.Sprintf("%s/%d", here, j), edit)
			}
			s[i].Value = rawjson.AppendArray(nil, list)
		case "$defs", "properties", "patternProperties":
			members := rawjson.OpenObject(m.Value)
			for j, inner := range members {
				members[j].Value = rewrite(inner.Value, rawjson.Pointer(here, inner.Name), edit)
			}
			s[i].Value = members.JSON()
		}
	}
	if s != nil {
		schema = s.JSON()
	}
	return edit(at, schema)
}

// check refuses unknown keywords, at any depth, and a $ref that leads nowhere. Only annotations may
// stand beside a $ref to another file; they win over the definition's own.
func (r *reader) check(at string, whole json.RawMessage) {
	known := Keywords()
	rewrite(whole, at, func(at string, schema json.RawMessage) json.RawMessage {
		if kind := rawjson.KindOf(schema); kind != rawjson.ObjectKind && kind != rawjson.BooleanKind {
			r.Fault(at, "a schema must be a mapping, true or false")
		}
		s := rawjson.OpenObject(schema)
		ref, refers := foreign(s)
		for _, m := range s {
			here := rawjson.Pointer(at, m.Name)
			if !slices.Contains(known, m.Name) {
				r.FaultAtKey(here, "unknown keyword %q%s", m.Name, DidYouMean(m.Name, known))
			}
			if refers && !slices.Contains([]string{"$ref", "title", "description", "examples"}, m.Name) {
				r.FaultAtKey(here,
					"a $ref to another file may have only title, description and examples beside it: %q", m.Name)
			}
			if m.Name == "x-codes" || m.Name == "x-says" {
				for _, about := range rawjson.OpenObject(m.Value) {
					if _, ok := s.Get(about.Name); !ok {
						r.FaultAtKey(rawjson.Pointer(here, about.Name),
							"%s names a keyword that is not in this schema: %q",
							m.Name, about.Name)
					}
				}
			}
		}
		if refers {
			if _, err := r.definition(ref, nil); err != nil {
				r.Fault(at+"/$ref", "%v", err)
			}
		} else if _, there := rawjson.At(whole, unescaped(strings.TrimPrefix(ref, "#"))); !there {
			r.Fault(at+"/$ref", "$ref has no target: %q", ref)
		}
		return schema
	})
}

// foreign returns the $ref of a schema, and whether it leads to another file.
func foreign(s rawjson.Object) (ref string, ok bool) {
	ref = s.Text("$ref")
	return ref, ref != "" && !strings.HasPrefix(ref, "#")
}

// inline returns a schema in which each $ref to another file is replaced by the definition that it
// names. The definitions in within lead here: one of them again would be a circle.
func (r *reader) inline(schema json.RawMessage, within []string) (_ json.RawMessage, err error) {
	whole := Rewrite(schema, func(s rawjson.Object) rawjson.Object {
		ref, refers := foreign(s)
		if !refers || err != nil {
			return s
		}
		definition, e := r.definition(ref, within)
		err = e
		return rawjson.OpenObject(rawjson.Merge(definition, s.Without("$ref").JSON()))
	})
	return whole, err
}

// definition returns what a $ref to another file leads to.
func (r *reader) definition(ref string, within []string) (json.RawMessage, error) {
	file, name, _ := strings.Cut(ref, "#/$defs/")
	definitions, there := r.definitions[file]
	schema, ok := definitions.Get(name)
	switch {
	case slices.Contains(within, ref):
		return nil, fmt.Errorf("$ref refers to itself: %q", ref)
	case !there:
		return nil, fmt.Errorf("$ref names a missing file: %q", ref)
	case !ok || rawjson.KindOf(schema) != rawjson.ObjectKind:
		return nil, fmt.Errorf("$ref has no target: %q", ref)
	}
	return r.inline(schema, append(within, ref))
}

// filled adds x-aacflow-type and x-filled-by to the properties at the root where the manifest omits
// them and they follow from the schema. Readers of the schema then find them in one place.
func filled(schema json.RawMessage, isInput bool) json.RawMessage {
	hostTypes := map[rawjson.Kind]string{
		"string": "string", "boolean": "boolean", "number": "number", "integer": "number", "object": "json",
		"array": "json",
	}
	s := rawjson.OpenObject(schema)
	properties := s.Object("properties")
	for i, p := range properties {
		def := rawjson.OpenObject(p.Value)
		add := func(key, value string) {
			if _, given := def.Get(key); !given {
				def = def.Set(key, rawjson.Quote(value))
			}
		}
		if def == nil {
			continue
		}
		kinds := slices.DeleteFunc(kindsOf(def), func(k rawjson.Kind) bool { return k == rawjson.NullKind })
		if len(kinds) == 1 && hostTypes[kinds[0]] != "" {
			add("x-aacflow-type", hostTypes[kinds[0]])
		}
		if isInput && isSecret(def) {
			add("x-filled-by", "user-only")
		} else if isInput {
			add("x-filled-by", "user-or-llm")
		}
		properties[i].Value = def.JSON()
	}
	if properties != nil {
		s = s.Set("properties", properties.JSON())
	}
	return s.JSON()
}

// checkFields checks that each field has what forms and tables need.
func (r *reader) checkFields(at string, fields []Field, reserved []string, filledBy ...string) {
	if len(fields) == 0 {
		r.Fault(at, "%s must be an object with properties", path.Base(at))
	}
	for _, f := range fields {
		at := rawjson.Pointer(at+"/properties", f.Name)
		if Reserved(reserved, f.Name) {
			r.Fault(at, "hosts reserve this name; choose another: %q", f.Name)
		}
		if !slices.Contains([]string{"string", "json", "boolean", "number"}, f.Type) {
			r.Fault(at, "%s: must have one type, such as type: string, or an x-aacflow-type of string, json, boolean "+
				"or number: %q", f.Name, f.Type)
		}
		if !slices.Contains(filledBy, f.FilledBy) {
			want := cmp.Or(text.Or(filledBy...), "absent in an output")
			r.Fault(at, "%s: x-filled-by must be %s: %q", f.Name, want, f.FilledBy)
		}
		if f.Description == "" {
			r.Fault(at, "%s: description must be given: a sentence that forms and agents show", f.Name)
		}
		if f.Secret != (f.Format == "password") {
			r.Fault(at, "%s: a secret must have both writeOnly: true and format: password", f.Name)
		}
	}
}
