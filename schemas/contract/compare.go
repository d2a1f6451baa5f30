package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// comparison collects the changes of an input or output schema. If it cannot tell whether a keyword
// now allows more or less, it reports a breaking change.
type comparison struct {
	part    string
	changes []Change
}

// object is a schema other than true and false. Unlike inputs, contracts are decoded, because their
// keywords are compared by value: order and digits do not matter.
type object = map[string]any

func decode(schema json.RawMessage) any {
	decoder := json.NewDecoder(bytes.NewReader(schema))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return object{}
	}
	return v
}

func (c *comparison) add(breaking bool, at, message string) {
	c.changes = append(c.changes, Change{breaking, c.part, at, message})
}

// narrower adds a change that makes fewer values valid, wider one that makes more values valid. A
// narrower input refuses what callers send today. A wider output can return a value that their code
// has never seen.
func (c *comparison) narrower(at, message string) { c.add(c.part == "input", at, message) }
func (c *comparison) wider(at, message string)    { c.add(c.part == "output", at, message) }

// schema compares two schemas of the value at a path.
func (c *comparison) schema(at string, before, after any) {
	old, oldTakes := open(before)
	now, nowTakes := open(after)
	switch {
	case reflect.DeepEqual(before, after): // the usual case
	case !oldTakes:
		c.wider(at, "allowed now")
	case !nowTakes:
		c.narrower(at, "no longer allowed")
	case looksElsewhere(old) || looksElsewhere(now):
		c.add(true, at, "another schema")
	default:
		c.set(at, "type", kinds(old), kinds(now))
		c.set(at, "value", values(old), values(now))
		c.required(at, old, now)
		c.rules(at, list(old["allOf"]), list(now["allOf"]))
		c.set(at, "choice", list(old["anyOf"]), list(now["anyOf"]))
		c.members(at, old, now)
		c.codes(at, old, now)
		c.rest(at, old, now)
		c.schema(at+"/*", otherwise(old, "items"), otherwise(now, "items"))
	}
}

// open returns a schema as an object, and whether it accepts any value: only false accepts none.
func open(schema any) (s object, takes bool) {
	if s, ok := schema.(object); ok {
		return s, true
	}
	return object{}, schema != false
}

// looksElsewhere reports whether a schema has a keyword whose meaning depends on other schemas or
// keywords, which a comparison of single keywords cannot judge.
func looksElsewhere(s object) bool {
	for _, keyword := range []string{
		"$ref", "patternProperties", "prefixItems", "unevaluatedItems", "unevaluatedProperties",
	} {
		if _, ok := s[keyword]; ok {
			return true
		}
	}
	return false
}

