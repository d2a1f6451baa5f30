package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	sdk "go.temporal.io/sdk/temporal"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/workflow/temporal"
)

type invokeFlags struct {
	input, id, source string
	detach            bool
}

func newInvoke(to *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use: "invoke BLOCK", Short: "Have a worker invoke one block, without a workflow", Args: cobra.ExactArgs(1),
	}
	var f invokeFlags
	flags := cmd.Flags()
	flags.StringVarP(&f.input, "input", "i", "{}", "the block's input, a JSON object")
	flags.StringVar(&f.id, "id", "", "id of the job; the same id again sends nothing")
	flags.StringVar(&f.source, "source", "", "the workers' source (default: their first)")
	flags.BoolVar(&f.detach, "detach", false, "print the id and leave the job to the workers")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return invoke(cmd, *to, args[0], f) }
	return cmd
}

// invoke checks the input, and submits it.
func invoke(cmd *cobra.Command, to connection, block string, f invokeFlags) error {
	ctx := cmd.Context()
	_, rt, err := standIn()
	if err != nil {
		return err
	}
	defer func() { _ = rt.Close(context.WithoutCancel(ctx)) }()
	if err := rt.Validate(ctx, block, runtime.JSON(f.input)); err != nil {
		return err
	}
	options, err := to.options(warnings(cmd))
	if err != nil {
		return err
	}
	if f.id == "" {
		f.id = block + "-" + uuid.NewString()
	}
	if err := submit(cmd, to.queue, options, block, f); err != nil {
		return failed{err}
	}
	return nil
}

// submit gives the job to the workers and, unless the command is to detach, waits for its result.
func submit(cmd *cobra.Command, queue string, options client.Options, block string, f invokeFlags) error {
	ctx := cmd.Context()
	server, err := dial(ctx, options)
	if err != nil {
		return err
	}
	defer server.Close()
	call := temporal.Call{Source: f.source}
	job, err := temporal.Submit(ctx, server, queue, f.id, block, json.RawMessage(f.input), call)
	if err != nil {
		return err
	}
	if f.detach {
		say(cmd.OutOrStdout(), "%s", f.id)
		return nil
	}
	warnOfNoWorker(ctx, cmd.ErrOrStderr(), server, queue)
	var result json.RawMessage
	err = job.Get(ctx, &result)
	var ended *sdk.ApplicationError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted; the job goes on: the same command with --id %s waits for it", f.id)
	case errors.As(err, &ended):
		return fmt.Errorf("the job %s failed: %s", f.id, ended.Message())
	case err != nil:
		return fmt.Errorf("wait for the job %s: %w", f.id, err)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), string(result))
	return err
}
