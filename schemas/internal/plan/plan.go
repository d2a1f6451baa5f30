// Package plan accepts JSON quickly. A plan is made from a schema that jsonschema has compiled. It
// reads JSON once and keeps nothing of it. It accepts only what jsonschema accepts, and leaves
// everything else to jsonschema, which decides and explains. So a plan need not know all of JSON
// Schema: it knows the keywords that manifests use often.
//
// The work is done in three steps, each in a file of its own:
//
//   - New compiles a tree of nodes, one for each schema, and puts all schemas that apply to the
//     same value into one Plan (plan.go).
//   - A walk moves over the JSON once. It judges at once what it can judge in passing, such as
//     the type of a member, and notes the rest in a subject (walk.go).
//   - At the end of each object and array, the nodes judge the subject (judge.go). Rules such as
//     required, anyOf and if are decided here, when all members are known.
//
// A walk allocates nothing, unless the caller wants the members: see Open.
package plan

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/aacflow/segment-blocks/internal/jsonscan"
	"github.com/aacflow/segment-blocks/rawjson"
)

// A Plan is compiled from the schemas that apply to one value: one tree for all of them, and the
// member names that any of them has. The plans of members and elements are below it.
type Plan struct {
	schema *node
	// names are numbered, so that a set of them is one uint64. A plan with more than 64 names is
	// unsure of everything.
	names []string
	// lengths has the set of the names of each length. The last set has all longer names.
	lengths [24]uint64
	// members and items are the first schema that applies to a member or to all elements, whatever
	// the other schemas say. They are judged as the walk passes them; everything else is judged at
	// the end, from what was seen.
	members []*Plan
	items   *Plan
	others  *Plan // the same for members that names does not have
	plain   bool  // the schemas demand only a type
	// words is set if the schemas demand only that the value be one of these texts, as conditions
	// on the type of a message do.
	words []string
	depth depth
}

// New compiles a plan from a schema that jsonschema has compiled.
func New(schema *jsonschema.Schema) *Plan {
	c := &compiler{known: map[*jsonschema.Schema]*Plan{}}
	return c.plan(schema)
}

// AcceptsJSON reports whether data is certainly JSON that [rawjson.Check] accepts, of an object
// that the schema accepts.
func (p *Plan) AcceptsJSON(data []byte, limits rawjson.Limits) bool {
	w := newWalk(data, limits)
	return w.root(p)
}

// Open is AcceptsJSON for a caller that then uses the object.
func (p *Plan) Open(data []byte, limits rawjson.Limits) (*Opened, bool) {
	w := newWalk(data, limits)
	w.opened = &Opened{Object: make(rawjson.Object, 0, 8)}
	ok := w.root(p)
	w.opened.Blank = w.blank
	return w.opened, ok
}

// AcceptsValue is AcceptsJSON for a value of any type that has been checked. It does not look for
// duplicate names or faulty syntax again.
func (p *Plan) AcceptsValue(value json.RawMessage) bool {
	w := walk{Scanner: jsonscan.Trusting(value), data: value, checked: true}
	return w.value(p) == yes
}

// node is one schema. Most of its tests are nil, because the schema says nothing about that type:
// any value of the type passes.
type node struct {
	kinds    kinds // those allowed
	literals *literals
	text     *textTest
	number   numberTest
	object   *objectTest
	array    *arrayTest

	all, any     []*node
	not, cond    *node
	then, orElse *node // nil if they demand nothing
	unsure       bool  // it has a keyword that plans do not know
	leaf         bool  // it leads to no other schema for the same value
}

// each visits the schemas inside a schema that apply to the same value, not to its members or
// elements.
func (n *node) each(visit func(*node)) {
	for _, list := range [][]*node{n.all, n.any, {n.not, n.cond, n.then, n.orElse}} {
		for _, sub := range list {
			if sub != nil {
				visit(sub)
			}
		}
	}
}

// compiler makes plans. A schema may refer to itself, so a plan is known before it is complete.
type compiler struct {
	known map[*jsonschema.Schema]*Plan
}

func (c *compiler) plan(schema *jsonschema.Schema) *Plan {
	if known, ok := c.known[schema]; ok {
		return known
	}
	p := &Plan{depth: unknownDepth()}
	c.known[schema] = p
	p.schema = c.node(p, schema, true, nil)
	if len(p.names) > 64 { // a set of names has no room for more
		*p = Plan{schema: &node{kinds: isAny, unsure: true}}
	}
	for i, name := range p.names {
		p.lengths[min(len(name), len(p.lengths)-1)] |= 1 << i
	}
	p.members = append(p.members, make([]*Plan, len(p.names)-len(p.members))...)
	p.plain = p.schema.plain()
	// Without its literals, a schema of words alone is plain.
	bare, l := *p.schema, p.schema.literals
	bare.literals = nil
	if l != nil && l.words == nil && !l.others && bare.plain() && bare.kinds&isString != 0 {
		p.words = l.texts
	}
	p.look()
	return p
}

