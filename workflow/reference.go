package workflow

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// reference is a {{VARIABLE}}, or a <head.step.step[0]> whose steps lead into the value of the
// head: a node, start or loop.
type reference struct {
	text     string // as written
	variable string
	head     string
	steps    []step
}

// step is a member of an object or, if the name is empty, a place in a list.
type step struct {
	name  string
	place int
}

// The heads that are not nodes.
const (
	startHead = "start"
	loopHead  = "loop"
)

// parseReference parses a reference that schemas.CutReference has found.
func parseReference(text string) reference {
	ref := reference{text: text}
	if inner, ok := strings.CutPrefix(text, "{{"); ok {
		ref.variable = strings.TrimSpace(strings.TrimSuffix(inner, "}}"))
		return ref
	}
	parts := strings.Split(strings.Trim(text, "<>"), ".")
	for i, part := range parts {
		name, places, _ := strings.Cut(part, "[")
		if i == 0 {
			ref.head = name
		} else {
			ref.steps = append(ref.steps, step{name: name})
		}
		for place := range strings.SplitSeq(strings.TrimSuffix(places, "]"), "][") {
			if n, err := strconv.Atoi(place); err == nil {
				ref.steps = append(ref.steps, step{place: n})
			} else if place != "" { // more digits than a list can have elements
				ref.steps = append(ref.steps, step{place: -1})
			}
		}
	}
	return ref
}

// isError reports whether a reference leads into the error of a node.
func (r reference) isError() bool { return len(r.steps) > 0 && r.steps[0].name == "error" }

// piece is a part of a text: a literal, and the reference that follows it. The last piece of a text
// has no reference.
type piece struct {
	literal string
	ref     reference
	value   json.RawMessage // the value of the reference, once known
}

// pieces divides a text at its references.
func pieces(text string) (list []piece) {
	for {
		found, before, after, ok := schemas.CutReference(text)
		if !ok {
			return append(list, piece{literal: text})
		}
		list = append(list, piece{literal: before, ref: parseReference(found)})
		text = after
	}
}

// isWhole reports whether a text is a single reference, apart from white space.
func isWhole(list []piece) bool {
	return len(list) == 2 && strings.TrimSpace(list[0].literal+list[1].literal) == ""
}

// referencesIn calls visit with each reference in the texts of a value, with the JSON Pointer of
// its text, and whether it is the whole text.
func referencesIn(raw json.RawMessage, visit func(pointer string, ref reference, whole bool)) {
	rawjson.Texts(raw, func(pointer, text string) bool {
		list := pieces(text)
		for _, p := range list[:len(list)-1] {
			visit(pointer, p.ref, isWhole(list))
		}
		return true
	})
}

func hasReferences(template json.RawMessage) (has bool) {
	referencesIn(template, func(string, reference, bool) { has = true })
	return has
}

// lookUp follows the steps of a reference into the object that its head stands for, nil if there is
// none. Everything inside null is null. The error names the members that exist.
func (r reference) lookUp(head rawjson.Object) (json.RawMessage, error) {
	// A reference to a skipped node is no error.
	if head == nil {
		return json.RawMessage("null"), nil
	}
	// At is the path so far, for error messages.
	members, list, kind, at := head, []json.RawMessage(nil), rawjson.ObjectKind, "<"+r.head
	var here json.RawMessage
	for _, s := range r.steps { // there is at least one
		switch {
		case kind == rawjson.NullKind:
			return json.RawMessage("null"), nil
		case s.name != "" && kind == rawjson.ObjectKind:
			found, ok := members.Get(s.name)
			if !ok {
				return nil, fmt.Errorf("%s leads nowhere: %s> has %s", r.text, at, namesOf(members))
			}
			here, at = found, at+"."+s.name
		case s.name != "" || kind != rawjson.ArrayKind:
			return nil, fmt.Errorf("%s leads nowhere: %s> is a JSON %s", r.text, at, kind)
		case s.place < 0 || s.place >= len(list):
			return nil, fmt.Errorf("%s leads nowhere: %s> has %d elements", r.text, at, len(list))
		default:
			here, at = list[s.place], fmt.Sprintf("%s[%d]", at, s.place)
		}
		members, list, kind = rawjson.OpenObject(here), rawjson.OpenArray(here), rawjson.KindOf(here)
	}
	return here, nil
}

// namesOf lists the members of an object for a person.
func namesOf(members rawjson.Object) string { return listed(memberNames(members)) }

func memberNames(members rawjson.Object) []string {
	var names []string
	for _, m := range members {
		names = append(names, m.Name)
	}
	return names
}

