// Package isotime reads the common forms of ISO 8601 and writes the one that APIs agree on.
//
//	t, err := isotime.Parse("2026-01-31 09:30") // no zone: UTC
//	isotime.Format(t)                          // 2026-01-31T09:30:00.000Z
package isotime

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

const layout = "2006-01-02T15:04:05.000Z"

// Size is the length in bytes of what [Format] returns.
const Size = len(layout)

// Format writes t as UTC with milliseconds and Z. It is always [Size] bytes long for the years 1 to 9999, and drops what is
// finer than a millisecond.
func Format(t time.Time) string { return string(Append(make([]byte, 0, 2*Size), t)) }

// Append appends what [Format] returns.
func Append(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(dst, layout)
	}
	hour, minute, second := t.Clock()
	ms := t.Nanosecond() / 1e6
	digit := func(n int) byte { return byte('0' + n%10) }
	return append(
		dst,
		digit(year/1000), digit(year/100), digit(year/10), digit(year), '-', digit(int(month)/10), digit(int(month)), '-', digit(day/10), digit(day), 'T',
		digit(hour/10), digit(hour), ':', digit(minute/10), digit(minute), ':', digit(second/10), digit(second), '.', digit(ms/100), digit(ms/10), digit(ms), 'Z',
	)
}

// IsFormatted reports whether text is what [Format] returns for some time, so that there is nothing to do about it.
func IsFormatted[T ~string | ~[]byte](text T) bool {
	return len(text) == Size && text[10] == 'T' && text[19] == '.' && text[23] == 'Z' && IsRFC3339(text)
}

// IsRFC3339 reports whether text is a date-time of RFC 3339 in the years 1 to 9999. It takes no
// leap second, which [Parse] does.
func IsRFC3339[T ~string | ~[]byte](text T) bool {
	const shortest = len("2006-01-02T15:04:05Z")
	if len(text) < shortest || text[4] != '-' || text[7] != '-' || text[10]|0x20 != 't' || text[13] != ':' || text[16] != ':' {
		return false
	}
	century, year, month, day := pair(text, 0), pair(text, 2), pair(text, 5), pair(text, 8)
	if century > 99 || year > 99 || century+year == 0 || month < 1 || month > 12 || day < 1 || day > daysIn(100*century+year, month) ||
		pair(text, 11) > 23 || pair(text, 14) > 59 || pair(text, 17) > 59 {
		return false
	}
	at := shortest - 1
	if text[at] == '.' {
		from := at + 1
		for at = from; at < len(text) && text[at]-'0' < 10; at++ {
		}
		if at == from || at == len(text) {
			return false
		}
	}
	switch text[at] {
	case 'Z', 'z':
		return at == len(text)-1
	case '+', '-':
		return len(text) == at+len("+00:00") && text[at+3] == ':' && pair(text, at+1) <= 23 && pair(text, at+4) <= 59
	}
	return false
}

