package aacflow

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
)

// operation is a block as an operation of the canvas block, and as a tool.
type operation struct {
	registry.Entry
	Integration Integration
	// Name is the block's id without the integration's, such as track.
	Name string
	// Label is Name for people, and Type what the names of its types start with.
	Label, Type string
}

// fixed returns the parameters of every tool that no manifest has: what the REST API takes beside
// the input.
func fixed() []schemas.Field {
	return []schemas.Field{
		{
			Name: "source", Type: "string", FilledBy: "user-only",
			Description: "Name of the source to send to, one of those that the service was set up with. Leave it out " +
				"for its default.",
		},
		{
			Name: "invocationId", Type: "string", FilledBy: "user-only",
			Description: "Makes a repeat of this call count once: an order number, or an event id from the trigger. " +
				"Within a workflow the same id must never stand for two different calls. Leave it out where nothing " +
				"repeats the call.",
		},
	}
}

// operationsOf returns the operations in the order of the form.
func operationsOf(reg *registry.Registry, in Integration) ([]operation, error) {
	if !schemas.ValidID(in.ID) || !regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`).MatchString(in.Variables) {
		return nil, fmt.Errorf(
			"the integration must have the ID of a block and Variables in upper case: %q, %q", in.ID, in.Variables,
		)
	}
	var ops []operation
	for _, e := range reg.Catalog() {
		name, ours := strings.CutPrefix(e.ID, in.ID+"_")
		if !ours {
			continue
		}
		if err := checkNames(e); err != nil {
			return nil, err
		}
		op := operation{Entry: e, Integration: in, Name: name, Label: title(name), Type: pascal(e.ID)}
		// The first four names are files of their own. Ids that differ only in underscores would
		// share a type.
		if slices.Contains([]string{"index", "service", "types", "call"}, name) ||
			slices.ContainsFunc(ops, func(other operation) bool { return other.Type == op.Type }) {
			return nil, fmt.Errorf("the block has an id whose file or type is taken: %q", e.ID)
		}
		ops = append(ops, op)
	}
	if len(ops) == 0 {
		return nil, fmt.Errorf("no block has an id that starts with %q", in.ID+"_")
	}
	place := func(op operation) int {
		if i := slices.Index(in.Operations, op.Name); i >= 0 {
			return i
		}
		return len(in.Operations)
	}
	slices.SortStableFunc(ops, func(a, b operation) int { return place(a) - place(b) })
	return ops, nil
}

func checkNames(e registry.Entry) error {
	host := schemas.AACFlow()
	// The form and the engine add two names.
	taken := slices.Concat(host.ReservedInputs, []string{"operation", "_context"})
	for _, f := range fixed() {
		taken = append(taken, f.Name)
	}
	check := func(side string, fields []schemas.Field, taken []string) error {
		for _, f := range fields {
			if schemas.Reserved(taken, f.Name) {
				return fmt.Errorf("the %s of %s has a name that the host keeps for itself: %q", side, e.ID, f.Name)
			}
		}
		return nil
	}
	return cmp.Or(check("input", e.Input, taken), check("output", e.Output, host.ReservedOutputs))
}

// Const returns the constant of the tool.
func (op operation) Const() string { return strings.ToLower(op.Type[:1]) + op.Type[1:] + "Tool" }

// longestAbout is the length of the longest description of the host's own tools.
const longestAbout = 170

// About returns the tool's description: that it is deprecated, what it does, and as many of its
// rules as fit. The service names every rule that an input breaks.
func (op operation) About() string {
	about := sentences(op.Summary)
	if notice := op.Notice(); notice != "" {
		about = sentences("Deprecated: "+notice, op.Summary)
	}
	for _, rule := range op.Rules {
		longer := sentences(about, rule)
		if utf8.RuneCountInString(longer) > longestAbout {
			break
		}
		about = longer
	}
	return about
}

// Params returns the tool's parameters. The tool requires none of them, because the service knows
// which are needed when, and names all missing ones at once.
func (op operation) Params() []schemas.Field { return append(slices.Clone(op.Input), fixed()...) }

// InputType returns the TypeScript type of a parameter.
func (operation) InputType(f schemas.Field) string {
	switch {
	case f.Type == "json" && slices.Equal(f.Kinds, []rawjson.Kind{rawjson.ArrayKind}):
		return "JsonArray"
	case f.Type == "json":
		return "JsonObject"
	}
	return typeScript(f.Type)
}

// OutputMember returns the TypeScript of a member of the output. The service leaves out what is
// null.
func (operation) OutputMember(f schemas.Field) string {
	name := key(f.Name)
	if slices.Contains(f.Kinds, rawjson.NullKind) {
		name += "?"
	}
	return name + ": " + typeScript(f.Type)
}

// typeScript returns the type of a field that is not JSON.
func typeScript(kind string) string {
	if slices.Contains([]string{"string", "number", "boolean"}, kind) {
		return kind
	}
	return "unknown"
}

// sentences joins texts, and ends each with a full stop.
func sentences(parts ...string) string {
	var out []string
	for _, part := range parts {
		if part = oneLine(part); part != "" {
			out = append(out, strings.TrimSuffix(part, ".")+".")
		}
	}
	return strings.Join(out, " ")
}

// title returns a name such as userId or segment_track as a form shows it, such as User ID or
// Segment Track.
func title(name string) string {
	parts := strings.Fields(regexp.MustCompile(`_|([A-Z])`).ReplaceAllString(name, " $1"))
	for i, part := range parts {
		parts[i] = upper(part)
		if strings.EqualFold(part, "id") {
			parts[i] = "ID"
		}
	}
	return strings.Join(parts, " ")
}

// pascal returns a name in the form of TypeScript's types, such as SegmentTrack.
func pascal(name string) string { return strings.ReplaceAll(title(name), " ", "") }

// upper returns a word with an upper-case first letter.
func upper(word string) string {
	_, size := utf8.DecodeRuneInString(word)
	return strings.ToUpper(word[:size]) + word[size:]
}
