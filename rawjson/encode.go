package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// EncodeObject turns a Go map into an Object, its names sorted. Maps, slices and the basic types are written directly; any
// other type goes through encoding/json. A json.Number keeps its digits.
//
// It returns an *[Error] that names the value which JSON cannot hold (NaN, a channel), text that is not UTF-8 (encoding/json would
// replace it without a word), or nesting past the limit, which also ends a map that contains itself.
func EncodeObject(m map[string]any, limits Limits) (Object, error) {
	limits = limits.withDefaults()
	e := encoder{limits: limits}
	obj := make(Object, 0, len(m))
	size := 2
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !utf8.ValidString(name) {
			return nil, &Error{Err: ErrInvalidUTF8} // no excerpt, here and below: the text may be a secret
		}
		value, err := e.append(nil, m[name], Pointer("", name), 2)
		if err != nil {
			return nil, err
		}
		if size += len(name) + len(value) + 4; size > limits.MaxBytes {
			return nil, &Error{Err: fmt.Errorf("%w: %d bytes are allowed", ErrTooLarge, limits.MaxBytes)}
		}
		obj = append(obj, Member{Name: name, Value: value})
	}
	return obj, nil
}

// Encode writes any Go value as EncodeObject writes the values of its map.
func Encode(v any, limits Limits) (json.RawMessage, error) {
	e := encoder{limits: limits.withDefaults()}
	return e.append(nil, v, "", 1)
}

type encoder struct{ limits Limits }

func (e *encoder) append(dst []byte, v any, at string, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case string:
		return appendValid(dst, v, at)
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, &Error{Pointer: at, Err: fmt.Errorf("%w: JSON has no %v", ErrNotJSON, v)}
		}
		return jsontext.AppendFloat(dst, v, 64), nil
	case map[string]any:
		return e.appendMap(dst, v, at, depth)
	case []any:
		return appendList(e, dst, v, at, depth)
	case []map[string]any:
		return appendList(e, dst, v, at, depth)
	case json.RawMessage:
		return e.appendRaw(dst, v, at, depth)
	case Object:
		return e.appendRaw(dst, v.JSON(), at, depth)
	}
	raw, err := marshal(v)
	if err != nil {
		return nil, &Error{Pointer: at, Err: fmt.Errorf("%w: %w", ErrNotJSON, err)}
	}
	return e.appendRaw(dst, raw, at, depth)
}

func (e *encoder) appendMap(dst []byte, m map[string]any, at string, depth int) ([]byte, error) {
	if depth > e.limits.MaxDepth {
		return nil, e.tooDeep(at)
	}
	if m == nil {
		return append(dst, "null"...), nil
	}
	dst = append(dst, '{')
	for i, name := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendValid(dst, name, at); err != nil {
			return nil, err
		}
		dst = append(dst, ':')
		if dst, err = e.append(dst, m[name], Pointer(at, name), depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func appendList[T any](e *encoder, dst []byte, list []T, at string, depth int) ([]byte, error) {
	if depth > e.limits.MaxDepth {
		return nil, e.tooDeep(at)
	}
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = e.append(dst, v, at+"/"+strconv.Itoa(i), depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

// appendRaw checks JSON that somebody else wrote before it joins ours.
func (e *encoder) appendRaw(dst []byte, raw json.RawMessage, at string, depth int) ([]byte, error) {
	if raw == nil {
		return append(dst, "null"...), nil
	}
	if err := Check(raw, Limits{MaxBytes: e.limits.MaxBytes, MaxDepth: max(1, e.limits.MaxDepth-depth+1)}); err != nil {
		var inner *Error
		if errors.As(err, &inner) {
			inner.Pointer = at + inner.Pointer
		}
		return nil, err
	}
	return append(dst, bytes.TrimSpace(raw)...), nil
}

func (e *encoder) tooDeep(at string) error {
	return &Error{Pointer: shortened(at), Err: fmt.Errorf("%w: %d levels are allowed", ErrTooDeep, e.limits.MaxDepth)}
}

func appendValid(dst []byte, s, at string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, &Error{Pointer: at, Err: ErrInvalidUTF8}
	}
	return AppendText(dst, s), nil
}

// marshal is encoding/json without its HTML escapes, which would change what a person sees in previews.
func marshal(v any) (json.RawMessage, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	if hasReplacement(buf.Bytes()) {
		return nil, ErrInvalidUTF8
	}
	return bytes.TrimRight(buf.Bytes(), "\n"), nil
}

// hasReplacement looks for the escape by which encoding/json replaces bytes that are not UTF-8. A U+FFFD that was there before it
// writes as it is.
func hasReplacement(written []byte) bool {
	for {
		i := bytes.Index(written, []byte(`\ufffd`))
		if i < 0 {
			return false
		}
		before := written[:i]
		if (len(before)-len(bytes.TrimRight(before, `\`)))%2 == 0 { // else the backslash is itself escaped
			return true
		}
		written = written[i+2:]
	}
}
