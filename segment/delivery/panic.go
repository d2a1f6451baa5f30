package delivery

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/aacflow/segment-blocks/segment/tracking"
)

// caught, deferred, recovers from a panic, such as in the transport of a
// client. It logs the panic with its stack, without the source's key, and calls
// then with an error. So no goroutine of this package ends the process with the
// work of other callers.
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
		stack = other.Stack() // it comes from another goroutine
	}
	logger.Error("delivery panicked", "panic", text, "stack", string(stack))
	then(fmt.Errorf("sending panicked, and the messages may have been accepted: %s", text))
}
