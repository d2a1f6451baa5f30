package delivery

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/aacflow/segment-blocks/segment/tracking"
)

// panicError is the error of a call whose request ended in a panic, as that of
// a transport. Whether its messages were accepted is not known.
type panicError struct {
	text  string
	stack []byte // where it happened
}

func (e *panicError) Error() string {
	return "whether it was accepted is not known: sending panicked: " + e.text
}

// caught, deferred, ends a panic: it is logged with its stack, without the
// source's key, and then is called with it. No goroutine of this package may
// end the process, with all that other callers have to do.
func caught(logger *slog.Logger, source tracking.Source, then func(*panicError)) {
	value := recover()
	if value == nil {
		return
	}
	err := &panicError{text: fmt.Sprint(value), stack: debug.Stack()}
	for _, secret := range source.Secrets() {
		err.text = strings.ReplaceAll(err.text, secret, source.WriteKey.Fingerprint())
	}
	if other, ok := value.(interface{ Stack() []byte }); ok {
		err.stack = other.Stack() // that of another goroutine
	}
	logger.Error("delivery panicked", "panic", err.text, "stack", string(err.stack))
	then(err)
}
