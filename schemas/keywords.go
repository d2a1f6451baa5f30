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
		if slices.ContainsFunc(reserved, func(name string) bool {
			start, more := strings.CutSuffix(name, "*")
			return name == f.Name || more && strings.HasPrefix(f.Name, start)
		}) {
			r.fail(at, "hosts treat this name specially: %q", f.Name)
		}
		if !slices.Contains([]string{"string", "json", "boolean", "number"}, f.Type) {
			r.fail(at, "%s: x-aacflow-type must be string, json, boolean or number: %q", f.Name, f.Type)
		}
		if !slices.Contains(filledBy, f.FilledBy) {
			r.fail(at, "%s: x-filled-by must be one of %q: %q", f.Name, filledBy, f.FilledBy)
		}
		if f.Description == "" {
			r.fail(at, "%s: description must be given", f.Name)
		}
		if isInput && f.Example == nil {
			r.fail(at, "%s: examples must be given, one at least", f.Name)
		}
		if f.Secret != (f.Format == "password") {
			r.fail(at, "%s: a secret has both writeOnly and format: password", f.Name)
		}
	}
}
