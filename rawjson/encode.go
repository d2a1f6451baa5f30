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

	"github.com/aacflow/segment-blocks/internal/jsonscan"
)

// Encode writes a Go value as JSON, with sorted map keys. It writes maps, slices and basic types
// directly, and any other type by its json tags and methods, as encoding/json does. A json.Number
// keeps its digits.
//
// It returns an *[Error] for values that JSON cannot hold (NaN, a channel), for text that is not
// UTF-8 (which encoding/json would replace silently), and for nesting beyond the limit, which also
// stops a map that contains itself.
func Encode(v any, limits Limits) (stdjson.RawMessage, error) {
	e := encoder{limits.WithDefaults()}
	out, err := e.value(make([]byte, 0, 512), v, 1)
	if err == nil {
		err = e.checkSize(out)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// encoder appends values to a buffer.
type encoder struct{ limits Limits }

// value appends v at a depth, which starts at 1.
func (e encoder) value(dst []byte, v any, depth int) ([]byte, error) {
	if err := e.checkSize(dst); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case string:
		return text(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, refuse(invalidJSON, 0, "JSON has no %v", v)
		}
		return jsontext.AppendFloat(dst, v, 64), nil
	case map[string]any:
		return e.object(dst, v, depth)
	case []any:
		return list(e, dst, v, depth)
	case []map[string]any:
		return list(e, dst, v, depth)
	case Object:
		return e.raw(dst, v.JSON(), depth)
	case stdjson.RawMessage:
		return e.raw(dst, v, depth)
	}
	raw, err := marshal(v)
	if err != nil {
		return nil, err
	}
	return e.raw(dst, raw, depth)
}

// object appends a map with sorted members, so that equal maps give equal requests, whenever they
// are sent. Most maps are small enough for a list on the stack.
func (e encoder) object(dst []byte, m map[string]any, depth int) (_ []byte, err error) {
	if m == nil {
		return append(dst, "null"...), nil
	}
	if depth > e.limits.MaxDepth {
		return nil, e.tooDeep()
	}
	type member struct {
		name  string
		value any
	}
	var room [16]member
	members := room[:0]
	if len(m) > len(room) {
		members = make([]member, 0, len(m))
	}
	for name, value := range m {
		members = append(members, member{name, value})
	}
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = text(dst, m.name); err != nil {
			return nil, err // without an excerpt: the text may be a secret
		}
		if dst, err = e.value(append(dst, ':'), m.value, depth+1); err != nil {
			return nil, below(m.name, depth, err)
		}
	}
	return append(dst, '}'), nil
}

func list[T any](e encoder, dst []byte, elements []T, depth int) (_ []byte, err error) {
	if depth > e.limits.MaxDepth {
		return nil, e.tooDeep()
	}
	dst = append(dst, '[')
	start := len(dst)
	for i, v := range elements {
		if i > 0 {
			dst = append(dst, ',')
			// Later elements are likely to be as long as earlier ones. Doubling the buffer, where
			// append adds a quarter, copies it less often.
			if each := (len(dst) - start) / i; cap(dst)-len(dst) < each {
				dst = slices.Grow(dst, min(each*(len(elements)-i)*17/16, max(len(dst), 1<<20)))
			}
		}
		if dst, err = e.value(dst, v, depth+1); err != nil {
			return nil, below(strconv.Itoa(i), depth, err)
		}
	}
	return append(dst, ']'), nil
}

// raw checks foreign JSON before appending it.
func (e encoder) raw(dst []byte, raw stdjson.RawMessage, depth int) ([]byte, error) {
	if raw == nil {
		return append(dst, "null"...), nil
	}
	if err := Check(raw, Limits{MaxBytes: e.limits.MaxBytes, MaxDepth: max(1, e.limits.MaxDepth-depth+1)}); err != nil {
		return nil, err
	}
	return append(dst, bytes.TrimSpace(raw)...), nil
}

func text(dst []byte, s string) ([]byte, error) {
	if jsonscan.IsPlain(s) {
		return append(append(append(dst, '"'), s...), '"'), nil
	}
	dst, err := jsontext.AppendQuote(dst, s)
	if err != nil {
		return nil, refuseUTF8(0)
	}
	return dst, nil
}

// checkSize stops the encoding before memory runs out, if a value contains another one many times.
func (e encoder) checkSize(dst []byte) error {
	if len(dst) > e.limits.MaxBytes {
		return refuse(tooLarge, 0, "must be smaller: %d bytes are allowed", e.limits.MaxBytes)
	}
	return nil
}

func (e encoder) tooDeep() error {
	return refuse(tooDeep, 0, nestsTooDeep, e.limits.MaxDepth)
}

// below prefixes an error's pointer with the member's name or the element's index. The size limit
// is for the whole document, so that error has no pointer. In a value that nests too deep, the four
// outermost names are enough.
func below(token string, depth int, err error) error {
	const most = 4
	where, ok := errors.AsType[*Error](err)
	if ok && where.Code != tooLarge && (depth <= most || where.Code != tooDeep) {
		where.Pointer = Pointer("", token) + where.Pointer
	}
	return err
}

// marshal is encoding/json without HTML escapes, which would change previews, and with an error for
// text that is not UTF-8.
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
