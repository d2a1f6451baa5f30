package rawjson

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// Encode writes a Go value as JSON, the names of a map sorted. Maps, slices and the basic types are
// written directly; any other type goes through its json tags and methods, as in encoding/json. A
// json.Number keeps its digits.
//
// It returns an *[Error] that names the value which JSON cannot hold (NaN, a channel), text that is
// not UTF-8 (encoding/json would replace it without a word), or nesting past the limit, which also
// ends a map that contains itself.
func Encode(v any, limits Limits) (stdjson.RawMessage, error) {
	e := encoder{limits: limits.WithDefaults(), buf: make([]byte, 0, 512), pairs: make([]pair, 0, 16)}
	if err := e.value(v, 1); err != nil {
		return nil, err
	}
	return e.buf, e.checkSize()
}

type encoder struct {
	limits Limits
	buf    []byte
	pairs  []pair // members of the maps being written, inner maps behind outer ones
}

// pair is a member of a map that is being written.
type pair struct {
	name  string
	value any
}

// value appends v, which stands at a depth from 1.
func (e *encoder) value(v any, depth int) error {
	if err := e.checkSize(); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		e.buf = append(e.buf, "null"...)
	case bool:
		e.buf = strconv.AppendBool(e.buf, v)
	case string:
		return e.text(v)
	case int:
		e.buf = strconv.AppendInt(e.buf, int64(v), 10)
	case int64:
		e.buf = strconv.AppendInt(e.buf, v, 10)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return refuse(invalidJSON, 0, "JSON has no %v", v)
		}
		e.buf = jsontext.AppendFloat(e.buf, v, 64)
	case map[string]any:
		return e.object(v, depth)
	case []any:
		return list(e, v, depth)
	case []map[string]any:
		return list(e, v, depth)
	case Object:
		return e.raw(v.JSON(), depth)
	case stdjson.RawMessage:
		return e.raw(v, depth)
	default:
		raw, err := marshal(v)
		if err != nil {
			return err
		}
		return e.raw(raw, depth)
	}
	return nil
}

// object appends a map. Its members are sorted in the part of pairs behind those of the maps around
// it, so that a map in a map needs no list of its own.
func (e *encoder) object(m map[string]any, depth int) error {
	if m == nil {
		return e.value(nil, depth)
	}
	if depth > e.limits.MaxDepth {
		return e.tooDeep()
	}
	first := len(e.pairs)
	for name, value := range m {
		e.pairs = append(e.pairs, pair{name, value})
	}
	slices.SortFunc(e.pairs[first:], func(a, b pair) int { return strings.Compare(a.name, b.name) })
	e.buf = append(e.buf, '{')
	for i := first; i < first+len(m); i++ {
		member := e.pairs[i]
		if i > first {
			e.buf = append(e.buf, ',')
		}
		if err := e.text(member.name); err != nil {
			return err // no excerpt, here and below: the text may be a secret
		}
		e.buf = append(e.buf, ':')
		if err := e.value(member.value, depth+1); err != nil {
			return below(member.name, depth, err)
		}
	}
	e.pairs = e.pairs[:first]
	e.buf = append(e.buf, '}')
	return nil
}

func list[T any](e *encoder, elements []T, depth int) error {
	if depth > e.limits.MaxDepth {
		return e.tooDeep()
	}
	e.buf = append(e.buf, '[')
	start := len(e.buf)
	for i, v := range elements {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		if i == 1 { // the elements that follow are likely to be as long as the first
			e.buf = slices.Grow(e.buf, min((len(e.buf)-start)*len(elements)*17/16, 1<<20))
		}
		if err := e.value(v, depth+1); err != nil {
			return below(strconv.Itoa(i), depth, err)
		}
	}
	e.buf = append(e.buf, ']')
	return nil
}

// raw checks JSON that somebody else wrote before it joins ours.
func (e *encoder) raw(raw stdjson.RawMessage, depth int) error {
	if raw == nil {
		return e.value(nil, depth)
	}
	if err := Check(raw, Limits{MaxBytes: e.limits.MaxBytes, MaxDepth: max(1, e.limits.MaxDepth-depth+1)}); err != nil {
		return err
	}
	e.buf = append(e.buf, bytes.TrimSpace(raw)...)
	return nil
}

func (e *encoder) text(s string) error {
	if isPlain(s) {
		e.buf = append(append(append(e.buf, '"'), s...), '"')
		return nil
	}
	var err error
	if e.buf, err = jsontext.AppendQuote(e.buf, s); err != nil {
		return refuseUTF8(0)
	}
	return nil
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

// checkSize ends the encoding of a value that repeats inside itself before memory does.
func (e *encoder) checkSize() error {
	if len(e.buf) > e.limits.MaxBytes {
		return refuse(tooLarge, 0, "must be smaller: %d bytes are allowed", e.limits.MaxBytes)
	}
	return nil
}

func (e *encoder) tooDeep() error {
	return refuse(tooDeep, 0, nestsTooDeep, e.limits.MaxDepth)
}

// below adds to an error the name of the member, or the index of the element, that holds what is
// wrong. A size is that of the whole document. Of values that nest too deep the outermost names
// are enough to find them.
func below(token string, depth int, err error) error {
	const most = 4
	where, ok := errors.AsType[*Error](err)
	if ok && where.Code != tooLarge && (depth <= most || where.Code != tooDeep) {
		where.Pointer = Pointer("", token) + where.Pointer
	}
	return err
}

// marshal is encoding/json without its escapes for HTML, which would change what a person sees in
// previews, and without its silence about bytes that are not UTF-8.
func marshal(v any) (stdjson.RawMessage, error) {
	digits := json.MarshalToFunc(func(e *jsontext.Encoder, n stdjson.Number) error {
		return e.WriteValue(jsontext.Value(n))
	})
	raw, err := json.Marshal(v, jsonv1.DefaultOptionsV1(), json.WithMarshalers(digits),
		jsontext.AllowInvalidUTF8(false), jsontext.EscapeForHTML(false), jsontext.EscapeForJS(false))
	if strings.HasSuffix(fmt.Sprint(err), "invalid UTF-8") {
		return nil, refuseUTF8(0)
	}
	if err != nil {
		return nil, refuse(invalidJSON, 0, "%v", err)
	}
	return raw, nil
}
