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
func (r *reader) toJSON(n *yaml.Node) json.RawMessage {
	switch n.Kind {
	case yaml.MappingNode:
		obj := rawjson.Object{}
		for key, value := range pairs(n) {
			obj = append(obj, rawjson.Member{Name: key.Value, Value: r.toJSON(value)})
		}
		return obj.JSON()
	case yaml.SequenceNode:
		elements := []json.RawMessage{}
		for _, c := range n.Content {
			elements = append(elements, r.toJSON(c))
		}
		return rawjson.AppendArray(nil, elements)
	}
	value, ok := ScalarJSON(n)
	if !ok {
		r.fail(n, "must be a value that JSON has: %s", n.Value)
	}
	return value
}

// ScalarJSON returns a YAML scalar as JSON, a number with the digits that it has in the file. It
// returns null and false for what JSON cannot say, such as .inf or 0x1F.
func ScalarJSON(n *yaml.Node) (json.RawMessage, bool) {
	switch tag := n.ShortTag(); {
	case tag == "!!str", tag == "!!timestamp":
		return rawjson.Quote(n.Value), true
	case tag == "!!bool":
		return json.RawMessage(strings.ToLower(n.Value)), true
	case (tag == "!!int" || tag == "!!float") && json.Valid([]byte(n.Value)):
		return json.RawMessage(n.Value), true
	default:
		return json.RawMessage("null"), tag == "!!null"
	}
}

// inline returns a copy of a schema in which each $ref to a definition of another file is replaced
// by that definition. Beside such a $ref only annotations may stand; they win over the definition's
// own. Within are the definitions that lead here.
func (r *reader) inline(n *yaml.Node, within []string) *yaml.Node {
	if ref := child(n, "$ref"); ref != nil && !strings.HasPrefix(ref.Value, "#") {
		return r.resolve(n, ref, within)
	}
	copied := *n
	copied.Content = make([]*yaml.Node, len(n.Content))
	for i, c := range n.Content {
		copied.Content[i] = r.inline(c, within)
	}
	r.file[&copied] = r.file[n]
	return &copied
}

// resolve returns the definition that a $ref of n leads to. After a fault it returns n as it is.
func (r *reader) resolve(n, ref *yaml.Node, within []string) *yaml.Node {
	file, name, _ := strings.Cut(ref.Value, "#/$defs/")
	doc := r.documents[file]
	target := child(child(doc, "$defs"), name)
	switch {
	case slices.Contains(within, ref.Value):
		r.fail(ref, "$ref leads back to itself: %q", ref.Value)
		return n
	case doc == nil:
		r.fail(ref, "$ref leads to a file that is not there: %q", ref.Value)
		return n
	case target == nil:
		r.fail(ref, "$ref leads nowhere: %q", ref.Value)
		return n
	}
	definition := r.inline(target, append(within, ref.Value))
	for key, value := range pairs(n) {
		switch key.Value {
		case "$ref":
		case "title", "description", "examples":
			set(definition, key, value)
		default:
			r.fail(key, "beside a $ref to another file only title, description and examples may stand: %q", key.Value)
		}
	}
	return definition
}

// set gives a mapping a value for a key, in place of one that it has.
func set(mapping, key, value *yaml.Node) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key.Value {
			mapping.Content[i+1] = value
			return
		}
	}
	mapping.Content = append(mapping.Content, key, value)
}
