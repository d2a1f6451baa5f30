package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// format returns how to print what a command returns. Without a choice, results are text for people; those of commands whose result
// is a document for the next program are JSON where stdout is not a terminal.
func (p *Program) format(chosen string, document bool) string {
	switch {
	case chosen != "auto" && chosen != "":
		return chosen
	case document && !isTerminal(p.stdout):
		return "json"
	}
	return "text"
}

// write prints a value as JSON or YAML. JSON is one line, unless a person is looking.
func (p *Program) write(format string, value any) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return failed("cannot print the result: %w", err)
	}
	out := buf.Bytes()
	switch {
	case format == "yaml":
		out = toYAML(out)
	case isTerminal(p.stdout):
		var indented bytes.Buffer
		if err := json.Indent(&indented, out, "", "  "); err == nil {
			out = indented.Bytes()
		}
	}
	if _, err := p.stdout.Write(out); err != nil {
		return failed("cannot write to stdout: %w", err)
	}
	return nil
}

// note prints a sentence beside the data.
func (p *Program) note(format string, args ...any) {
	writeln(p.stderr, clean(fmt.Sprintf(format, args...)))
}

func (p *Program) warn(format string, args ...any) {
	writeln(p.stderr, p.style(p.stderr).warn("warning:")+" "+clean(fmt.Sprintf(format, args...)))
}
