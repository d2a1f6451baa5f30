package importer

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/aacflow/segment-blocks/schemas"
)

// Codes of rejects that only files have. All others are those of the violations of segment_batch,
// and rejected or too_large for events that the receiver refused.
const (
	CodeTooLong    = "line_too_long"
	CodeCSV        = "invalid_csv"
	CodeWrongValue = "invalid_value"
)

// ErrCut is in the error of an import whose file ends too early: gzip that is cut off, or JSON in
// which a list or an event is never closed, perhaps because it is still being written. All events
// before that are accepted or rejected. Put the whole file in its place, and an import with Resume
// continues there.
var ErrCut = errors.New("the file is cut off: it ends too early")

// InputError is the error of an import that cannot start or continue, because of an option, a file,
// or the state that an earlier run has left. Another attempt fails in the same way.
type InputError struct{ Err error }

func (e *InputError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *InputError) Unwrap() error { return e.Err }

// maxRefusedInRow is how many events, each sent alone, the receiver may refuse in a row before it
// is taken to refuse the source.
const maxRefusedInRow = 100

// DeliveryError is the error of an import that a failed invocation has ended. It wraps the
// *[runtime.Error].
type DeliveryError struct {
	File        string
	First, Last int64 // the lines of the invocation
	// Source is set if the receiver refused many events in a row, each sent alone: it seems to
	// refuse the source and not the events.
	Source bool
	Err    error
}

func (e *DeliveryError) Error() string {
	if e.Source {
		return fmt.Sprintf("the receiver refused %d events in a row, each sent alone, so it seems to refuse the"+
			" source: %s (line %d of %s)", maxRefusedInRow, e.Err, e.Last, e.File)
	}
	return fmt.Sprintf("%s (events of lines %d to %d of %s)", e.Err, e.First, e.Last, e.File)
}

// Unwrap returns the error of the invocation.
func (e *DeliveryError) Unwrap() error { return e.Err }

// PanicError is the error of an import that a panic has ended, in this package or in one of the
// functions of [Options].
type PanicError struct {
	// Value is the argument of panic, and Stack the stack of its goroutine.
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// fault returns the only violation of an event.
func fault(code, format string, args ...any) []schemas.Violation {
	return []schemas.Violation{{Code: code, Message: fmt.Sprintf(format, args...)}}
}

// reason returns an error of package os without the path, which callers name themselves.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// unwritable says why a file cannot be written and what to do about it. It returns nil if err is
// nil.
func unwritable(what, flag string, err error) error {
	advice := ""
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		advice = "create the folder, or "
	case errors.Is(err, fs.ErrPermission):
		advice = "allow it, or "
	case errors.Is(err, syscall.ENOSPC):
		advice = "make room, or "
	}
	return fmt.Errorf("cannot write %s: %w; %sname another file with %s", what, err, advice, flag)
}
