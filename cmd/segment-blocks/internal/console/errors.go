package console

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/workflow"
)

// Error is an error of the command itself, as opposed to one of an invocation. Without a message
// all there is to say has been said, and it only ends the command with an exit code.
type Error struct {
	exit    ExitCode
	code    string
	message string
	err     error
	// title stands above the faults, where there are several, each on a line of its own.
	title  string
	faults []string
}

func (f *Error) Error() string { return f.message }
func (f *Error) Unwrap() error { return f.err }

// The codes of failures. Those of invocations are in package runtime. Scripts match against them,
// so they stay as they are.
const (
	CodeUsage         = "usage"
	CodeConfiguration = "invalid_configuration"
	codeFailed        = "failed"
	codeChecks        = "checks_failed"
)

// Fail returns an Error whose text is message. The code is one of this package or of package
// runtime.
func Fail(exit ExitCode, code, message string, err error) error {
	return &Error{exit: exit, code: code, message: message, err: err}
}

// Faults returns the error of what has several faults, which a person fixes one by one. In a
// document they are one message.
func Faults(code, title string, faults []string) error {
	message := title + ": " + strings.Join(faults, "; ")
	return &Error{exit: ExitUsage, code: code, message: message, title: title, faults: faults}
}

// Usage returns the error of a command line, or of an input, that is not valid.
func Usage(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return Fail(ExitUsage, CodeUsage, err.Error(), errors.Unwrap(err))
}

// Failed returns an error that has no code of its own.
func Failed(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return Fail(ExitFailure, codeFailed, err.Error(), errors.Unwrap(err))
}

// Interrupted is the error of a command that was stopped before it invoked anything.
func Interrupted(doing string) error {
	message := "interrupted while " + doing + ", nothing was sent"
	return Fail(ExitInterrupted, string(runtime.Canceled), message, context.Canceled)
}

// Crashed is the error of a command that panicked. The advice says what the user can do about the
// work that was in progress.
func Crashed(value any, advice string) error {
	message := fmt.Sprintf("a bug in segment-blocks ended the command; please report it with the stack above: %v",
		value)
	return Fail(ExitFailure, string(runtime.Internal), message+advice, nil)
}

// End ends a command with a code when all there is to say has been said.
func End(code ExitCode) error { return &Error{exit: code} }

// InputError is the error of an invocation, with the file that its input came from.
type InputError struct {
	Cause *runtime.Error
	File  string // "" for none
	At    string // where in the file, such as " in order.json:3:7"
	// Flags are those that gave members of the input, by the names of the members.
	Flags map[string]string
	// Attempts are those of the invocation, nil unless they were asked for.
	Attempts []runtime.Attempt
}

func (r *InputError) Error() string { return r.Cause.Error() }
func (r *InputError) Unwrap() error { return r.Cause }

// ExitCodeOf returns the exit code for any error that a command ends with. An error of the command
// comes first: it may wrap one of an invocation, and then knows better what that means here. Errors
// that cobra itself returns are about the command line.
func ExitCodeOf(err error) ExitCode {
	if own, ok := errors.AsType[*Error](err); ok {
		return own.exit
	}
	if invocation, ok := errors.AsType[*runtime.Error](err); ok {
		return ExitOf(invocation)
	}
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	}
	return ExitUsage
}

