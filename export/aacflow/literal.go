package aacflow

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// width is the longest line of generated code where it can be broken, as the host's own formatter has it.
const width = 100

// The kinds of TypeScript expressions that generated files are made of. A string is a text, to be quoted.
type (
	// code is written as it is.
	code string
	// list is an array.
	list []any
	// object has its members in order. One that is open takes a line a member even if it would fit into one.
	object struct {
		members []member
		open    bool
	}
	member struct {
		name  string
		value any
	}
)

// literal writes an expression whose first line starts at a column, on lines indented by indent.
func literal(v any, indent, column int) string {
	if line := inline(v); line != "" && column+len([]rune(line))+1 <= width {
		return line
	}
	inner := strings.Repeat(" ", indent+2)
	var b strings.Builder
	switch v := v.(type) {
	case *object:
		return literal(*v, indent, column)
	case object:
		b.WriteString("{\n")
		for _, m := range v.members {
			head := inner + key(m.name) + ":"
			value := " " + literal(m.value, indent+2, len(head)+1)
			if _, text := m.value.(string); text && len([]rune(head+value))+1 > width {
				value = "\n  " + inner + strings.TrimSpace(value)
			}
			b.WriteString(head + value + ",\n")
		}
		b.WriteString(strings.Repeat(" ", indent) + "}")
	case list:
		b.WriteString("[\n")
		for _, element := range v {
			b.WriteString(inner + literal(element, indent+2, len(inner)) + ",\n")
		}
		b.WriteString(strings.Repeat(" ", indent) + "]")
	case string:
		b.WriteString(quote(v))
	case code:
		b.WriteString(string(v))
	}
	return b.String()
}

// inline returns an expression on one line, or "" where it needs several.
func inline(v any) string {
	switch v := v.(type) {
	case string:
		return quote(v)
	case code:
		return string(v)
	case bool:
		return strconv.FormatBool(v)
	case list:
		var parts []string
		for _, element := range v {
			part := inline(element)
			if part == "" {
				return ""
			}
			parts = append(parts, part)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case *object:
		return inline(*v)
	case object:
		if v.open {
			return ""
		}
		var parts []string
		for _, m := range v.members {
			part := inline(m.value)
			if part == "" {
				return ""
			}
			parts = append(parts, key(m.name)+": "+part)
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	}
	return ""
}

// key writes a name as that of a member. An object literal would take __proto__ for its prototype.
func key(name string) string {
	switch {
	case name == "__proto__":
		return "[" + quote(name) + "]"
	case isIdentifier(name):
		return name
	}
	return quote(name)
}

// access writes the member of a value.
func access(value, name string) string {
	if isIdentifier(name) {
		return value + "." + name
	}
	return value + "[" + quote(name) + "]"
}

func isIdentifier(name string) bool {
	return regexp.MustCompile(`^[A-Za-z_$][\w$]*$`).MatchString(name)
}

// quote prefers single quotes, and takes double ones where that spares escapes. What cannot be seen is escaped: line separators end a
// literal, and marks of direction show it as something else.
func quote(text string) string {
	mark := '\''
	if strings.Contains(text, "'") && !strings.Contains(text, `"`) {
		mark = '"'
	}
	var b strings.Builder
	b.WriteRune(mark)
	for _, c := range text {
		switch {
		case c == mark, c == '\\':
			b.WriteString(`\` + string(c))
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case !unicode.IsPrint(c):
			fmt.Fprintf(&b, `\u{%x}`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteRune(mark)
	return strings.ReplaceAll(b.String(), "</", `<\/`) // text for a script element must not end it
}

func texts(values []string) list {
	out := make(list, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

// oneLine makes one line of a text.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// comment makes a text fit into a comment of one line.
func comment(text string) string {
	visible := strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, oneLine(text))
	return strings.NewReplacer("*/", "* /", "</", "< /").Replace(visible)
}
