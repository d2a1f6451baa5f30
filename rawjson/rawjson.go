// Package rawjson opens JSON one level at a time and keeps the values as written.
//
//	obj, err := rawjson.ParseObject([]byte(`{"total": 1.10, "id": 12345678901234567890}`), rawjson.Limits{})
//	total, _ := obj.Get("total") // 1.10, not 1.1
//
// It never decodes a value and encodes it again, so numbers keep their digits and members their
// order. [ParseObject] and [Check] check a whole document (syntax, duplicate names, UTF-8, depth,
// size). The other functions trust that check, so give them only values of a checked document.
package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/aacflow/segment-blocks/internal/jsonscan"
)

// Limits bound a document. A zero field means the default.
type Limits struct {
	// MaxBytes is the largest document, in bytes. Default 32 MiB.
	MaxBytes int
	// MaxDepth is how deep objects and arrays may nest; the document itself is depth 1. Default
	// 128, at most 1,000: each level takes stack.
	MaxDepth int
	// MaxMembers is how many members [ParseObject] accepts, because each takes many times the
	// memory of its text. Nested members do not count. Default 10,000.
	MaxMembers int
}

// WithDefaults returns the limits with the defaults in place of zero fields.
func (l Limits) WithDefaults() Limits {
	if l.MaxBytes <= 0 {
		l.MaxBytes = 32 << 20
	}
	if l.MaxDepth <= 0 {
		l.MaxDepth = 128
	}
	l.MaxDepth = min(l.MaxDepth, 1000)
	if l.MaxMembers <= 0 {
		l.MaxMembers = 10_000
	}
	return l
}

// Member is one name and its value, as written.
type Member struct {
	Name  string
	Value json.RawMessage
}

// Object is a JSON object opened at its first level, with members in their original order. Names
// are unique if it comes from [ParseObject].
type Object []Member

// Get returns the value of the member called name, and whether there is one. The search is linear:
// use a map for frequent lookups in large objects.
func (o Object) Get(name string) (json.RawMessage, bool) {
	if i := o.index(name); i >= 0 {
		return o[i].Value, true
	}
	return nil, false
}

// Text returns the member called name as a Go string: "" when it is absent or not a JSON string.
func (o Object) Text(name string) string {
	raw, _ := o.Get(name)
	s, _ := Text(raw)
	return s
}

// Object opens the member called name: nil when it is absent or not an object.
func (o Object) Object(name string) Object {
	raw, _ := o.Get(name)
	return OpenObject(raw)
}

// Array returns the elements of the member called name: nil when it is absent or not an array.
func (o Object) Array(name string) []json.RawMessage {
	raw, _ := o.Get(name)
	return OpenArray(raw)
}

// Texts returns the elements of the member called name as Go strings, such as the names in
// required. An element of another type is returned as written.
func (o Object) Texts(name string) []string {
	var list []string
	for _, raw := range o.Array(name) {
		text, ok := Text(raw)
		if !ok {
			text = string(raw)
		}
		list = append(list, text)
	}
	return list
}

// Set returns o with the member called name set to value: in place if it exists, else at the end.
// Like append, it may write into o's memory.
func (o Object) Set(name string, value json.RawMessage) Object {
	if i := o.index(name); i >= 0 {
		o[i].Value = value
		return o
	}
	return append(o, Member{Name: name, Value: value})
}

// Without returns a copy of o without the named members. The values are not copied.
func (o Object) Without(names ...string) Object {
	return slices.DeleteFunc(slices.Clone(o), func(m Member) bool { return slices.Contains(names, m.Name) })
}

func (o Object) index(name string) int {
	return slices.IndexFunc(o, func(m Member) bool { return m.Name == name })
}

// JSON returns o as a new compact document. It copies the values unchanged.
func (o Object) JSON() json.RawMessage {
	size := len(`{}`)
	for _, m := range o {
		size += len(m.Name) + len(m.Value) + len(`"":,`)
	}
	dst := append(make([]byte, 0, size), '{') // more only where names need escapes
	for i, m := range o {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendText(dst, m.Name), ':')
		dst = append(dst, m.Value...)
	}
	return append(dst, '}')
}

// MarshalJSON makes an Object a JSON object to encoding/json.
func (o Object) MarshalJSON() ([]byte, error) { return o.JSON(), nil }

