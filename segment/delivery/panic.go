package delivery

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/aacflow/segment-blocks/segment/tracking"
)

// PanicError is the error of a call whose request ended in a panic, as that of a transport. Whether
// its messages were accepted is not known.
type PanicError struct {
	// Value is what was given to panic, Stack where that happened.
	Value any
	Stack []byte

	text string
}

func (e *PanicError) Error() string {
	return "whether it was accepted is not known: sending panicked: " + e.text
}

// caught, deferred, ends a panic: it is logged with its stack, without the source's key, and then
// is called with it. No goroutine of this package may end the process, with all that other callers
// have to do.
func caught(logger *slog.Logger, source tracking.Source, then func(*PanicError)) {
	value := recover()
	if value == nil {
		return
	}
	err := &PanicError{Value: value, Stack: debug.Stack(), text: fmt.Sprint(value)}
	for _, secret := range source.Secrets() {
		err.text = strings.ReplaceAll(err.text, secret, source.WriteKey.Fingerprint())
	}
	if other, ok := value.(interface{ Stack() []byte }); ok {
		err.Stack = other.Stack() // where it happened, in another goroutine
	}
	logger.Error("delivery panicked", "panic", err.text, "stack", string(err.Stack))
	then(err)
}
