package schemas

import (
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// A plan is a schema compiled to accept quickly. It is made from what jsonschema has compiled, walks JSON once, and keeps nothing of
// it. It says yes only to what jsonschema accepts as well. Whatever it refuses or is unsure of is left to jsonschema,
// which then explains it.
//
// place is what applies to one value: a tree of schemas that all look at the same value, and the names of members that any of
// them speaks of.
type place struct {
	schema *node
	names  []string
	// lengths tells which of the names have a certain length, the last those that are longer.
	lengths [24]uint64
	// members and items are the first schema that applies to a member or to all elements, whatever the rest says. They are judged as they
	// pass by; all else at the end, from what was seen.
	members []*place
	items   *place
	others  *place   // the same for members that names does not have
	plain   bool     // nothing is asked of the value but its type
	words   []string // nothing is asked of the value but to be one of these
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

// admit judges a value of the given kind. A number that is not isInteger may be whole all the same, such as 1.0.
func (k kinds) admit(kind kinds) verdict {
	switch {
	case k&kind != 0, kind == isInteger && k&isNumber != 0:
		return yes
	case kind == isNumber && k&isInteger != 0:
		return unsure
	}
	return no
}

type objectTest struct {
	required     uint64 // by the place of a name in place.names
	dependent    map[int]uint64
	fewest, most int      // negative for none
	members      []member // those that the place does not judge by itself
	known        uint64   // names that are not additional
	closed       bool
	additional   *place
}

type member struct {
	name   int
	schema *place
}

type arrayTest struct {
	fewest, most int    // negative for none
	items        *place // where the place does not judge them by itself
}

// planner compiles. Schemas may refer to themselves, so places are known before they are whole.
type planner struct {
	places map[*jsonschema.Schema]*place
}

func (p *planner) place(schema *jsonschema.Schema) *place {
	if known, ok := p.places[schema]; ok {
		return known
	}
	at := &place{}
	p.places[schema] = at
	at.schema = p.node(at, schema, true, nil)
	if len(at.names) > 64 {
		*at = place{schema: &node{kinds: isAny, unsure: true}}
	}
	for i, name := range at.names {
		at.lengths[min(len(name), len(at.lengths)-1)] |= 1 << i
	}
	at.members = append(at.members, make([]*place, len(at.names)-len(at.members))...)
	bare := *at.schema
	at.plain = bare.plain()
	at.schema.findWordTests()
	if l := bare.literals; l != nil && !l.null && !l.truth && !l.lies && !l.others {
		if bare.literals = nil; bare.plain() && bare.kinds&isString != 0 {
			at.words = l.texts
		}
	}
	return at
}

// findWordTests looks for conditions that can be asked directly. It comes after everything below the place is known.
func (n *node) findWordTests() {
	n.word = wordTestOf(n.cond)
	for _, list := range [][]*node{n.all, n.any, n.one, {n.not}, {n.cond}, {n.then}, {n.orElse}} {
		for _, each := range list {
			if each != nil {
				each.findWordTests()
			}
		}
	}
}

// plain reports whether a schema demands nothing but a type.
func (n *node) plain() bool {
	return !n.unsure && n.kinds&isInteger == 0 && n.literals == nil && n.text == nil && n.number == nil && n.object == nil && n.array == nil &&
		n.all == nil && n.any == nil && n.one == nil && n.not == nil && n.cond == nil
}

// name returns the number of a member's name at a place.
func (at *place) name(name string) int {
	i := slices.Index(at.names, name)
	if i < 0 {
		i = len(at.names)
		at.names = append(at.names, name)
	}
	return i
}

// bits is the set of the names given. Beyond 64 the place is given up anyway.
func (at *place) bits(names []string) (set uint64) {
	for _, name := range names {
		set |= 1 << (at.name(name) & 63)
	}
	return set
}

// node compiles a schema that applies at a place: always, or only if another one does. Within are the schemas that lead here.
func (p *planner) node(at *place, s *jsonschema.Schema, always bool, within []*jsonschema.Schema) *node {
	if s.Always != nil {
		return &node{kinds: map[bool]kinds{true: isAny}[*s.Always]}
	}
	n := &node{kinds: kindsNamed(s.Types), literals: literalsOf(s), text: textTestOf(s), number: numberTestOf(s)}
	if slices.Contains(within, s) || unknownKeywords(s) {
		n.unsure = true
		return n
	}
	within = append(slices.Clip(within), s)
	n.object = p.object(at, s, always)
	n.array = p.array(at, s, always)
	sub := func(s *jsonschema.Schema, always bool) *node {
		if s == nil {
			return nil
		}
		return p.node(at, s, always, within)
	}
	if s.Ref != nil {
		n.all = append(n.all, sub(s.Ref, always))
	}
	for _, each := range s.AllOf {
		n.all = append(n.all, sub(each, always))
	}
	for _, each := range s.AnyOf {
		n.any = append(n.any, sub(each, false))
	}
	for _, each := range s.OneOf {
		n.one = append(n.one, sub(each, false))
	}
	n.not, n.cond, n.then, n.orElse = sub(s.Not, false), sub(s.If, false), sub(s.Then, false), sub(s.Else, false)
	return n
}

// wordTest asks of an object whether one member is there and is one of some words. Conditions on the type of a message are this.
type wordTest struct {
	name   int
	schema *place
}

// wordTestOf returns nil for a schema that asks anything else.
func wordTestOf(n *node) *wordTest {
	if n == nil || n.unsure || n.kinds != isAny || n.object == nil {
		return nil
	}
	rest, t := *n, *n.object
	rest.object = nil
	if !rest.plain() || len(t.members) != 1 || t.dependent != nil || t.fewest >= 0 || t.most >= 0 || t.closed || t.additional != nil {
		return nil
	}
	m := t.members[0]
	if t.required != 1<<m.name || m.schema.words == nil {
		return nil
	}
	return &wordTest{m.name, m.schema}
}

// unknownKeywords reports whether a schema uses what plans leave to jsonschema.
func unknownKeywords(s *jsonschema.Schema) bool {
	return len(s.Constant) > 0 && len(s.Enum) > 0 || s.RecursiveRef != nil || s.DynamicRef != nil || s.DynamicAnchor != "" || s.PropertyNames != nil || s.RegexProperties ||
		len(s.PatternProperties) > 0 || len(s.Dependencies) > 0 || len(s.DependentSchemas) > 0 || s.UnevaluatedProperties != nil ||
		s.UniqueItems || len(s.PrefixItems) > 0 || s.Items != nil || s.AdditionalItems != nil || s.Contains != nil || s.UnevaluatedItems != nil ||
		s.ContentEncoding != "" || s.ContentMediaType != "" || s.ContentSchema != nil || s.MultipleOf != nil || len(s.Extensions) > 0
}

func (p *planner) object(at *place, s *jsonschema.Schema, always bool) *objectTest {
	t := &objectTest{fewest: s.MinProperties, most: s.MaxProperties, required: at.bits(s.Required)}
	names := make([]string, 0, len(s.Properties))
	for name := range s.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	t.known = at.bits(names)
	for _, name := range names {
		i, schema := at.name(name), p.place(s.Properties[name])
		for len(at.members) <= i {
			at.members = append(at.members, nil)
		}
		if always && at.members[i] == nil {
			at.members[i] = schema
		} else {
			t.members = append(t.members, member{i, schema})
		}
	}
	switch additional := s.AdditionalProperties.(type) {
	case bool:
		t.closed = !additional
	case *jsonschema.Schema:
		t.additional = p.place(additional)
		if always && at.others == nil {
			at.others = t.additional
		}
	}
	for name, needs := range s.DependentRequired {
		if t.dependent == nil {
			t.dependent = map[int]uint64{}
		}
		t.dependent[at.name(name)] = at.bits(needs)
	}
	if len(names) == 0 && t.required == 0 && t.dependent == nil && t.fewest < 0 && t.most < 0 && !t.closed && t.additional == nil {
		return nil
	}
	return t
}

func (p *planner) array(at *place, s *jsonschema.Schema, always bool) *arrayTest {
	t := &arrayTest{fewest: s.MinItems, most: s.MaxItems}
	if s.Items2020 != nil {
		if always && at.items == nil {
			at.items = p.place(s.Items2020)
		} else {
			t.items = p.place(s.Items2020)
		}
	}
	if t.fewest < 0 && t.most < 0 && s.Items2020 == nil {
		return nil
	}
	return t
}
