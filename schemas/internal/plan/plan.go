// Package plan accepts JSON quickly. A plan is made from what jsonschema has compiled, reads JSON
// once, and keeps nothing of it. It says yes only where jsonschema does too. Whatever it refuses or
// is unsure of is left to jsonschema, which then explains it.
package plan

import (
	"encoding/json"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/aacflow/segment-blocks/rawjson"
)

// A Plan is compiled from the schemas that apply to one value, all of them in one tree, with the
// names of the members that any of them speaks of. Plans of members and elements hang below it.
type Plan struct {
	schema *node
	names  []string
	// lengths tells which of the names have a certain length, the last those that are longer.
	lengths [24]uint64
	// members and items are the first schema that applies to a member or to all elements, whatever
	// the other schemas say. They are judged as the walk passes them; everything else is judged at
	// the end, from what was seen.
	members []*Plan
	items   *Plan
	others  *Plan    // the same for members that names does not have
	plain   bool     // nothing is asked of the value but its type
	words   []string // nothing is asked of the value but to be one of these
	depth   depth
}

// New compiles a plan from a schema that jsonschema has compiled.
func New(schema *jsonschema.Schema) *Plan {
	c := &compiler{known: map[*jsonschema.Schema]*Plan{}}
	return c.plan(schema)
}

// AcceptsJSON reports whether data is JSON as [rawjson.Check] wants it, of an object that the
// schema accepts for sure.
func (p *Plan) AcceptsJSON(data []byte, limits rawjson.Limits) bool {
	_, ok := p.walk(data, limits, nil)
	return ok
}

// Open is AcceptsJSON for a caller that goes on to use the object.
func (p *Plan) Open(data []byte, limits rawjson.Limits) (*Opened, bool) {
	opened := &Opened{Object: make(rawjson.Object, 0, 8)}
	blank, ok := p.walk(data, limits, opened)
	opened.Blank = blank
	return opened, ok
}

func (p *Plan) walk(data []byte, limits rawjson.Limits, opened *Opened) (blank, ok bool) {
	w := newWalk(data, limits, opened)
	ok = w.Peek() == '{' && w.value(p) == yes && w.End()
	return w.blank, ok
}

// AcceptsValue is AcceptsJSON for a value of any type that has been checked.
func (p *Plan) AcceptsValue(value json.RawMessage) bool { return p.judgeAgain(value) == yes }

// AcceptsObject is AcceptsJSON for an object whose values have been checked.
func (p *Plan) AcceptsObject(obj rawjson.Object) bool {
	var w walk
	return w.members(p, obj) == yes
}

// node is one schema.
type node struct {
	kinds    kinds // those allowed
	literals *literals
	text     *textTest
	number   *numberTest
	object   *objectTest
	array    *arrayTest

	all, any, one []*node
	not           *node
	cond          *node
	word          *wordTest // what cond asks, where that is all
	then, orElse  *node     // nil where they demand nothing
	unsure        bool      // it has a keyword that plans do not know
}

// verdict is what can be said of a value. Only yes and no are certain.
type verdict uint8

const (
	unsure verdict = iota
	no
	yes
)

func verdictOf(ok bool) verdict {
	if ok {
		return yes
	}
	return no
}

// and joins the verdicts of two schemas that must both hold.
func (v verdict) and(w verdict) verdict {
	if v == no || w == no {
		return no
	}
	return min(v, w)
}

// kinds is a set of JSON types.
type kinds uint8

const (
	isNull kinds = 1 << iota
	isBoolean
	isNumber
	isInteger // a number that is known to be whole
	isString
	isArray
	isObject
	isAny = isNull | isBoolean | isNumber | isString | isArray | isObject
)

func kindsNamed(types []string) kinds {
	if len(types) == 0 {
		return isAny
	}
	all := map[string]kinds{
		"null": isNull, "boolean": isBoolean, "number": isNumber, "integer": isInteger, "string": isString, "array": isArray, "object": isObject,
	}
	var k kinds
	for _, t := range types {
		k |= all[t]
	}
	return k
}

// admit judges a value of the given kind. A number that is not isInteger may be whole all the same,
// such as 1.0.
func (k kinds) admit(kind kinds) verdict {
	switch {
	case k&kind != 0, kind == isInteger && k&isNumber != 0:
		return yes
	case kind == isNumber && k&isInteger != 0:
		return unsure
	}
	return no
}
