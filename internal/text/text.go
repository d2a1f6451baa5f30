// Package text prepares text for people to read.
package text

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clip cuts s to at most most characters, and marks the cut with an ellipsis.
func Clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	n := 0
	for i := range s {
		if n == most {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

// OneLine turns s into one line: it replaces invalid UTF-8, drops control and format characters,
// and joins runs of white space. Text from outside can then neither break a log line nor steer a
// terminal.
func OneLine(s string) string {
	s = strings.ToValidUTF8(s, "�")
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
	}), " ")
}

// Escape is for text whose exact characters matter, such as a name from an input. It replaces each
// character that would break a line, steer a terminal or change the direction of writing with its
// Go escape.
func Escape(s string) string {
	if strings.IndexFunc(s, unfit) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unfit(r) {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unfit(r rune) bool {
	return r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) ||
		r == '\u2028' || r == '\u2029'
}

// Or lists words to choose from, such as text, json or yaml.
func Or[T ~string](words ...T) string {
	list := ""
	for i, word := range words {
		switch {
		case i == 0:
		case i == len(words)-1:
			list += " or "
		default:
			list += ", "
		}
		list += string(word)
	}
	return list
}

// Cell escapes s for a cell of a Markdown table, and the braces of references, which some site
// generators take for their own.
func Cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "{{", "&#123;&#123;", "\n", " ").Replace(strings.TrimSpace(s))
}

// Grouped writes 40123 as 40,123.
func Grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	first := 0
	if n < 0 {
		first = 1
	}
	for i := len(s) - 3; i > first; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
