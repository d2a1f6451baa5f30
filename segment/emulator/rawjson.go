package emulator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A member is one name and value of a JSON object. raw is a part of the object's
// own bytes, beginning at offset at.
type member struct {
	name string
	raw  []byte
	at   int
}

// An object is a JSON object whose members have been found but not decoded.
type object struct {
	raw     []byte
	members []member
}

// get returns the raw value of a member, nil when it is missing or null: clients
// send null for what they do not have.
func (o object) get(name string) []byte {
	for _, m := range o.members {
		if m.name == name && kindOf(m.raw) != 'n' {
			return m.raw
		}
	}
	return nil
}

// text returns the value of a member that is a string, or "".
func (o object) text(name string) string {
	s, _ := unquote(o.get(name))
	return s
}

// kindOf returns the first byte of a value as jsontext.Kind has it: n f t " 0 {
// [, or 0 for no value.
func kindOf(raw []byte) jsontext.Kind {
	if len(raw) == 0 {
		return 0
	}
	return jsontext.Value(raw).Kind()
}

func unquote(raw []byte) (string, bool) {
	if kindOf(raw) != '"' {
		return "", false
	}
	b, err := jsontext.AppendUnquote(nil, raw)
	return string(b), err == nil
}

// checkJSON reports what keeps body from being one JSON value that any receiver
// reads the same way: grammar, UTF-8, unique names, bounded nesting.
func checkJSON(body []byte) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return errors.New("body must be a JSON object: empty")
	}
	if depth := nesting(body); depth > maxDepth {
		return fmt.Errorf("body must not nest deeper than %d", maxDepth)
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(body))
	if err := dec.SkipValue(); err != nil {
		return describeSyntax(err)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("body must be one JSON value: more follows at byte %d", dec.InputOffset())
	}
	return nil
}

func describeSyntax(err error) error {
	at, where := int64(0), ""
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at, where = syntactic.ByteOffset, string(syntactic.JSONPointer)
		if syntactic.Err != nil {
			err = syntactic.Err
		}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("body must be whole JSON: it ends early at byte %d", at)
	}
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return fmt.Errorf("body must not name a member twice: %s", show([]byte(where)))
	}
	msg := strings.TrimPrefix(err.Error(), "jsontext: ")
	if where != "" {
		return fmt.Errorf("body must be JSON: %s at byte %d, in %s", msg, at, show([]byte(where)))
	}
	return fmt.Errorf("body must be JSON: %s at byte %d", msg, at)
}

// nesting counts brackets outside strings. It is run before the parser, whose
// own bound is higher, and does not care whether the brackets match.
func nesting(body []byte) int {
	depth, deepest, inString := 0, 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// parseObject finds the members of raw, which checkJSON has passed as a part of
// a body. It reports false when raw is not an object.
func parseObject(raw []byte) (object, bool) {
	if kindOf(raw) != '{' {
		return object{}, false
	}
	obj := object{raw: raw}
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true))
	if _, err := dec.ReadToken(); err != nil {
		return object{}, false
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return object{}, false
		}
		m := member{name: name.String()}
		value, err := dec.ReadValue()
		if err != nil {
			return object{}, false
		}
		end := int(dec.InputOffset())
		m.at = end - len(value)
		m.raw = raw[m.at:end:end]
		obj.members = append(obj.members, m)
	}
	return obj, true
}

// parseArray finds at most limit+1 elements of raw, which checkJSON has passed.
func parseArray(raw []byte, limit int) ([][]byte, bool) {
	if kindOf(raw) != '[' {
		return nil, false
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true))
	if _, err := dec.ReadToken(); err != nil {
		return nil, false
	}
	var items [][]byte
	for len(items) <= limit && dec.PeekKind() != ']' {
		value, err := dec.ReadValue()
		if err != nil {
			return nil, false
		}
		end := int(dec.InputOffset())
		items = append(items, raw[end-len(value):end:end])
	}
	return items, true
}

// mergeRaw lays over on top of base, objects member by member and anything else
// whole. Neither is changed; nil is nothing.
func mergeRaw(base, over []byte) []byte {
	baseObj, ok := parseObject(base)
	if !ok {
		return over
	}
	if over == nil {
		return base
	}
	overObj, ok := parseObject(over)
	if !ok {
		return over
	}
	places := make(map[string]int, len(baseObj.members))
	merged := make([]member, len(baseObj.members), len(baseObj.members)+len(overObj.members))
	for i, m := range baseObj.members {
		merged[i], places[m.name] = m, i
	}
	for _, m := range overObj.members {
		if i, ok := places[m.name]; ok {
			merged[i].raw = mergeRaw(merged[i].raw, m.raw)
		} else {
			merged = append(merged, m)
		}
	}
	out := []byte{'{'}
	for i, m := range merged {
		if i > 0 {
			out = append(out, ',')
		}
		// The name passed the parser, so it is valid UTF-8 and quoting cannot fail.
		out, _ = jsontext.AppendQuote(out, m.name)
		out = append(append(out, ':'), m.raw...)
	}
	return append(out, '}')
}

// show is a value fit for the end of an error text: short and on one line.
func show(raw []byte) string {
	const most = 64
	if len(raw) > most {
		return strings.ToValidUTF8(string(appendRaw(nil, raw[:most])), "") + "…"
	}
	return string(appendRaw(nil, raw))
}

// quoted is a text fit for the same.
func quoted(text string) string { return show([]byte(strconv.Quote(text))) }

func pointerTo(prefix string, parts ...any) string {
	var b strings.Builder
	b.WriteString(prefix)
	for _, part := range parts {
		b.WriteByte('/')
		switch part := part.(type) {
		case int:
			b.WriteString(strconv.Itoa(part))
		case string:
			b.WriteString(strings.ReplaceAll(strings.ReplaceAll(part, "~", "~0"), "/", "~1"))
		}
	}
	return b.String()
}
