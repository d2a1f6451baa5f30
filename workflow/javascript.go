package workflow

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aacflow/segment-blocks/schemas"
)

// expression translates the JavaScript of a condition: comparisons of references and literals,
// joined by && and ||. The error says what cannot be translated.
func (x *exportReader) expression(code string, isElse bool) (string, error) {
	code = strings.TrimSpace(code)
	if code == "" {
		if isElse {
			return "true", nil
		}
		return "", errors.New("as it is empty")
	}
	var out []string
	for code != "" {
		token, rest, err := x.token(code)
		if err != nil {
			return "", err
		}
		out = append(out, token)
		code = strings.TrimSpace(rest)
	}
	return strings.Join(out, " "), nil
}

// token translates what an expression begins with.
func (x *exportReader) token(code string) (token, rest string, err error) {
	if reference, before, after, ok := schemas.CutReference(code); ok && before == "" {
		ref := parseReference(reference)
		if ref.variable != "" {
			return "", "", fmt.Errorf("as conditions cannot use variables (%s)", reference)
		}
		return x.path(ref), after, nil
	}
	operators := [][2]string{
		{"===", "=="}, {"!==", "!="}, {"&&", "and"}, {"||", "or"}, {"<=", "<="}, {">=", ">="}, {"(", "("}, {")", ")"},
	}
	for _, o := range operators {
		if after, ok := strings.CutPrefix(code, o[0]); ok {
			return o[1], after, nil
		}
	}
	switch c := code[0]; {
	case strings.HasPrefix(code, "==") || strings.HasPrefix(code, "!="):
		return "", "", errors.New("as == and != convert types, and === and !== do not")
	case c == '<' || c == '>':
		return code[:1], code[1:], nil
	case c == '!':
		return "not", code[1:], nil
	case c == '"' || c == '\'':
		return x.quoted(code)
	}
	end := strings.IndexFunc(code, func(r rune) bool {
		return len(wordsOf(string(r))) == 0 && r != '.' && r != '-' && r != '+'
	})
	if end < 0 {
		end = len(code)
	}
	word := code[:end]
	if _, err := strconv.ParseFloat(word, 64); err == nil && !strings.ContainsAny(word, "_xXiInN") {
		return word, code[end:], nil
	}
	switch word {
	case "true", "false":
		return word, code[end:], nil
	case "null", "undefined":
		return "nil", code[end:], nil
	}
	return "", "", fmt.Errorf("as it is more than comparisons from here on (%.20s)", code)
}

// quoted translates a text. One that holds nothing but a reference is that reference.
func (x *exportReader) quoted(code string) (token, rest string, err error) {
	end := strings.IndexByte(code[1:], code[0])
	if end < 0 {
		return "", "", errors.New("as a text in it does not end")
	}
	text, rest := code[1:end+1], code[end+2:]
	if reference, before, after, ok := schemas.CutReference(text); ok {
		if ref := parseReference(reference); before+after == "" && ref.variable == "" {
			return x.path(ref), rest, nil
		}
		return "", "", errors.New("as a text in it is only in part a reference")
	}
	if strings.Contains(text, `\`) {
		return "", "", errors.New("as a text in it has an escape")
	}
	return strconv.Quote(text), rest, nil
}

// path writes a reference as an expression. What lies in a node that did not run is nil.
func (x *exportReader) path(ref reference) string {
	var b strings.Builder
	if head := x.head(ref.head); slices.Equal(wordsOf(head), []string{head, head}) {
		b.WriteString(head)
	} else {
		fmt.Fprintf(&b, "$env[%q]", head)
	}
	for _, s := range ref.steps {
		if s.name == "" {
			fmt.Fprintf(&b, "?.[%d]", s.place)
		} else {
			fmt.Fprintf(&b, "?.[%q]", s.name)
		}
	}
	return b.String()
}
