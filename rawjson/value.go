package rawjson

import (
	"bytes"
	"encoding/json"
	"iter"
	"math"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/aacflow/segment-blocks/internal/jsonscan"
)

// Kind is the JSON type of a value.
type Kind string

// The kinds, by their JSON Schema names.
const (
	Invalid     Kind = ""
	NullKind    Kind = "null"
	BooleanKind Kind = "boolean"
	NumberKind  Kind = "number"
	StringKind  Kind = "string"
	ArrayKind   Kind = "array"
	ObjectKind  Kind = "object"
)

// KindOf returns a value's type by its first character, or [Invalid] if no value can begin with it.
func KindOf(raw []byte) Kind {
	if len(raw) > 0 && raw[0] <= ' ' { // rare, and the trimming would cost more than all the rest
		raw = bytes.TrimLeft(raw, " \t\r\n")
	}
	if len(raw) == 0 {
		return Invalid
	}
	switch c := raw[0]; {
	case c == '{':
		return ObjectKind
	case c == '[':
		return ArrayKind
	case c == '"':
		return StringKind
	case c == 't' || c == 'f':
		return BooleanKind
	case c == 'n':
		return NullKind
	case c == '-' || '0' <= c && c <= '9':
		return NumberKind
	}
	return Invalid
}

// Text decodes a JSON string, and reports whether raw is one. The text is a copy, so it may outlive
// raw.
func Text(raw []byte) (string, bool) {
	s := jsonscan.Trusting(raw)
	if s.Peek() != '"' {
		return "", false
	}
	if body, plain, ok := s.Text(); ok && plain && s.End() {
		return string(body), true
	}
	text, err := jsontext.AppendUnquote(nil, bytes.TrimSpace(raw))
	return string(text), err == nil
}

// AppendText appends s as a JSON string. Invalid UTF-8 becomes U+FFFD; [Encode] refuses it instead.
func AppendText(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s) // its only error is invalid UTF-8, which it replaces
	return dst
}

// Quote returns s as a JSON string.
func Quote(s string) json.RawMessage { return AppendText(nil, s) }

// OpenObject returns the members of a checked value, or nil if it is not an object. An empty object
// is not nil. The values share memory with raw, but appending to one does not overwrite the next.
func OpenObject(raw json.RawMessage) Object {
	if KindOf(raw) != ObjectKind {
		return nil
	}
	s := jsonscan.Trusting(raw)
	obj, _, _ := members(&s, len(raw), math.MaxInt)
	return obj
}

// members opens the next object, in size bytes. If distinct is true, no two names are equal;
// otherwise some may be. It gives up after more than most members.
func members(s *jsonscan.Scanner, size, most int) (obj Object, distinct, ok bool) {
	var names jsonscan.Names
	obj, distinct = make(Object, 0, min(8, 1+size/12)), true // few members have less than 12 bytes
	ok = s.Members(func(quoted []byte, plain bool, value []byte) bool {
		name := quoted[1 : len(quoted)-1]
		distinct = distinct && plain && names.Add(name)
		m := Member{string(name), value}
		if !plain {
			m.Name, _ = Text(quoted)
		}
		obj = append(obj, m)
		return len(obj) <= most
	})
	return obj, distinct, ok
}

// OpenArray returns the elements of a checked value, or nil if it is not an array.
func OpenArray(raw json.RawMessage) []json.RawMessage {
	if KindOf(raw) != ArrayKind {
		return nil
	}
	return slices.AppendSeq([]json.RawMessage{}, Elements(raw))
}

// Elements yields the elements of a checked value, and none if it is not an array. Unlike
// [OpenArray], it builds no list: for tiny values, a list takes several times the array's memory.
func Elements(raw json.RawMessage) iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		if KindOf(raw) != ArrayKind {
			return
		}
		s := jsonscan.Trusting(raw)
		s.Peek()
		s.Enter()
		for first := true; ; first = false {
			if more, ok := s.More(']', first); !more || !ok {
				return
			}
			start := s.Pos()
			if !s.Skip() || !yield(raw[start:s.Pos():s.Pos()]) {
				return
			}
		}
	}
}

// AppendArray appends the elements as a JSON array.
func AppendArray(dst []byte, elements []json.RawMessage) []byte {
	dst = append(dst, '[')
	for i, e := range elements {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, e...)
	}
	return append(dst, ']')
}

// Merge merges over into base: objects are merged member by member, at every depth; otherwise over
// wins. An empty base or over counts as absent. Both must be checked. Its time grows with the sum
// of their members, not with the product.
func Merge(base, over json.RawMessage) json.RawMessage {
	switch {
	case len(base) == 0:
		return over
	case len(over) == 0:
		return base
	}
	under, upper := OpenObject(base), OpenObject(over)
	if under == nil || upper == nil {
		return over
	}
	places := make(map[string]int, len(under))
	for i, m := range under {
		places[m.Name] = i
	}
	for _, m := range upper {
		if i, ok := places[m.Name]; ok {
			under[i].Value = Merge(under[i].Value, m.Value)
		} else {
			under = append(under, m) // names in upper are unique, so places need not have it
		}
	}
	return under.JSON()
}

// Texts calls visit with each string value inside raw, but not with names, and its JSON Pointer,
// until visit returns false.
func Texts(raw json.RawMessage, visit func(pointer, text string) bool) {
	d := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true)) // already checked
	for {
		token, err := d.ReadToken()
		if err != nil {
			return
		}
		if token.Kind() != '"' {
			continue
		}
		if parent, n := d.StackIndex(d.StackDepth()); parent == '{' && n%2 == 1 {
			continue // a name
		}
		if !visit(string(d.StackPointer()), token.String()) {
			return
		}
	}
}

// Pointer appends one reference token to a JSON Pointer, escaped as RFC 6901 says.
func Pointer(parent, token string) string {
	return string(jsontext.Pointer(parent).AppendToken(token))
}

// Decode returns checked JSON as package encoding/json decodes it, with what number makes of each
// number. It returns nil for no JSON.
func Decode(value json.RawMessage, number func(json.Number) any) any {
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	var v any
	_ = d.Decode(&v)
	return withNumbers(v, number)
}

func withNumbers(value any, number func(json.Number) any) any {
	switch v := value.(type) {
	case json.Number:
		return number(v)
	case map[string]any:
		for name, member := range v {
			v[name] = withNumbers(member, number)
		}
	case []any:
		for i, element := range v {
			v[i] = withNumbers(element, number)
		}
	}
	return value
}

// At returns the value at a JSON Pointer in a checked document, and whether there is one.
func At(raw json.RawMessage, pointer string) (json.RawMessage, bool) {
	for token := range jsontext.Pointer(pointer).Tokens() {
		var ok bool
		switch KindOf(raw) {
		case ObjectKind:
			raw, ok = find(raw, token)
		case ArrayKind: // "-", which is the element after the last in RFC 6901, is never there
			i, err := strconv.Atoi(token)
			if elements := OpenArray(raw); err == nil && i >= 0 && i < len(elements) {
				raw, ok = elements[i], true
			}
		}
		if !ok {
			return nil, false
		}
	}
	return raw, true
}

// find returns a member of an object without a list of all members: whoever reports many faults of
// a large object looks for one member after the other.
func find(object json.RawMessage, name string) (found json.RawMessage, ok bool) {
	s := jsonscan.Trusting(object)
	s.Members(func(quoted []byte, plain bool, value []byte) bool {
		if ok = plain && string(quoted[1:len(quoted)-1]) == name; !plain {
			text, _ := Text(quoted)
			ok = text == name
		}
		found = value
		return !ok
	})
	return found, ok
}
