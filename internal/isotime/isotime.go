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

// Format writes t as UTC with milliseconds and Z. It is always [Size] bytes long for the years 1 to
// 9999, and drops what is finer than a millisecond.
func Format(t time.Time) string { return t.UTC().Format(layout) }

// Append appends what [Format] returns. Unlike AppendFormat it never writes beyond that, not even
// for a moment, so it can write a time into the middle of a text.
func Append(dst []byte, t time.Time) []byte {
	var room [2 * Size]byte
	return append(dst, t.UTC().AppendFormat(room[:0], layout)...)
}

// IsFormatted reports whether text already is what [Format] returns for some time.
func IsFormatted[T ~string | ~[]byte](text T) bool {
	return len(text) == Size && text[10] == 'T' && text[19] == '.' && text[23] == 'Z' && IsRFC3339(text)
}

// IsRFC3339 reports whether text is a date-time of RFC 3339, in capitals, in the years 1 to 9999.
// Unlike [Parse] it refuses leap seconds.
func IsRFC3339[T ~string | ~[]byte](text T) bool {
	end := len("2006-01-02T15:04:05")
	if len(text) <= end || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' {
		return false
	}
	year, month, day := 100*pair(text, 0)+pair(text, 2), pair(text, 5), pair(text, 8)
	if year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		pair(text, 11) > 23 || pair(text, 14) > 59 || pair(text, 17) > 59 {
		return false
	}
	if text[end] == '.' {
		for end++; end < len(text) && text[end]-'0' < 10; end++ {
		}
		if text[end-1] == '.' {
			return false
		}
	}
	zone := text[end:]
	return string(zone) == "Z" || len(zone) == len("+00:00") && (zone[0] == '+' || zone[0] == '-') && zone[3] == ':' &&
		pair(zone, 1) < 24 && pair(zone, 4) < 60
}

// pair reads two digits. For anything else it returns a number that is too large for a time. Every
// event has times, and time.Parse takes three times as long as this.
func pair[T ~string | ~[]byte](text T, at int) int {
	tens, ones := text[at]-'0', text[at+1]-'0'
	if tens > 9 || ones > 9 {
		return 1_000_000
	}
	return int(10*tens + ones)
}

func daysIn(year, month int) int {
	if month == 2 {
		return time.Date(year, time.March, 0, 0, 0, 0, 0, time.UTC).Day()
	}
	return 30 + (month+month/8)%2 // 31 in every other month, and in both July and August
}

// ErrFormat is in the errors of [Parse] and [ParseIn].
var ErrFormat = errors.New("must be an ISO 8601 date or date-time, such as 2024-01-02T15:04:05Z")

// Parse reads the forms of ISO 8601 that people and systems write: a date, or a date and a time
// with a T, t or space between them. Seconds may be left out, or have a fraction after a point or
// comma, of which Parse keeps nanoseconds. The zone is Z, ±hh:mm, ±hhmm or ±hh; without one the
// time is UTC. The basic form 20240102T150405Z may vary in the same way. The result is in UTC.
//
// A leap second can only be at 23:59:60 UTC on the last day of June or December since 1972. Neither
// Go's time nor [Format] can express it, so it becomes the last millisecond before, which keeps its
// day and its place among other times.
//
// Parse refuses words, epoch numbers, week and ordinal dates, impossible days, year 0 and 24:00.
func Parse(s string) (time.Time, error) { return ParseIn(s, time.UTC) }

// ParseIn is like [Parse], but takes times without a zone as times of the given zone.
func ParseIn(s string, zone *time.Location) (time.Time, error) {
	t, ok := parse(strings.ToUpper(s), zone)
	// A zone can move the first and last day beyond four digits.
	if t = t.UTC(); !ok || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, fmt.Errorf("%w: %.60q", ErrFormat, s)
	}
	return t, nil
}

// parse reads s, which is in capitals, by a layout that it makes for it.
func parse(s string, zone *time.Location) (time.Time, bool) {
	if IsRFC3339(s) {
		t, err := time.Parse(time.RFC3339, s)
		return t, err == nil
	}
	date, clock, second := "2006-01-02", "T15:04", ":05"
	if len(s) > 4 && s[4] != '-' {
		date, clock, second = "20060102", "T1504", "05"
	}
	form, leap := date, false
	if len(s) > len(date) {
		if s[len(date)] == ' ' {
			s = s[:len(date)] + "T" + s[len(date)+1:]
		}
		if end := len(date + clock + second); len(s) >= end && strings.HasSuffix(s[:end], second[:len(second)-2]+"60") {
			s, leap = s[:end-2]+"59"+s[end:], true
		}
		local, offset := cutZone(s, len(date))
		if form += clock; len(local) > len(form) {
			form += second
		}
		if len(local) < len(form) || offset != "" && !isZone(offset) {
			return time.Time{}, false
		}
		form += map[int]string{1: "Z07:00", 3: "Z07", 5: "Z0700", 6: "Z07:00"}[len(offset)]
	}
	t, err := time.ParseInLocation(form, s, zone)
	if err != nil || strings.HasPrefix(s, "0000") || !hasTwoDigitHour(s, len(date)) {
		return time.Time{}, false
	}
	if leap {
		t = t.Truncate(time.Second).Add(999 * time.Millisecond)
	}
	return t, !leap || precedesLeap(t.UTC())
}

// cutZone cuts a date and time in front of its zone.
func cutZone(s string, date int) (local, zone string) {
	if i := strings.IndexAny(s[date:], "Z+-"); i >= 0 {
		return s[:date+i], s[date+i:]
	}
	return s, ""
}

// isZone refuses the 24 hours and the 60 minutes that Go lets a zone have.
func isZone(zone string) bool {
	return zone == "Z" || len(zone) >= 3 && zone[1:3] < "24" && (len(zone) < 5 || zone[len(zone)-2:] < "60")
}

// hasTwoDigitHour refuses the hour of one digit that Go reads too.
func hasTwoDigitHour(s string, date int) bool {
	return len(s) <= date || s[date+2] != ':'
}

// precedesLeap reports whether a leap second can follow t, which is in UTC.
func precedesLeap(t time.Time) bool {
	next := t.Add(time.Second)
	return t.Year() >= 1972 && next.Day() == 1 && (next.Month() == time.January || next.Month() == time.July) &&
		next.Hour() == 0 && next.Minute() == 0
}

// HasZone reports whether s, which [Parse] must accept, has a zone.
func HasZone(s string) bool {
	date := len("20240102")
	if s[4] == '-' {
		date = len("2024-01-02")
	}
	return strings.ContainsAny(s[date:], "Zz+-")
}
