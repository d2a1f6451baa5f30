package schemas

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Where schemas stand inside a schema. JSON Schema ignores keywords that it does not know; a
// manifest may not have any, since a keyword misspelt is a rule lost.
const (
	noSchema  = "none"   // the value is no schema
	oneSchema = "schema" // the value is a schema
	listOf    = "list"   // a list of schemas
	mapOf     = "map"    // names to schemas
)

// keywords are those of JSON Schema 2020-12 that manifests use, and our own.
func keywords() map[string]string {
	all := map[string]string{}
	for kind, names := range map[string]string{
		noSchema: "title description examples default deprecated readOnly writeOnly $comment $ref " +
			"x-aacflow-type x-filled-by x-code x-codes x-hint x-says type const enum format minLength maxLength pattern " +
			"minimum maximum exclusiveMinimum exclusiveMaximum multipleOf required minProperties maxProperties " +
			"dependentRequired minItems maxItems uniqueItems minContains maxContains",
		oneSchema: "additionalProperties propertyNames items contains unevaluatedProperties unevaluatedItems " +
			"not if then else",
		listOf: "prefixItems allOf anyOf oneOf",
		mapOf:  "$defs properties patternProperties",
	} {
		for name := range strings.FieldsSeq(names) {
			all[name] = kind
		}
	}
	return all
}

// Rewrite returns a JSON Schema with edit applied to each schema in it, the innermost first. Values
// such as constants and examples stay as they are, and so do the schemas true and false.
func Rewrite(schema json.RawMessage, edit func(rawjson.Object) rawjson.Object) json.RawMessage {
	return rewrite(schema, keywords(), edit)
}

func rewrite(
	schema json.RawMessage, known map[string]string, edit func(rawjson.Object) rawjson.Object,
) json.RawMessage {
	if rawjson.KindOf(schema) != rawjson.ObjectKind {
		return schema
	}
	s := rawjson.OpenObject(schema)
	for i, m := range s {
		switch known[m.Name] {
		case oneSchema:
			s[i].Value = rewrite(m.Value, known, edit)
		case listOf:
			list := rawjson.OpenArray(m.Value)
			for j, inner := range list {
				list[j] = rewrite(inner, known, edit)
			}
			s[i].Value = rawjson.AppendArray(nil, list)
		case mapOf:
			members := rawjson.OpenObject(m.Value)
			for j, inner := range members {
				members[j].Value = rewrite(inner.Value, known, edit)
			}
			s[i].Value = members.JSON()
		}
	}
	return edit(s).JSON()
}

// checkKeywords refuses keywords that are not known, at any depth.
func (r *reader) checkKeywords(schema *yaml.Node) {
	if schema.Kind != yaml.MappingNode && schema.ShortTag() != "!!bool" {
		r.fail(schema, "a schema must be a mapping, true or false")
	}
	for key, value := range pairs(schema) {
		kind, ok := r.keywords[key.Value]
		if !ok {
			r.fail(key, "unknown keyword %q%s", key.Value, DidYouMean(key.Value, slices.Sorted(maps.Keys(r.keywords))))
		}
		if key.Value == "x-codes" || key.Value == "x-says" {
			for about := range pairs(value) {
				if child(schema, about.Value) == nil {
					r.fail(about, "%s speaks of a keyword that is not in this schema: %q", key.Value, about.Value)
				}
			}
		}
		switch kind {
		case oneSchema:
			r.checkKeywords(value)
		case listOf:
			for _, sub := range value.Content {
				r.checkKeywords(sub)
			}
		case mapOf:
			for _, sub := range pairs(value) {
				r.checkKeywords(sub)
			}
		}
	}
}

// fillFields gives the properties at the root of an input or output what follows from their schemas
// where the manifest does not say it, so that whoever reads the schema finds it there.
func fillFields(properties *yaml.Node, isInput bool) {
	plain := map[string]string{
		"string": "string", "boolean": "boolean", "number": "number", "integer": "number", "object": "json", "array": "json",
	}
	add := func(def *yaml.Node, key, value string) {
		if value != "" && child(def, key) == nil {
			def.Content = append(def.Content, scalar(key), scalar(value))
		}
	}
	for _, def := range pairs(properties) {
		if def.Kind != yaml.MappingNode {
			continue
		}
		types := child(def, "type")
		if types != nil && types.Kind == yaml.SequenceNode { // such as [string, "null"]
			types = &yaml.Node{Content: slices.DeleteFunc(slices.Clone(types.Content), func(t *yaml.Node) bool {
				return t.Value == "null"
			})}
			if len(types.Content) == 1 {
				types = types.Content[0]
			}
		}
		if types != nil {
			add(def, "x-aacflow-type", plain[types.Value])
		}
		if secret := child(def, "writeOnly"); isInput && secret != nil && secret.Value == "true" {
			add(def, "x-filled-by", "user-only")
		} else if isInput {
			add(def, "x-filled-by", "user-or-llm")
		}
	}
}

func scalar(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
}

// checkFields demands of each field what forms and tables need to show it.
func (r *reader) checkFields(schema *yaml.Node, fields []Field, isInput bool) {
	reserved, filledBy := r.conventions.ReservedOutputs, []string{""}
	if isInput {
		reserved, filledBy = r.conventions.ReservedInputs, []string{"user-only", "user-or-llm"}
	}
	if len(fields) == 0 {
		r.fail(schema, "must be an object with properties")
	}
	for _, f := range fields {
		at := locate(schema, "/properties/"+f.Name)
		if Reserved(reserved, f.Name) {
			r.fail(at, "hosts give this name a meaning of their own; choose another: %q", f.Name)
		}
		if !slices.Contains([]string{"string", "json", "boolean", "number"}, f.Type) {
			r.fail(at, "%s: must have one type, such as type: string, or x-aacflow-type, which is string, json,"+
				" boolean or number: %q",
				f.Name, f.Type)
		}
		if !slices.Contains(filledBy, f.FilledBy) {
			r.fail(at, "%s: x-filled-by must be one of %q: %q", f.Name, filledBy, f.FilledBy)
		}
		if f.Description == "" {
			r.fail(at, "%s: description must be given: a sentence that forms and agents show", f.Name)
		}
		if f.Secret != (f.Format == "password") {
			r.fail(at, "%s: a secret must have both writeOnly: true and format: password", f.Name)
		}
	}
}
