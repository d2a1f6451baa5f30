package mcp

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
)

// bare returns a schema without the keywords that only this project knows (x-…), which tell a client nothing. What stands in values, such
// as examples and constants, or is the name of a property, stays as it is.
func bare(schema json.RawMessage) json.RawMessage {
	if rawjson.KindOf(schema) != rawjson.ObjectKind {
		return schema // true and false are schemas
	}
	var out rawjson.Object
	for _, m := range rawjson.OpenObject(schema) {
		switch m.Name {
		case "properties", "patternProperties", "$defs", "definitions", "dependentSchemas":
			var members rawjson.Object
			for _, p := range rawjson.OpenObject(m.Value) {
				members = append(members, rawjson.Member{Name: p.Name, Value: bare(p.Value)})
			}
			m.Value = members.JSON()
		case "allOf", "anyOf", "oneOf", "prefixItems":
			branches := rawjson.OpenArray(m.Value)
			list := make([]json.RawMessage, len(branches))
			for i, branch := range branches {
				list[i] = bare(branch)
			}
			m.Value = rawjson.AppendArray(nil, list)
		case "items", "contains", "not", "if", "then", "else", "additionalProperties", "propertyNames", "unevaluatedProperties", "unevaluatedItems":
			m.Value = bare(m.Value)
		default:
			if strings.HasPrefix(m.Name, "x-") {
				continue
			}
		}
		out = append(out, m)
	}
	return out.JSON()
}

// without returns the schema of an object that does not know the parameters named.
func without(schema json.RawMessage, names []string) json.RawMessage {
	if len(names) == 0 {
		return schema
	}
	var out rawjson.Object
	for _, m := range rawjson.OpenObject(schema) {
		switch m.Name {
		case "properties":
			m.Value = rawjson.OpenObject(m.Value).Without(names...).JSON()
		case "required":
			m.Value = unrequired(m.Value, names)
		case "allOf":
			branches := rawjson.OpenArray(m.Value)
			list := make([]json.RawMessage, len(branches))
			for i, branch := range branches {
				list[i] = branch
				if rule := rawjson.OpenObject(branch); rule != nil {
					if needs, ok := rule.Get("required"); ok {
						list[i] = slices.Clone(rule).Set("required", unrequired(needs, names)).JSON()
					}
				}
			}
			m.Value = rawjson.AppendArray(nil, list)
		}
		out = append(out, m)
	}
	return out.JSON()
}

func unrequired(list json.RawMessage, names []string) json.RawMessage {
	var left []json.RawMessage
	for _, element := range rawjson.OpenArray(list) {
		if name, _ := rawjson.Text(element); !slices.Contains(names, name) {
			left = append(left, element)
		}
	}
	return rawjson.AppendArray(nil, left)
}
