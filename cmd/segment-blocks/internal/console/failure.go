package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
)

// Error is an error of the command itself, as opposed to one of an invocation.
type Error struct {
	exit    ExitCode
	code    string
	message string
	err     error
}

func (f *Error) Error() string { return f.message }
func (f *Error) Unwrap() error { return f.err }

// The codes of failures. Those of invocations are in package runtime.
const (
	codeUsage         = "usage"
	CodeConfiguration = "invalid_configuration"
	codeFailed        = "failed"
	codeChecks        = "checks_failed"
)

// Fail returns an Error whose text is message. The code is one of this package or of package
// runtime.
func Fail(exit ExitCode, code, message string, err error) error {
	return &Error{exit, code, message, err}
}

// Usage returns the error of a command line, or of an input, that is not valid.
func Usage(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{ExitUsage, codeUsage, err.Error(), errors.Unwrap(err)}
}

// Failed returns an error that has no code of its own.
func Failed(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{ExitFailure, codeFailed, err.Error(), errors.Unwrap(err)}
}

// Interrupted is the error of a command that was stopped before it invoked anything.
func Interrupted(doing string) error {
	return &Error{ExitInterrupted, string(runtime.Canceled), "interrupted while " + doing + ", nothing was sent", context.Canceled}
}

// Crashed is the error of a command that panicked.
func Crashed(value any, advice string) error {
	message := fmt.Sprintf("a fault of segment-blocks ended the command; please report it with the stack above: %v", value)
	return &Error{ExitFailure, string(runtime.Internal), message + advice, nil}
}

type done struct{ exit ExitCode }

// End ends a command with a code when all there is to say has been said.
func End(code ExitCode) error { return done{code} }

func (d done) Error() string { return fmt.Sprintf("exit %d", d.exit) }

// InputError is the error of an invocation, with the file that its input came from.
type InputError struct {
	Cause *runtime.Error
	File  string // "" for none
	At    string // where in the file, such as " in order.json:3:7"
}

func (r *InputError) Error() string { return r.Cause.Error() }
func (r *InputError) Unwrap() error { return r.Cause }

// ExitCodeOf returns the exit code for any error that a command ends with. Errors that cobra itself
// returns are about the command line.
func ExitCodeOf(err error) ExitCode {
	var (
		own        *Error
		invocation *runtime.Error
		finished   done
	)
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &finished):
		return finished.exit
	case errors.As(err, &own):
		return own.exit
	case errors.As(err, &invocation):
		return ExitOf(invocation)
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	}
	return ExitUsage
}

// Report writes an error to stderr, in the format that was asked for.
func (c *Console) Report(err error, format string) {
	var finished done
	if errors.As(err, &finished) {
		return
	}
	if format == "json" || format == "yaml" {
		doc, _ := json.Marshal(map[string]any{"error": errorDocument(err)})
		if format == "yaml" {
			doc = YAML(doc)
		}
		_, _ = c.Stderr.Write(append(trimNewline(doc), '\n'))
		return
	}
	WriteErrorText(c.Stderr, c.Style(c.Stderr), err)
}

// Sentence returns the text of an error on one line: joined errors have one each.
func Sentence(err error) string {
	var parts []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" {
			parts = append(parts, line)
		}
	}
	return strings.Join(parts, "; ")
}

func trimNewline(b []byte) []byte { return []byte(strings.TrimRight(string(b), "\n")) }

// errorDocument returns what stands below "error". The keys code, message, retryable and violations
// are always there.
func errorDocument(err error) json.RawMessage {
	var invocation *runtime.Error
	if errors.As(err, &invocation) {
		doc, _ := json.Marshal(invocation)
		var r *InputError
		if errors.As(err, &r) && r.File != "" {
			doc = rawjson.OpenObject(doc).Set("inputFile", rawjson.Quote(r.File)).JSON()
		}
		return doc
	}
	own := &Error{code: codeUsage}
	if !errors.As(err, &own) && errors.Is(err, context.Canceled) {
		own.code = string(runtime.Canceled)
	}
	doc, _ := json.Marshal(struct {
		Code       string   `json:"code"`
		Message    string   `json:"message"`
		Retryable  bool     `json:"retryable"`
		Violations []string `json:"violations"`
	}{own.code, Sentence(err), false, []string{}})
	return doc
}

// WriteErrorText writes an error for a person to read.
func WriteErrorText(w io.Writer, s Style, err error) {
	var (
		invocation *runtime.Error
		config     *settings.Error
	)
	switch {
	case errors.As(err, &config):
		Writeln(w, s.Bad("the configuration is not valid"))
		rows := make([][]string, len(config.Faults))
		for i, f := range config.Faults {
			rows[i] = []string{f.Where, f.Text}
		}
		WriteTable(w, rows)
	case !errors.As(err, &invocation):
		Writeln(w, s.Bad("error:")+" "+text.Escape(Sentence(err)))
	case len(invocation.Violations) > 0 && invocation.Code != runtime.InvalidOutput:
		var r *InputError
		from := ""
		if errors.As(err, &r) {
			from = r.At
		}
		Writeln(w, s.Bad(text.Escape(invocation.Block)+" refused its input"+from+", nothing was sent"))
		WriteTable(w, violationRows(invocation))
	default:
		Writeln(w, s.Bad(text.Escape(invocation.Error())))
		writeItems(w, invocation)
		writeAdvice(w, invocation)
	}
}

func violationRows(e *runtime.Error) [][]string {
	rows := make([][]string, len(e.Violations))
	for i, v := range e.Violations {
		path := v.Path
		if path == "" {
			path = "/"
		}
		rows[i] = []string{path, v.Code, v.Message}
	}
	return rows
}

// writeItems names the messages that were not accepted, the first of them where there are many.
func writeItems(w io.Writer, e *runtime.Error) {
	const most = 20
	var rows [][]string
	left := 0
	for _, item := range e.Items {
		switch {
		case item.Status == runtime.ItemAccepted:
		case len(rows) == most:
			left++
		default:
			rows = append(rows, []string{fmt.Sprintf("message %d", item.Index), string(item.Status), item.MessageID})
		}
	}
	WriteTable(w, rows)
	if left > 0 {
		Writef(w, "  and %d more; --output json lists them all\n", left)
	}
}

// writeAdvice says how to try again without doubling what was accepted.
func writeAdvice(w io.Writer, e *runtime.Error) {
	again := e.Retryable || e.Code == runtime.Canceled || e.Code == runtime.PartialFailure
	if !again || e.Receipt == nil || e.Receipt.Attempts == 0 {
		return
	}
	Writef(w, "to try again without doubling what may have been accepted, add --invocation-id %s\n", text.Escape(e.Receipt.InvocationID))
}