// UnmarshalJSON opens the object in data. It copies data, as encoding/json requires.
func (o *Object) UnmarshalJSON(data []byte) error {
	obj, err := ParseObject(slices.Clone(data), Limits{})
	if err == nil {
		*o = obj
	}
	return err
}

// Error says what is wrong with a document, and where.
type Error struct {
	// Code is invalid_json, invalid_utf8, duplicate_key, too_deep, too_large, or wrong_type if the
	// document is not an object.
	Code string
	// Pointer is the JSON Pointer (RFC 6901) of the value in question, "" for the document itself.
	Pointer string
	// Offset is a byte position. The fault is at or before it.
	Offset int64
	// Message says what the document must be.
	Message string
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

const (
	tooDeep     = "too_deep"
	tooLarge    = "too_large"
	invalidJSON = "invalid_json"
)

// refuse returns an error at an offset. For a syntax error, the message continues "must be valid
// JSON: ".
func refuse(code string, offset int64, format string, args ...any) *Error {
	message := fmt.Sprintf(format, args...)
	if code == invalidJSON {
		message = "must be valid JSON: " + message
	}
	return &Error{Code: code, Offset: offset, Message: message}
}

func refuseUTF8(offset int64) *Error { return refuse("invalid_utf8", offset, "must be valid UTF-8") }

// Check returns an *[Error] unless data is one JSON value within the limits: valid syntax and
// UTF-8, no duplicate names at any depth, and nothing after it but white space.
func Check(data []byte, limits Limits) error {
	limits = limits.WithDefaults()
	// Whatever the scanner accepts is valid. It rejects the rest without a reason, so check looks
	// for one.
	if s := jsonscan.New(data, limits.MaxBytes, limits.MaxDepth); s.Skip() && s.End() {
		return nil
	}
	return check(data, limits)
}

// ParseObject checks data as [Check] does, requires an object, and returns its members. They share
// memory with data, so data must not change afterwards.
func ParseObject(data []byte, limits Limits) (Object, error) {
	limits = limits.WithDefaults()
	s := jsonscan.New(data, limits.MaxBytes, limits.MaxDepth)
	obj, distinct, ok := members(&s, len(data), limits.MaxMembers)
	if ok && distinct && s.End() {
		return obj, nil
	}
	if len(obj) > limits.MaxMembers {
		return nil, refuse(tooLarge, int64(s.Pos()), "must have %d members at most", limits.MaxMembers)
	}
	if err := check(data, limits); err != nil {
		return nil, err
	}
	if KindOf(data) != ObjectKind {
		return nil, refuse("wrong_type", 0, "must be a JSON object")
	}
	// The names could not be told apart in passing, but check has found none twice.
	return OpenObject(data), nil
}

const nestsTooDeep = "must not nest so deep: %d levels are allowed"

// check reads data token by token. It is slower than the scanner, but says what is wrong.
func check(data []byte, limits Limits) error {
	if len(data) > limits.MaxBytes {
		return refuse(tooLarge, int64(limits.MaxBytes),
			"must be smaller: %d bytes, %d are allowed", len(data), limits.MaxBytes)
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(data))
	for complete := false; ; complete = d.StackDepth() == 0 {
		_, err := d.ReadToken()
		switch {
		case complete && errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return located(err)
		case complete:
			return refuse(invalidJSON, d.InputOffset(), "something follows the value")
		case d.StackDepth() > limits.MaxDepth:
			return refuse(tooDeep, d.InputOffset()-1, nestsTooDeep, limits.MaxDepth)
		}
	}
}

// located converts an error of jsontext to an *Error.
func located(err error) error {
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok { // data was empty
		return refuse(invalidJSON, 0, "it ends too early")
	}
	at := syntax.ByteOffset
	var e *Error
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		e = refuse("duplicate_key", at, "must not name a member twice")
	case strings.Contains(syntax.Err.Error(), "invalid UTF-8"):
		e = refuseUTF8(at)
	case errors.Is(err, io.ErrUnexpectedEOF):
		e = refuse(invalidJSON, at, "it ends too early, after byte %d", at)
	default:
		e = refuse(invalidJSON, at, "%s, at byte %d", reason(syntax.Err), at)
	}
	e.Pointer = string(syntax.JSONPointer)
	return e
}

// reason drops the text that a syntax error quotes, which may be a secret.
func reason(err error) string {
	text := err.Error()
	for _, kind := range []string{"invalid escape sequence", "invalid surrogate pair"} {
		if strings.HasPrefix(text, kind) {
			return kind
		}
	}
	return text
}
