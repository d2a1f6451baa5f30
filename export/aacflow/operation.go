package aacflow

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
)

// operation is a block as one operation of the canvas block, and as a tool.
type operation struct {
	registry.Entry
	Integration Integration
	// Name is the id without that of the integration: track.
	Name string
	// Label is Name for people, Type that in the names of types, Const the tool's.
	Label, Type, Const string
}

// fixed are parameters that tools have beside those of the manifests: what the REST API takes beside an input.
func fixed() []schemas.Field {
	return []schemas.Field{
		{
			Name: "source", Type: "string", FilledBy: "user-only",
			Description: "Name of the source to send to, one of those that the service was set up with. Leave it out for its default.",
		},
		{
			Name: "invocationId", Type: "string", FilledBy: "user-only",
			Description: "Makes a repeat of this call count once: an order number, or an event id from the trigger. Within a workflow the same " +
				"id must never stand for two different calls. Leave it out where nothing repeats the call.",
		},
	}
}

// hostParams are names that the host reads from the parameters of any tool, or adds to them.
func hostParams() []string {
	return []string{"timeout", "method", "proxyUrl", "retries", "retryDelayMs", "credential", "operation", "_context"}
}

// hostOutputs are members of an output that steer the host's engine. Names that start with two underscores are as well.
func hostOutputs() []string {
	return []string{
		"error", "selectedOption", "selectedRoute", "selectedPath", "stream", "execution", "childTraceSpans",
		"_childExecutionId", "cost", "_serviceCost",
	}
}

// operationsOf returns the operations in the order of the form.
func operationsOf(reg *registry.Registry, in Integration) ([]operation, error) {
	if !schemas.ValidID(in.ID) || !regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`).MatchString(in.Variables) {
		return nil, fmt.Errorf("the integration must have the ID of a block and Variables in upper case: %q, %q", in.ID, in.Variables)
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
		op := operation{
			Entry: e, Integration: in, Name: name,
			Label: title(name), Type: pascal(e.ID), Const: camel(e.ID) + "Tool",
		}
		// Files and types of these names are there already; names that differ in underscores make one type.
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
	taken := hostParams()
	for _, f := range fixed() {
		taken = append(taken, f.Name)
	}
	for _, f := range e.Input {
		if slices.Contains(taken, f.Name) {
			return fmt.Errorf("the input of %s has a name that the host keeps for itself: %q", e.ID, f.Name)
		}
	}
	for _, f := range e.Output {
		if slices.Contains(hostOutputs(), f.Name) || strings.HasPrefix(f.Name, "__") {
			return fmt.Errorf("the output of %s has a name that the host keeps for itself: %q", e.ID, f.Name)
		}
	}
	return nil
}

// About is the tool's description, which is all that a model knows of it: what it does, when to use it, and its rules.
func (op operation) About() string {
	return sentences(append([]string{op.Summary, op.WhenToUse}, op.Rules...)...)
}

// Params declares the tool's parameters. None is required: which are needed, and when, the service judges, and says all at once.
func (op operation) Params() object {
	o := object{open: true}
	for _, f := range append(slices.Clone(op.Input), fixed()...) {
		o.members = append(o.members, member{f.Name, object{open: true, members: []member{
			{"type", f.Type}, {"required", false}, {"visibility", f.FilledBy}, {"description", oneLine(f.Description)},
		}}})
	}
	return o
}

// Outputs declares the tool's outputs.
func (op operation) Outputs() object {
	o := object{open: true}
	for _, f := range op.Output {
		members := []member{{"type", f.Type}, {"description", oneLine(f.Description)}}
		if slices.Contains(f.Kinds, rawjson.NullKind) {
			members = append(members, member{"nullable", true})
		}
		o.members = append(o.members, member{f.Name, object{members: members}})
	}
	return o
}

// InputType returns the TypeScript of a parameter.
func (operation) InputType(f schemas.Field) string {
	switch {
	case f.Type == "json" && slices.Equal(f.Kinds, []rawjson.Kind{rawjson.ArrayKind}):
		return "JsonArray"
	case f.Type == "json":
		return "JsonObject"
	}
	return typeScript(f.Type)
}

// OutputType returns the TypeScript of a member of the output.
func (operation) OutputType(f schemas.Field) string {
	kind := typeScript(f.Type)
	if slices.Contains(f.Kinds, rawjson.NullKind) {
		kind += " | null"
	}
	return kind
}

// typeScript returns the type of a field that is no JSON.
func typeScript(kind string) string {
	if slices.Contains([]string{"string", "number", "boolean"}, kind) {
		return kind
	}
	return "unknown"
}

// sentences joins texts, each ending in a full stop.
func sentences(parts ...string) string {
	var out []string
	for _, part := range parts {
		if part = oneLine(part); part != "" {
			out = append(out, strings.TrimSuffix(part, ".")+".")
		}
	}
	return strings.Join(out, " ")
}

// words splits userId and segment_track alike.
func words(name string) []string {
	var b strings.Builder
	for _, c := range name {
		if c >= 'A' && c <= 'Z' {
			b.WriteRune(' ')
		}
		if c == '_' {
			c = ' '
		}
		b.WriteRune(c)
	}
	return strings.Fields(b.String())
}

// title returns a name as a form shows it: User ID.
func title(name string) string {
	parts := words(name)
	for i, part := range parts {
		parts[i] = upper(part)
		if strings.EqualFold(part, "id") {
			parts[i] = "ID"
		}
	}
	return strings.Join(parts, " ")
}

func pascal(name string) string {
	parts := words(name)
	for i, part := range parts {
		parts[i] = upper(part)
	}
	return strings.Join(parts, "")
}

func camel(name string) string {
	p := pascal(name)
	return strings.ToLower(p[:1]) + p[1:]
}

func upper(word string) string {
	first, size := utf8.DecodeRuneInString(word)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + word[size:]
}
