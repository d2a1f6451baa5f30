package schemas

import (
	"encoding/json"
	"slices"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Rewrite returns a JSON Schema with edit applied to each schema in it, the innermost first. Values
// such as constants and examples stay as they are, and so do the schemas true and false.
func Rewrite(schema json.RawMessage, edit func(rawjson.Object) rawjson.Object) json.RawMessage {
	return rewrite(schema, keywords(), edit)
}

func rewrite(
	schema json.RawMessage,
	known map[string]string,
	edit func(rawjson.Object) rawjson.Object,
) json.RawMessage {
	if rawjson.KindOf(schema) != rawjson.ObjectKind {
		return schema
	}
	s := slices.Clone(rawjson.OpenObject(schema))
	for i, m := range s {
		switch known[m.Name] {
		case oneSchema:
			s[i].Value = rewrite(m.Value, known, edit)
		case listOf:
			list := slices.Clone(rawjson.OpenArray(m.Value))
			for j, inner := range list {
				list[j] = rewrite(inner, known, edit)
			}
			s[i].Value = rawjson.AppendArray(nil, list)
		case mapOf:
			members := slices.Clone(rawjson.OpenObject(m.Value))
			for j, inner := range members {
				members[j].Value = rewrite(inner.Value, known, edit)
			}
			s[i].Value = members.JSON()
		}
	}
	return edit(s).JSON()
}
