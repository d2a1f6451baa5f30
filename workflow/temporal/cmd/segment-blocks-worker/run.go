package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	sdk "go.temporal.io/sdk/temporal"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/tracking"
	"github.com/aacflow/segment-blocks/workflow"
	"github.com/aacflow/segment-blocks/workflow/temporal"
)

type runFlags struct {
	file, input, id, source string
	variables               []string
	detach, allowDuplicates bool
	// Names of search attributes, "" for none.
	blockAttribute, sourceAttribute string
}

func newRun(to *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use: "run --file FILE", Short: "Start a workflow file on Temporal, and follow it", Args: cobra.NoArgs,
	}
	var f runFlags
	flags := cmd.Flags()
	flags.StringVarP(&f.file, "file", "f", "", "the workflow file")
	flags.StringVarP(&f.input, "input", "i", "", "the run's input, a JSON object")
	flags.StringVar(&f.id, "run", "", "id of the run; an existing run is followed")
	flags.StringVar(&f.source, "source", "", "the workers' source (default: their first)")
	flags.StringSliceVar(&f.variables, "env", nil, "variables of the workers, for {{NAME}}")
	flags.BoolVar(&f.detach, "detach", false, "print the id and leave the run to the workers")
	flags.BoolVar(&f.allowDuplicates, "allow-duplicates", false, "a late reset may send events that count twice")
	flags.StringVar(&f.blockAttribute, "block-attribute", "", "KeywordList search attribute for the blocks")
	flags.StringVar(&f.sourceAttribute, "source-attribute", "", "Keyword search attribute for the source")
	_ = cmd.MarkFlagRequired("file")
	_ = cmd.MarkFlagFilename("file", "yaml", "yml", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return start(cmd, *to, f) }
	return cmd
}

// start checks the file and starts the workflow. If the file has a fault, nothing is sent.
func start(cmd *cobra.Command, to connection, f runFlags) error {
	ctx := cmd.Context()
	data, err := os.ReadFile(f.file)
	if err != nil {
		return fmt.Errorf("read the workflow: %w", err)
	}
	request := temporal.Request{File: f.file, Text: string(data), Source: f.source, AllowDuplicates: f.allowDuplicates}
	if f.input != "" {
		request.Input = json.RawMessage(f.input)
	}
	g, err := check(ctx, request, f.variables)
	if err != nil {
		return err
	}
	if f.id == "" {
		f.id = g.Name + "-" + uuid.NewString()
	}
	options, err := to.options(warnings(cmd))
	if err != nil {
		return err
	}
	if err := launch(cmd, to, options, f, request, g); err != nil {
		return failed{err}
	}
	return nil
}

