package mcp

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
)

// Profile says in which form the input schemas are published. It changes what a client is told, never what is accepted: each call is
// validated by the runtime against the block's own schema.
type Profile string

const (
	// Sim is for the MCP block of AACFlow and Sim. Each parameter may be null, those that take JSON may be a text that
	// holds it: their forms can then hold references, which arrive as text. Nothing is marked as required and the rules stand in the
	// description, because what their own check refuses is reported as "Invalid tool arguments" and nothing else. It has only the keywords
	// that every provider of models takes.
	Sim Profile = "sim"
	// Agent is for models that call the tools: as plain as Sim, with the types as they are, and required where a parameter is
	// needed in any case. Some providers of models refuse the combining keywords of Strict at the root of a tool's schema.
	Agent Profile = "agent"
	// Strict is the block's own schema with all its rules, but for the credential and keywords that only this project knows.
	Strict Profile = "strict"
)

// Profiles returns all profiles.
func Profiles() []Profile { return []Profile{Sim, Agent, Strict} }

// inputSchema returns the schema of an entry's input without the hidden parameters.
func inputSchema(e registry.Entry, p Profile, hidden []string) (json.RawMessage, error) {
	if p == Strict {
		return without(bare(e.InputSchema), hidden), nil
	}
	flat, err := (flattener{root: e.InputSchema, profile: p, hidden: hidden}).object(rawjson.OpenObject(e.InputSchema), 0)
	if err != nil {
		return nil, fmt.Errorf("input schema of %q: %w", e.ID, err)
	}
	if p == Sim {
		// A workflow file that names the tool keeps the schema only, and what it says is all that an agent in that workflow gets to know.
		flat = flat.Set("description", rawjson.Quote(describe(e, p)))
	}
	return flat.JSON(), nil
}

// flattener writes schemas anew with the few keywords that all clients understand.
type flattener struct {
	root    json.RawMessage
	profile Profile
	hidden  []string
}

// deepest bounds how far references are followed; a schema may refer to itself.
const deepest = 16

// object flattens the schema of an object: its properties, and what is required in any case.
func (f flattener) object(schema rawjson.Object, depth int) (rawjson.Object, error) {
	out := rawjson.Object{{Name: "type", Value: rawjson.Quote("object")}}
	var members rawjson.Object
	properties, _ := schema.Get("properties")
	for _, p := range rawjson.OpenObject(properties) {
		def, err := f.resolve(rawjson.OpenObject(p.Value), depth)
		if err != nil {
			return nil, err
		}
		if _, forbidden := def.Get("not"); forbidden || depth == 0 && slices.Contains(f.hidden, p.Name) {
			continue
		}
		flat, err := f.property(def, depth)
		if err != nil {
			return nil, err
		}
		members = append(members, rawjson.Member{Name: p.Name, Value: flat.JSON()})
	}
	if members != nil {
		out = out.Set("properties", members.JSON())
	}
	if names := required(schema); f.profile == Agent && len(names) > 0 {
		var list []json.RawMessage
		for _, name := range names {
			list = append(list, rawjson.Quote(name))
		}
		out = out.Set("required", rawjson.AppendArray(nil, list))
	}
	if closed, ok := schema.Get("additionalProperties"); ok && string(closed) == "false" {
		out = out.Set("additionalProperties", closed)
	}
	return out, nil
}

// property flattens the schema of one parameter.
func (f flattener) property(def rawjson.Object, depth int) (rawjson.Object, error) {
	kinds := kindsOf(def)
	var out rawjson.Object
	if slices.Contains(kinds, "object") {
		nested, err := f.object(def, depth+1)
		if err != nil {
			return nil, err
		}
		out = nested.Without("additionalProperties")
	}
	if slices.Contains(kinds, "array") {
		raw, ok := def.Get("items")
		if !ok {
			raw = json.RawMessage(`{}`)
		}
		items, err := f.resolve(rawjson.OpenObject(raw), depth)
		if err != nil {
			return nil, err
		}
		flat, err := f.property(items, depth+1)
		if err != nil {
			return nil, err
		}
		out = out.Set("items", flat.JSON())
	}
	if f.profile == Sim && depth == 0 {
		if def.Text("x-aacflow-type") == "json" || slices.Contains(kinds, "object") || slices.Contains(kinds, "array") {
			kinds = with(kinds, "string")
		}
		kinds = with(kinds, "null")
	}
	out = out.Without("type")
	if len(kinds) > 0 {
		out = append(rawjson.Object{{Name: "type", Value: typeOf(kinds)}}, out...)
	}
	for _, keyword := range []string{"description", "enum", "format"} {
		value, ok := def.Get(keyword)
		if !ok || keyword == "format" && f.profile == Sim && def.Text("format") != "password" {
			continue // AACFlow passes times in more forms than date-time, and the runtime reads them
		}
		if keyword == "enum" && slices.Contains(kinds, "null") {
			value = rawjson.AppendArray(nil, append(rawjson.OpenArray(value), json.RawMessage("null")))
		}
		out = out.Set(keyword, value)
	}
	return out, nil
}

