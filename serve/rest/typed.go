package rest

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/aacflow/segment-blocks/rawjson"
)

// typed returns a schema that takes what the given one takes, written so that generators of clients make exact types of it. They read
// what is demanded only where it stands beside the properties, drop a free-form object that does not say that it is one, and
// make two types of one that has a writeOnly part; an input is never part of an answer.
func typed(schema json.RawMessage) json.RawMessage {
	if rawjson.KindOf(schema) != rawjson.ObjectKind {
		return schema
	}
	s := rawjson.OpenObject(schema).Without("writeOnly")
	if items, ok := s.Get("items"); ok {
		s = s.Set("items", typed(items))
	}
	raw, ok := s.Get("properties")
	if !ok {
		if _, closed := s.Get("additionalProperties"); s.Text("type") == "object" && !closed {
			s = s.Set("additionalProperties", json.RawMessage("true"))
		}
		return s.JSON()
	}
	properties := slices.Clone(rawjson.OpenObject(raw))
	for i, m := range properties {
		properties[i].Value = typed(m.Value)
	}
	return hoist(s.Set("properties", properties.JSON()), properties).JSON()
}

// hoist moves what allOf demands without a condition to where the properties are, and gives alternatives the types of what they demand.
func hoist(s, properties rawjson.Object) rawjson.Object {
	raw, _ := s.Get("allOf")
	demanded, _ := s.Get("required")
	required := rawjson.OpenArray(demanded)
	var rest []json.RawMessage
	for _, part := range rawjson.OpenArray(raw) {
		rule := rawjson.OpenObject(part)
		if names, ok := rule.Get("required"); ok && len(rule.Without("required", "title", "x-code")) == 0 {
			required = append(required, rawjson.OpenArray(names)...)
			continue
		}
		if anyOf, ok := rule.Get("anyOf"); ok {
			typed, _ := rawjson.OpenObject(alternatives(anyOf, properties)).Get("anyOf")
			part = rule.Set("anyOf", typed).JSON()
		}
		rest = append(rest, part)
	}
	s = s.Without("allOf", "required")
	if len(required) > 0 {
		s = s.Set("required", set(required))
	}
	if len(rest) == 0 {
		return s
	}
	if kinds, ok := kindsOf(rest, required, properties); ok && !slices.ContainsFunc(s, func(m rawjson.Member) bool { return m.Name == "oneOf" }) {
		return s.Set("oneOf", kinds)
	}
	return s.Set("allOf", rawjson.AppendArray(nil, rest))
}

// kindsOf makes of rules that all hang on the value of one property an alternative for each value that it may have, which a compiler can
// tell apart. It reports false where the rules are not of that kind.
func kindsOf(rules, required []json.RawMessage, properties rawjson.Object) (json.RawMessage, bool) {
	condition, _ := rawjson.OpenObject(rules[0]).Get("if")
	names, _ := rawjson.OpenObject(condition).Get("properties")
	on := rawjson.OpenObject(names)
	if len(on) != 1 || !slices.ContainsFunc(required, func(r json.RawMessage) bool { return bytes.Equal(r, rawjson.Quote(on[0].Name)) }) {
		return nil, false
	}
	name := on[0].Name
	property, _ := properties.Get(name)
	values, _ := rawjson.OpenObject(property).Get("enum")
	var kinds []json.RawMessage
	for _, value := range rawjson.OpenArray(values) {
		demanded := []json.RawMessage{rawjson.Quote(name)}
		var further []json.RawMessage
		for _, raw := range rules {
			then, applies, ok := ruleFor(rawjson.OpenObject(raw), name, value)
			if !ok {
				return nil, false
			}
			if !applies {
				continue
			}
			names, _ := then.Get("required")
			demanded = append(demanded, rawjson.OpenArray(names)...)
			if anyOf, ok := then.Get("anyOf"); ok {
				further = append(further, alternatives(anyOf, properties))
			}
		}
		kind := withTypes(rawjson.Object{{Name: "required", Value: set(demanded)}}, properties)
		typesOf, _ := kind.Get("properties")
		kind = kind.Set("properties", rawjson.OpenObject(typesOf).Set(name, rawjson.Object{{Name: "const", Value: value}}.JSON()).JSON())
		if len(further) > 0 {
			kind = kind.Set("allOf", rawjson.AppendArray(nil, further))
		}
		kinds = append(kinds, kind.JSON())
	}
	return rawjson.AppendArray(nil, kinds), len(kinds) > 0
}

// ruleFor returns what a rule demands where a property has a value, and whether it demands anything then. It reports false where the rule
// looks at anything else, or demands what cannot be said of a kind.
func ruleFor(rule rawjson.Object, name string, value json.RawMessage) (then rawjson.Object, applies, ok bool) {
	rawIf, _ := rule.Get("if")
	rawThen, _ := rule.Get("then")
	condition := rawjson.OpenObject(rawIf)
	then = rawjson.OpenObject(rawThen).Without("title", "x-code")
	names, _ := condition.Get("required")
	on, _ := condition.Get("properties")
	properties := rawjson.OpenObject(on)
	if len(rule.Without("title", "if", "then")) > 0 || len(condition) != 2 || len(properties) != 1 || properties[0].Name != name ||
		string(names) != string(rawjson.AppendArray(nil, []json.RawMessage{rawjson.Quote(name)})) || len(then.Without("required", "anyOf")) > 0 {
		return nil, false, false
	}
	test := rawjson.OpenObject(properties[0].Value)
	values, isEnum := test.Get("enum")
	one, isConst := test.Get("const")
	same := func(v json.RawMessage) bool { return bytes.Equal(v, value) }
	return then, isConst && same(one) || slices.ContainsFunc(rawjson.OpenArray(values), same), len(test) == 1 && (isEnum || isConst)
}

// alternatives is a schema that takes what one of several takes.
func alternatives(anyOf json.RawMessage, properties rawjson.Object) json.RawMessage {
	var list []json.RawMessage
	for _, a := range rawjson.OpenArray(anyOf) {
		list = append(list, withTypes(rawjson.OpenObject(a), properties).JSON())
	}
	return rawjson.Object{{Name: "anyOf", Value: rawjson.AppendArray(nil, list)}}.JSON()
}

// withTypes adds to a schema that only demands properties what type each is of, as the schema that it is part of says.
func withTypes(s, properties rawjson.Object) rawjson.Object {
	names, ok := s.Get("required")
	if !ok || len(s) != 1 {
		return s
	}
	var typesOf rawjson.Object
	for _, raw := range rawjson.OpenArray(names) {
		name, _ := rawjson.Text(raw)
		property, _ := properties.Get(name)
		if kind := rawjson.OpenObject(property).Text("type"); kind != "" {
			typesOf = append(typesOf, rawjson.Member{Name: name, Value: rawjson.Object{{Name: "type", Value: rawjson.Quote(kind)}}.JSON()})
		}
	}
	return rawjson.Object{{Name: "type", Value: rawjson.Quote("object")}}.Set("required", names).Set("properties", typesOf.JSON())
}

// set is an array of the names, each of them once.
func set(names []json.RawMessage) json.RawMessage {
	var once []json.RawMessage
	for _, name := range names {
		if !slices.ContainsFunc(once, func(n json.RawMessage) bool { return bytes.Equal(n, name) }) {
			once = append(once, name)
		}
	}
	return rawjson.AppendArray(nil, once)
}
