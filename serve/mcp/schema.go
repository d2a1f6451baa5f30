package mcp

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
)

// inputSchema returns the schema of an entry's input without the hidden parameters.
func inputSchema(e registry.Entry, p Profile, hidden []string) json.RawMessage {
	if p == Strict {
		return without(bare(e.InputSchema), hidden)
	}
	flat := flattener{e.InputSchema, p, hidden}.object(rawjson.OpenObject(e.InputSchema), 0)
	if p == Sim {
		// A workflow file that names the tool keeps only the schema, and an agent in the workflow
		// sees nothing else.
		flat = flat.Set("description", rawjson.Quote(describe(e, p)))
	}
	return flat.JSON()
}

// outputSchema returns the schema of an entry's output.
func outputSchema(e registry.Entry, p Profile) json.RawMessage {
	if p == Sim {
		return schemas.NullsOptional(bare(e.OutputSchema))
	}
	return bare(e.OutputSchema)
}

// bare returns a schema without the keywords that only this project knows (x-…).
func bare(schema json.RawMessage) json.RawMessage {
	return schemas.Rewrite(schema, func(s rawjson.Object) rawjson.Object {
		return slices.DeleteFunc(s, func(m rawjson.Member) bool { return strings.HasPrefix(m.Name, "x-") })
	})
}

// without returns the schema of an object that does not know some parameters, and requires none of
// them at its root or in a branch of allOf.
func without(schema json.RawMessage, names []string) json.RawMessage {
	forget := func(o rawjson.Object) rawjson.Object {
		if required := o.Texts("required"); required != nil {
			left := slices.DeleteFunc(required, func(name string) bool { return slices.Contains(names, name) })
			o = slices.Clone(o).Set("required", textList(left))
		}
		return o
	}
	s := forget(slices.Clone(rawjson.OpenObject(schema)))
	if properties := s.Object("properties"); properties != nil {
		s = s.Set("properties", properties.Without(names...).JSON())
	}
	if branches := s.Array("allOf"); branches != nil {
		for i, branch := range branches {
			if rule := rawjson.OpenObject(branch); rule != nil { // true and false are schemas too
				branches[i] = forget(rule).JSON()
			}
		}
		s = s.Set("allOf", rawjson.AppendArray(nil, branches))
	}
	return s.JSON()
}

// flattener writes schemas anew with the few keywords that all clients understand.
type flattener struct {
	root    json.RawMessage
	profile Profile
	hidden  []string
}

// deepest bounds how far a schema is flattened, since it may refer to itself.
const deepest = 16

// object flattens the schema of an object: its properties, and what it requires in any case.
func (f flattener) object(schema rawjson.Object, depth int) rawjson.Object {
	out := rawjson.Object{{Name: "type", Value: rawjson.Quote("object")}}
	var members rawjson.Object
	for _, p := range schema.Object("properties") {
		def := f.resolve(p.Value)
		if _, forbidden := def.Get("not"); forbidden || depth == 0 && slices.Contains(f.hidden, p.Name) {
			continue
		}
		members = append(members, rawjson.Member{Name: p.Name, Value: f.property(def, depth).JSON()})
	}
	if members != nil {
		out = out.Set("properties", members.JSON())
	}
	if names := required(schema); f.profile == Agent && len(names) > 0 {
		out = out.Set("required", textList(names))
	}
	if closed, ok := schema.Get("additionalProperties"); ok && string(closed) == "false" {
		out = out.Set("additionalProperties", closed)
	}
	return out
}

// property flattens the schema of one parameter.
func (f flattener) property(def rawjson.Object, depth int) (out rawjson.Object) {
	if depth > deepest {
		return nil
	}
	types := typesOf(def)
	isObject, isArray := slices.Contains(types, "object"), slices.Contains(types, "array")
	if f.profile == Sim && depth == 0 {
		if def.Text("x-aacflow-type") == "json" || isObject || isArray {
			types = with(types, "string")
		}
		types = with(types, "null")
	}
	switch len(types) {
	case 0:
	case 1:
		out = out.Set("type", rawjson.Quote(types[0]))
	default:
		out = out.Set("type", textList(types))
	}
	if isObject {
		out = append(out, f.object(def, depth+1).Without("type", "additionalProperties")...)
	}
	if isArray {
		items, _ := def.Get("items")
		out = out.Set("items", f.property(f.resolve(items), depth+1).JSON())
	}
	for _, keyword := range []string{"description", "enum", "format"} {
		value, ok := def.Get(keyword)
		if !ok || keyword == "format" && f.profile == Sim && def.Text("format") != "password" {
			continue // AACFlow passes times in more forms than date-time, and the runtime reads them
		}
		if keyword == "enum" && slices.Contains(types, "null") {
			value = rawjson.AppendArray(nil, append(rawjson.OpenArray(value), json.RawMessage("null")))
		}
		out = out.Set(keyword, value)
	}
	return out
}

// resolve returns a schema merged over the definition that it refers to. References lead somewhere,
// or the manifest would not have been loaded.
func (f flattener) resolve(schema json.RawMessage) rawjson.Object {
	def := rawjson.OpenObject(schema)
	for range deepest {
		ref := def.Text("$ref")
		if ref == "" {
			break
		}
		target, _ := rawjson.At(f.root, strings.TrimPrefix(ref, "#"))
		def = rawjson.OpenObject(rawjson.Merge(target, def.Without("$ref").JSON()))
	}
	return def
}

// typesOf returns the types that a schema names, or those of its enum.
func typesOf(def rawjson.Object) []string {
	if text := def.Text("type"); text != "" {
		return []string{text}
	}
	types := def.Texts("type")
	if types == nil {
		for _, element := range def.Array("enum") {
			types = with(types, string(rawjson.KindOf(element)))
		}
	}
	return types
}

// required returns the names that a schema requires in any case: at its root, and in each branch of
// its allOf.
func required(schema rawjson.Object) (names []string) {
	names = schema.Texts("required")
	for _, part := range schema.Array("allOf") {
		for _, name := range rawjson.OpenObject(part).Texts("required") {
			names = with(names, name)
		}
	}
	return names
}

// with returns a list of distinct texts that has text too.
func with(list []string, text string) []string {
	if slices.Contains(list, text) {
		return list
	}
	return append(slices.Clone(list), text)
}

// textList returns a JSON array of texts.
func textList(list []string) json.RawMessage {
	var elements []json.RawMessage
	for _, text := range list {
		elements = append(elements, rawjson.Quote(text))
	}
	return rawjson.AppendArray(nil, elements)
}
