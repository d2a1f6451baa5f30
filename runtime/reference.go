package runtime

import (
	"bytes"
	"encoding/json"
	"regexp"

	"github.com/aacflow/segment-blocks/rawjson"
)

// references finds what AACFlow leaves in a parameter when it cannot resolve it: {{VARIABLE}} and
// <block.field>. A <word> without a dot is not one: it may be HTML.
type references struct {
	whole, inside *regexp.Regexp
}

func newReferences() references {
	const variable = `\{\{\s*[A-Za-z_][\w.-]*\s*\}\}`
	const field = `<[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*|\[\d+\])*\.[A-Za-z_][\w-]*(?:\[\d+\])*>`
	return references{
		whole:  regexp.MustCompile(`^\s*(?:` + variable + `|` + field + `)\s*$`),
		inside: regexp.MustCompile(variable + `|` + field),
	}
}

// isWhole reports whether text is one reference and nothing else.
func (r references) isWhole(text string) bool { return r.whole.MatchString(text) }

// in returns the first reference inside text, or "".
func (r references) in(text string) string { return r.inside.FindString(text) }

// warnOf adds a warning for each text below path that still holds a reference: free-form JSON may
// hold such text on purpose, so it is sent.
func (r references) warnOf(raw json.RawMessage, path string, warn func(path, code, message string)) {
	if !mayHoldReference(raw) {
		return
	}
	rawjson.Texts(raw, func(pointer, text string) bool {
		if ref := r.in(text); ref != "" {
			warn(path+pointer, string(UnresolvedReference), "was sent with an unresolved reference in it: "+ref)
		}
		return true
	})
}

// mayHoldReference is a quick look that hardly anything passes but references, and texts in which
// an escape hides one.
func mayHoldReference(raw []byte) bool {
	if bytes.Contains(raw, []byte("{{")) {
		return true
	}
	for rest := raw; ; {
		i := bytes.IndexByte(rest, '<')
		if i < 0 {
			break
		}
		rest = rest[i+1:]
		if looksLikeField(rest) {
			return true
		}
	}
	for rest := raw; ; {
		i := bytes.Index(rest, []byte(`\u00`))
		if i < 0 {
			return false
		}
		rest = rest[i+len(`\u00`):]
		if bytes.HasPrefix(rest, []byte("3c")) || bytes.HasPrefix(rest, []byte("3C")) || bytes.HasPrefix(rest, []byte("7b")) || bytes.HasPrefix(rest, []byte("7B")) {
			return true
		}
	}
}

// looksLikeField reports whether what follows a < is names with a point between them and a >. HTML
// has no points in its tags.
func looksLikeField(rest []byte) bool {
	point := false
	for _, c := range rest {
		switch {
		case c == '.':
			point = true
		case c == '>':
			return point
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-', c == '[', c == ']':
		case c == '\\': // what it stands for is not known
			return true
		default:
			return false
		}
	}
	return false
}
