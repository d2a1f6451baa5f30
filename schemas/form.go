package schemas

import (
	"context"
	_ "embed"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"gopkg.in/yaml.v3"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/rawjson/yamljson"
)

// Key documents a key of a manifest. The loader accepts no other keys than those of [Keys], from
// which docs/manifest.md is generated.
type Key struct {
	// Name includes the parents of a key within lists: examples[].title.
	Name    string
	Meaning string
	// Default describes the default, "" for a required key.
	Default string
	// Example is YAML. Together, the examples of the root keys are a complete manifest.
	Example string
}

//go:embed manifest.schema.yaml
var formFile []byte

// compiledForm validates manifests as their schemas validate inputs. It is compiled once, because
// compiling takes as long as loading a manifest.
var compiledForm = sync.OnceValue(func() *Schema {
	s, err := Compile("https://blocks.invalid/manifest", yamljson.Read(formFile).JSON)
	if err != nil {
		panic(err) // the file is part of the program, and tests read it
	}
	return s
})

// form is a part of the schema of manifests, with the texts that the compiled schema drops.
type form struct {
	Meaning    string      `yaml:"description"`
	Default    string      `yaml:"x-default"`
	Examples   []yaml.Node `yaml:"examples"`
	Properties yaml.Node   `yaml:"properties"` // in the order of the file
	Items      *form       `yaml:"items"`
	Own        *form       `yaml:"x-keywords"`
}

func readForm() (f form) {
	if err := yaml.Unmarshal(formFile, &f); err != nil {
		panic(err)
	}
	return f
}

// Keys returns the keys of a manifest, in reading order.
func Keys() []Key { return readForm().keys("") }

// OwnKeywords returns the keywords of a manifest's schemas that JSON Schema does not have.
func OwnKeywords() []Key { return readForm().Own.keys("") }

// keys lists the properties of a part of the form, with those of the objects in their lists.
func (f form) keys(place string) (keys []Key) {
	for i := 0; i < len(f.Properties.Content); i += 2 {
		name, def := f.Properties.Content[i], form{}
		if err := f.Properties.Content[i+1].Decode(&def); err != nil {
			panic(err)
		}
		k := Key{Name: place + name.Value, Meaning: def.Meaning, Default: def.Default}
		if def.Examples != nil {
			k.Example = writeYAML(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{name, &def.Examples[0]}})
		}
		keys = append(keys, k)
		if def.Items != nil {
			keys = append(keys, def.Items.keys(k.Name+"[].")...)
		}
	}
	return keys
}

func writeYAML(n *yaml.Node) string {
	var b strings.Builder
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(n); err != nil {
		return err.Error() // what has been read can be written
	}
	return strings.TrimSpace(b.String())
}

// about reads a manifest without its schemas, and refuses what breaks the schema of manifests.
//
//nolint:contextcheck,nolintlint // contextcheck reads this, and does not say so
func (r *reader) about(root rawjson.Object) (a About) {
	for _, v := range compiledForm().Validate(context.Background(), root) {
		name := path.Base(v.Path)
		if _, err := strconv.Atoi(name); err == nil { // an element of a list
			name = path.Base(path.Dir(v.Path))
		}
		if misspelt, unknown := strings.CutPrefix(v.Message, "is not a known parameter"); unknown {
			r.FaultAtKey(v.Path, "unknown key %q%s", name, misspelt)
		} else {
			r.Fault(v.Path, "%s %s", name, v.Message)
		}
	}
	a.Tags, a.Limits, a.Refused = []string{}, []string{}, []Refusal{}
	written := struct {
		*About
		Sentence string         `json:"sentence"`
		Changes  rawjson.Object `json:"changes"`
	}{About: &a}
	// A folded scalar of YAML ends in a line break that nobody wants in a text. The inputs and
	// outputs of examples are not Go strings, and stay as they are.
	trim := json.UnmarshalFunc(func(raw []byte, s *string) error {
		text, _ := rawjson.Text(raw)
		*s = strings.TrimSpace(text)
		return nil
	})
	err := json.Unmarshal(root.JSON(), &written, json.WithUnmarshalers(trim))
	if err != nil && len(r.Faults) == 0 {
		r.Fault("", "a manifest cannot have such a value: %v", err)
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
