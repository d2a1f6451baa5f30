package aacflow

import (
	"regexp"
	"strconv"
	"strings"
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

func key(name string) string {
	if regexp.MustCompile(`^[A-Za-z_$][\w$]*$`).MatchString(name) {
		return name
	}
	return quote(name)
}

// quote prefers single quotes, and takes double ones where that spares escapes.
func quote(text string) string {
	mark := "'"
	if strings.Contains(text, "'") && !strings.Contains(text, `"`) {
		mark = `"`
	}
	return mark + strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\u2028", `\u2028`, "\u2029", `\u2029`, mark, `\`+mark).Replace(text) + mark
}

func texts(values []string) list {
	out := make(list, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

// comment makes a text fit into a comment of one line.
func comment(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "*/", "* /")
}
