package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
)

// failure is an error of the command itself, as opposed to one of an invocation.
type failure struct {
	exit    exitCode
	code    string
	message string
	err     error
}

func (f *failure) Error() string { return f.message }
func (f *failure) Unwrap() error { return f.err }

// The codes of failures. Those of invocations are in package runtime.
const (
	codeUsage         = "usage"
	codeConfiguration = "invalid_configuration"
	codeFailed        = "failed"
	codeChecks        = "checks_failed"
)

func usage(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &failure{exitUsage, codeUsage, err.Error(), errors.Unwrap(err)}
}

func failed(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &failure{exitFailure, codeFailed, err.Error(), errors.Unwrap(err)}
}

// interrupted is the error of a command that was stopped before it invoked anything.
func interrupted(doing string) error {
	return &failure{exitInterrupted, string(runtime.Canceled), "interrupted while " + doing + ", nothing was sent", context.Canceled}
}

// crashed is the error of a command that panicked.
func crashed(value any, advice string) error {
	message := fmt.Sprintf("a fault of segment-blocks ended the command; please report it with the stack above: %v", value)
	return &failure{exitFailure, string(runtime.Internal), message + advice, nil}
}

// done ends a command with a code when all there is to say has been said.
type done struct{ exit exitCode }

func (d done) Error() string { return fmt.Sprintf("exit %d", d.exit) }

// refused is the error of an invocation, with the file that its input came from.
type refused struct {
	cause *runtime.Error
	input input
}

func (r *refused) Error() string { return r.cause.Error() }
func (r *refused) Unwrap() error { return r.cause }

// classify returns the exit code of any error that a command ends with. What cobra itself returns is about the command line.
func classify(err error) exitCode {
	var (
		own        *failure
		invocation *runtime.Error
		finished   done
	)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &finished):
		return finished.exit
	case errors.As(err, &own):
		return own.exit
	case errors.As(err, &invocation):
		return exitOf(invocation)
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitUsage
}

// report writes an error to stderr, in the format that was asked for.
func (p *Program) report(err error, format string) {
	var finished done
	if errors.As(err, &finished) {
		return
	}
	if format == "json" || format == "yaml" {
		doc, _ := json.Marshal(map[string]any{"error": errorDocument(err)})
		if format == "yaml" {
			doc = toYAML(doc)
		}
		_, _ = p.stderr.Write(append(trimNewline(doc), '\n'))
		return
	}
	writeErrorText(p.stderr, p.style(p.stderr), err)
}

// sentence returns the text of an error on one line: joined errors have one each.
func sentence(err error) string {
	var parts []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" {
			parts = append(parts, line)
		}
	}
	return strings.Join(parts, "; ")
}

func trimNewline(b []byte) []byte { return []byte(strings.TrimRight(string(b), "\n")) }

// errorDocument returns what stands below "error". The keys code, message, retryable and violations are always there.
func errorDocument(err error) json.RawMessage {
	var invocation *runtime.Error
	if errors.As(err, &invocation) {
		doc, _ := json.Marshal(invocation)
		var r *refused
		if errors.As(err, &r) && r.input.file != "" {
			doc = rawjson.OpenObject(doc).Set("inputFile", rawjson.Quote(r.input.file)).JSON()
		}
		return doc
	}
	own := &failure{code: codeUsage}
	if !errors.As(err, &own) && errors.Is(err, context.Canceled) {
		own.code = string(runtime.Canceled)
	}
	doc, _ := json.Marshal(struct {
		Code       string   `json:"code"`
		Message    string   `json:"message"`
		Retryable  bool     `json:"retryable"`
		Violations []string `json:"violations"`
	}{own.code, sentence(err), false, []string{}})
	return doc
}

func writeErrorText(w io.Writer, s style, err error) {
	var (
		invocation *runtime.Error
		config     *settings.Error
	)
	switch {
	case errors.As(err, &config):
		writeln(w, s.bad("the configuration is not valid"))
		rows := make([][]string, len(config.Faults))
		for i, f := range config.Faults {
			rows[i] = []string{f.Where, f.Text}
		}
		writeTable(w, rows)
	case !errors.As(err, &invocation):
		writeln(w, s.bad("error:")+" "+clean(sentence(err)))
	case len(invocation.Violations) > 0 && invocation.Code != runtime.InvalidOutput:
		var r *refused
		from := ""
		if errors.As(err, &r) {
			from = r.input.place(invocation)
		}
		writeln(w, s.bad(clean(invocation.Block)+" refused its input"+from+", nothing was sent"))
		writeTable(w, violationRows(invocation))
	default:
		writeln(w, s.bad(clean(invocation.Error())))
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
	writeTable(w, rows)
	if left > 0 {
		writef(w, "  and %d more; --output json lists them all\n", left)
	}
}

// writeAdvice says how to try again without doubling what was accepted.
func writeAdvice(w io.Writer, e *runtime.Error) {
	again := e.Retryable || e.Code == runtime.Canceled || e.Code == runtime.PartialFailure
	if !again || e.Receipt == nil || e.Receipt.Attempts == 0 {
		return
	}
	writef(w, "to try again without doubling what may have been accepted, add --invocation-id %s\n", clean(e.Receipt.InvocationID))
}
