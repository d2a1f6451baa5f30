// Segment-blocks-worker runs blocks and workflow files on Temporal.
//
//	segment-blocks-worker serve                          # start as many as you need
//	segment-blocks-worker run --file order.workflow.yaml # starts a workflow and follows it
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/internal/text"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		for line := range strings.Lines(err.Error()) { // a faulty file has a line for each fault
			say(os.Stderr, "error: %s", text.Escape(strings.TrimSpace(line)))
		}
		os.Exit(exitCode(err))
	}
}

// failed is an error of the work itself. All other errors are about the command line, the
// configuration or the workflow file. They occur before the work begins.
type failed struct{ error }

func (f failed) Unwrap() error { return f.error }

func exitCode(err error) int {
	if _, ok := errors.AsType[failed](err); ok {
		return 1
	}
	return 2
}

// say writes a line. A run goes on even if nobody can read it.
func say(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(w, format+"\n", args...)
}

// newCommand makes the command with the flags that all its commands share.
func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use: "segment-blocks-worker", Short: "Run blocks and workflow files on Temporal", Version: blocks.Version(),
		SilenceUsage: true, SilenceErrors: true,
	}
	var to connection
	flags := root.PersistentFlags()
	flags.StringVar(&to.address, "address", "", "Temporal server (default: TEMPORAL_ADDRESS)")
	flags.StringVar(&to.namespace, "namespace", "", "namespace (default: TEMPORAL_NAMESPACE)")
	flags.StringVar(&to.queue, "task-queue", "segment-blocks", "task queue")
	flags.StringVar(&to.keysIn, "payload-keys-env", "", "variable with the keys that encrypt payloads")
	root.AddCommand(newServe(&to), newRun(&to), newInvoke(&to), newImport(&to))
	return root
}
