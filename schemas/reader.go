package schemas

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"gopkg.in/yaml.v3"

	"github.com/aacflow/segment-blocks/rawjson"
)

var versionPattern = regexp.MustCompile(`^\d+\.\d+\.\d+$`)

// text returns a text that must be given.
func (r *reader) text(n *yaml.Node, key string) string {
	s := r.optionalText(n, key)
	if s == "" && child(n, key) == nil {
		r.fail(n, "%s must be given", key)
	}
	return s
}

// optionalText returns a text without the white space that a folded scalar of YAML ends in.
func (r *reader) optionalText(n *yaml.Node, key string) string {
	c := child(n, key)
	if c == nil {
		return ""
	}
	s := strings.TrimSpace(c.Value)
	if c.Kind != yaml.ScalarNode || s == "" {
		r.fail(c, "%s must be text", key)
		return ""
	}
	return s
}

// words returns a list of lower-case words. They are sorted in the file, so that two files that say
// the same look the same.
func (r *reader) words(n *yaml.Node, key string) []string {
	words := []string{}
	c := child(n, key)
	if c == nil {
		return words
	}
	for _, w := range c.Content {
		if w.Kind != yaml.ScalarNode || w.Value == "" || w.Value != strings.ToLower(w.Value) {
			r.fail(w, "%s must be lower-case words", key)
		}
		words = append(words, w.Value)
	}
	if !slices.IsSorted(words) {
		r.fail(c, "%s must be sorted", key)
	}
	return words
}

// schema returns a schema with its references to other files resolved, or nil after a fault. It is
// not compiled after one, as the compiler would report the same again without a line.
func (r *reader) schema(root *yaml.Node, key, url string) *Schema {
	n := child(root, key)
	if n == nil {
		r.fail(root, "%s must be given", key)
		return nil
	}
	before := len(r.errs)
	whole := r.inline(n, nil)
	fillFields(child(whole, "properties"), key == "input")
	r.checkKeywords(whole)
	raw := r.toJSON(whole)
	if len(r.errs) > before {
		return nil
	}
	s, err := Compile(url, raw)
	if err != nil {
		r.fail(n, "%s: %w", key, err)
	}
	return s
}

// object returns a mapping as JSON, with the digits and the order of the file.
func (r *reader) object(n *yaml.Node, key string) rawjson.Object {
	c := child(n, key)
	if c == nil || c.Kind != yaml.MappingNode {
		r.fail(n, "%s must be a mapping", key)
		return nil
	}
	return rawjson.OpenObject(r.toJSON(c))
}

// examples validates without a context, as a manifest is small.
//
//nolint:contextcheck,nolintlint // contextcheck reads this, and does not say so
func (r *reader) examples(root *yaml.Node, m *Manifest) []Example {
	list := child(root, "examples")
	if list == nil || len(list.Content) == 0 {
		r.fail(root, "examples must be given, one at least: a list of title, input and output")
		return nil
	}
	var examples []Example
	for _, n := range list.Content {
		r.keys(n, "examples[].")
		e := Example{Title: r.text(n, "title"), Input: r.object(n, "input"), Output: r.object(n, "output")}
		for _, v := range m.Input.Validate(context.Background(), r.normalised(e.Input, m.Input.Fields())) {
			r.fail(locate(child(n, "input"), v.Path), "example breaks the input schema: %s %s", v.Path, v.Message)
		}
		for _, v := range m.Output.Validate(context.Background(), e.Output) {
			r.fail(locate(child(n, "output"), v.Path), "example breaks the output schema: %s %s", v.Path, v.Message)
		}
		examples = append(examples, e)
	}
	return examples
}

// normalised takes out what only the host's conventions make valid, an empty text for an absent
// value and JSON given as text. The runtime resolves those before it validates; its own tests run
// the examples as they are.
func (r *reader) normalised(input rawjson.Object, fields []Field) rawjson.Object {
	var out rawjson.Object
	for _, m := range input {
		f := Find(fields, m.Name)
		text, isText := rawjson.Text(m.Value)
		if isText && text == "" && r.conventions.BlankIsAbsent {
			continue
		}
		if isText && f != nil && f.Type == "json" && r.conventions.JSONInText && json.Valid([]byte(text)) {
			m.Value = json.RawMessage(text)
		}
		out = append(out, m)
	}
	return out
}

// refusals reads inputs that break the schema, or a rule that only the block knows. Whether they
// lead to their violations is for the block's tests to find out.
func (r *reader) refusals(root *yaml.Node) []Refusal {
	refusals := []Refusal{}
	list := child(root, "refused")
	if list == nil {
		return refusals
	}
	for _, n := range list.Content {
		r.keys(n, "refused[].")
		f := Refusal{Title: r.text(n, "title"), Input: r.object(n, "input")}
		if vs := child(n, "violations"); vs == nil || len(vs.Content) == 0 {
			r.fail(n, "violations must be given, one at least: a list of path and code")
		} else {
			for _, v := range vs.Content {
				r.keys(v, "refused[].violations[].")
				f.Violations = append(f.Violations, Violation{Path: child(v, "path").Value, Code: r.text(v, "code")})
			}
		}
		refusals = append(refusals, f)
	}
	return refusals
}

// pairs yields the keys and values of a mapping, in order.
func pairs(n *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(k, v *yaml.Node) bool) {
		if n == nil || n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

// child returns the value of a key, or nil, also of no mapping at all.
func child(n *yaml.Node, key string) *yaml.Node {
	for k, v := range pairs(n) {
		if k.Value == key {
			return v
		}
	}
	return nil
}

// locate follows a JSON Pointer as far as it leads, so that an error has at least the line of what
// should hold the value.
func locate(n *yaml.Node, pointer string) *yaml.Node {
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		var next *yaml.Node
		if n.Kind == yaml.SequenceNode {
			var i int
			if _, err := fmt.Sscanf(token, "%d", &i); err == nil && i < len(n.Content) {
				next = n.Content[i]
			}
		} else {
			next = child(n, token)
		}
		if next == nil {
			return n
		}
		n = next
	}
	return n
}

// DidYouMean returns `; did you mean "x"?` for the known name nearest to the one given, or "" where
// none is near. Case and separators do not count, so that user_id finds userId.
func DidYouMean(name string, known []string) string {
	if len(name) > 100 { // nobody's slip
		return ""
	}
	separators := strings.NewReplacer("_", "", "-", "", " ", "")
	plain := func(s string) string { return strings.ToLower(separators.Replace(s)) }
	written := plain(name)
	best, distance := "", 3
	for _, k := range known {
		if len(name) >= 4 && strings.HasSuffix(k, "_"+name) { // track for segment_track
			return fmt.Sprintf("; did you mean %q?", k)
		}
		d := levenshtein.ComputeDistance(written, plain(k))
		if d < distance && d*2 <= len(k) {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}