// pair reads two digits. For anything else it returns more than they can be.
func pair[T ~string | ~[]byte](text T, at int) int {
	tens, ones := text[at]-'0', text[at+1]-'0'
	if tens > 9 || ones > 9 {
		return 1000
	}
	return 10*int(tens) + int(ones)
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// ErrFormat is what [Parse] returns, with the text behind it.
var ErrFormat = errors.New("must be an ISO 8601 date or date-time, such as 2024-01-02T15:04:05Z")

// Parse reads the forms of ISO 8601 that people and systems write: a date, or a date and a time parted by T, t or a
// space; seconds may be left out and may have a fraction after a point or comma (nanoseconds are kept, finer digits
// dropped); the zone is Z, ±hh:mm, ±hhmm or ±hh. The basic form 20240102T150405Z is read too, in the same variety.
// Without a zone the time is UTC. The result is in UTC.
//
// A leap second is read where one can be, at 23:59:60 UTC on the last day of June or December since
// 1972. Neither Go's clock nor the form of [Format] has it, so it becomes the last millisecond
// before: it keeps its day, and its place among other times.
//
// Words, epoch numbers, week and ordinal dates, impossible days, the year 0 and 24:00 are refused.
func Parse(s string) (time.Time, error) {
	p := scanner{rest: s, ok: true}
	year := p.digits(4)
	extended := p.take("-")
	month := p.digits(2)
	if extended {
		p.demand("-")
	}
	day := p.digits(2)
	var hour, minute, second, nano, offset int
	if p.ok && p.rest != "" {
		p.demand("Tt ")
		hour = p.digits(2)
		if extended {
			p.demand(":")
		}
		minute = p.digits(2)
		if p.ok && p.hasSeconds(extended) {
			second = p.digits(2)
			nano = p.fraction()
		}
		offset = p.zone()
	}
	leap := second == 60
	if leap {
		second, nano = 59, 999_000_000
	}
	if !p.ok || p.rest != "" || year < 1 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, fmt.Errorf("%w: %.60q", ErrFormat, s)
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nano, time.UTC)
	if t.Month() != time.Month(month) || t.Day() != day { // time.Date turns 30 February into 1 March
		return time.Time{}, fmt.Errorf("%w: %.60q", ErrFormat, s)
	}
	t = t.Add(-time.Duration(offset) * time.Minute)
	if leap && !beforeLeap(t) {
		return time.Time{}, fmt.Errorf("%w: %.60q", ErrFormat, s)
	}
	if t.Year() < 1 || t.Year() > 9999 { // a zone can move the first and last day out of what four digits hold
		return time.Time{}, fmt.Errorf("%w: %.60q", ErrFormat, s)
	}
	return t, nil
}

// beforeLeap reports whether a leap second can follow t, which is in UTC.
func beforeLeap(t time.Time) bool {
	next := t.Add(time.Second)
	return t.Year() >= 1972 && next.Day() == 1 && (next.Month() == time.January || next.Month() == time.July) &&
		next.Hour() == 0 && next.Minute() == 0
}

// HasZone tells whether s, which [Parse] has taken, says in which zone its time is.
func HasZone(s string) bool {
	date := len("20240102")
	if s[4] == '-' {
		date = len("2024-01-02")
	}
	return strings.ContainsAny(s[date:], "Zz+-")
}

// scanner eats a timestamp from the left. Once something is amiss ok stays false.
type scanner struct {
	rest string
	ok   bool
}

func (p *scanner) digits(n int) int {
	if !p.ok || len(p.rest) < n {
		p.ok = false
		return 0
	}
	value := 0
	for i := range n {
		c := p.rest[i]
		if c < '0' || c > '9' {
			p.ok = false
			return 0
		}
		value = value*10 + int(c-'0')
	}
	p.rest = p.rest[n:]
	return value
}

// take eats one character if it is among set.
func (p *scanner) take(set string) bool {
	if !p.ok || p.rest == "" || strings.IndexByte(set, p.rest[0]) < 0 {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *scanner) demand(set string) { p.ok = p.take(set) }

func (p *scanner) hasSeconds(extended bool) bool {
	if extended {
		return p.take(":")
	}
	return p.rest != "" && p.rest[0] >= '0' && p.rest[0] <= '9'
}

func (p *scanner) fraction() int {
	if !p.take(".,") {
		return 0
	}
	nano, scale, n := 0, 100_000_000, 0
	for ; n < len(p.rest) && p.rest[n] >= '0' && p.rest[n] <= '9'; n++ {
		nano += int(p.rest[n]-'0') * scale
		scale /= 10
	}
	p.rest = p.rest[n:]
	p.ok = p.ok && n > 0
	return nano
}

// zone reads minutes east of UTC.
func (p *scanner) zone() (minutes int) {
	if p.take("Zz") {
		return 0
	}
	sign := 1
	switch {
	case p.take("+"):
	case p.take("-"):
		sign = -1
	default:
		return 0
	}
	hour, minute := p.digits(2), 0
	if p.ok && p.rest != "" {
		p.take(":")
		minute = p.digits(2)
	}
	if hour > 23 || minute > 59 {
		p.ok = false
	}
	return sign * (hour*60 + minute)
}
