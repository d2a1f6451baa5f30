package schemas

import (
	"encoding/json"
	"slices"

	"github.com/aacflow/segment-blocks/rawjson"
)

// WithoutNulls returns an output without its members that are null, for a host that would write
// them into a text as the word null.
func WithoutNulls(output json.RawMessage) json.RawMessage {
	return slices.DeleteFunc(rawjson.OpenObject(output), func(m rawjson.Member) bool {
		return rawjson.KindOf(m.Value) == rawjson.NullKind
	}).JSON()
}

// NullsOptional returns the schema of an output for what [WithoutNulls] makes of it: members that
// may be null are not required.
func NullsOptional(schema json.RawMessage) json.RawMessage {
	fields, s := fieldsOf(schema), slices.Clone(rawjson.OpenObject(schema))
	required := []json.RawMessage{}
	for _, name := range s.Texts("required") {
		if f := Find(fields, name); f == nil || !slices.Contains(f.Kinds, rawjson.NullKind) {
			required = append(required, rawjson.Quote(name))
		}
	}
	return s.Set("required", rawjson.AppendArray(nil, required)).JSON()
}
