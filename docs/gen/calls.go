package main

import (
	_ "embed"
	"fmt"
	"go/doc/comment"
	"go/format"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
)

//go:embed calls.go.tmpl
var callsTemplate string

// calls returns the Go types of package segment, one for the input of each block. They are
// formatted as gofmt does it, so that a linter finds no fault.
func calls(entries []registry.Entry) ([]byte, error) {
	code, err := render(callsTemplate, entries)
	if err != nil {
		return nil, err
	}
	return format.Source(code)
}

// callName returns the name of the type for a block: Track for segment_track.
func callName(e registry.Entry) string { return goName(strings.TrimPrefix(e.ID, "segment_")) }

// goName returns a name such as userId as Go has it: UserID.
func goName(name string) string {
	name = strings.ToUpper(name[:1]) + name[1:]
	// The initialism that Segment's parameters have.
	if short, ok := strings.CutSuffix(name, "Id"); ok {
		return short + "ID"
	}
	return name
}

// goType returns the Go type of a parameter. For any other type a person must choose one, so it is
// an error.
func goType(f schemas.Field) (string, error) {
	switch {
	case f.Secret:
		return "tracking.WriteKey", nil
	case f.Format == "date-time":
		return "time.Time", nil
	case f.Type == "string":
		return "string", nil
	case f.Type == "json" && slices.Equal(f.Kinds, []rawjson.Kind{rawjson.ObjectKind}):
		return "map[string]any", nil
	case f.Type == "json" && schemas.Find(f.Fields, "type") != nil:
		return "[]Message", nil
	}
	return "", fmt.Errorf("docs/gen has no Go type for the parameter: %q", f.Name)
}

// asComment breaks a text into the lines of a comment, narrow enough for the indent of a field.
func asComment(text string) string {
	var parser comment.Parser
	printer := comment.Printer{TextPrefix: "// ", TextWidth: 90}
	return strings.TrimSpace(string(printer.Text(parser.Parse(text))))
}
