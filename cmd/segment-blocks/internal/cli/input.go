package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
)

// input is what a block is to be invoked with: bytes that nothing here decodes, so that they arrive
// as they were written, with every digit of a number.
type input struct {
	json runtime.JSON
	file string // where it came from; "" for the command line
	// flags are those that the members came from, by the names of the members.
	flags map[string]string
}

// readInput reads what --input names.
func (p *Program) readInput(ctx context.Context, value string) (input, error) {
	name, isFile := strings.CutPrefix(value, "@") // as curl and httpie name files
	switch {
	case !isFile:
		return inline(value)
	case name == "":
		return input{}, console.Usage("--input @ must name a file, or be @- for stdin")
	case name == "-":
		return p.readStdin(ctx)
	}
	f, err := os.Open(name)
	if err != nil {
		return input{}, console.Usage("cannot read the input: %w", err)
	}
	defer func() { _ = f.Close() }()
	return readAll(f, name)
}

// inline takes the JSON off the command line, and tells whoever forgot the @.
func inline(value string) (input, error) {
	if value == "-" {
		return input{}, console.Usage("--input - is no JSON; did you mean @-, which reads stdin?")
	}
	// What has no bracket and no quote is no input, and probably the name of a file.
	if !strings.ContainsAny(value, "{}[]\"") {
		if _, err := os.Stat(value); err == nil {
			return input{}, console.Usage("--input %[1]s is no JSON; did you mean @%[1]s, which reads the file?", value)
		}
	}
	return input{json: withoutMark([]byte(value))}, nil
}

// readStdin can be interrupted, which a plain read cannot. The goroutine that reads may be left
// behind; the process ends then.
func (p *Program) readStdin(ctx context.Context) (input, error) {
	slow := time.After(2 * time.Second) // a pipe that nobody closes looks like a command that hangs
	if console.IsTerminal(p.Stdin) {
		p.Note("reading the input from the terminal; end it with Ctrl-D on a line of its own")
		slow = nil
	}
	type result struct {
		in  input
		err error
	}
	read := make(chan result, 1)
	go func() {
		in, err := readAll(p.Stdin, "stdin")
		read <- result{in, err}
	}()
	for {
		select {
		case r := <-read:
			return r.in, r.err
		case <-slow:
			p.Note("waiting for the input on stdin, until it ends")
		case <-ctx.Done():
			return input{}, console.Interrupted("reading the input")
		}
	}
}

// readAll reads an input, and says what it is if Windows wrote it in another encoding.
func readAll(r io.Reader, name string) (input, error) {
	// One byte more than the runtime takes, so that it is the runtime that says so.
	data, err := io.ReadAll(io.LimitReader(r, int64(rawjson.Limits{}.WithDefaults().MaxBytes)+1))
	if err != nil {
		return input{}, console.Usage("cannot read the input from %s: %w", name, err)
	}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return input{}, console.Usage("the input must be UTF-8 and is UTF-16, as some Windows programs write it: %s", name)
	}
	return input{json: withoutMark(data), file: name}, nil
}

// withoutMark drops the byte order mark that some editors put in front of UTF-8.
func withoutMark(data []byte) runtime.JSON {
	return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
}

// place says which file an error is about, and where in it when it is no JSON: " in
// order.json:3:7". Editors understand the form.
func (in input) place(e *runtime.Error) string {
	if in.file == "" {
		return ""
	}
	where := " in " + text.Escape(in.file)
	var at *rawjson.Error
	if !isSyntax(e) || !errors.As(rawjson.Check(in.json, rawjson.Limits{}), &at) {
		return where
	}
	before := in.json[:min(int(max(at.Offset, 0)), len(in.json))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Sprintf("%s:%d:%d", where, line, column)
}

// isSyntax reports whether an input was refused before it was read as JSON. Only then is there a
// place in the file to name; other violations have a path.
func isSyntax(e *runtime.Error) bool {
	codes := []string{"invalid_json", "duplicate_key", "invalid_utf8"}
	return len(e.Violations) == 1 && slices.Contains(codes, e.Violations[0].Code)
}
