package schemas

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Conventions are a workflow host's expectations of every tool, beyond the tool's schema. The zero
// value has none and takes inputs unchanged.
type Conventions struct {
	// BlankIsAbsent treats null and empty text as an absent parameter.
	BlankIsAbsent bool
	// JSONInText lets a parameter of type json, number or boolean be text that holds its JSON:
	// forms and references give only text.
	JSONInText bool
	// AnyISOTime accepts the common forms of ISO 8601 for a date-time, and converts them to RFC
	// 3339.
	AnyISOTime bool
	// References says that the host leaves references that it cannot resolve in the text:
	// {{VARIABLE}} or <block.field>. A <word> without a dot is not a reference: it may be HTML.
	References bool
	// ReservedInputs and ReservedOutputs are names that the host itself uses in any tool's input or
	// output, so no manifest may use them (see [Reserved]).
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

// Reserved reports whether a name is in a list, where a trailing * matches any suffix.
func Reserved(list []string, name string) bool {
	return slices.ContainsFunc(list, func(reserved string) bool {
		start, more := strings.CutSuffix(reserved, "*")
		return reserved == name || more && strings.HasPrefix(name, start)
	})
}

// Unresolved returns the first reference in a text, or "", and whether it is the whole text.
func (c Conventions) Unresolved(text string) (reference string, whole bool) {
	if !c.References {
		return "", false
	}
	reference, before, after, _ := CutReference(text)
	return reference, strings.TrimSpace(before) == "" && strings.TrimSpace(after) == "" && reference != ""
}

// referencePattern is {{VARIABLE}} or <block.field>. Each field may have list indexes:
// <block.items[0][1].id>.
var referencePattern = regexp.MustCompile(
	`\{\{\s*[A-Za-z_][\w.-]*\s*\}\}|<[A-Za-z_][\w-]*(\[\d+\])*(\.[A-Za-z_][\w-]*(\[\d+\])*)+>`)

// CutReference splits a text around its first reference, {{VARIABLE}} or <block.field>. Without
// one, ok is false and before is the whole text.
func CutReference(text string) (found, before, after string, ok bool) {
	at := referencePattern.FindStringIndex(text)
	if at == nil {
		return "", text, "", false
	}
	return text[at[0]:at[1]], text[:at[0]], text[at[1]:], true
}

// MayBeUnresolved reports whether JSON may hold a reference. It is fast, and rarely true for JSON
// without a reference. An escape that may hide one counts.
func (c Conventions) MayBeUnresolved(raw []byte) bool {
	return c.References && (bytes.Contains(raw, []byte("{{")) || hasAfter(raw, "<", looksLikeField) ||
		hasAfter(raw, `\u00`, func(rest []byte) bool {
			return len(rest) > 1 && (rest[0] == '3' && rest[1]|0x20 == 'c' || rest[0] == '7' && rest[1]|0x20 == 'b')
		}))
}

// hasAfter reports whether a mark occurs, followed by bytes that follows accepts.
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

// looksLikeField reports whether the text after a < is dotted names and a >. HTML tags have no
// dots. It does not decode escapes.
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

// WithoutNulls returns an output without its null members, for hosts that would show them as the
// word null.
func WithoutNulls(output json.RawMessage) json.RawMessage {
	return slices.DeleteFunc(rawjson.OpenObject(output), func(m rawjson.Member) bool {
		return rawjson.KindOf(m.Value) == rawjson.NullKind
	}).JSON()
}

// NullsOptional returns an output schema that fits the result of [WithoutNulls]: it does not
// require members that may be null.
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
