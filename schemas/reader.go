package schemas

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"regexp"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
	"gopkg.in/yaml.v3"

	"github.com/aacflow/segment-blocks/rawjson"
)

var versionPattern = regexp.MustCompile(`^\d+\.\d+\.\d+$`)

// schema returns a schema with its references to other files resolved, or nil after a fault. It is
// not compiled after one, as the compiler would report the same again without a line.
func (r *reader) schema(root *yaml.Node, key, url string) *Schema {
	n, before := child(root, key), len(r.errs)
	if n == nil {
		return nil // which the form has told
	}
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

// checkExamples validates without a context, as a manifest is small. Whether refused inputs lead to
// their violations is for the block's tests to find out: a rule may be one that only the block
// knows.
//
//nolint:contextcheck,nolintlint // contextcheck reads this, and does not say so
func (r *reader) checkExamples(root *yaml.Node, m *Manifest) {
	for i, e := range m.Examples {
		at := "/examples/" + strconv.Itoa(i)
		for _, v := range m.Input.Validate(context.Background(), r.normalised(e.Input, m.Input.Fields())) {
			r.fail(locate(root, at+"/input"+v.Path), "example breaks the input schema: %s %s", v.Path, v.Message)
		}
		for _, v := range m.Output.Validate(context.Background(), e.Output) {
			r.fail(locate(root, at+"/output"+v.Path), "example breaks the output schema: %s %s", v.Path, v.Message)
		}
	}
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
