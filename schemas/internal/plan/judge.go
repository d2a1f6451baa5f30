package plan

import (
	"bytes"
	"encoding/json"
	"slices"
	"unsafe"
)

// subject is a value as far as schemas that look at it need to know it. Where its members or
// elements are asked for once more, they are read again.
type subject struct {
	kind    kinds // one of them; isInteger for a number that is whole for sure
	isTrue  bool
	escaped bool    // the text has escapes, and is not what it stands for
	text    string  // may be a view of bytes, so nobody may keep it
	float   float64 // the number, rounded; NaN where it has not been read
	count   int     // of members or elements

	present uint64 // the names of the plan that have a member
	more    bool   // there are members whose names the plan does not have

	members []json.RawMessage // by the index of the name in Plan.names
	array   json.RawMessage
}

type objectTest struct {
	required     uint64 // by the index of the name in Plan.names
	dependent    map[int]uint64
	fewest, most int      // negative for none
	members      []member // those that the walk has not judged in passing
	known        uint64   // names that are not additional
	closed       bool
	additional   *Plan
}

type member struct {
	name   int
	schema *Plan
}

type arrayTest struct {
	fewest, most int   // negative for none
	items        *Plan // where the walk has not judged them in passing
}

// wordTest asks of an object whether one member is there and is one of some words. Conditions on
// the type of a message are this.
type wordTest struct {
	name   int
	schema *Plan
}

// view is text without a copy of it.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// judge asks all schemas of a plan, whose members and items have been judged as far as the walk
// judges them in passing.
func (n *node) judge(p *Plan, s *subject) verdict {
	if n.unsure {
		return unsure
	}
	v := n.kinds.admit(s.kind)
	if v != no && n.literals != nil {
		v = v.and(n.literals.judge(s))
	}
	switch {
	case v == no:
		return no
	case s.kind == isString && n.text != nil:
		v = v.and(n.text.judge(s))
	case s.kind&(isNumber|isInteger) != 0 && n.number != nil:
		v = v.and(n.number.judge(s))
	case s.kind == isObject && n.object != nil:
		v = v.and(n.object.judge(p, s))
	case s.kind == isArray && n.array != nil:
		v = v.and(n.array.judge(s))
	}
	return v.and(n.judgeOthers(p, s))
}

// judgeOthers asks the schemas that this one leads to for the same value.
func (n *node) judgeOthers(p *Plan, s *subject) verdict {
	v := yes
	for _, each := range n.all {
		if v = v.and(each.judge(p, s)); v == no {
			return no
		}
	}
	if n.any != nil {
		v = v.and(anyOf(n.any, p, s))
	}
	if n.one != nil {
		v = v.and(oneOf(n.one, p, s))
	}
	if n.not != nil {
		v = v.and(n.not.judge(p, s).negated())
	}
	if n.cond == nil {
		return v
	}
	var holds verdict
	if n.word != nil && s.kind == isObject {
		holds = n.word.judge(s)
	} else {
		holds = n.cond.judge(p, s)
	}
	branch := n.then
	switch holds {
	case unsure:
		return v.and(unsure)
	case no:
		branch = n.orElse
	}
	if branch != nil {
		v = v.and(branch.judge(p, s))
	}
	return v
}

func (t *wordTest) judge(s *subject) verdict {
	if s.present&(1<<t.name) == 0 {
		return no
	}
	return t.schema.judgeWord(s.members[t.name])
}

func (v verdict) negated() verdict {
	switch v {
	case yes:
		return no
	case no:
		return yes
	}
	return unsure
}

func anyOf(list []*node, p *Plan, s *subject) verdict {
	v := no
	for _, each := range list {
		switch each.judge(p, s) {
		case yes:
			return yes
		case unsure:
			v = unsure
		}
	}
	return v
}

func oneOf(list []*node, p *Plan, s *subject) verdict {
	matches, doubts := 0, 0
	for _, each := range list {
		switch each.judge(p, s) {
		case yes:
			matches++
		case unsure:
			doubts++
		}
	}
	switch {
	case matches > 1 || matches+doubts == 0:
		return no
	case doubts > 0:
		return unsure
	}
	return yes
}

func (t *objectTest) judge(p *Plan, s *subject) verdict {
	if s.present&t.required != t.required || s.count < t.fewest || t.most >= 0 && s.count > t.most {
		return no
	}
	if t.closed && (s.more || s.present&^t.known != 0) {
		return no
	}
	v := yes
	for name, needs := range t.dependent {
		if s.present&(1<<name) != 0 && s.present&needs != needs {
			return no
		}
	}
	for _, m := range t.members {
		if s.present&(1<<m.name) != 0 {
			v = v.and(s.member(m.name, m.schema))
		}
	}
	if t.additional != nil {
		v = v.and(s.additional(p, t))
	}
	return v
}

// member judges one member again, by another schema than the one it has been judged by.
func (s *subject) member(name int, schema *Plan) verdict {
	if schema.words != nil {
		return schema.judgeWord(s.members[name])
	}
	return schema.judgeAgain(s.members[name])
}

// judgeWord judges a value by a schema that demands nothing but one of some words, as conditions
// mostly do.
func (p *Plan) judgeWord(value json.RawMessage) verdict {
	switch {
	case value[0] != '"':
		return no
	case bytes.IndexByte(value, '\\') >= 0:
		return unsure
	}
	return verdictOf(slices.Contains(p.words, view(value[1:len(value)-1])))
}

// additional judges the members that a schema's properties do not name, unless the walk has done
// so.
func (s *subject) additional(p *Plan, t *objectTest) verdict {
	v := yes
	for i := range p.names {
		if s.present&^t.known&(1<<i) != 0 {
			v = v.and(s.member(i, t.additional))
		}
	}
	if s.more && p.others != t.additional {
		return v.and(unsure)
	}
	return v
}

func (t *arrayTest) judge(s *subject) verdict {
	switch {
	case s.count < t.fewest || t.most >= 0 && s.count > t.most:
		return no
	case t.items == nil:
		return yes
	}
	list := &Plan{schema: &node{kinds: isArray}, items: t.items}
	return list.judgeAgain(s.array)
}
