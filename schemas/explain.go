package schemas

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/aacflow/segment-blocks/rawjson"
)

// explainer turns the tree of errors that jsonschema returns into violations: one for each keyword that failed, in sentences that
// name the rule and the value. A failed choice (anyOf) is one violation, not one for each of its branches.
type explainer struct {
	schema   *Schema
	instance json.RawMessage
	found    []ranked
	known    int // of these, the first ones, which the caller knew of before the schema was asked
	// What has been looked up, since a batch may be refused for as many reasons as it has messages.
	keywords map[string]keyword
	opened   map[string][]json.RawMessage // elements of large arrays, by the pointer that leads there
	members  map[string]rawjson.Object    // the same for large objects
}

// ranked is a violation and the place that decides its order.
type ranked struct {
	Violation
	rank []int
}

func (e *explainer) explain(err *jsonschema.ValidationError) {
	keyword := e.keyword(err)
	if len(err.Causes) > 0 && keyword.name != "anyOf" && keyword.name != "oneOf" && keyword.name != "minContains" {
		for _, cause := range err.Causes {
			e.explain(cause)
		}
		return
	}
	path := instancePointer(err.InstanceLocation)
	switch keyword.name {
	case "required":
		e.missing(keyword, path)
	case "additionalProperties":
		e.unknown(keyword, path)
	case "unevaluatedProperties": // reported at the member itself
		e.add(keyword, path, path, "is not a known parameter")
	default:
		e.add(keyword, path, path+firstChoice(keyword), e.sentence(keyword, err.Message))
	}
}

// missing makes a violation of each required member that is not there, at the place where it should be.
func (e *explainer) missing(k keyword, path string) {
	raw, _ := e.at(path)
	obj := rawjson.OpenObject(raw)
	for _, name := range texts(k.value) {
		if _, ok := obj.Get(name); !ok {
			at := rawjson.Pointer(path, name)
			e.add(k, at, at, "must be given")
		}
	}
}

// unknown makes a violation of each member that the schema does not know. Its value is not shown: it may be a secret under a
// name misspelt.
func (e *explainer) unknown(k keyword, path string) {
	raw, _ := e.at(path)
	properties, _ := k.schema.Get("properties")
	var known []string
	for _, p := range rawjson.OpenObject(properties) {
		known = append(known, p.Name)
	}
	for _, m := range rawjson.OpenObject(raw) {
		if !slices.Contains(known, m.Name) {
			at := rawjson.Pointer(path, m.Name)
			e.add(k, at, at, "is not a known parameter"+DidYouMean(m.Name, known))
		}
	}
}

func (e *explainer) add(k keyword, path, place, sentence string) {
	for _, f := range e.found[:e.known] {
		if strings.HasPrefix(path+"/", f.Path+"/") {
			return
		}
	}
	v := Violation{Path: path, Code: k.code(), Message: sentence}
	if says := k.says(); says != "" {
		v.Message = says
	}
	value, ok := e.at(path)
	if ok && path != "" && k.name != "additionalProperties" && k.name != "unevaluatedProperties" && !e.schema.secretAt(path) {
		v.Message += ": " + Excerpt(e.schema.concealed(value))
	}
	e.found = append(e.found, ranked{Violation: v, rank: e.schema.rank(place)})
}

func (e *explainer) sorted() []Violation {
	slices.SortStableFunc(e.found, func(a, b ranked) int {
		if c := slices.Compare(a.rank, b.rank); c != 0 {
			return c
		}
		return strings.Compare(a.Path+a.Code+a.Message, b.Path+b.Code+b.Message)
	})
	var violations []Violation
	for _, f := range e.found {
		violations = append(violations, f.Violation)
	}
	return slices.Compact(violations)
}

