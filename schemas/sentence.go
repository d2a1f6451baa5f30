package schemas

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
)

// keyword is the one that failed: its name and value, the schema that it stands in, and the schemas
// around that one, inmost first.
type keyword struct {
	name   string
	value  json.RawMessage
	schema rawjson.Object
	around []rawjson.Object
}

// keyword follows the location of an error from the root of the schema to the keyword.
func (e *explainer) keyword(err *jsonschema.ValidationError) keyword {
	_, fragment, _ := strings.Cut(err.AbsoluteKeywordLocation, "#")
	tokens := strings.Split(strings.TrimPrefix(fragment, "/"), "/")
	k := keyword{name: tokens[len(tokens)-1]}
	current := e.part.raw
	for i, token := range tokens {
		if obj := rawjson.OpenObject(current); obj != nil {
			switch {
			case i == len(tokens)-1:
				k.schema = obj
			case token == "properties" || token == "items" || token == "additionalProperties":
				k.around = nil // what lies beyond speaks of another value
			default:
				k.around = append([]rawjson.Object{obj}, k.around...)
			}
		}
		unescaped, _ := url.PathUnescape(token)
		next, ok := rawjson.At(current, "/"+unescaped)
		if !ok {
			break
		}
		current = next
	}
	k.value = current
	return k
}

// code looks for the code in the schema that failed, then in those around it, and falls back on one
// for the keyword.
func (k keyword) code() string {
	for _, schema := range append([]rawjson.Object{k.schema}, k.around...) {
		if code := schema.Object("x-codes").Text(k.name); code != "" {
			return code
		}
		if code := schema.Text("x-code"); code != "" {
			return code
		}
	}
	return cmp.Or(keywordCodes()[k.name], "invalid_value")
}

// keywordCodes are the codes of violations to whose schema the manifest gives none.
func keywordCodes() map[string]string {
	return map[string]string{
		"required": "missing_parameter", "type": "wrong_type", "additionalProperties": "unknown_parameter",
		"unevaluatedProperties": "unknown_parameter", "minLength": "too_short", "maxLength": "too_long",
		"minItems": "too_few", "maxItems": "too_many", "format": "invalid_format", "pattern": "invalid_format",
	}
}

// says returns the sentence that the manifest gives for the keyword, or "".
func (k keyword) says() string { return k.schema.Object("x-says").Text(k.name) }

// sentence says what must be, so that it can follow the name of a parameter: "event must not be
// empty". The fallback is jsonschema's own message, for keywords that manifests hardly use.
func (e *explainer) sentence(k keyword, fallback string) string {
	switch k.name {
	case "type":
		return "must be " + kindWords(kindsOf(k.schema))
	case "minLength", "minItems":
		if string(k.value) == "1" {
			return "must not be empty"
		}
		return fmt.Sprintf("must have at least %s %s", k.value, unit(k.name))
	case "maxLength", "maxItems":
		return fmt.Sprintf("must have at most %s %s", k.value, unit(k.name))
	case "enum":
		return "must be one of " + strings.Join(k.schema.Texts("enum"), ", ")
	case "const":
		return "must be " + string(k.value)
	case "format":
		if k.schema.Text("format") == "date-time" {
			return "must be an ISO 8601 time such as 2026-01-31T09:30:00Z"
		}
		return "must be a valid " + k.schema.Text("format")
	case "minimum":
		return "must be at least " + string(k.value)
	case "maximum":
		return "must be at most " + string(k.value)
	case "anyOf":
		if names := choices(k); names != nil {
			return "must have " + strings.Join(names, " or ")
		}
	}
	if title := k.schema.Text("title"); title != "" {
		return "must keep the rule: " + title
	}
	return fallback
}

// choices are the names of an anyOf whose branches each demand one member. The first of them says
// where among the fields a failed choice belongs.
func choices(k keyword) []string {
	if k.name != "anyOf" {
		return nil
	}
	var names []string
	for _, branch := range rawjson.OpenArray(k.value) {
		list := rawjson.OpenObject(branch).Texts("required")
		if len(list) != 1 {
			return nil
		}
		names = append(names, list[0])
	}
	return names
}

func unit(keyword string) string {
	if strings.HasSuffix(keyword, "Items") {
		return "items"
	}
	return "characters"
}

// kindWords joins types with their articles: an object or null.
func kindWords(kinds []rawjson.Kind) string {
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

// Excerpt returns a value as a person should see it in a message: compact, and cut where it is
// long.
func Excerpt(value json.RawMessage) string { return excerpt(value, nil) }

// excerpt leaves out the values of members that carry the name of a secret field, wherever they
// are: a value that breaks its schema may hold them anywhere.
func excerpt(value json.RawMessage, secrets map[string]bool) string {
	const most = 60 // characters
	return text.Clip(string(appendExcerpt(nil, value, secrets, most*utf8.UTFMax)), most)
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
