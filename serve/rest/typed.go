package rest

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// typed returns a schema that accepts what the given one accepts, written so that generators of
// clients make exact types of it. Generators read required only beside properties, drop a free-form
// object that does not say so, and make two types of an object with a writeOnly part.
func typed(schema json.RawMessage) json.RawMessage {
	return schemas.Rewrite(schema, func(s rawjson.Object) rawjson.Object {
		s = s.Without("writeOnly") // an input is never part of an answer
		if properties := s.Object("properties"); properties != nil {
			return hoist(s, properties)
		}
		if _, closed := s.Get("additionalProperties"); s.Text("type") == "object" && !closed {
			s = s.Set("additionalProperties", json.RawMessage("true"))
		}
		return s
	})
}

// hoist moves what allOf requires in any case to where the properties are, and gives the
// alternatives in it the types of the properties that they require.
func hoist(s, properties rawjson.Object) rawjson.Object {
	required := s.Texts("required")
	var rest []json.RawMessage
	for _, part := range s.Array("allOf") {
		rule := rawjson.OpenObject(part)
		if names := rule.Texts("required"); names != nil && len(rule.Without("required", "title", "x-code")) == 0 {
			required = append(required, names...)
			continue
		}
		if anyOf := rule.Array("anyOf"); anyOf != nil {
			part = rule.Set("anyOf", alternatives(anyOf, properties)).JSON()
		}
		rest = append(rest, part)
	}
	s = s.Without("allOf", "required")
	if len(required) > 0 {
		s = s.Set("required", encode(distinct(required)))
	}
	if len(rest) == 0 {
		return s
	}
	if _, taken := s.Get("oneOf"); !taken {
		if kinds := kindsOf(rest, required, properties); kinds != nil {
			return s.Set("oneOf", rawjson.AppendArray(nil, kinds))
		}
	}
	return s.Set("allOf", rawjson.AppendArray(nil, rest))
}

// kindsOf replaces rules that all depend on the value of one required property by an alternative
// for each value of the property, which a compiler can tell apart. It returns nil for other rules.
func kindsOf(rules []json.RawMessage, required []string, properties rawjson.Object) (kinds []json.RawMessage) {
	conditions := make([]*condition, len(rules))
	for i, rule := range rules {
		conditions[i] = conditionOf(rule)
		if conditions[i] == nil || conditions[i].property != conditions[0].property {
			return nil
		}
	}
	name := conditions[0].property
	if !slices.Contains(required, name) {
		return nil
	}
	for _, value := range properties.Object(name).Array("enum") {
		demanded := []string{name}
		var further []json.RawMessage
		for _, c := range conditions {
			if !slices.ContainsFunc(c.values, func(v json.RawMessage) bool { return bytes.Equal(v, value) }) {
				continue
			}
			demanded = append(demanded, c.required...)
			if c.anyOf != nil {
				list := alternatives(c.anyOf, properties)
				further = append(further, rawjson.Object{{Name: "anyOf", Value: list}}.JSON())
			}
		}
		kind := withTypes(distinct(demanded), properties)
		constant := rawjson.Object{{Name: "const", Value: value}}.JSON()
		kind = kind.Set("properties", kind.Object("properties").Set(name, constant).JSON())
		if further != nil {
			kind = kind.Set("allOf", rawjson.AppendArray(nil, further))
		}
		kinds = append(kinds, kind.JSON())
	}
	return kinds
}

// condition is a rule that requires something where a property has one of some values.
type condition struct {
	property string
	values   []json.RawMessage
	required []string
	anyOf    []json.RawMessage
}

// conditionOf returns nil for a rule of any other form.
func conditionOf(raw json.RawMessage) *condition {
	rule := rawjson.OpenObject(raw)
	test, then := rule.Object("if"), rule.Object("then")
	names, tested := test.Texts("required"), test.Object("properties")
	if len(rule.Without("title", "if", "then")) > 0 || len(test.Without("required", "properties")) > 0 ||
		len(then.Without("title", "x-code", "required", "anyOf")) > 0 || len(names) != 1 || len(tested) != 1 {
		return nil
	}
	value := tested.Object(names[0])
	values := value.Array("enum")
	if only, ok := value.Get("const"); ok {
		values = append(values, only)
	}
	if len(value) != 1 || values == nil {
		return nil
	}
	return &condition{names[0], values, then.Texts("required"), then.Array("anyOf")}
}

// alternatives returns the list of anyOf, each with the types of the properties that it requires.
func alternatives(anyOf []json.RawMessage, properties rawjson.Object) json.RawMessage {
	list := slices.Clone(anyOf)
	for i, alternative := range list {
		s := rawjson.OpenObject(alternative)
		if names := s.Texts("required"); names != nil && len(s) == 1 {
			list[i] = withTypes(names, properties).JSON()
		}
	}
	return rawjson.AppendArray(nil, list)
}

// withTypes returns a schema that requires properties and gives each the type that it has anyway.
func withTypes(names []string, properties rawjson.Object) rawjson.Object {
	var types rawjson.Object
	for _, name := range names {
		if kind := properties.Object(name).Text("type"); kind != "" {
			types = append(types, rawjson.Member{Name: name, Value: encode(map[string]any{"type": kind})})
		}
	}
	return rawjson.Object{
		{Name: "type", Value: rawjson.Quote("object")},
		{Name: "required", Value: encode(names)},
		{Name: "properties", Value: types.JSON()},
	}
}

func distinct(names []string) (once []string) {
	for _, name := range names {
		if !slices.Contains(once, name) {
			once = append(once, name)
		}
	}
	return once
}
