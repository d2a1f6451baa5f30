package aacflow

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// width is the longest line of code that the host's formatter does not break. What it would change,
// a second export would change back.
const width = 100

// fits reports whether a line of code, with a comma after it, is short enough.
func fits(indent int, line string) bool { return indent+utf8.RuneCountInString(line)+1 <= width }

// object returns head and an object literal.
func object(indent int, head string, members ...string) string {
	return wrapped(indent, head+"{", " ", "}", members)
}

// list returns an array of elements that are code.
func list(indent int, elements []string) string { return wrapped(indent, "[", "", "]", elements) }

// wrapped puts parts on one line if they fit, and else each on its own line.
func wrapped(indent int, opening, space, closing string, parts []string) string {
	line := opening + space + strings.Join(parts, ", ") + space + closing
	if fits(indent, line) && !strings.Contains(line, "\n") {
		return line
	}
	margin := "\n" + strings.Repeat(" ", indent)
	return opening + margin + "  " + strings.Join(parts, ","+margin+"  ") + "," + margin + closing
}

// array returns an array of texts.
func array(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = quote(v)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// literal returns a text of several lines, with a line of code for each.
func literal(indent int, text string) string {
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		lines[i] = quote(line)
	}
	return strings.Join(lines, " +\n"+strings.Repeat(" ", indent))
}

// prose returns a member whose value is a text. A long text has its own line.
func prose(indent int, name, value string) string {
	line := name + ": " + quote(value)
	if !fits(indent, line) {
		line = name + ":\n" + strings.Repeat(" ", indent+2) + quote(value)
	}
	return line
}

// declaration returns the member that declares an input or output called name.
func declaration(name string, f schemas.Field) string {
	members := []string{"type: " + quote(f.Type), prose(6, "description", oneLine(f.Description))}
	if slices.Contains(f.Kinds, rawjson.NullKind) {
		members = append(members, "optional: true") // the service leaves out what is null
	}
	return object(4, key(name)+": ", members...)
}

// key returns a name as the name of a member. It is never __proto__, which would set the prototype
// of the object: checkNames refuses such names.
func key(name string) string {
	if isIdentifier(name) {
		return name
	}
	return quote(name)
}

// access returns the expression for a member of a value.
func access(value, name string) string {
	if isIdentifier(name) {
		return value + "." + name
	}
	return value + "[" + quote(name) + "]"
}

func isIdentifier(name string) bool {
	return regexp.MustCompile(`^[A-Za-z_$][\w$]*$`).MatchString(name)
}

// quote prefers single quotes, and uses double ones if that saves escapes. It escapes what cannot
// be seen: line separators end a literal, and marks of direction change how it looks.
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
		case strings.ContainsRune("\n\r\t", c):
			b.WriteString(strings.Trim(strconv.QuoteRune(c), "'"))
		case !unicode.IsPrint(c):
			fmt.Fprintf(&b, `\u{%x}`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteRune(mark)
	return strings.ReplaceAll(b.String(), "</", `<\/`) // a script element must not end in it
}

// oneLine joins the lines of a text.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// comment makes a text fit for a comment of one line.
func comment(prose string) string {
	return strings.NewReplacer("*/", "* /", "</", "< /").Replace(text.OneLine(prose))
}