// resolve returns a schema with the definition that it refers to laid under it.
func (f flattener) resolve(def rawjson.Object, depth int) (rawjson.Object, error) {
	for range deepest {
		ref := def.Text("$ref")
		if ref == "" {
			break
		}
		pointer, local := strings.CutPrefix(ref, "#")
		target, ok := rawjson.At(f.root, pointer)
		if !local || !ok {
			return nil, fmt.Errorf("the reference leads nowhere: %q", ref)
		}
		def = rawjson.OpenObject(rawjson.Merge(target, def.Without("$ref").JSON()))
	}
	if depth > deepest {
		return nil, fmt.Errorf("must not nest deeper than %d levels", deepest)
	}
	return def, nil
}

// kindsOf returns the types that a schema names, or those of its enum.
func kindsOf(def rawjson.Object) []string {
	var kinds []string
	if text := def.Text("type"); text != "" {
		return []string{text}
	}
	list, _ := def.Get("type")
	for _, element := range rawjson.OpenArray(list) {
		text, _ := rawjson.Text(element)
		kinds = append(kinds, text)
	}
	if kinds == nil {
		enum, _ := def.Get("enum")
		for _, element := range rawjson.OpenArray(enum) {
			kinds = with(kinds, string(rawjson.KindOf(element)))
		}
	}
	return kinds
}

func with(kinds []string, kind string) []string {
	if slices.Contains(kinds, kind) {
		return kinds
	}
	return append(slices.Clone(kinds), kind)
}

func typeOf(kinds []string) json.RawMessage {
	if len(kinds) == 1 {
		return rawjson.Quote(kinds[0])
	}
	var list []json.RawMessage
	for _, kind := range kinds {
		list = append(list, rawjson.Quote(kind))
	}
	return rawjson.AppendArray(nil, list)
}

// required returns the names that a schema requires in any case, at its root and in each branch of its allOf.
func required(schema rawjson.Object) []string {
	var names []string
	add := func(from rawjson.Object) {
		list, _ := from.Get("required")
		for _, element := range rawjson.OpenArray(list) {
			if name, ok := rawjson.Text(element); ok {
				names = with(names, name)
			}
		}
	}
	add(schema)
	all, _ := schema.Get("allOf")
	for _, branch := range rawjson.OpenArray(all) {
		add(rawjson.OpenObject(branch))
	}
	return names
}

// describe is the description of a tool. What the schema of a profile does not say is said here.
func describe(e registry.Entry, p Profile) string {
	paragraphs := []string{e.Summary + "."}
	for paragraph := range strings.SplitSeq(e.WhenToUse, "\n\n") {
		if words := strings.Fields(paragraph); len(words) > 0 {
			paragraphs = append(paragraphs, strings.Join(words, " ")) // manifests break their lines
		}
	}
	var rules []string
	for _, rule := range e.Rules {
		rules = append(rules, "- "+rule+".")
	}
	if p == Sim {
		var names []string
		for _, field := range e.Input {
			if field.Type == "json" {
				names = append(names, field.Name)
			}
		}
		if names != nil {
			rules = append(rules, "- JSON, or text that holds it: "+strings.Join(names, ", ")+".")
		}
		rules = append(rules, "- Empty text and null count as not given.")
	}
	if len(rules) > 0 {
		paragraphs = append(paragraphs, "Rules:\n"+strings.Join(rules, "\n"))
	}
	return strings.Join(paragraphs, "\n\n")
}

// secrets returns the parameters at the root of an input that hold credentials.
func secrets(fields []schemas.Field) []string {
	var names []string
	for _, f := range fields {
		if f.Secret {
			names = append(names, f.Name)
		}
	}
	return names
}