// warnings returns the logger of a command that is not a server.
func warnings(cmd *cobra.Command) *slog.Logger {
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// attributes returns the search attributes of a run.
func (f *runFlags) attributes(g *workflow.Graph) sdk.SearchAttributes {
	var updates []sdk.SearchAttributeUpdate
	if f.blockAttribute != "" {
		var used []string
		for _, n := range g.Nodes {
			if n.Block != "" && !slices.Contains(used, n.Block) {
				used = append(used, n.Block)
			}
		}
		updates = append(updates, sdk.NewSearchAttributeKeyKeywordList(f.blockAttribute).ValueSet(used))
	}
	if f.sourceAttribute != "" && f.source != "" {
		updates = append(updates, sdk.NewSearchAttributeKeyKeyword(f.sourceAttribute).ValueSet(f.source))
	}
	return sdk.NewSearchAttributes(updates...)
}

// launch starts the workflow and, unless the command is to detach, follows it.
func launch(
	cmd *cobra.Command, to connection, options client.Options, f runFlags, request temporal.Request, g *workflow.Graph,
) error {
	ctx := cmd.Context()
	server, err := dial(ctx, options)
	if err != nil {
		return err
	}
	defer server.Close()
	run, err := execute(ctx, server, options, client.StartWorkflowOptions{
		ID: f.id, TaskQueue: to.queue, TypedSearchAttributes: f.attributes(g),
	}, temporal.WorkflowType, request)
	if err != nil {
		return err
	}
	if f.detach {
		say(cmd.OutOrStdout(), "%s", f.id)
		return nil
	}
	warnOfNoWorker(ctx, cmd.ErrOrStderr(), server, to.queue)
	return follow(ctx, cmd, server, run, g)
}

// check validates the file as the runtime of a worker does.
func check(ctx context.Context, request temporal.Request, variables []string) (*workflow.Graph, error) {
	reg, rt, err := standIn()
	if err != nil {
		return nil, err
	}
	defer func() { _ = rt.Close(context.WithoutCancel(ctx)) }()
	g, err := workflow.Check(ctx, request.File, []byte(request.Text), workflow.CheckOptions{
		Registry: reg, Runtime: rt, Variables: variables, Input: request.Input,
	})
	if err != nil {
		return nil, err
	}
	return g, temporal.CheckSize(request)
}

// standIn returns a runtime that checks inputs as the runtime of a worker does, but has no key and
// cannot send.
func standIn() (*registry.Registry, *runtime.Runtime, error) {
	reg := registry.New()
	if err := blocks.Register(reg); err != nil {
		return nil, nil, err
	}
	rt, err := runtime.New(reg, runtime.WithConventions(workflow.Conventions()),
		runtime.Source("of the workers", tracking.Source{WriteKey: "placeholderThatIsNeverSent"}))
	return reg, rt, err
}

// execute starts the workflow or, if it has already begun, returns it. The memo holds a digest of
// the request, so that an id cannot be used for another request.
func execute(
	ctx context.Context, server client.Client, as client.Options, options client.StartWorkflowOptions,
	workflowType string, request any,
) (client.WorkflowRun, error) {
	raw, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	const digest = "requestDigest"
	ours := hex.EncodeToString(sum[:])
	options.Memo = map[string]any{digest: ours}
	options.WorkflowIDReusePolicy = enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
	options.WorkflowExecutionErrorWhenAlreadyStarted = true
	run, err := server.ExecuteWorkflow(ctx, options, workflowType, request)
	var started *serviceerror.WorkflowExecutionAlreadyStarted
	if !errors.As(err, &started) {
		if err != nil {
			return nil, fmt.Errorf("start the workflow: %w", err)
		}
		return run, nil
	}
	described, err := server.DescribeWorkflow(ctx, options.ID, "")
	if err != nil {
		return nil, fmt.Errorf("look at the workflow that has the id %q: %w", options.ID, err)
	}
	var theirs string
	if payload := described.Memo.GetFields()[digest]; payload != nil {
		data := cmp.Or(as.DataConverter, converter.GetDefaultDataConverter())
		if err := data.FromPayload(payload, &theirs); err != nil {
			return nil, fmt.Errorf("read the memo of the workflow that has the id %q: %w", options.ID, err)
		}
	}
	if theirs != ours {
		return nil, fmt.Errorf("a workflow with another file, input or source has this id; choose another id: %q",
			options.ID)
	}
	return server.GetWorkflow(ctx, options.ID, ""), nil
}

// warnOfNoWorker prints a warning if no worker serves the task queue. Otherwise, the run would wait
// silently.
func warnOfNoWorker(ctx context.Context, w io.Writer, server client.Client, queue string) {
	described, err := server.DescribeTaskQueue(ctx, queue, enums.TASK_QUEUE_TYPE_ACTIVITY)
	if err == nil && len(described.GetPollers()) == 0 {
		say(w, "no worker serves the task queue %q yet, start one: segment-blocks-worker serve --task-queue %s",
			queue, queue)
	}
}

// follow shows the progress of the nodes, and prints the result. If it is interrupted, the workflow
// continues.
func follow(
	ctx context.Context, cmd *cobra.Command, server client.Client, run client.WorkflowRun, g *workflow.Graph,
) error {
	say(cmd.ErrOrStderr(), "%s runs as the workflow %s", g.Name, run.GetID())
	var result json.RawMessage
	shown := map[string]workflow.Status{}
	show := func(answer converter.EncodedValue) {
		var p temporal.Progress
		if answer.Get(&p) != nil {
			return
		}
		for _, n := range g.Nodes {
			if status := p.Nodes[n.ID]; status != workflow.Pending && status != shown[n.ID] {
				say(cmd.ErrOrStderr(), "%s %s", n.ID, status)
				shown[n.ID] = status
			}
		}
	}
	err := whileWatching(ctx, server, run.GetID(), show, func() error { return run.Get(ctx, &result) })
	var ended *sdk.ApplicationError
	if ctx.Err() == nil && errors.As(err, &ended) && ended.Type() == temporal.NodeFailed && ended.HasDetails() {
		if decoding := ended.Details(&result); decoding == nil {
			say(cmd.OutOrStdout(), "%s", result)
		}
		return errors.New(ended.Message())
	}
	if err := ending(ctx, run.GetID(), err); err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), string(result))
	return err
}
