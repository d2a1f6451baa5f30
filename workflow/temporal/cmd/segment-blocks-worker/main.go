// Segment-blocks-worker runs blocks and workflow files on Temporal.
//
//	segment-blocks-worker serve                          # as many as are needed
//	segment-blocks-worker run --file order.workflow.yaml # starts a workflow and follows it
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/internal/text"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error: "+text.Escape(err.Error()))
		os.Exit(1)
	}
}

// newCommand makes the command with the flags that all its commands share.
func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use: "segment-blocks-worker", Short: "Run blocks and workflow files on Temporal",
		SilenceUsage: true, SilenceErrors: true,
	}
	var to connection
	flags := root.PersistentFlags()
	flags.StringVar(&to.address, "address", "", "Temporal server (default TEMPORAL_ADDRESS, localhost:7233)")
	flags.StringVar(&to.namespace, "namespace", "", "namespace (default TEMPORAL_NAMESPACE, default)")
	flags.StringVar(&to.queue, "task-queue", "segment-blocks", "task queue")
	root.AddCommand(newServe(&to), newRun(&to))
	return root
}
