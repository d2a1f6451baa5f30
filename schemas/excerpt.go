package schemas

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Excerpt returns a value as a person should see it in a message: compact, and cut where it is
// long.
func Excerpt(value json.RawMessage) string { return excerpt(value, nil) }

// excerpt leaves out the values of members that carry the name of a secret field, wherever they
// are: a value that breaks its schema may hold them anywhere.
func excerpt(value json.RawMessage, secrets map[string]bool) string {
	const most = 60 // characters
	text := appendExcerpt(nil, value, secrets, most*utf8.UTFMax)
	if runes := []rune(string(text)); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return string(text)
}

// appendExcerpt may stop once it has written most bytes.
func appendExcerpt(dst []byte, value json.RawMessage, secrets map[string]bool, most int) []byte {
	switch value = bytes.TrimSpace(value); rawjson.KindOf(value) {
	case rawjson.ObjectKind:
		dst = append(dst, '{')
		for i, m := range rawjson.OpenObject(value) {
			if i > 0 {
				dst = append(dst, ',')
			}
			if len(dst) > most {
				return dst
			}
			dst = append(rawjson.AppendText(dst, m.Name), ':')
			if secrets[m.Name] {
				m.Value = rawjson.Quote("[redacted]")
			}
			dst = appendExcerpt(dst, m.Value, secrets, most)
		}
		return append(dst, '}')
	case rawjson.ArrayKind:
		dst = append(dst, '[')
		first := len(dst)
		for element := range rawjson.Elements(value) {
			if len(dst) > first {
				dst = append(dst, ',')
			}
			if len(dst) > most {
				return dst
			}
			dst = appendExcerpt(dst, element, secrets, most)
		}
		return append(dst, ']')
	}
	return append(dst, value[:min(len(value), most)]...)
}
