package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	sdk "go.temporal.io/sdk/temporal"

	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/workflow/temporal"
)

func newImport(to *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Import a file of events in parts, by all workers", Args: cobra.ExactArgs(1),
		Long: "FILE is a path in the folder that the workers have: serve --imports FOLDER.",
	}
	var req importRequest
	var id string
	var detach bool
	flags := cmd.Flags()
	flags.StringVar(&id, "run", "", "id of the workflow; an existing one is followed")
	flags.StringVar(&req.Source, "source", "", "the workers' source (default: their first)")
	flags.Int64Var(&req.PartBytes, "part-bytes", 64<<20, "bytes of a part")
	flags.IntVar(&req.AtOnce, "at-once", 8, "parts to import at once")
	flags.Float64Var(&req.Rate, "rate", 0, "most events a second; 0 for no limit")
	flags.BoolVar(&detach, "detach", false, "print the id and leave the import to the workers")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		req.File = args[0]
		switch {
		case req.PartBytes < 1:
			return fmt.Errorf("--part-bytes must be at least 1: %d", req.PartBytes)
		case req.AtOnce < 1 || req.AtOnce > 1000:
			return fmt.Errorf("--at-once must be from 1 to 1000: %d", req.AtOnce)
		case req.Rate < 0:
			return fmt.Errorf("--rate must be 0, or events a second: %v", req.Rate)
		}
		options, err := to.options(warnings(cmd))
		if err != nil {
			return err
		}
		if id == "" {
			id = "import-" + uuid.NewString()
		}
		if err := launchImport(cmd, to.queue, options, id, req, detach); err != nil {
			return failed{err}
		}
		return nil
	}
	return cmd
}

// launchImport starts the import and, unless the command is to detach, shows its progress.
func launchImport(
	cmd *cobra.Command, queue string, options client.Options, id string, req importRequest, detach bool,
) error {
	ctx := cmd.Context()
	server, err := dial(ctx, options)
	if err != nil {
		return err
	}
	defer server.Close()
	starting := client.StartWorkflowOptions{ID: id, TaskQueue: queue}
	run, err := execute(ctx, server, options, starting, importWorkflow, req)
	if err != nil {
		return err
	}
	if detach {
		say(cmd.OutOrStdout(), "%s", id)
		return nil
	}
	warnOfNoWorker(ctx, cmd.ErrOrStderr(), server, queue)
	say(cmd.ErrOrStderr(), "%s is imported by the workflow %s", req.File, id)
	var done importProgress
	shown := 0
	show := func(answer converter.EncodedValue) {
		var p importProgress
		if answer.Get(&p) == nil && p.Done != shown {
			say(cmd.ErrOrStderr(), "%d of %d parts, %s events accepted", p.Done, p.Parts, text.Grouped(p.Accepted))
			shown = p.Done
		}
	}
	err = whileWatching(ctx, server, id, show, func() error { return run.Get(ctx, &done) })
	if err := ending(ctx, id, err); err != nil {
		return err
	}
	raw, err := json.Marshal(done)
	if err != nil {
		return err
	}
	say(cmd.OutOrStdout(), "%s", raw)
	if done.Rejected > 0 {
		return fmt.Errorf("%s events were rejected: the files %s.import/*.rejects.ndjson of the workers say why, "+
			"and you can import them once they are corrected", text.Grouped(done.Rejected), req.File)
	}
	return nil
}

// whileWatching waits for a workflow, and asks for its progress once a second.
func whileWatching(
	ctx context.Context, server client.Client, id string, show func(progress converter.EncodedValue), wait func() error,
) error {
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-time.After(time.Second):
			case <-watching.Done():
				return
			}
			if answer, err := server.QueryWorkflow(watching, id, "", temporal.ProgressQuery); err == nil {
				show(answer)
			} // without a worker, there is no answer
		}
	}()
	err := wait()
	stop()
	<-watched
	return err
}

// ending says how a failed workflow ended, or that it is still running.
func ending(ctx context.Context, id string, err error) error {
	var ended *sdk.ApplicationError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted; the workflow goes on: the same command with --run %[1]s follows it, and "+
			"\"temporal workflow cancel -w %[1]s\" ends it", id)
	case errors.As(err, &ended):
		return fmt.Errorf("the workflow %s failed: %s", id, ended.Message())
	case sdk.IsCanceledError(err):
		return fmt.Errorf("the workflow %s was canceled", id)
	}
	return fmt.Errorf("follow the workflow %s: %w", id, err)
}