// plain reports whether a schema demands only a type. A walk skips objects and arrays of a plain
// schema, such as free-form properties. Integer is not plain, because 1.0 is an integer too.
func (n *node) plain() bool {
	return n.leaf && !n.unsure && n.kinds&isInteger == 0 && n.literals == nil && n.text == nil && n.number == nil &&
		n.object == nil && n.array == nil
}

// name returns the number of a member's name in the plan.
func (p *Plan) name(name string) int {
	i := slices.Index(p.names, name)
	if i < 0 {
		i = len(p.names)
		p.names = append(p.names, name)
	}
	return i
}

// bits returns the set of some names. For more than 64 names it is wrong, but such a plan is given
// up.
func (p *Plan) bits(names []string) (set uint64) {
	for _, name := range names {
		set |= 1 << (p.name(name) & 63)
	}
	return set
}

// node compiles a schema that applies to the plan's value: always, or only under a condition. The
// schemas in within lead here.
func (c *compiler) node(p *Plan, s *jsonschema.Schema, always bool, within []*jsonschema.Schema) *node {
	if s.Always != nil {
		return &node{kinds: map[bool]kinds{true: isAny}[*s.Always], leaf: true}
	}
	n := &node{kinds: kindsNamed(s.Types), literals: literalsOf(s), text: textTestOf(s), number: numberTestOf(s)}
	if slices.Contains(within, s) || unknownKeywords(s) {
		n.unsure = true
		return n
	}
	within = append(slices.Clip(within), s)
	// Members and elements come first, so that those of the outermost schema become Plan.members
	// and Plan.items, which are judged in passing.
	n.object = c.object(p, s, always)
	n.array = c.array(p, s, always)
	sub := func(s *jsonschema.Schema, always bool) *node {
		if s == nil {
			return nil
		}
		return c.node(p, s, always, within)
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
	n.not, n.cond, n.then, n.orElse = sub(s.Not, false), sub(s.If, false), sub(s.Then, false), sub(s.Else, false)
	n.leaf = true
	n.each(func(*node) { n.leaf = false })
	return n
}

// unknownKeywords reports whether a schema uses keywords that plans leave to jsonschema. A keyword
// that a later version of jsonschema adds must be added here, or a plan would accept values without
// checking it. A format counts only if jsonschema knows it: others are annotations.
func unknownKeywords(s *jsonschema.Schema) bool {
	lists := len(s.OneOf) + len(s.PatternProperties) + len(s.Dependencies) + len(s.DependentSchemas) +
		len(s.DependentRequired) + len(s.PrefixItems) + len(s.Extensions)
	otherFormat := jsonschema.Formats[s.Format] != nil && s.Format != "date-time"
	return lists > 0 || otherFormat ||
		len(s.Constant) > 0 && len(s.Enum) > 0 || s.UniqueItems || s.RegexProperties ||
		s.MinProperties >= 0 || s.MaxProperties >= 0 || s.PropertyNames != nil || s.UnevaluatedProperties != nil ||
		s.Items != nil || s.AdditionalItems != nil || s.Contains != nil || s.UnevaluatedItems != nil ||
		s.RecursiveRef != nil || s.DynamicRef != nil || s.DynamicAnchor != "" ||
		s.ContentEncoding != "" || s.ContentMediaType != "" || s.ContentSchema != nil || s.MultipleOf != nil
}

// object compiles what a schema demands of objects, or returns nil if it demands nothing. Names are
// sorted, so that the same schema always gives the same plan.
func (c *compiler) object(p *Plan, s *jsonschema.Schema, always bool) *objectTest {
	t := &objectTest{required: p.bits(s.Required)}
	names := slices.Sorted(maps.Keys(s.Properties))
	t.known = p.bits(names)
	for _, name := range names {
		i, schema := p.name(name), c.plan(s.Properties[name])
		for len(p.members) <= i {
			p.members = append(p.members, nil)
		}
		if always && p.members[i] == nil {
			p.members[i] = schema
		} else {
			t.members = append(t.members, member{i, schema})
		}
	}
	switch additional := s.AdditionalProperties.(type) {
	case bool:
		t.closed = !additional
	case *jsonschema.Schema:
		t.additional = true
		if always && p.others == nil {
			p.others, t.inPassing = c.plan(additional), true
		}
	}
	if len(names) == 0 && t.required == 0 && !t.closed && !t.additional {
		return nil
	}
	return t
}

// array does the same for arrays. Their length is judged at the end, when it is known.
func (c *compiler) array(p *Plan, s *jsonschema.Schema, always bool) *arrayTest {
	t := &arrayTest{fewest: s.MinItems, most: s.MaxItems}
	switch {
	case s.Items2020 == nil && t.fewest < 0 && t.most < 0:
		return nil
	case s.Items2020 != nil && always && p.items == nil:
		p.items = c.plan(s.Items2020)
	case s.Items2020 != nil:
		t.items = c.plan(s.Items2020)
	}
	return t
}
