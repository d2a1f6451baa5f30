package workflow

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/aacflow/segment-blocks/schemas"
)

// javascript translates a condition of AACFlow, which is JavaScript, into an expression. It knows
// what people write there: comparisons of references and literals, includes and length, joined by
// &&, || and !. Everything else is an error, because only a JavaScript engine could evaluate it.
type javascript struct {
	rest string // what has not been read
	deep int    // the number of operands, parentheses and ! so far
	err  error  // the first thing that cannot be translated
}

// maxCondition bounds a condition, as the schema of files does.
const maxCondition = 10_000

// operand is a translated part of a condition.
type operand struct {
	text string
	// truth tells that it is a boolean. JavaScript takes other values as false if they are falsy.
	truth bool
	// literal is the number or text, as written and without quotes, or "" for other operands.
	literal string
}

// translate returns the expression. The error says what cannot be translated.
func (j *javascript) translate(code string, isElse bool) (string, error) {
	j.rest = strings.TrimSpace(code)
	switch {
	case j.rest == "" && isElse:
		return "true", nil
	case j.rest == "":
		return "", errors.New("as it is empty")
	case len(j.rest) > maxCondition:
		return "", fmt.Errorf("as it has more than %d characters", maxCondition)
	}
	// There is a function for each level of precedence, from the loosest: ||, &&, comparisons,
	// operands.
	text := j.either()
	if j.rest != "" {
		j.fail("it is more than comparisons from here on (%.20s)", j.rest)
	}
	return text, j.err
}

// fail keeps the first error, and ends the reading.
func (j *javascript) fail(format string, args ...any) {
	if j.err == nil {
		j.err = fmt.Errorf("as "+format, args...)
	}
	j.rest = ""
}

// take reads the next symbol if it is one of these. A symbol comes before its own prefixes.
func (j *javascript) take(symbols ...string) string {
	for _, s := range symbols {
		if after, ok := strings.CutPrefix(j.rest, s); ok {
			j.rest = strings.TrimSpace(after)
			return s
		}
	}
	return ""
}

func (j *javascript) either() string { return j.joined("||", " or ", j.both) }

func (j *javascript) both() string { return j.joined("&&", " and ", j.comparison) }

func (j *javascript) joined(symbol, word string, part func() string) string {
	text := part()
	for j.take(symbol) != "" {
		text += word + part()
	}
	return text
}

func (j *javascript) comparison() string {
	left := j.unary()
	// In a < b < c, JavaScript compares the result of a < b with c, which nobody means. So what
	// follows a comparison is left over, and refused.
	symbol := j.take("===", "!==", "==", "!=", "<=", ">=", "<", ">")
	if symbol == "" {
		return left.asTruth()
	}
	right := j.unary()
	// These equate a number and its text, but not a boolean and its text.
	if not, loose := map[string]string{"==": "", "!=": "not "}[symbol]; loose && left.mayVary() && right.mayVary() {
		equal := fmt.Sprintf("string(%s) == string(%s)", left.text, right.text)
		if left.literal+right.literal == "" {
			equal = fmt.Sprintf(`%[1]s == %[2]s or "bool" not in [type(%[1]s), type(%[2]s)] and %[3]s`,
				left.text, right.text, equal)
		}
		return fmt.Sprintf("(%s(%s))", not, equal)
	}
	return left.text + " " + symbol[:min(len(symbol), 2)] + " " + right.text
}

// mayVary reports whether an operand may be a number or its text.
func (o operand) mayVary() bool {
	return isNumber(o.literal) || o.literal == "" && !o.truth && o.text != "nil"
}

func isNumber(text string) bool {
	_, err := strconv.ParseFloat(text, 64)
	return err == nil && !strings.ContainsAny(text, "_xXiInN")
}

// asTruth returns an operand as a boolean, as JavaScript converts it.
func (o operand) asTruth() string {
	if o.truth {
		return o.text
	}
	return fmt.Sprintf(`(%s not in [nil, false, 0, ""])`, o.text)
}

func (j *javascript) unary() operand {
	// This function calls itself, and its input may be hostile.
	if j.deep++; j.deep > maxNesting {
		j.fail("it has more than %d parts", maxNesting)
	}
	switch j.take("!", "(") {
	case "!":
		return operand{text: "(not " + j.unary().asTruth() + ")", truth: true}
	case "(":
		inner := operand{text: "(" + j.either() + ")", truth: true}
		if j.take(")") == "" {
			j.fail("a parenthesis in it does not end")
		}
		return inner
	}
	o := j.operand()
	// A literal has no members.
	if o.literal != "" || o.truth {
		return o
	}
	switch j.take(".length", ".includes(") {
	case ".length":
		o.text = "len(" + o.text + ")"
	case ".includes(":
		what := j.operand()
		if j.take(")") == "" {
			j.fail("includes takes a reference or a literal")
		}
		// Whether it is a text or a list is known only when it runs.
		inText := "false" // a number is in no text
		if !isNumber(what.literal) || strings.HasPrefix(what.text, `"`) {
			inText = o.text + " contains " + what.text
		}
		o.text = fmt.Sprintf(`(type(%s) == "array" ? %s in %s : %s)`, o.text, what.text, o.text, inText)
		o.truth = true
	}
	return o
}

// operand reads a reference or a literal.
func (j *javascript) operand() operand {
	code := j.rest
	if found, before, after, ok := schemas.CutReference(code); ok && before == "" {
		j.rest = strings.TrimSpace(after)
		return j.reference(found)
	}
	if code != "" && strings.ContainsRune("\"'`", rune(code[0])) {
		return j.quoted()
	}
	// A word ends at the first character that can be neither in a number nor in a name.
	word := regexp.MustCompile(`^[\w.+-]*`).FindString(code)
	j.rest = strings.TrimSpace(code[len(word):])
	switch {
	case isNumber(word):
		return operand{text: word, literal: word}
	case word == "true" || word == "false":
		return operand{text: word, truth: true}
	case word == "null" || word == "undefined":
		return operand{text: "nil"}
	}
	j.fail("it is more than comparisons from here on (%.20s)", code)
	return operand{text: "nil"}
}

func (j *javascript) reference(text string) operand {
	ref := parseReference(text)
	// The scheduler evaluates conditions, and never knows the values of variables.
	if ref.variable != "" {
		j.fail("conditions cannot use variables (%s)", text)
	}
	return operand{text: ref.expression()}
}

// quoted reads a text. A text that is only a reference becomes that reference.
func (j *javascript) quoted() operand {
	text, after, ended := strings.Cut(j.rest[1:], j.rest[:1])
	found, before, behind, has := schemas.CutReference(text)
	switch {
	case !ended:
		j.fail("a text in it does not end")
	// Escapes differ between the two languages, and nobody writes them in a condition.
	case strings.Contains(text, `\`):
		j.fail("a text in it has an escape")
	case has && before+behind != "":
		j.fail("a text in it is only in part a reference")
	}
	if j.err == nil {
		j.rest = strings.TrimSpace(after)
	}
	if has {
		return j.reference(found)
	}
	return operand{text: strconv.Quote(text), literal: text}
}
