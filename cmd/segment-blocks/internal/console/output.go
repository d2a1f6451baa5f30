package console

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/aacflow/segment-blocks/internal/text"
)

// Format returns how to print what a command returns. Without a choice, results are text for
// people; those of commands whose result is a document for the next program are JSON where stdout
// is not a terminal.
func (c *Console) Format(chosen string, document bool) string {
	switch {
	case chosen != "auto" && chosen != "":
		return chosen
	case document && !IsTerminal(c.Stdout):
		return "json"
	}
	return "text"
}

// Print writes a value as JSON or YAML. JSON is one line, unless a person is looking.
func (c *Console) Print(format string, value any) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // the text is for people and programs, not for a page
	if format != "yaml" && IsTerminal(c.Stdout) {
		enc.SetIndent("", "  ")
	}
	if err := enc.Encode(value); err != nil {
		return Failed("cannot print the result: %w", err)
	}
	out := buf.Bytes()
	if format == "yaml" {
		out = YAML(out)
	}
	if _, err := c.Stdout.Write(out); err != nil {
		return Failed("cannot write to stdout: %w", err)
	}
	return nil
}

// Note prints a sentence beside the data, to stderr.
func (c *Console) Note(format string, args ...any) {
	Writeln(c.Stderr, text.Escape(fmt.Sprintf(format, args...)))
}

// Warn prints a warning beside the data.
func (c *Console) Warn(format string, args ...any) {
	Writeln(c.Stderr, c.Style(c.Stderr).Warn("warning:")+" "+text.Escape(fmt.Sprintf(format, args...)))
}
