package plan

import (
	"encoding/json"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/aacflow/segment-blocks/internal/isotime"
)

// verdict is a judgement of a value. Only yes and no are certain.
//
// To its caller, a plan says only yes or unsure. A certain no is needed inside: not turns it into a
// yes, and an if chooses a branch by it.
type verdict uint8

const (
	unsure verdict = iota
	no
	yes
)

// verdictOf is for tests that leave no doubt.
func verdictOf(ok bool) verdict {
	if ok {
		return yes
	}
	return no
}

// and joins the verdicts on two schemas that must both hold.
func (v verdict) and(w verdict) verdict {
	if v == no || w == no {
		return no
	}
	return min(v, w)
}

// kinds is a set of JSON types. A schema without a type has all of them.
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

// kindsNamed returns the set that the keyword type names.
func kindsNamed(types []string) kinds {
	if len(types) == 0 {
		return isAny
	}
	all := map[string]kinds{
		"null": isNull, "boolean": isBoolean, "number": isNumber, "integer": isInteger,
		"string": isString, "array": isArray, "object": isObject,
	}
	var k kinds
	for _, t := range types {
		k |= all[t]
	}
	return k
}

// admit judges a value of the given kind. A number that is not isInteger may still be whole, such
// as 1.0.
func (k kinds) admit(kind kinds) verdict {
	switch {
	case k&kind != 0, kind == isInteger && k&isNumber != 0:
		return yes
	case kind == isNumber && k&isInteger != 0:
		return unsure
	}
	return no
}

// subject is what schemas need to know of a value. If a schema asks about its members or elements
// once more, they are read again.
type subject struct {
	kind    kinds  // one of them; isInteger for a number that is certainly whole
	text    string // the string, number or literal as written: a view of bytes, so nobody may keep it
	escaped bool   // text has escapes, so it is not the string itself
	count   int    // of elements

	present uint64 // the names of the plan that a member has
	more    bool   // there are members with other names

	members []json.RawMessage // by the index of the name in Plan.names
	array   json.RawMessage
}

// view returns bytes as a string, without a copy. It is valid until the walk returns: the bytes
// belong to the caller, and may change after that.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// judge judges a value by this schema and those inside it. The walk has already judged Plan.members
// and Plan.items.
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
		v = v.and(n.object.judge(s))
	case s.kind == isArray && n.array != nil:
		v = v.and(n.array.judge(s))
	}
	if n.leaf {
		return v
	}
	return v.and(n.judgeOthers(p, s))
}

