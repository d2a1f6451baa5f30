package schemas

import (
	"encoding/json"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/aacflow/segment-blocks/rawjson"
)

// toJSON writes a YAML tree as JSON, members in the order of the file and numbers with the digits
// they have there.
func (l *loader) toJSON(n *yaml.Node) (json.RawMessage, error) {
	switch n.Kind {
	case yaml.MappingNode:
		obj := rawjson.Object{}
		for key, value := range pairs(n) {
			raw, err := l.toJSON(value)
			if err != nil {
				return nil, err
			}
			obj = append(obj, rawjson.Member{Name: key.Value, Value: raw})
		}
		return obj.JSON(), nil
	case yaml.SequenceNode:
		elements := []json.RawMessage{}
		for _, c := range n.Content {
			raw, err := l.toJSON(c)
			if err != nil {
				return nil, err
			}
			elements = append(elements, raw)
		}
		return rawjson.AppendArray(nil, elements), nil
	}
	switch n.ShortTag() {
	case "!!str", "!!timestamp":
		return rawjson.Quote(n.Value), nil
	case "!!null":
		return json.RawMessage("null"), nil
	case "!!bool":
		return json.RawMessage(strings.ToLower(n.Value)), nil
	case "!!int", "!!float":
		if json.Valid([]byte(n.Value)) {
			return json.RawMessage(n.Value), nil
		}
	}
	return nil, l.errorf(n, "must be a value that JSON has: %s", n.Value)
}

// inline returns a copy of a schema in which each $ref to a definition of another file is replaced
// by that definition. Beside such a $ref only annotations may stand; they win over the definition's
// own.
func (l *loader) inline(n *yaml.Node, within []string) (*yaml.Node, error) {
	if ref := child(n, "$ref"); ref != nil && !strings.HasPrefix(ref.Value, "#") {
		return l.resolve(n, ref, within)
	}
	copied := *n
	copied.Content = make([]*yaml.Node, len(n.Content))
	for i, c := range n.Content {
		inlined, err := l.inline(c, within)
		if err != nil {
			return nil, err
		}
		copied.Content[i] = inlined
	}
	l.file[&copied] = l.file[n]
	return &copied, nil
}

func (l *loader) resolve(n, ref *yaml.Node, within []string) (*yaml.Node, error) {
	if slices.Contains(within, ref.Value) {
		return nil, l.errorf(ref, "$ref leads back to itself: %q", ref.Value)
	}
	file, pointer, _ := strings.Cut(ref.Value, "#/$defs/")
	doc := l.documents[file]
	if doc == nil {
		return nil, l.errorf(ref, "$ref leads to a file that is not there: %q", ref.Value)
	}
	target := child(child(doc, "$defs"), pointer)
	if target == nil {
		return nil, l.errorf(ref, "$ref leads nowhere: %q", ref.Value)
	}
	definition, err := l.inline(target, append(within, ref.Value))
	if err != nil {
		return nil, err
	}
	for key, value := range pairs(n) {
		switch key.Value {
		case "$ref":
		case "title", "description", "examples":
			set(definition, key, value)
		default:
			return nil, l.errorf(key, "beside a $ref to another file only title, description and examples may stand: %q", key.Value)
		}
	}
	return definition, nil
}

func set(mapping, key, value *yaml.Node) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key.Value {
			mapping.Content[i+1] = value
			return
		}
	}
	mapping.Content = append(mapping.Content, key, value)
}
