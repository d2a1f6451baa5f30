package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
)

// checkJSON reports what keeps body from being one JSON value that any receiver
// reads the same way: grammar, UTF-8, unique names, bounded nesting.
func checkJSON(body []byte) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return errors.New("body must be a JSON object: empty")
	}
	err := rawjson.Check(body, rawjson.Limits{MaxDepth: maxDepth})
	if bad, ok := errors.AsType[*rawjson.Error](err); ok && bad.Pointer != "" {
		return fmt.Errorf("body %w, in %s", err, show(bad.Pointer))
	}
	if err != nil {
		return fmt.Errorf("body %w", err)
	}
	return nil
}

// get returns the value of a member, nil when it is missing or null: clients send
// null for what they do not have.
func get(obj rawjson.Object, name string) json.RawMessage {
	raw, _ := obj.Get(name)
	if rawjson.KindOf(raw) == rawjson.NullKind {
		return nil
	}
	return raw
}

// getObject returns the value of a member that is an object, or nil.
func getObject(obj rawjson.Object, name string) json.RawMessage {
	raw := get(obj, name)
	if rawjson.KindOf(raw) != rawjson.ObjectKind {
		return nil
	}
	return raw
}

// show makes a value fit for the end of an error text: short and on one line.
func show[T string | json.RawMessage](value T) string {
	return text.Clip(text.OneLine(string(value)), 64)
}

func quoted(s string) string { return show(strconv.Quote(s)) }

// appendObject appends head, which is a struct, as JSON on one line, with the
// members given at its end. A member without a value is left out. Values go in as
// they are, where encoding/json would compact them. A line break in valid JSON is
// always between tokens, so turning it into a space changes no value.
func appendObject(dst []byte, head any, members ...rawjson.Member) []byte {
	dst = appendValue(dst, head)
	for _, m := range members {
		if m.Value == nil {
			continue
		}
		dst = append(rawjson.AppendText(append(dst[:len(dst)-1], ','), m.Name), ':')
		for _, c := range m.Value {
			if c == '\n' || c == '\r' {
				c = ' '
			}
			dst = append(dst, c)
		}
		dst = append(dst, '}')
	}
	return dst
}

// appendValue appends v as JSON on one line. The values given to it cannot fail
// to marshal.
func appendValue(dst []byte, v any) []byte {
	buf := bytes.NewBuffer(dst)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return append(dst, "null"...)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}
