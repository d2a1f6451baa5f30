package schemas

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/aacflow/segment-blocks/rawjson"
)

// maxFound is how many violations Validate looks for. A person needs no more.
const maxFound = 1000

// Validate returns what is wrong with obj, in the order of the schema's fields, or nil. The values
// of obj must be checked JSON (see [rawjson.ParseObject]). It stops at 1,000 violations. When ctx
// ends, it returns what it has found so far: ask ctx.Err().
//
// The result includes the known violations, and none of the schema's for the same places or for
// places inside them. A value of which the schema demands only a type, such as free-form
// properties, is not decoded.
func (s *Schema) Validate(ctx context.Context, obj rawjson.Object, known ...Violation) []Violation {
	raw := obj.JSON()
	if len(known) == 0 && s.root.plan.AcceptsValue(raw) {
		return nil
	}
	f := newFinder(s, known)
	f.find(ctx, s.root, raw, "")
	return f.sorted()
}

// finder collects violations: one for each failed keyword, with a sentence that states the rule and
// the value. A failed anyOf is one violation, not one for each branch.
type finder struct {
	schema *Schema
	found  []ranked
	known  map[string]bool // paths of the caller's violations
}

// ranked is a violation and the path that decides its order.
type ranked struct {
	Violation
	rank []int
}

// newFinder returns a finder that starts with the caller's violations.
func newFinder(s *Schema, known []Violation) *finder {
	f := &finder{schema: s, known: map[string]bool{}}
	for _, v := range known {
		f.known[v.Path] = true
		f.found = append(f.found, ranked{Violation: v, rank: s.rank(v.Path)})
	}
	return f
}

// full reports whether the finder has enough violations, so the search can stop.
func (f *finder) full() bool { return len(f.found) >= maxFound }

// find validates the value at a JSON Pointer against one part of the schema, then the elements of
// its arrays.
func (f *finder) find(ctx context.Context, p *part, value json.RawMessage, at string) {
	e := explainer{finder: f, part: p, value: value, at: at}
	err := p.judge(value)
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	switch {
	case ok:
		e.explain(invalid)
		if !e.explained { // it is a violation nevertheless
			f.add(at, at, "invalid_value", plainError(invalid).Error())
		}
	case err != nil: // jsonschema gave up
		f.add(at, at, "invalid_value", err.Error())
	}
	for _, array := range p.arrays {
		list, _ := rawjson.At(value, array.at)
		i := -1
		for element := range rawjson.Elements(list) {
			if i++; f.full() || ctx.Err() != nil {
				return
			}
			if !array.plan.AcceptsValue(element) {
				f.find(ctx, array, element, at+array.at+"/"+strconv.Itoa(i))
			}
		}
	}
}

// suppressed reports whether the caller has a violation for a value, or for one that contains it.
func (f *finder) suppressed(path string) bool {
	for !f.known[path] {
		if path == "" {
			return false
		}
		path = path[:strings.LastIndexByte(path, '/')]
	}
	return true
}

// add adds a violation, ordered by its path.
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
	at        string // the JSON Pointer of value in the input
	explained bool
}

// open returns the members of the object at a JSON Pointer inside the value.
func (e *explainer) open(pointer string) rawjson.Object {
	raw, _ := rawjson.At(e.value, pointer)
	return rawjson.OpenObject(raw)
}

// keyword follows the location of an error from its keyword up to the root of the schema.
func (e *explainer) keyword(err *jsonschema.ValidationError) keyword {
	_, fragment, _ := strings.Cut(err.AbsoluteKeywordLocation, "#")
	pointer, k := unescaped(fragment), keyword{}
	for pointer != "" {
		cut := strings.LastIndexByte(pointer, '/')
		token := pointer[cut+1:]
		pointer = pointer[:cut]
		raw, _ := rawjson.At(e.part.raw, pointer)
		switch schema := rawjson.OpenObject(raw); {
		case k.name == "":
			k.name, k.schema = token, schema
		case token == "properties" || token == "items" || token == "additionalProperties":
			return k
		default:
			k.around = append(k.around, schema)
		}
	}
	return k
}

// explain walks to the leaves of the tree, which are the failed keywords. It stops above the
// branches of an anyOf: the fault is that none of them holds, and their own faults would mislead.
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
	path := unescaped(err.InstanceLocation)
	switch keyword.name {
	case "required":
		e.missing(keyword, path)
	case "additionalProperties":
		e.unknown(keyword, path)
	case "unevaluatedProperties": // reported at the member itself
		e.report(keyword, path, path, "is not a known parameter")
	default:
		sentence := keyword.sentence(err.Message)
		value, ok := rawjson.At(e.value, path)
		place := path
		if names := keyword.choices(); names != nil { // a member is missing, so the value is not shown
			place += "/" + names[0]
		} else if ok && e.at+path != "" && !e.schema.secretAt(e.at+path) {
			sentence += ": " + excerpt(value, e.schema.secrets)
		}
		e.report(keyword, path, place, sentence)
	}
}

// report adds the violation of a keyword by the value at path, which is inside e.value.
func (e *explainer) report(k keyword, path, place, sentence string) {
	e.explained = true
	e.add(e.at+path, e.at+place, k.code(), sentence)
}

// missing adds a violation for each missing member, at the path where it belongs.
func (e *explainer) missing(k keyword, path string) {
	obj := e.open(path)
	for _, name := range k.schema.Texts("required") {
		if _, ok := obj.Get(name); !ok {
			at := rawjson.Pointer(path, name)
			e.report(k, at, at, "must be given")
		}
	}
}

// unknown adds a violation for each unknown member. It hides the value, which may be a secret under
// a misspelt name.
func (e *explainer) unknown(k keyword, path string) {
	var known []string
	for _, p := range k.schema.Object("properties") {
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

// rank orders paths as the schema orders its fields: list items by number, unknown members last.
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

// secretAt reports whether the value at a JSON Pointer, or a value around it, has the name of a
// secret.
func (s *Schema) secretAt(pointer string) bool {
	return slices.ContainsFunc(strings.Split(pointer, "/"), func(token string) bool { return s.secrets[token] })
}
