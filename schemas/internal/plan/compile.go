package plan

import (
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

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
	if len(p.names) > 64 {
		*p = Plan{schema: &node{kinds: isAny, unsure: true}}
	}
	for i, name := range p.names {
		p.lengths[min(len(name), len(p.lengths)-1)] |= 1 << i
	}
	p.members = append(p.members, make([]*Plan, len(p.names)-len(p.members))...)
	bare := *p.schema
	p.plain = bare.plain()
	p.schema.findWordTests()
	if l := bare.literals; l != nil && !l.null && !l.allowsTrue && !l.allowsFalse && !l.others {
		if bare.literals = nil; bare.plain() && bare.kinds&isString != 0 {
			p.words = l.texts
		}
	}
	p.look()
	return p
}

// findWordTests looks for conditions that can be asked directly. It comes after everything below
// the plan is known.
func (n *node) findWordTests() {
	n.word = wordTestOf(n.cond)
	n.each((*node).findWordTests)
}

// each visits the schemas that a schema leads to for the same value.
func (n *node) each(visit func(*node)) {
	for _, list := range [][]*node{n.all, n.any, n.one, {n.not, n.cond, n.then, n.orElse}} {
		for _, sub := range list {
			if sub != nil {
				visit(sub)
			}
		}
	}
}

// plain reports whether a schema demands nothing but a type.
func (n *node) plain() bool {
	return !n.unsure && n.kinds&isInteger == 0 && n.literals == nil && n.text == nil && n.number == nil && n.object == nil && n.array == nil &&
		n.all == nil && n.any == nil && n.one == nil && n.not == nil && n.cond == nil
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

// bits is the set of the names given. A plan with more than 64 names is given up anyway.
func (p *Plan) bits(names []string) (set uint64) {
	for _, name := range names {
		set |= 1 << (p.name(name) & 63)
	}
	return set
}

// node compiles a schema that belongs to a plan: always, or only if another one does. Within are
// the schemas that lead here.
func (c *compiler) node(p *Plan, s *jsonschema.Schema, always bool, within []*jsonschema.Schema) *node {
	if s.Always != nil {
		return &node{kinds: map[bool]kinds{true: isAny}[*s.Always]}
	}
	n := &node{kinds: kindsNamed(s.Types), literals: literalsOf(s), text: textTestOf(s), number: numberTestOf(s)}
	if slices.Contains(within, s) || unknownKeywords(s) {
		n.unsure = true
		return n
	}
	within = append(slices.Clip(within), s)
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
	for _, each := range s.OneOf {
		n.one = append(n.one, sub(each, false))
	}
	n.not, n.cond, n.then, n.orElse = sub(s.Not, false), sub(s.If, false), sub(s.Then, false), sub(s.Else, false)
	return n
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

func (c *compiler) object(p *Plan, s *jsonschema.Schema, always bool) *objectTest {
	t := &objectTest{fewest: s.MinProperties, most: s.MaxProperties, required: p.bits(s.Required)}
	names := make([]string, 0, len(s.Properties))
	for name := range s.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
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
		t.additional = c.plan(additional)
		if always && p.others == nil {
			p.others = t.additional
		}
	}
	for name, needs := range s.DependentRequired {
		if t.dependent == nil {
			t.dependent = map[int]uint64{}
		}
		t.dependent[p.name(name)] = p.bits(needs)
	}
	if len(names) == 0 && t.required == 0 && t.dependent == nil && t.fewest < 0 && t.most < 0 && !t.closed && t.additional == nil {
		return nil
	}
	return t
}

func (c *compiler) array(p *Plan, s *jsonschema.Schema, always bool) *arrayTest {
	t := &arrayTest{fewest: s.MinItems, most: s.MaxItems}
	if s.Items2020 != nil {
		if always && p.items == nil {
			p.items = c.plan(s.Items2020)
		} else {
			t.items = c.plan(s.Items2020)
		}
	}
	if t.fewest < 0 && t.most < 0 && s.Items2020 == nil {
		return nil
	}
	return t
}
