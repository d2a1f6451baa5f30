package schemas

import (
	"math"
	"math/big"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/aacflow/segment-blocks/isotime"
)

// literals are what const or enum allow.
type literals struct {
	texts             []string
	null, truth, lies bool
	others            bool // numbers, arrays or objects, which are left to jsonschema
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
			l.truth, l.lies = l.truth || v, l.lies || !v
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
		return verdictOf(s.truth && l.truth || !s.truth && l.lies)
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
	if t.pattern != nil && !t.pattern.MatchString(s.text) || t.format != nil && !t.format(s.text) {
		return no
	}
	if t.dateTime && !isotime.IsRFC3339(s.text) {
		return unsure // jsonschema takes leap seconds, for one
	}
	return yes
}

// numberTest is what is asked of a number. Only whole ones are judged, as most bounds and values are.
type numberTest struct{ least, most int64 }

func numberTestOf(s *jsonschema.Schema) *numberTest {
	if s.Minimum == nil && s.Maximum == nil && s.ExclusiveMinimum == nil && s.ExclusiveMaximum == nil {
		return nil
	}
	t := &numberTest{math.MinInt64, math.MaxInt64}
	bound := func(limit *big.Rat, take func(int64)) {
		switch {
		case limit == nil:
		case limit.IsInt() && limit.Num().BitLen() < 60:
			take(limit.Num().Int64())
		default:
			t.least, t.most = math.MaxInt64, math.MinInt64 // nothing passes
		}
	}
	bound(s.Minimum, func(n int64) { t.least = max(t.least, n) })
	bound(s.ExclusiveMinimum, func(n int64) { t.least = max(t.least, n+1) })
	bound(s.Maximum, func(n int64) { t.most = min(t.most, n) })
	bound(s.ExclusiveMaximum, func(n int64) { t.most = min(t.most, n-1) })
	return t
}

func (t *numberTest) judge(s *subject) verdict {
	if s.kind == isInteger && t.least <= s.whole && s.whole <= t.most {
		return yes
	}
	return unsure
}