// rank orders places as the schema orders its fields, list items by number, and what the schema does not know last.
func (s *Schema) rank(pointer string) []int {
	var rank []int
	fields := s.fields
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if n, err := strconv.Atoi(token); err == nil {
			rank = append(rank, n)
			continue
		}
		i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == token })
		if i < 0 {
			return append(rank, math.MaxInt)
		}
		rank = append(rank, i)
		fields = fields[i].Fields
	}
	return rank
}

// keyword is the one that failed: its name and value, the schema that it stands in, and the schemas around that one, inmost first.
type keyword struct {
	name   string
	value  json.RawMessage
	schema rawjson.Object
	around []rawjson.Object
}

func (e *explainer) keyword(err *jsonschema.ValidationError) keyword {
	k, ok := e.keywords[err.AbsoluteKeywordLocation]
	if !ok {
		if e.keywords == nil {
			e.keywords = map[string]keyword{}
		}
		k = e.findKeyword(err)
		e.keywords[err.AbsoluteKeywordLocation] = k
	}
	return k
}

func (e *explainer) findKeyword(err *jsonschema.ValidationError) keyword {
	_, fragment, _ := strings.Cut(err.AbsoluteKeywordLocation, "#")
	tokens := strings.Split(strings.TrimPrefix(fragment, "/"), "/")
	k := keyword{name: tokens[len(tokens)-1]}
	current := e.schema.raw
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

// code looks for the code in the schema that failed, then in those around it, and falls back on one for the keyword.
func (k keyword) code() string {
	for _, schema := range append([]rawjson.Object{k.schema}, k.around...) {
		codes, _ := schema.Get("x-codes")
		if code := rawjson.OpenObject(codes).Text(k.name); code != "" {
			return code
		}
		if code := schema.Text("x-code"); code != "" {
			return code
		}
	}
	if code, ok := keywordCodes()[k.name]; ok {
		return code
	}
	return "invalid_value"
}

// keywordCodes are the codes of violations to whose schema the manifest gives none.
func keywordCodes() map[string]string {
	return map[string]string{
		"required": "missing_parameter", "type": "wrong_type", "additionalProperties": "unknown_parameter",
		"unevaluatedProperties": "unknown_parameter", "minLength": "too_short", "maxLength": "too_long",
		"minItems": "too_few", "maxItems": "too_many", "format": "invalid_format", "pattern": "invalid_format",
	}
}

func (k keyword) says() string {
	says, _ := k.schema.Get("x-says")
	return rawjson.OpenObject(says).Text(k.name)
}

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
		return "must be one of " + strings.Join(texts(k.value), ", ")
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

// choices are the names of an anyOf whose branches each demand one member.
func choices(k keyword) []string {
	if k.name != "anyOf" {
		return nil
	}
	var names []string
	for _, branch := range rawjson.OpenArray(k.value) {
		required, _ := rawjson.OpenObject(branch).Get("required")
		list := texts(required)
		if len(list) != 1 {
			return nil
		}
		names = append(names, list[0])
	}
	return names
}

// firstChoice is where among the fields a failed choice belongs.
func firstChoice(k keyword) string {
	if names := choices(k); names != nil {
		return "/" + names[0]
	}
	return ""
}

func unit(keyword string) string {
	if strings.HasSuffix(keyword, "Items") {
		return "items"
	}
	return "characters"
}

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

func texts(list json.RawMessage) []string {
	var out []string
	for _, raw := range rawjson.OpenArray(list) {
		s, ok := rawjson.Text(raw)
		if !ok {
			s = string(raw)
		}
		out = append(out, s)
	}
	return out
}

// Excerpt returns a value as a person should see it in a message: compact, and cut where it is long.
func Excerpt(value json.RawMessage) string {
	const most = 60
	var compact bytes.Buffer
	if err := json.Compact(&compact, value); err != nil {
		return "?"
	}
	runes := []rune(compact.String())
	if len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return string(runes)
}

// instancePointer undoes the percent-encoding that jsonschema puts over a JSON Pointer.
func instancePointer(location string) string {
	pointer, err := url.PathUnescape(location)
	if err != nil {
		return location
	}
	return pointer
}
