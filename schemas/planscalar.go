package schemas

import (
	"math"
	"math/big"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v5"
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
	if t.dateTime && !isDateTime(s.text) {
		return unsure // jsonschema takes leap seconds, for one
	}
	return yes
}

// isDateTime reports whether text is a date-time of RFC 3339. It may be unsure of what nobody writes.
func isDateTime(text string) bool {
	if len(text) < len("2006-01-02T15:04:05Z") || text[4] != '-' || text[7] != '-' || text[10]|0x20 != 't' || text[13] != ':' || text[16] != ':' {
		return false
	}
	number := func(at int) int { // of two digits
		tens, ones := text[at]-'0', text[at+1]-'0'
		if tens > 9 || ones > 9 {
			return math.MaxInt8
		}
		return 10*int(tens) + int(ones)
	}
	century, year, month, day := number(0), number(2), number(5), number(8)
	days := 31
	switch {
	case month == 2 && (year%4 != 0 || year == 0 && century%4 != 0):
		days = 28
	case month == 2:
		days = 29
	case month == 4 || month == 6 || month == 9 || month == 11:
		days = 30
	}
	if century > 99 || year > 99 || year+century == 0 || month < 1 || month > 12 || day < 1 || day > days ||
		number(11) > 23 || number(14) > 59 || number(17) > 59 {
		return false
	}
	rest := text[19:]
	if rest[0] == '.' {
		n := 1
		for n < len(rest) && rest[n]-'0' < 10 {
			n++
		}
		if n == 1 {
			return false
		}
		rest = rest[n:]
	}
	switch {
	case rest == "Z" || rest == "z":
		return true
	case len(rest) != len("+00:00") || rest[0] != '+' && rest[0] != '-' || rest[3] != ':':
		return false
	}
	at := len(text) - len("00:00")
	return number(at) <= 23 && number(at+3) <= 59
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
