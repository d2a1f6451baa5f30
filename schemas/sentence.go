package schemas

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
)

// keyword is a failed keyword: its name, the schema that has it, and the schemas around that one
// that apply to the same value, innermost first.
type keyword struct {
	name   string
	schema rawjson.Object
	around []rawjson.Object
}

// code looks for a code in the schema that failed, then in those around it. Without one, it is that
// of the keyword.
func (k keyword) code() string {
	for _, schema := range append([]rawjson.Object{k.schema}, k.around...) {
		if code := cmp.Or(schema.Object("x-codes").Text(k.name), schema.Text("x-code")); code != "" {
			return code
		}
	}
	return cmp.Or(ownWords()[k.name].code, "invalid_value")
}

// words are a keyword's code and sentence. In the sentence, %s stands for the keyword's value.
type words struct{ code, sentence string }

// ownWords has the words of each keyword, for manifests that give none of their own.
func ownWords() map[string]words {
	return map[string]words{
		"type":                  {"wrong_type", "must be %s"},
		"const":                 {"", "must be %s"},
		"enum":                  {"", "must be one of %s"},
		"format":                {"invalid_format", "must be a valid %s"},
		"pattern":               {"invalid_format", ""},
		"minimum":               {"", "must be at least %s"},
		"maximum":               {"", "must be at most %s"},
		"minLength":             {"too_short", "must have at least %s characters"},
		"maxLength":             {"too_long", "must have at most %s characters"},
		"minItems":              {"too_few", "must have at least %s items"},
		"maxItems":              {"too_many", "must have at most %s items"},
		"required":              {"missing_parameter", ""},
		"additionalProperties":  {"unknown_parameter", ""},
		"unevaluatedProperties": {"unknown_parameter", ""},
	}
}

// sentence says what must be, in words that can follow the name of a parameter: "event must not be
// empty". The manifest's own sentence wins. The fallback is jsonschema's message, for keywords that
// manifests rarely use.
func (k keyword) sentence(fallback string) string {
	if says := k.schema.Object("x-says").Text(k.name); says != "" {
		return says
	}
	given, _ := k.schema.Get(k.name)
	value := string(given)
	switch k.name {
	case "type":
		value = KindWords(kindsOf(k.schema))
	case "enum":
		value = strings.Join(k.schema.Texts("enum"), ", ")
	case "format":
		if value = k.schema.Text("format"); value == "date-time" {
			return "must be an ISO 8601 time such as 2026-01-31T09:30:00Z"
		}
	case "minLength", "minItems":
		if value == "1" {
			return "must not be empty"
		}
	case "anyOf":
		if names := k.choices(); names != nil {
			return "must have " + strings.Join(names, " or ")
		}
	}
	if own := ownWords()[k.name].sentence; own != "" {
		return fmt.Sprintf(own, value)
	}
	if title := k.schema.Text("title"); title != "" {
		return "must follow the rule: " + title
	}
	return fallback
}

// choices returns the names of an anyOf whose branches each require one member, else nil. The first
// one's place is where a failed choice is listed.
func (k keyword) choices() (names []string) {
	if k.name != "anyOf" {
		return nil
	}
	for _, branch := range k.schema.Array("anyOf") {
		list := rawjson.OpenObject(branch).Texts("required")
		if len(list) != 1 {
			return nil
		}
		names = append(names, list[0])
	}
	return names
}

// KindWords joins types with their articles: an object or null.
func KindWords(kinds []rawjson.Kind) string {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		switch k {
		case rawjson.ObjectKind, rawjson.ArrayKind, "integer":
			words[i] = "an " + string(k)
		case rawjson.NullKind:
			words[i] = "null"
		default:
			words[i] = "a " + string(k)
		}
	}
	return strings.Join(words, " or ")
}

// Excerpt returns a value as a message shows it: compact, and cut if it is long.
func Excerpt(value json.RawMessage) string { return excerpt(value, nil) }

// excerpt hides the value of each member with the name of a secret field, wherever it is: a value
// that breaks its schema may hold a secret anywhere.
func excerpt(value json.RawMessage, secrets map[string]bool) string {
	const most = 60 // characters
	return text.Clip(string(appendExcerpt(nil, value, secrets, most*utf8.UTFMax)), most)
}

// appendExcerpt may stop after most bytes.
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
