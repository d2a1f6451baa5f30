package schemas

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/aacflow/segment-blocks/rawjson"
)

// finder collects violations: one for each keyword that failed, in sentences that name the rule and the value. A failed
// choice (anyOf) is one violation, not one for each of its branches.
type finder struct {
	schema *Schema
	found  []ranked
	known  map[string]bool // places of which the caller knew before the schema was asked
}

// ranked is a violation and the place that decides its order.
type ranked struct {
	Violation
	rank []int
}

func newFinder(s *Schema, known []Violation) *finder {
	f := &finder{schema: s, known: map[string]bool{}}
	for _, v := range known {
		f.known[v.Path] = true
		f.found = append(f.found, ranked{Violation: v, rank: s.rank(v.Path)})
	}
	return f
}

func (f *finder) full() bool { return len(f.found) >= maxFound }

// find judges the value that a JSON Pointer leads to by one part of the schema, then the elements of its arrays.
func (f *finder) find(ctx context.Context, p *part, value json.RawMessage, at string) {
	e := explainer{finder: f, part: p, value: value, obj: rawjson.OpenObject(value), at: at}
	var invalid *jsonschema.ValidationError
	switch err := p.judge(value, e.obj); {
	case errors.As(err, &invalid):
		e.explain(invalid)
		if !e.explained { // it is a violation all the same
			f.add(at, at, "invalid_value", plain(invalid).Error())
		}
	case err != nil: // jsonschema gave up
		f.add(at, at, "invalid_value", err.Error())
	}
	for _, array := range p.arrays {
		list, _ := e.get(array.at)
		i := -1
		for element := range rawjson.Elements(list) {
			if i++; f.full() || ctx.Err() != nil {
				return
			}
			if array.part.plan.judgeAgain(element) != yes {
				f.find(ctx, array.part, element, at+array.at+"/"+strconv.Itoa(i))
			}
		}
	}
}

// suppressed reports whether the caller knew that something is wrong with a value, or with one that it lies in.
func (f *finder) suppressed(path string) bool {
	for len(f.known) > 0 {
		if f.known[path] {
			return true
		}
		cut := strings.LastIndexByte(path, '/')
		if cut < 0 {
			break
		}
		path = path[:cut]
	}
	return false
}

// add adds a violation. Its place decides the order.
func (f *finder) add(path, place, code, message string) {
	if !f.full() && !f.suppressed(path) {
		f.found = append(f.found, ranked{Violation{path, code, message}, f.schema.rank(place)})
	}
}

// explainer turns the tree of errors that jsonschema returns for one value into violations.
type explainer struct {
	*finder
	part      *part
	value     json.RawMessage
	obj       rawjson.Object // the same, opened, where it is an object
	at        string         // where it lies in the whole
	explained bool
}

// get returns the value that a JSON Pointer leads to inside the one at hand.
func (e *explainer) get(pointer string) (json.RawMessage, bool) {
	if pointer == "" {
		return e.value, true
	}
	if e.obj == nil {
		return rawjson.At(e.value, pointer)
	}
	name, rest, deeper := strings.Cut(pointer[1:], "/")
	member, ok := e.obj.Get(strings.NewReplacer("~1", "/", "~0", "~").Replace(name))
	if !ok || !deeper {
		return member, ok
	}
	return rawjson.At(member, "/"+rest)
}

// open returns the members of the object that a JSON Pointer leads to.
func (e *explainer) open(pointer string) rawjson.Object {
	if pointer == "" {
		return e.obj
	}
	raw, _ := e.get(pointer)
	return rawjson.OpenObject(raw)
}

func (e *explainer) explain(err *jsonschema.ValidationError) {
	keyword := e.keyword(err)
	if len(err.Causes) > 0 && keyword.name != "anyOf" && keyword.name != "oneOf" && keyword.name != "minContains" {
		for _, cause := range err.Causes {
			if e.full() {
				return
			}
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
		e.report(keyword, path, path, "is not a known parameter")
	default:
		sentence := e.sentence(keyword, err.Message)
		if says := keyword.says(); says != "" {
			sentence = says
		}
		if value, ok := e.get(path); ok && e.at+path != "" && !e.schema.secretAt(e.at+path) {
			sentence += ": " + excerpt(value, e.schema.secrets)
		}
		e.report(keyword, path, path+firstChoice(keyword), sentence)
	}
}

// report adds what a keyword says of a value inside the one at hand.
func (e *explainer) report(k keyword, path, place, sentence string) {
	e.explained = true
	e.add(e.at+path, e.at+place, k.code(), sentence)
}

// missing makes a violation of each required member that is not there, at the place where it should be.
func (e *explainer) missing(k keyword, path string) {
	obj := e.open(path)
	for _, name := range texts(k.value) {
		if _, ok := obj.Get(name); !ok {
			at := rawjson.Pointer(path, name)
			e.report(k, at, at, "must be given")
		}
	}
}

// unknown makes a violation of each member that the schema does not know. Its value is not shown: it may be a secret under a
// name misspelt.
func (e *explainer) unknown(k keyword, path string) {
	properties, _ := k.schema.Get("properties")
	var known []string
	for _, p := range rawjson.OpenObject(properties) {
		known = append(known, p.Name)
	}
	for _, m := range e.open(path) {
		if e.full() {
			return
		}
		if !slices.Contains(known, m.Name) {
			at := rawjson.Pointer(path, m.Name)
			e.report(k, at, at, "is not a known parameter"+DidYouMean(m.Name, known))
		}
	}
}

// sorted returns the violations in the order of the schema's fields.
func (f *finder) sorted() []Violation {
	slices.SortStableFunc(f.found, func(a, b ranked) int {
		return cmp.Or(slices.Compare(a.rank, b.rank),
			strings.Compare(a.Path, b.Path), strings.Compare(a.Code, b.Code), strings.Compare(a.Message, b.Message))
	})
	var violations []Violation
	for _, v := range f.found {
		violations = append(violations, v.Violation)
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
func Excerpt(value json.RawMessage) string { return excerpt(value, nil) }

// excerpt leaves out the values of members that carry the name of a secret field, wherever they are: a value that breaks its schema
// may hold them anywhere.
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

// instancePointer undoes the percent-encoding that jsonschema puts over a JSON Pointer.
func instancePointer(location string) string {
	pointer, err := url.PathUnescape(location)
	if err != nil {
		return location
	}
	return pointer
}