// judgeOthers asks the schemas inside this one that apply to the same value. If one of them says a
// certain no, so does the whole, however unsure the others are.
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
	if n.not != nil {
		switch n.not.judge(p, s) {
		case yes:
			return no
		case unsure:
			v = v.and(unsure)
		}
	}
	if n.cond == nil {
		return v
	}
	branch := n.then
	switch n.cond.judge(p, s) {
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

// anyOf is yes if one schema of the list is, and no only if all of them are.
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

// objectTest is what a schema demands of an object, beyond what the walk has judged in passing.
type objectTest struct {
	required   uint64   // by the index of the name in Plan.names
	members    []member // the walk has not judged these
	known      uint64   // the names in properties; others are additional
	closed     bool     // additional members are not allowed
	additional bool     // additional members have a schema
	inPassing  bool     // by which the walk has judged those whose names the plan does not have
}

// member is a schema for a member that the walk has not judged, such as one in a then.
type member struct {
	name   int
	schema *Plan
}

// judge compares sets of names first, which costs almost nothing and decides most objects.
func (t *objectTest) judge(s *subject) verdict {
	named, more := s.present&^t.known != 0, s.more
	switch {
	case s.present&t.required != t.required, t.closed && (named || more):
		return no
	case t.additional && (named || more && !t.inPassing):
		return unsure
	}
	v := yes
	for _, m := range t.members {
		if s.present&(1<<m.name) != 0 {
			v = v.and(m.schema.judgeAgain(s.members[m.name]))
		}
	}
	return v
}

// arrayTest is what a schema demands of an array.
type arrayTest struct {
	fewest, most int   // negative for no limit
	items        *Plan // nil if the walk has judged them in passing
}

func (t *arrayTest) judge(s *subject) verdict {
	switch {
	case s.count < t.fewest || t.most >= 0 && s.count > t.most:
		return no
	case t.items == nil:
		return yes
	}
	// A second schema for the elements is rare. They are read again, by a plan for this schema
	// alone.
	list := &Plan{schema: &node{kinds: isArray}, items: t.items}
	return list.judgeAgain(s.array)
}

// literals are what const or enum allow.
type literals struct {
	texts  []string
	words  []string // null, true and false
	others bool     // numbers, arrays or objects, which are left to jsonschema
}

func literalsOf(s *jsonschema.Schema) *literals {
	allowed := append(slices.Clip(s.Constant), s.Enum...) // never both: see unknownKeywords
	if len(allowed) == 0 {
		return nil
	}
	l := &literals{}
	for _, v := range allowed {
		switch v := v.(type) {
		case string:
			l.texts = append(l.texts, v)
		case nil:
			l.words = append(l.words, "null")
		case bool:
			l.words = append(l.words, strconv.FormatBool(v))
		default:
			l.others = true
		}
	}
	return l
}

// judge is unsure of a text with escapes, which may spell any text.
func (l *literals) judge(s *subject) verdict {
	switch {
	case s.kind&(isNull|isBoolean) != 0:
		return verdictOf(slices.Contains(l.words, s.text))
	case s.kind == isString && !s.escaped:
		return verdictOf(slices.Contains(l.texts, s.text))
	case s.kind == isString || l.others:
		return unsure
	}
	return no
}

// textTest is what a schema demands of a string.
type textTest struct {
	shortest, longest int // in characters; negative for no limit
	pattern           *regexp.Regexp
	dateTime          bool
}

// textTestOf returns nil for a schema that demands nothing of strings.
func textTestOf(s *jsonschema.Schema) *textTest {
	t := &textTest{shortest: s.MinLength, longest: s.MaxLength, pattern: s.Pattern, dateTime: s.Format == "date-time"}
	if t.shortest < 0 && t.longest < 0 && t.pattern == nil && !t.dateTime {
		return nil
	}
	return t
}

func (t *textTest) judge(s *subject) verdict {
	if s.escaped {
		return unsure
	}
	// A character has one to four bytes, so most lengths need no counting.
	if n := len(s.text); (t.shortest >= 0 && n < 4*t.shortest) || (t.longest >= 0 && n > t.longest) {
		n = utf8.RuneCountInString(s.text)
		if n < t.shortest || t.longest >= 0 && n > t.longest {
			return no
		}
	}
	if t.pattern != nil && !t.pattern.MatchString(strings.Clone(s.text)) { // it may keep the text
		return no
	}
	if t.dateTime && !isotime.IsRFC3339(s.text) {
		return unsure // jsonschema also accepts leap seconds, for example
	}
	return yes
}

// numberTest is the bounds that a schema sets for numbers. It compares float64s. Rounding keeps the
// order of numbers, but may make two of them equal: jsonschema then decides.
type numberTest []bound

// bound is one of minimum, maximum and their exclusive forms.
type bound struct {
	limit float64
	upper bool
	exact bool // the limit itself is allowed, and is a whole number that float64 holds
}

func numberTestOf(s *jsonschema.Schema) (t numberTest) {
	for _, b := range []struct {
		limit            *big.Rat
		upper, exclusive bool
	}{
		{s.Minimum, false, false},
		{s.ExclusiveMinimum, false, true},
		{s.Maximum, true, false},
		{s.ExclusiveMaximum, true, true},
	} {
		if b.limit != nil {
			f, _ := b.limit.Float64()
			t = append(t, bound{f, b.upper, !b.exclusive && b.limit.IsInt() && b.limit.Num().BitLen() <= 53})
		}
	}
	return t
}

func (t numberTest) judge(s *subject) verdict {
	v, err := strconv.ParseFloat(s.text, 64)
	if err != nil {
		return unsure
	}
	// Equal float64s tell something only if neither number was rounded.
	exact := s.kind == isInteger && math.Abs(v) < 1<<53
	for _, b := range t {
		within := v > b.limit != b.upper // if they differ
		if v == b.limit {
			within = exact && b.exact
		}
		if !within {
			return unsure
		}
	}
	return yes
}
