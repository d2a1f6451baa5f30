// Command segment-blocks runs the Segment blocks from a terminal or a script: it previews,
// validates and sends, shows the catalog, and serves a local Segment to try things on.
//
//	go run ./cmd/segment-blocks run segment_track --event "Order Completed" --user-id u-42
package main

import (
	"context"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/cli"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
)

func main() {
	// A crash that nothing recovers ends the process with SIGABRT. The usual exit code 2 would say
	// that nothing was sent.
	debug.SetTraceback("crash")
	// Only net/http writes to the standard logger: what a receiver sends behind its answer, which
	// may be an echo of the write key.
	log.SetOutput(io.Discard)
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	// After the first signal the usual behavior is back, so that a second one ends a program that
	// does not end. SIGHUP never kills: a terminal that closes sends it while the program drains.
	context.AfterFunc(ctx, func() {
		signal.Ignore(syscall.SIGHUP)
		stop()
	})
	os.Exit(cli.Run(ctx, &cli.Program{Console: console.Process()}))
}
