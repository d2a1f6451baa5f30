package runtime

import (
	"bytes"
	"encoding/json"
	"regexp"

	"github.com/aacflow/segment-blocks/rawjson"
)

// references finds what AACFlow leaves in a parameter when it cannot resolve it: {{VARIABLE}} and <block.field>. A <word>
// without a dot is not one: it may be HTML.
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

// warnOf adds a warning for each text below path that still holds a reference: free-form JSON may hold such text on purpose, so it
// is sent.
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

// mayHoldReference is a quick look that most values do not pass.
func mayHoldReference(raw []byte) bool {
	return bytes.IndexByte(raw, '<') >= 0 || bytes.Contains(raw, []byte("{{")) || bytes.Contains(raw, []byte(`\u00`))
}