// listed writes names for a person, at most 20 of them.
func listed(names []string) string {
	const most = 20
	switch {
	case len(names) == 0:
		return "nothing"
	case len(names) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// maxResolved bounds the size of one input once its references are resolved.
const maxResolved = 32 << 20

// resolver replaces references with values. Each text is read once: an inserted value is not
// searched for references.
type resolver struct {
	// value returns the value of a reference in the text at a JSON Pointer.
	value func(pointer string, ref reference) (json.RawMessage, error)
	size  int
}

// resolve returns a template with its references resolved. A text that is a single reference
// becomes the value, with its type. Inside a longer text, a value becomes text.
func (r *resolver) resolve(template json.RawMessage) (json.RawMessage, error) {
	return mapTexts(template, "", r.text)
}

// mapTexts returns a value in which change has replaced each text. Change gets the text and its
// JSON Pointer.
func mapTexts(
	raw json.RawMessage, at string, change func(text json.RawMessage, at string) (json.RawMessage, error),
) (json.RawMessage, error) {
	switch rawjson.KindOf(raw) {
	case rawjson.ObjectKind:
		members := rawjson.OpenObject(raw)
		for i, m := range members {
			var err error
			if members[i].Value, err = mapTexts(m.Value, rawjson.Pointer(at, m.Name), change); err != nil {
				return nil, err
			}
		}
		return members.JSON(), nil
	case rawjson.ArrayKind:
		elements := rawjson.OpenArray(raw)
		for i := range elements {
			var err error
			if elements[i], err = mapTexts(elements[i], at+"/"+strconv.Itoa(i), change); err != nil {
				return nil, err
			}
		}
		return rawjson.AppendArray(nil, elements), nil
	case rawjson.StringKind:
		return change(raw, at)
	}
	return raw, nil
}

func (r *resolver) text(raw json.RawMessage, pointer string) (json.RawMessage, error) {
	text, _ := rawjson.Text(raw)
	list := pieces(text)
	for i := range list[:len(list)-1] {
		p := &list[i]
		var err error
		if p.value, err = r.value(pointer, p.ref); err != nil {
			return nil, err
		}
		// A short text can repeat a large value many times.
		if r.size += len(p.literal) + len(p.value); r.size > maxResolved {
			return nil, fmt.Errorf("the input must be smaller once its references are resolved: %d bytes are allowed",
				maxResolved)
		}
	}
	switch {
	case len(list) == 1:
		return raw, nil
	case isWhole(list):
		return list[0].value, nil
	// Hosts hold JSON as text with references in it. A value with a quote would break that JSON, so
	// values are escaped. If the outcome is not JSON, the text only looked like it, and is treated
	// as any other.
	case looksLikeJSON(text):
		if document := joinJSON(list); rawjson.Check([]byte(document), rawjson.Limits{}) == nil {
			return rawjson.Quote(document), nil
		}
	}
	var b strings.Builder
	for _, p := range list {
		b.WriteString(p.literal)
		b.WriteString(p.text())
	}
	return rawjson.Quote(b.String()), nil
}

// text returns the value as text: a text as it is, null as nothing, everything else as JSON.
func (p piece) text() string {
	if text, ok := rawjson.Text(p.value); ok {
		return text
	}
	// As in AACFlow: nobody wants to greet a customer with null.
	if rawjson.KindOf(p.value) == rawjson.NullKind {
		return ""
	}
	return string(p.value)
}

func looksLikeJSON(text string) bool {
	text = strings.TrimSpace(text)
	return strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "{{") || strings.HasPrefix(text, "[")
}

// joinJSON joins the pieces of a text that holds JSON. Inside its strings, a value is escaped;
// outside, it is inserted as JSON.
func joinJSON(pieces []piece) string {
	var b strings.Builder
	// The literals before a reference show whether it is inside a string. Values cannot change
	// that: inside they are escaped, outside they are JSON.
	inString, escaped := false, false
	for _, p := range pieces {
		for _, c := range []byte(p.literal) {
			switch {
			case escaped:
				escaped = false
			case c == '\\':
				escaped = inString
			case c == '"':
				inString = !inString
			}
		}
		b.WriteString(p.literal)
		switch {
		case inString:
			quoted := rawjson.Quote(p.text())
			b.Write(quoted[1 : len(quoted)-1])
		case p.ref.variable != "":
			b.WriteString(p.text())
		default:
			b.Write(p.value)
		}
	}
	return b.String()
}

// Environment returns the value of a variable, and whether the workflow may use it. So the host
// decides what a workflow can read.
type Environment func(name string) (value string, ok bool)

// Input returns the input of a task with its references resolved. The error names a variable that
// env does not allow. Env may be nil if the graph uses no variables.
func (t Task) Input(env Environment) (json.RawMessage, error) {
	r := resolver{value: func(_ string, ref reference) (json.RawMessage, error) {
		if ref.variable == "" {
			// The scheduler has looked up all values. If one is missing, another program made the
			// task.
			if value, ok := t.Values[ref.text]; ok {
				return value, nil
			}
			return nil, fmt.Errorf("the task has no value for %s", ref.text)
		}
		if env != nil {
			if value, ok := env(ref.variable); ok {
				return rawjson.Quote(value), nil
			}
		}
		return nil, fmt.Errorf("%s is not set, or not allowed", ref.text)
	}}
	return r.resolve(t.With)
}