// Report writes an error to stderr, in the format that was asked for. Stdout stays empty, so that
// the next program in a pipe does not take an error for a result.
func (c *Console) Report(err error) {
	if own, ok := errors.AsType[*Error](err); ok && own.message == "" {
		return
	}
	if c.Output != "json" && c.Output != "yaml" {
		c.WriteError(c.Stderr, err)
		return
	}
	doc, _ := json.Marshal(map[string]any{"error": errorDocument(err)})
	if c.Output == "yaml" {
		doc = bytes.TrimRight(YAML(doc), "\n")
	}
	Writeln(c.Stderr, string(doc))
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

// errorDocument returns what stands below "error". An error of the command has the form of an
// invocation's, so that a program reads both in the same way.
func errorDocument(err error) json.RawMessage {
	// An error that is neither came from cobra, and so is about the command line.
	invocation, ok := errors.AsType[*runtime.Error](err)
	if !ok {
		own := &Error{code: CodeUsage}
		if !errors.As(err, &own) && errors.Is(err, context.Canceled) {
			own.code = string(runtime.Canceled)
		}
		invocation = &runtime.Error{Code: runtime.Code(own.code), Message: Sentence(err)}
		if file, ok := errors.AsType[*workflow.FileError](err); ok {
			for _, f := range file.Faults {
				message := fmt.Sprintf("%s, in line %d, column %d", f.Message, f.Line, f.Column)
				invocation.Violations = append(invocation.Violations, schemas.Violation{
					Path: f.Path, Code: own.code, Message: message,
				})
			}
			invocation.Message, invocation.UnlistedViolations = own.message, file.Unlisted
		}
	}
	doc, _ := json.Marshal(invocation)
	r, ok := errors.AsType[*InputError](err)
	if ok && r.File != "" {
		doc = rawjson.OpenObject(doc).Set("inputFile", rawjson.Quote(r.File)).JSON()
	}
	if ok && r.Attempts != nil {
		attempts, _ := json.Marshal(r.Attempts)
		doc = rawjson.OpenObject(doc).Set("attempts", attempts).JSON()
	}
	return doc
}

// WriteError writes an error for a person to read. Texts from the input or from a receiver are
// escaped, since they could hold sequences that a terminal acts upon.
func (c *Console) WriteError(w io.Writer, err error) {
	own, ofCommand := errors.AsType[*Error](err)
	file, faulty := errors.AsType[*workflow.FileError](err)
	invocation, invoked := errors.AsType[*runtime.Error](err)
	input, ok := errors.AsType[*InputError](err)
	if !ok {
		input = &InputError{}
	}
	// What lists faults has a title without a colon, and what has one cause is a single line.
	bad := func(title string) { Writeln(w, c.Style(w).Bad(text.Escape(title))) }
	switch {
	case faulty:
		bad(file.File + " is not a valid workflow, nothing was sent")
		WriteList(w, file.Faults, func(f workflow.Fault) []string {
			return []string{fmt.Sprintf("%d:%d", f.Line, f.Column), f.Message}
		})
		if file.Unlisted > 0 {
			Writef(w, "  and %d more\n", file.Unlisted)
		}
	case ofCommand && own.faults != nil:
		bad(own.title)
		WriteList(w, own.faults, func(fault string) []string { return []string{fault} })
	case !invoked:
		c.labelled(w, c.Style(w).Bad, "error:", Sentence(err))
	case len(invocation.Violations) > 0 && invocation.Code != runtime.InvalidOutput:
		bad(invocation.Block + " refused its input" + input.At + ", nothing was sent")
		WriteList(w, invocation.Violations, func(v schemas.Violation) []string {
			return []string{input.place(v.Path), v.Code, v.Message}
		})
	default:
		bad(invocation.Error())
		writeItems(w, invocation)
		WriteAttempts(w, input.Attempts)
		writeAdvice(w, invocation)
	}
}

// place returns a path of the input as the user gave it, with the flag if there was one. The path
// of the input as a whole is empty, which would look like a gap in a table.
func (r *InputError) place(path string) string {
	name, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if flag := r.Flags[name]; flag != "" {
		return strings.TrimSuffix("--"+flag+" /"+rest, " /")
	}
	return cmp.Or(path, "/")
}

// WriteAttempts lists the HTTP attempts of an invocation.
func WriteAttempts(w io.Writer, attempts []runtime.Attempt) {
	var rows [][]string
	for i, a := range attempts {
		result := a.Error
		if a.Response != nil {
			result = strings.TrimSuffix(fmt.Sprintf("%d %s; %s", a.Response.Status,
				http.StatusText(a.Response.Status), a.Error), "; ")
		}
		took := fmt.Sprintf("%.0f ms", a.DurationMS)
		if i > 0 {
			took += fmt.Sprintf(" after a wait of %.1f s", a.WaitedMS/1000)
		}
		rows = append(rows, []string{fmt.Sprintf("attempt %d", i+1), took, result})
	}
	WriteTable(w, rows)
}

// writeItems names the messages that were not accepted, the first of them where there are many. A
// batch may have thousands, and all of them fail when the receiver is away.
func writeItems(w io.Writer, e *runtime.Error) {
	const most = 20
	items := slices.DeleteFunc(slices.Clone(e.Items), func(item runtime.Item) bool {
		return item.Status == runtime.ItemAccepted
	})
	WriteList(w, items[:min(most, len(items))], func(item runtime.Item) []string {
		return []string{fmt.Sprintf("message %d", item.Index), string(item.Status), item.MessageID}
	})
	if len(items) > most {
		Writef(w, "  and %d more; --output json lists them all\n", len(items)-most)
	}
}

// writeAdvice says how to try again so that nothing counts twice. The receiver drops messages whose
// ids it knows, and the ids follow from the invocation's.
func writeAdvice(w io.Writer, e *runtime.Error) {
	// Where nothing was sent there is nothing that could count twice.
	again := e.Retryable || e.Code == runtime.Canceled || e.Code == runtime.PartialFailure
	if !again || e.Receipt == nil || e.Receipt.Attempts == 0 {
		return
	}
	Writef(w, "to try again without counting anything twice, add --invocation-id %s\n",
		text.Escape(e.Receipt.InvocationID))
}

// ExitCode is what the process ends with.
type ExitCode int

// The exit codes. The help exit-codes says the same to users, and a test that it has all of them.
const (
	// ExitOK: what was sent has been accepted, what was checked is in order.
	ExitOK ExitCode = 0
	// ExitFailure: failure with none of the causes below.
	ExitFailure ExitCode = 1
	// ExitUsage: the command line, the configuration or the input is not valid. Nothing was sent.
	ExitUsage ExitCode = 2
	// ExitRejected: the receiver refused the messages, and would again.
	ExitRejected ExitCode = 3
	// ExitCredentials: no write key, or the receiver refuses it.
	ExitCredentials ExitCode = 4
	// ExitUnreachable: no answer, a rate limit, or the time was up, after all retries. It may
	// succeed later.
	ExitUnreachable ExitCode = 5
	// ExitPartial: some messages of a batch, or lines of an import, were accepted and others not.
	// The error or the rejects say which.
	ExitPartial ExitCode = 6
	// ExitInterrupted: it was interrupted. An emulator that is interrupted ends with 0.
	ExitInterrupted ExitCode = 130
)

// ExitOf returns the code for the error of an invocation. What is too large for a limit of this
// program was not sent, so the input is at fault; a receiver that finds it too large has refused
// it.
func ExitOf(e *runtime.Error) ExitCode {
	if e.Code == runtime.TooLarge && e.Status != 0 {
		return ExitRejected
	}
	return cmp.Or(map[runtime.Code]ExitCode{
		runtime.InvalidInput: ExitUsage, runtime.UnresolvedReference: ExitUsage, runtime.UnknownBlock: ExitUsage,
		runtime.UnknownSource: ExitUsage, runtime.TooLarge: ExitUsage, runtime.Rejected: ExitRejected,
		runtime.MissingCredential: ExitCredentials, runtime.Unauthorized: ExitCredentials,
		runtime.RateLimited: ExitUnreachable, runtime.Unavailable: ExitUnreachable,
		runtime.DeadlineExceeded: ExitUnreachable, runtime.PartialFailure: ExitPartial,
		runtime.Canceled: ExitInterrupted,
	}[e.Code], ExitFailure)
}