// otherwise returns the schema under a keyword, or one that accepts everything.
func otherwise(s object, keyword string) any {
	if inner, ok := s[keyword]; ok {
		return inner
	}
	return true
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

// lacking returns the elements of one list that are not in the other.
func lacking[T any](from, other []T) []T {
	return slices.DeleteFunc(slices.Clone(from), func(v T) bool {
		return slices.ContainsFunc(other, func(o T) bool { return reflect.DeepEqual(v, o) })
	})
}

// kinds returns the allowed types. number includes integer, so adding integer beside it is no
// change.
func kinds(s object) []any {
	l := list(s["type"])
	if one, ok := s["type"].(string); ok {
		l = []any{one}
	}
	if slices.Contains(l, any("number")) && !slices.Contains(l, any("integer")) {
		l = append(slices.Clone(l), "integer")
	}
	return l
}

// values returns the allowed values. A const is an enum of one value.
func values(s object) []any {
	if one, ok := s["const"]; ok {
		return []any{one}
	}
	return list(s["enum"])
}

// set compares lists of which a value must match one element. Without a list, every value is
// allowed.
func (c *comparison) set(at, what string, before, after []any) {
	switch {
	case len(before) == 0 && len(after) == 0:
	case len(before) == 0:
		c.narrower(at, fmt.Sprintf("%s restricted to %s", what, text(after)))
	case len(after) == 0:
		c.wider(at, what+" no longer restricted")
	default:
		for _, v := range lacking(before, after) {
			c.narrower(at, fmt.Sprintf("%s no longer allowed: %s", what, text(v)))
		}
		for _, v := range lacking(after, before) {
			c.wider(at, fmt.Sprintf("%s allowed now: %s", what, text(v)))
		}
	}
}

// required compares required members. The path of a change is that of the member.
func (c *comparison) required(at string, before, after object) {
	for _, name := range lacking(list(after["required"]), list(before["required"])) {
		c.narrower(rawjson.Pointer(at, fmt.Sprint(name)), "required now")
	}
	for _, name := range lacking(list(before["required"]), list(after["required"])) {
		c.wider(rawjson.Pointer(at, fmt.Sprint(name)), "no longer required")
	}
}

// rules compares the schemas of allOf, all of which must hold.
func (c *comparison) rules(at string, before, after []any) {
	for _, rule := range lacking(after, before) {
		c.narrower(at, "new rule: "+text(rule))
	}
	for _, rule := range lacking(before, after) {
		c.wider(at, "rule gone: "+text(rule))
	}
}

// members compares the members of an object. A removed member breaks callers that give or read it,
// even if the object accepts any member.
func (c *comparison) members(at string, before, after object) {
	olds, _ := before["properties"].(object)
	news, _ := after["properties"].(object)
	others := otherwise(before, "additionalProperties")
	noun := map[string]string{"input": "parameter", "output": "member"}[c.part]
	for _, name := range slices.Sorted(maps.Keys(olds)) {
		place := rawjson.Pointer(at, name)
		if now, ok := news[name]; ok {
			c.schema(place, olds[name], now)
		} else {
			c.add(true, place, noun+" gone")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(news)) {
		if _, ok := olds[name]; ok {
			continue
		}
		place := rawjson.Pointer(at, name)
		c.add(false, place, "new "+noun)
		if c.part == "input" && others != false { // callers could send it before
			c.schema(place, others, news[name])
		}
	}
	c.schema(at+"/…", others, otherwise(after, "additionalProperties"))
}

// codes compares the codes of keywords that are in both schemas. Callers match on codes, so another
// code breaks them, even if the same values are refused.
func (c *comparison) codes(at string, before, after object) {
	code := func(s object, keyword string) any {
		if codes, ok := s["x-codes"].(object); ok && codes[keyword] != nil {
			return codes[keyword]
		}
		return s["x-code"]
	}
	for _, keyword := range slices.Sorted(maps.Keys(before)) {
		old, now := code(before, keyword), code(after, keyword)
		if _, both := after[keyword]; both && !strings.HasPrefix(keyword, "x-") && !reflect.DeepEqual(old, now) {
			c.add(true, at, fmt.Sprintf("code of %s changed: %s → %s", keyword, orNone(old), orNone(now)))
		}
	}
}

// rest compares the remaining keywords, including those of a later JSON Schema. A new keyword
// narrows what is accepted, and a removed one widens it, except for the unclear ones, which may do
// either. A changed value counts as breaking unless it is a bound: only bounds have a known order.
func (c *comparison) rest(at string, before, after object) {
	compared := []string{
		"type", "const", "enum", "required", "allOf", "anyOf", "properties", "additionalProperties", "items",
		"x-code", "x-codes",
	}
	unclear := []string{
		"minContains", "maxContains", "$defs", "default", "writeOnly", "readOnly", "x-aacflow-type", "x-filled-by",
	}
	all := maps.Clone(before)
	maps.Copy(all, after)
	for _, keyword := range slices.Sorted(maps.Keys(all)) {
		old, was := before[keyword]
		now, is := after[keyword]
		switch message := fmt.Sprintf("%s changed: %s → %s", keyword, orNone(old), orNone(now)); {
		case slices.Contains(compared, keyword) || reflect.DeepEqual(old, now):
		case slices.Contains(unclear, keyword):
			c.add(true, at, message)
		case !was || is && stricter(keyword, old, now):
			c.narrower(at, message)
		case !is || stricter(keyword, now, old):
			c.wider(at, message)
		default:
			c.add(true, at, message)
		}
	}
}

// stricter reports whether a bound, such as minLength or exclusiveMaximum, accepts less than
// before.
func stricter(keyword string, before, after any) bool {
	number := func(v any) float64 {
		n, _ := v.(json.Number)
		f, _ := strconv.ParseFloat(n.String(), 64)
		return f
	}
	switch keyword := strings.TrimPrefix(strings.ToLower(keyword), "exclusive"); {
	case strings.HasPrefix(keyword, "min"):
		return number(after) > number(before)
	case strings.HasPrefix(keyword, "max"):
		return number(after) < number(before)
	}
	return false
}

// orNone is text for a keyword that may be absent, as in "maxLength changed: none → 99".
func orNone(v any) string {
	if v == nil {
		return "none"
	}
	return text(v)
}

// text returns a value as JSON, short enough for a line.
func text(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return schemas.Excerpt(raw)
}
