package schemas

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Conventions are what a workflow host expects of every tool, beside the tool's own schema. The
// zero value has none: an input is taken as it is.
type Conventions struct {
	// BlankIsAbsent takes null and an empty text for a parameter that is not given.
	BlankIsAbsent bool
	// JSONInText lets a text hold the JSON of a json parameter.
	JSONInText bool
	// AnyISOTime takes the common forms of ISO 8601 for a date-time, and turns them into RFC 3339.
	AnyISOTime bool
	// References tells that the host leaves a reference in a text where it cannot resolve it:
	// {{VARIABLE}} or <block.field>. A <word> without a dot is none: it may be HTML.
	References bool
	// ReservedInputs and ReservedOutputs are the names to which the host gives a meaning of its own
	// in any tool's input or output, so no manifest may use them (see [Reserved]).
	ReservedInputs, ReservedOutputs []string
}

// AACFlow returns the conventions of AACFlow. Other forks of Sim share them.
func AACFlow() Conventions {
	return Conventions{
		BlankIsAbsent: true, JSONInText: true, AnyISOTime: true, References: true,
		ReservedInputs: []string{"timeout", "method", "proxyUrl", "retries", "retryDelayMs", "credential", "__*"},
		ReservedOutputs: []string{
			"error", "selectedOption", "selectedRoute", "selectedPath", "stream", "execution",
			"childTraceSpans", "_childExecutionId", "cost", "_serviceCost", "__*",
		},
	}
}

// Reserved reports whether a name is in a list, in which a name that ends in * stands for all that
// begin so.
func Reserved(list []string, name string) bool {
	return slices.ContainsFunc(list, func(reserved string) bool {
		start, more := strings.CutSuffix(reserved, "*")
		return reserved == name || more && strings.HasPrefix(name, start)
	})
}

// Unresolved returns the first reference in a text, or "", and whether it is all of the text.
func (c Conventions) Unresolved(text string) (reference string, whole bool) {
	if !c.References {
		return "", false
	}
	reference, before, after, _ := CutReference(text)
	return reference, strings.TrimSpace(before) == "" && strings.TrimSpace(after) == "" && reference != ""
}

// referencePattern is {{VARIABLE}} or <block.field>. Behind each name of a field there may be
// places in lists: <block.items[0][1].id>.
var referencePattern = regexp.MustCompile(
	`\{\{\s*[A-Za-z_][\w.-]*\s*\}\}|<[A-Za-z_][\w-]*(\[\d+\])*(\.[A-Za-z_][\w-]*(\[\d+\])*)+>`)

// CutReference cuts a text around the first reference in it, {{VARIABLE}} or <block.field>. Ok
// is false where there is none; then all of the text is before it.
func CutReference(text string) (found, before, after string, ok bool) {
	at := referencePattern.FindStringIndex(text)
	if at == nil {
		return "", text, "", false
	}
	return text[at[0]:at[1]], text[:at[0]], text[at[1]:], true
}

// MayBeUnresolved reports whether JSON may hold a reference. It is quick, and hardly ever true but
// for references and for texts in which an escape may hide one.
func (c Conventions) MayBeUnresolved(raw []byte) bool {
	return c.References && (bytes.Contains(raw, []byte("{{")) || hasAfter(raw, "<", looksLikeField) ||
		hasAfter(raw, `\u00`, func(rest []byte) bool {
			return len(rest) > 1 && (rest[0] == '3' && rest[1]|0x20 == 'c' || rest[0] == '7' && rest[1]|0x20 == 'b')
		}))
}

// hasAfter reports whether a mark stands anywhere with the right bytes behind it.
func hasAfter(raw []byte, mark string, follows func(rest []byte) bool) bool {
	for {
		i := bytes.Index(raw, []byte(mark))
		if i < 0 {
			return false
		}
		if raw = raw[i+len(mark):]; follows(raw) {
			return true
		}
	}
}

// looksLikeField reports whether what follows a < is names with a point between them and a >. HTML
// has no points in its tags. What an escape stands for is not known.
func looksLikeField(rest []byte) bool {
	const nameBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789-"
	tail := bytes.TrimLeft(rest, nameBytes+".[]")
	switch {
	case len(tail) == 0:
		return false
	case tail[0] == '>':
		return bytes.IndexByte(rest[:len(rest)-len(tail)], '.') >= 0
	}
	return tail[0] == '\\'
}

// WithoutNulls returns an output without its members that are null, for a host that would write
// them into a text as the word null.
func WithoutNulls(output json.RawMessage) json.RawMessage {
	return slices.DeleteFunc(rawjson.OpenObject(output), func(m rawjson.Member) bool {
		return rawjson.KindOf(m.Value) == rawjson.NullKind
	}).JSON()
}

// NullsOptional returns the schema of an output for what [WithoutNulls] makes of it: members that
// may be null are not required.
func NullsOptional(schema json.RawMessage) json.RawMessage {
	fields, s := fieldsOf(schema), slices.Clone(rawjson.OpenObject(schema))
	required := []json.RawMessage{}
	for _, name := range s.Texts("required") {
		if f := Find(fields, name); f == nil || !slices.Contains(f.Kinds, rawjson.NullKind) {
			required = append(required, rawjson.Quote(name))
		}
	}
	return s.Set("required", rawjson.AppendArray(nil, required)).JSON()
}
