package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Encode writes a Go value as JSON, the names of a map sorted. Maps, slices and the basic types are
// written directly; any other type goes through encoding/json. A json.Number keeps its digits.
//
// It returns an *[Error] that names the value which JSON cannot hold (NaN, a channel), text that is
// not UTF-8 (encoding/json would replace it without a word), or nesting past the limit, which also
// ends a map that contains itself.
func Encode(v any, limits Limits) (json.RawMessage, error) {
	e := encoder{limits: limits.WithDefaults(), pairs: make([]pair, 0, 32)}
	raw, err := e.append(make([]byte, 0, 1<<10), v, 1)
	if err != nil {
		return nil, err
	}
	return raw, e.checkSize(raw)
}

type encoder struct {
	limits Limits
	pairs  []pair // members of the maps being written, inner maps behind outer ones
}

// pair is a member of a map that is being written.
type pair struct {
	name  string
	value any
}

func (e *encoder) append(dst []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case string:
		return appendValid(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, &Error{Err: fmt.Errorf("%w: JSON has no %v", ErrNotJSON, v)}
		}
		return jsontext.AppendFloat(dst, v, 64), nil
	case map[string]any:
		return e.appendMap(dst, v, depth)
	case []any:
		return appendList(e, dst, v, depth)
	case []map[string]any:
		return appendList(e, dst, v, depth)
	case json.RawMessage:
		return e.appendRaw(dst, v, depth)
	case Object:
		return e.appendRaw(dst, v.JSON(), depth)
	}
	raw, err := marshal(v)
	if err != nil {
		return nil, &Error{Err: fmt.Errorf("%w: %w", ErrNotJSON, err)}
	}
	return e.appendRaw(dst, raw, depth)
}

func (e *encoder) appendMap(dst []byte, m map[string]any, depth int) ([]byte, error) {
	if depth > e.limits.MaxDepth {
		return nil, e.tooDeep()
	}
	if m == nil {
		return append(dst, "null"...), nil
	}
	first := len(e.pairs)
	for name, value := range m {
		e.pairs = append(e.pairs, pair{name, value})
	}
	slices.SortFunc(e.pairs[first:], func(a, b pair) int { return strings.Compare(a.name, b.name) })
	dst = append(dst, '{')
	for i := first; i < first+len(m); i++ {
		name, value := e.pairs[i].name, e.pairs[i].value
		if i > first {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendValid(dst, name); err != nil {
			return nil, err // no excerpt, here and below: the text may be a secret
		}
		dst = append(dst, ':')
		if dst, err = e.append(dst, value, depth+1); err != nil {
			return nil, below(name, depth, err)
		}
		if err := e.checkSize(dst); err != nil {
			return nil, err
		}
	}
	e.pairs = e.pairs[:first]
	return append(dst, '}'), nil
}

func appendList[T any](e *encoder, dst []byte, list []T, depth int) ([]byte, error) {
	if depth > e.limits.MaxDepth {
		return nil, e.tooDeep()
	}
	dst = append(dst, '[')
	start := len(dst)
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		if i == 1 { // the elements that follow are likely to be as long as the first
			dst = slices.Grow(dst, min((len(dst)-start)*len(list)*9/8, 1<<20))
		}
		var err error
		if dst, err = e.append(dst, v, depth+1); err != nil {
			return nil, below(strconv.Itoa(i), depth, err)
		}
		if err := e.checkSize(dst); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

// appendRaw checks JSON that somebody else wrote before it joins ours.
func (e *encoder) appendRaw(dst []byte, raw json.RawMessage, depth int) ([]byte, error) {
	if raw == nil {
		return append(dst, "null"...), nil
	}
	if err := Check(raw, Limits{MaxBytes: e.limits.MaxBytes, MaxDepth: max(1, e.limits.MaxDepth-depth+1)}); err != nil {
		return nil, err
	}
	return append(dst, bytes.TrimSpace(raw)...), nil
}

// checkSize ends the encoding of a value that repeats inside itself before memory does.
func (e *encoder) checkSize(dst []byte) error {
	if len(dst) > e.limits.MaxBytes {
		return &Error{Err: fmt.Errorf("%w: %d bytes are allowed", ErrTooLarge, e.limits.MaxBytes)}
	}
	return nil
}

func (e *encoder) tooDeep() error {
	return &Error{Err: fmt.Errorf("%w: %d levels are allowed", ErrTooDeep, e.limits.MaxDepth)}
}

// below adds to an error the name of the member, or the index of the element, that holds what is
// wrong. A size is that of the whole document. Of values that nest too deep the outermost names
// are enough to find them.
func below(token string, depth int, err error) error {
	const most = 4
	var where *Error
	if errors.As(err, &where) && !errors.Is(err, ErrTooLarge) && (depth <= most || !errors.Is(err, ErrTooDeep)) {
		where.Pointer = Pointer("", token) + where.Pointer
	}
	return err
}

func appendValid(dst []byte, s string) ([]byte, error) {
	if isPlain(s) {
		dst = append(append(dst, '"'), s...)
		return append(dst, '"'), nil
	}
	dst, err := jsontext.AppendQuote(dst, s)
	if err != nil {
		return nil, &Error{Err: ErrInvalidUTF8}
	}
	return dst, nil
}

// isPlain reports whether a text is ASCII that needs no escapes.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x80 {
			return false
		}
	}
	return true
}

// marshal is encoding/json without its HTML escapes, which would change what a person sees in
// previews.
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

// hasReplacement looks for the escape by which encoding/json replaces bytes that are not UTF-8. A
// U+FFFD that was there before it writes as it is.
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
