package delivery

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/aacflow/segment-blocks/segment/tracking"
)

// caught, deferred, ends a panic, as that of a client's transport: it is logged
// with its stack, without the source's key, and then is called with an error.
// No goroutine of this package may end the process, with all that other callers
// have to do.
func caught(logger *slog.Logger, source tracking.Source, then func(error)) {
	value := recover()
	if value == nil {
		return
	}
	text, stack := fmt.Sprint(value), debug.Stack()
	for _, secret := range source.Secrets() {
		text = strings.ReplaceAll(text, secret, source.WriteKey.Fingerprint())
	}
	if other, ok := value.(interface{ Stack() []byte }); ok {
		stack = other.Stack() // that of another goroutine
	}
	logger.Error("delivery panicked", "panic", text, "stack", string(stack))
	then(fmt.Errorf("it may have been accepted: sending panicked: %s", text))
}
