package workflow

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// reference is a {{VARIABLE}}, or a <head.step.step[0]> whose steps lead into the value of its
// head: a node, start or loop.
type reference struct {
	text     string // as it is written
	variable string
	head     string
	steps    []step
}

// step is a member of an object or, with a name that is empty, a place in a list.
type step struct {
	name  string
	place int
}

// The heads that are no nodes.
const (
	startHead = "start"
	loopHead  = "loop"
)

// parseReference reads what schemas.CutReference has found.
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

// piece is a part of a text: what stands before a reference, and the reference. The last piece of a
// text has none.
type piece struct {
	literal string
	ref     reference
	value   json.RawMessage // of the reference, once it is known
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

// isWhole reports whether a text is one reference and nothing else but white space.
func isWhole(list []piece) bool {
	return len(list) == 2 && strings.TrimSpace(list[0].literal+list[1].literal) == ""
}

// referencesIn calls visit with each reference in the texts of a value, the JSON Pointer of the
// text, and whether the reference is all of it.
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

// lookUp follows the steps of a reference into the object that its head stands for, nil for one
// that is not there. Below what is null, all is null. The error names what there is.
func (r reference) lookUp(head rawjson.Object) (json.RawMessage, error) {
	// A reference to a node that was skipped is no fault of the run.
	if head == nil {
		return json.RawMessage("null"), nil
	}
	// At is what has been followed so far, for the message of an error.
	members, list, kind, at := head, []json.RawMessage(nil), rawjson.ObjectKind, "<"+r.head
	var here json.RawMessage
	for _, s := range r.steps { // there is one at least
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

// listed writes names for a person, and not too many of them.
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

// maxResolved bounds what the references in one input may grow to.
const maxResolved = 32 << 20

// resolver puts values in the place of references. Each text is read once: what has been put into
// it is not looked at again.
type resolver struct {
	// value returns what a reference stands for in the text that a JSON Pointer leads to.
	value func(pointer string, ref reference) (json.RawMessage, error)
	size  int
}

// resolve returns a template with its references resolved. A text that is one reference and nothing
// else becomes the value, whatever its type. Inside a longer text a value is text.
func (r *resolver) resolve(template json.RawMessage) (json.RawMessage, error) {
	return mapTexts(template, "", r.text)
}

// mapTexts returns a value with what change makes of each text in it, at its JSON Pointer.
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
		// A short text can refer to a large value many times.
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
	// Hosts hold JSON as text in which references stand. Put in as they are, a quote in a value
	// would break it, and Segment would get what nobody meant; so the outcome must be JSON, or else
	// it is taken for a text that only begins like it.
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

// text returns the value as text: a text as it is, null as nothing, all else as JSON.
func (p piece) text() string {
	if text, ok := rawjson.Text(p.value); ok {
		return text
	}
	// As in AACFlow: nobody wants to greet a customer as null.
	if rawjson.KindOf(p.value) == rawjson.NullKind {
		return ""
	}
	return string(p.value)
}

func looksLikeJSON(text string) bool {
	text = strings.TrimSpace(text)
	return strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "{{") || strings.HasPrefix(text, "[")
}

// joinJSON joins the pieces of a text that holds JSON. Within its strings a value is escaped;
// outside of them it stands as JSON.
func joinJSON(pieces []piece) string {
	var b strings.Builder
	// The literals before a reference tell whether it stands in a string. The values need not be
	// read: in a string they are escaped, and outside they are JSON.
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

// Environment gives the value of a variable, and whether it may be used. It is the host's list of
// what a workflow may know.
type Environment func(name string) (value string, ok bool)

// Input returns the input of a task, its references resolved. The error names a variable that env
// does not give; env may be nil where the graph uses none.
func (t Task) Input(env Environment) (json.RawMessage, error) {
	r := resolver{value: func(_ string, ref reference) (json.RawMessage, error) {
		if ref.variable == "" {
			// The scheduler has looked all of them up. One that is missing is another program's
			// mistake.
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
