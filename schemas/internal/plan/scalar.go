package plan

import (
	"math"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/aacflow/segment-blocks/internal/isotime"
)

// literals are what const or enum allow.
type literals struct {
	texts                         []string
	null, allowsTrue, allowsFalse bool
	others                        bool // numbers, arrays or objects, which are left to jsonschema
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
			l.null = true
		case bool:
			l.allowsTrue, l.allowsFalse = l.allowsTrue || v, l.allowsFalse || !v
		default:
			l.others = true
		}
	}
	return l
}

func (l *literals) judge(s *subject) verdict {
	switch s.kind {
	case isNull:
		return verdictOf(l.null)
	case isBoolean:
		return verdictOf(s.isTrue && l.allowsTrue || !s.isTrue && l.allowsFalse)
	case isString:
		if s.escaped {
			return unsure
		}
		return verdictOf(slices.Contains(l.texts, s.text))
	}
	if l.others {
		return unsure
	}
	return no
}

// textTest is what is asked of a string.
type textTest struct {
	shortest, longest int // in characters; negative for none
	pattern           *regexp.Regexp
	dateTime          bool
	format            func(any) bool
}

func textTestOf(s *jsonschema.Schema) *textTest {
	t := &textTest{shortest: s.MinLength, longest: s.MaxLength, pattern: s.Pattern, dateTime: s.Format == "date-time"}
	if !t.dateTime {
		t.format = jsonschema.Formats[s.Format]
	}
	if t.shortest < 0 && t.longest < 0 && t.pattern == nil && !t.dateTime && t.format == nil {
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
	// A copy is needed because neither function promises not to keep the text.
	if t.pattern != nil && !t.pattern.MatchString(strings.Clone(s.text)) || t.format != nil && !t.format(strings.Clone(s.text)) {
		return no
	}
	if t.dateTime && !isotime.IsRFC3339(s.text) {
		return unsure // jsonschema takes leap seconds, for one
	}
	return yes
}

// numberTest is what is asked of a number. It reckons in float64, and is unsure where that could
// round over a bound.
type numberTest struct{ lower, upper []bound }

type bound struct {
	limit     float64
	exact     bool // the limit is a whole number that float64 holds
	exclusive bool
}

func numberTestOf(s *jsonschema.Schema) *numberTest {
	t := &numberTest{}
	add := func(to *[]bound, limit *big.Rat, exclusive bool) {
		if limit != nil {
			f, _ := limit.Float64()
			*to = append(*to, bound{f, limit.IsInt() && limit.Num().BitLen() <= 53, exclusive})
		}
	}
	add(&t.lower, s.Minimum, false)
	add(&t.lower, s.ExclusiveMinimum, true)
	add(&t.upper, s.Maximum, false)
	add(&t.upper, s.ExclusiveMaximum, true)
	if t.lower == nil && t.upper == nil {
		return nil
	}
	return t
}

func (t *numberTest) judge(s *subject) verdict {
	v := s.float
	exact := s.kind == isInteger && math.Abs(v) < 1<<53
	for _, b := range t.lower {
		if !b.holds(v-b.limit, exact, v) {
			return unsure
		}
	}
	for _, b := range t.upper {
		if !b.holds(b.limit-v, exact, v) {
			return unsure
		}
	}
	return yes
}

// holds judges by how far within the bound a value lies. What comes of rounding is far less than a
// billionth of either.
func (b bound) holds(within float64, exact bool, value float64) bool {
	if exact && b.exact {
		return within > 0 || within == 0 && !b.exclusive
	}
	return within > 1e-9*(math.Abs(value)+math.Abs(b.limit))
}
