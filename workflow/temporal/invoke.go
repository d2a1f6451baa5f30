package temporal

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	sdk "go.temporal.io/sdk/workflow"

	"github.com/aacflow/segment-blocks/runtime"
)

// ErrNoStandalone is the error of a server that has no standalone activities.
var ErrNoStandalone = errors.New("this Temporal server runs no activity without a workflow; release 1.32 does: " +
	"update it, or run a workflow file with one node")

// Invoke invokes a block from your own workflow, and returns its output:
//
//	event := map[string]any{"userId": "u-42", "event": "Order Completed"}
//	placed, err := temporal.Invoke[struct{ Success bool }](ctx, "placed", "segment_track", event)
//
// The id names the invocation. The messageIds derive from it and from the FirstRunID of the
// workflow, so retries, resets and continue-as-new count nothing twice. It must be unique among all
// invocations of the workflow and of the runs that it continues as: otherwise Segment would take an
// event for a repeat.
//
// The activity options of ctx apply. By default, a try may take a minute, and all tries 23 hours,
// because Segment recognizes a repeat for 24. The error is that of the activity.
func Invoke[Out any](ctx sdk.Context, id, block string, input any) (Out, error) {
	var outcome struct{ Output Out }
	options := sdk.GetActivityOptions(ctx)
	options.ActivityID = id
	options.StartToCloseTimeout = cmp.Or(options.StartToCloseTimeout, time.Minute)
	options.ScheduleToCloseTimeout = cmp.Or(options.ScheduleToCloseTimeout, maxRetrying)
	raw, err := json.Marshal(input)
	if err != nil {
		return outcome.Output, invalid("the input of %s is no JSON: %w", id, err)
	}
	if len(raw) > maxPayload {
		return outcome.Output, temporal.NewNonRetryableApplicationError(fmt.Sprintf(
			"the input of %s has %d bytes, and Temporal takes %d; nothing was sent", id, len(raw), maxPayload),
			string(runtime.TooLarge), nil)
	}
	info := sdk.GetInfo(ctx)
	call := Call{InvocationID: cmp.Or(info.FirstRunID, info.WorkflowExecution.RunID) + "/" + id}
	err = sdk.ExecuteActivity(sdk.WithActivityOptions(ctx, options), block, input, call).Get(ctx, &outcome)
	return outcome.Output, err
}

// Submit lets the workers of a task queue invoke a block once, without a workflow. The job is
// durable and retried as in a workflow; Temporal calls it a standalone activity. Get of the handle
// waits for the result of the block's activity, a workflow.Outcome.
//
// An id has one job. If it exists, Submit returns its handle, even if the job has ended. With
// another block, input or source, Submit refuses the id.
//
// The error wraps [ErrNoStandalone] if the server is too old.
func Submit(
	ctx context.Context, c client.Client, queue, id, block string, input json.RawMessage, call Call,
) (client.ActivityHandle, error) {
	if len(input) > maxPayload {
		return nil, fmt.Errorf("the input of %s has %d bytes, and Temporal takes %d", block, len(input), maxPayload)
	}
	handle, err := c.ExecuteActivity(ctx, client.StartActivityOptions{
		ID: id, TaskQueue: queue,
		ScheduleToCloseTimeout: maxRetrying, StartToCloseTimeout: maxRetrying, HeartbeatTimeout: lostAfter,
		ActivityIDConflictPolicy: enums.ACTIVITY_ID_CONFLICT_POLICY_FAIL,
		ActivityIDReusePolicy:    enums.ACTIVITY_ID_REUSE_POLICY_REJECT_DUPLICATE,
	}, block, input, call)
	var started *serviceerror.ActivityExecutionAlreadyStarted
	var unknown *serviceerror.Unimplemented
	switch {
	case errors.As(err, &started):
		return existing(ctx, c, id, started.RunId, block, input, call)
	case errors.As(err, &unknown):
		return nil, fmt.Errorf("%w: %w", ErrNoStandalone, err)
	case err != nil:
		return nil, fmt.Errorf("start the job: %w", err)
	}
	return handle, nil
}

// existing returns the job that has an id, if it has the same block, input and source.
func existing(
	ctx context.Context, c client.Client, id, run, block string, input json.RawMessage, call Call,
) (client.ActivityHandle, error) {
	handle := c.GetActivityHandle(client.GetActivityHandleOptions{ActivityID: id, RunID: run})
	described, err := handle.Describe(ctx, client.DescribeActivityOptions{IncludeInput: true})
	if err != nil {
		return nil, fmt.Errorf("look at the job that has the id %q: %w", id, err)
	}
	var theirs json.RawMessage
	var theirCall Call
	if err := described.GetInput(&theirs, &theirCall); err != nil {
		return nil, fmt.Errorf("look at the input of the job that has the id %q: %w", id, err)
	}
	ours, err := json.Marshal(input) // as the client encoded the existing one
	if err != nil {
		return nil, err
	}
	if described.ActivityType != block || !bytes.Equal(theirs, ours) || theirCall.Source != call.Source {
		return nil, fmt.Errorf("a job with another block, input or source has this id; choose another id: %q", id)
	}
	return handle, nil
}
