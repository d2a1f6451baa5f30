package console

import (
	"bytes"
	"encoding/json"

	"gopkg.in/yaml.v3"

	"github.com/aacflow/segment-blocks/rawjson"
)

// YAML rewrites a JSON document as YAML. Members keep their order and numbers their digits, which
// decoding into Go values would lose.
func YAML(doc json.RawMessage) []byte {
	var buf bytes.Buffer
	enc := yaml.NewEncoder(&buf)
	enc.SetIndent(2)
	if err := enc.Encode(yamlNode(doc)); err != nil {
		return doc // JSON is YAML too
	}
	_ = enc.Close()
	return buf.Bytes()
}

func yamlNode(doc json.RawMessage) *yaml.Node {
	doc = bytes.TrimSpace(doc)
	switch rawjson.KindOf(doc) {
	case rawjson.ObjectKind:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, m := range rawjson.OpenObject(doc) {
			n.Content = append(n.Content, yamlText(m.Name), yamlNode(m.Value))
		}
		return n
	case rawjson.ArrayKind:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range rawjson.OpenArray(doc) {
			n.Content = append(n.Content, yamlNode(item))
		}
		return n
	}
	if text, ok := rawjson.Text(doc); ok {
		return yamlText(text)
	}
	// Numbers, true, false and null are the same words in YAML.
	return &yaml.Node{Kind: yaml.ScalarNode, Value: string(doc)}
}

// yamlText leaves the quotes to the encoder of Go strings, which also puts them around words that
// older readers of YAML take for booleans, such as yes.
func yamlText(text string) *yaml.Node {
	n := &yaml.Node{}
	if err := n.Encode(text); err != nil {
		n.SetString(text)
	}
	return n
}
