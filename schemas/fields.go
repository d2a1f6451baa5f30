package schemas

import (
	"encoding/json"
	"slices"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Field is one parameter of an input or one member of an output, as forms and tables show it.
type Field struct {
	Name string `json:"name"`
	// Type is the host's name of the type: string, json, boolean or number.
	Type        string `json:"type"`
	Description string `json:"description"`
	// FilledBy is user-only or user-or-llm; empty for outputs.
	FilledBy string `json:"filledBy,omitempty"`
	// Secret values never appear in logs, errors, receipts or previews.
	Secret bool `json:"secret,omitempty"`
	// Format is the schema's format, such as date-time.
	Format string `json:"format,omitempty"`
	// Hint tells a host's assistant what to write into the field.
	Hint string `json:"hint,omitempty"`
	// Kinds are the JSON types that the schema admits; empty for any.
	Kinds []rawjson.Kind `json:"kinds,omitempty"`
	// Example is a possible value.
	Example json.RawMessage `json:"example,omitempty"`
	// Fields are the members of an object, or of the objects in an array, if the schema lists them.
	Fields []Field `json:"fields,omitempty"`
}

// HoldsJSON reports whether text in the field, where a host gives only text, stands for its JSON.
func (f *Field) HoldsJSON() bool {
	return slices.Contains([]string{"json", "number", "boolean"}, f.Type)
}

// Find returns the field called name, or nil.
func Find(fields []Field, name string) *Field {
	for i := range fields {
		if fields[i].Name == name {
			return &fields[i]
		}
	}
	return nil
}

// fieldsOf lists the properties of a schema, with those of nested objects. It looks into one level
// of array per property, as forms and tables show no more.
func fieldsOf(schema json.RawMessage) []Field {
	var fields []Field
	for _, p := range rawjson.OpenObject(schema).Object("properties") {
		def := rawjson.OpenObject(p.Value)
		f := Field{
			Name:        p.Name,
			Type:        def.Text("x-aacflow-type"),
			Description: def.Text("description"),
			FilledBy:    def.Text("x-filled-by"),
			Format:      def.Text("format"),
			Hint:        def.Text("x-hint"),
			Kinds:       kindsOf(def),
			Secret:      isSecret(def),
		}
		if list := def.Array("examples"); len(list) > 0 {
			f.Example = list[0]
		}
		if f.Fields = fieldsOf(p.Value); f.Fields == nil {
			items, _ := def.Get("items")
			f.Fields = fieldsOf(items)
		}
		fields = append(fields, f)
	}
	return fields
}

func isSecret(def rawjson.Object) bool {
	writeOnly, _ := def.Get("writeOnly")
	return string(writeOnly) == "true"
}

// kindsOf returns the types that a schema names: one, a list, or none, which admits any.
func kindsOf(def rawjson.Object) []rawjson.Kind {
	if one := def.Text("type"); one != "" {
		return []rawjson.Kind{rawjson.Kind(one)}
	}
	var kinds []rawjson.Kind
	for _, name := range def.Texts("type") {
		kinds = append(kinds, rawjson.Kind(name))
	}
	return kinds
}

// rulesOf collects the titles of the rules in allOf. Each rule of a manifest has a title, because
// its keywords mean little to a person.
func rulesOf(schema json.RawMessage) []string {
	root := rawjson.OpenObject(schema)
	rules := []string{}
	for _, rule := range root.Array("allOf") {
		if title := rawjson.OpenObject(rule).Text("title"); title != "" {
			rules = append(rules, title)
		}
	}
	for _, p := range root.Object("properties") {
		if items, ok := rawjson.OpenObject(p.Value).Get("items"); ok {
			rules = append(rules, rulesOf(items)...)
		}
	}
	return slices.Clip(rules)
}

// secretNames collects the names of secret fields at any depth. In an invalid input, a secret may
// be in the wrong place, where only its name shows that it is one.
func secretNames(fields []Field, into map[string]bool) map[string]bool {
	for _, f := range fields {
		if f.Secret {
			into[f.Name] = true
		}
		secretNames(f.Fields, into)
	}
	return into
}
