package schemas

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"gopkg.in/yaml.v3"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Key is a key of a manifest and what it is for. The loader knows those of [Keys] and no others,
// and docs/manifest.md is made of them.
type Key struct {
	// Name has, for a key within lists, the names of those in front: examples[].title.
	Name    string
	Meaning string
	// Default is what holds where the key is not given, "" for one that must be.
	Default string
	// Example is YAML. Those of the keys at the root are a whole manifest together.
	Example string
}

//go:embed manifest.schema.yaml
var formFile []byte

// form returns the schema of manifests as it is written, for what the compiled one does not tell.
func form() *yaml.Node {
	var doc yaml.Node
	if err := yaml.Unmarshal(formFile, &doc); err != nil {
		panic(err) // the file is part of the program, and tests read it
	}
	return doc.Content[0]
}

// compiledForm judges manifests as the schemas in them judge inputs. It is compiled once, since
// that takes as long as loading a manifest.
var compiledForm = sync.OnceValue(func() *Schema {
	s, err := Compile("https://blocks.invalid/manifest", new(reader).toJSON(form()))
	if err != nil {
		panic(err)
	}
	return s
})

// Keys returns the keys of a manifest, in the order in which a manifest is best read.
func Keys() []Key { return keysOf(form(), "") }

// OwnKeywords returns the keywords of a manifest's schemas that JSON Schema does not have.
func OwnKeywords() []Key { return keysOf(child(form(), "x-keywords"), "") }

// keysOf lists the properties of a part of the form, with those of the objects in their lists.
func keysOf(schema *yaml.Node, place string) (keys []Key) {
	for name, def := range pairs(child(schema, "properties")) {
		k := Key{Name: place + name.Value, Meaning: textOf(def, "description"), Default: textOf(def, "x-default")}
		if examples := child(def, "examples"); examples != nil {
			k.Example = writeYAML(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{name, examples.Content[0]}})
		}
		keys = append(append(keys, k), keysOf(child(def, "items"), k.Name+"[].")...)
	}
	return keys
}

func textOf(n *yaml.Node, key string) string {
	if c := child(n, key); c != nil {
		return c.Value
	}
	return ""
}

func writeYAML(n *yaml.Node) string {
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(n); err != nil {
		return err.Error() // what has been read can be written
	}
	return strings.TrimSpace(b.String())
}

// Keywords returns the keywords that the schemas of a manifest may have, our own included, sorted.
func Keywords() []string { return slices.Sorted(maps.Keys(keywords())) }

// about reads all of a manifest but its schemas, and refuses what breaks the form.
//
//nolint:contextcheck,nolintlint // contextcheck reads this, and does not say so
func (r *reader) about(root *yaml.Node) (a About) {
	trim(root)
	before := len(r.errs)
	raw := r.toJSON(root)
	for _, v := range compiledForm().Validate(context.Background(), rawjson.OpenObject(raw)) {
		name := path.Base(v.Path)
		if _, err := strconv.Atoi(name); err == nil { // an element of a list
			name = path.Base(path.Dir(v.Path))
		}
		misspelt, unknown := strings.CutPrefix(v.Message, "is not a known parameter")
		if !unknown {
			r.fail(locate(root, v.Path), "%s %s", name, v.Message)
		}
		for key := range pairs(locate(root, path.Dir(v.Path))) {
			if unknown && key.Value == name { // its value may begin on the next line
				r.fail(key, "unknown key %q%s", name, misspelt)
			}
		}
	}
	a.Tags, a.Limits, a.Refused = []string{}, []string{}, []Refusal{}
	written := struct {
		*About
		Sentence string         `json:"sentence"`
		Changes  rawjson.Object `json:"changes"`
	}{About: &a}
	if err := json.Unmarshal(raw, &written); err != nil && len(r.errs) == before {
		r.fail(root, "a manifest cannot have such a value: %w", err)
	}
	for _, m := range written.Changes {
		text, _ := rawjson.Text(m.Value)
		a.Changes = append(a.Changes, Change{Version: m.Name, Text: text})
	}
	for i, t := range a.Templates {
		a.Templates[i].Prompt = strings.Join(strings.Fields(t.Prompt), " ")
	}
	return a
}

// trim takes the white space around texts away, such as the line break that a folded scalar of YAML
// ends in. It leaves schemas and examples alone, where it may be meant.
func trim(n *yaml.Node) {
	n.Value = strings.TrimSpace(n.Value)
	if n.Kind == yaml.SequenceNode {
		for _, c := range n.Content {
			trim(c)
		}
	}
	for key, value := range pairs(n) {
		if !slices.Contains([]string{"input", "output", "examples", "refused"}, key.Value) {
			trim(value)
		}
	}
}
