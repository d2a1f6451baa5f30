package temporal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/workflow"
)

// Call is the second argument of a block's activity. A workflow may omit it, or any of its members.
type Call struct {
	// InvocationID is what the messageIds derive from. Make it from the FirstRunID of the workflow
	// and a part that is unique within all runs that it continues as. Then retries, resets and
	// continue-as-new count nothing twice. Default: the run id, which a reset changes, and the
	// activity's id.
	InvocationID string `json:"invocationId,omitempty"`
	// At is the time of the event, if the input has none. Default: when the activity was scheduled,
	// which retries do not change.
	At time.Time `json:"at,omitzero"`
	// Source is the name of the worker's source to send to. Default: its first one.
	Source string `json:"source,omitempty"`
	// Timeout bounds this try, such as 5s. It should be shorter than StartToCloseTimeout, which
	// cannot tell a slow receiver from a dead worker.
	Timeout string `json:"timeout,omitempty"`
	// Until is the time after which a repeat might count twice. From then on, the invocation is
	// refused, and nothing is sent. It must be less than 24 hours after the first try. Default:
	// never.
	Until time.Time `json:"until,omitzero"`
	// Values, even if empty, mean that the input comes from a workflow file. They hold the values
	// of the input's references. The values of its variables come from the worker's environment.
	Values map[string]json.RawMessage `json:"values,omitzero"`
}

// tooLate is the error of an invocation after its [Call.Until].
const tooLate = "it may have been sent more than 23 hours ago, so Segment may count it twice; nothing was sent: " +
	"the run was reset too late, and begun without --allow-duplicates"

// errWorkerStopped is the error that ends an invocation when its worker is stopped.
var errWorkerStopped = errors.New("the worker was stopped")

// workerStopped is the type of that error. Another worker tries again, regardless of how the
// workflow handles errors.
const workerStopped = "worker_stopped"

const (
	// heartbeatEvery is how often an invocation sends a heartbeat, if its workflow sets a
	// HeartbeatTimeout. Shorter invocations send none.
	heartbeatEvery = 10 * time.Second
	// graceAtStop is how long an invocation may go on after its worker is stopped.
	graceAtStop = 5 * time.Second
)

// blocks runs any block as an activity.
type blocks struct {
	runtime     *runtime.Runtime
	environment workflow.Environment
}

// run is the dynamic activity: its type is the id of a block, its arguments are the block's input
// and, optionally, a [Call]. Its result has output and receipt.
func (b *blocks) run(ctx context.Context, args converter.EncodedValues) (*workflow.Outcome, error) {
	info := activity.GetInfo(ctx)
	var input json.RawMessage
	var call Call
	if err := args.Get(&input, &call); err != nil {
		return nil, invalid("the arguments of %s must be its input and, optionally, a call: %w",
			info.ActivityType.Name, err)
	}
	if !call.Until.IsZero() && time.Now().After(call.Until) {
		return nil, temporal.NewNonRetryableApplicationError(tooLate, string(runtime.DeadlineExceeded), nil)
	}
	if call.Values != nil {
		var err error
		if input, err = (workflow.Task{With: input, Values: call.Values}).Input(b.environment); err != nil {
			return nil, temporal.NewNonRetryableApplicationError(err.Error(), string(runtime.UnresolvedReference), nil)
		}
	}
	id := call.InvocationID
	if id == "" {
		id = cmp.Or(info.WorkflowExecution.RunID, info.ActivityRunID) + "/" + info.ActivityID
	}
	at := call.At
	if at.IsZero() {
		at = info.ScheduledTime
	}
	options := []runtime.InvokeOption{runtime.InvocationID(id), runtime.At(at)}
	if call.Source != "" {
		options = append(options, runtime.ToSource(call.Source))
	}
	trying, stop := attend(ctx, info.HeartbeatTimeout > 0)
	defer stop()
	if call.Timeout != "" {
		limit, err := time.ParseDuration(call.Timeout)
		if err != nil {
			return nil, invalid("the timeout of a call must be a duration, such as 5s: %q", call.Timeout)
		}
		var cancel context.CancelFunc
		trying, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	res, err := b.runtime.Invoke(trying, info.ActivityType.Name, runtime.JSON(input), options...)
	if err != nil {
		return nil, failure(trying, err)
	}
	return result(info.ActivityType.Name, res)
}

// result refuses a result that is too large for Temporal. The workflow would not get Temporal's own
// error.
func result(block string, res *runtime.Result) (*workflow.Outcome, error) {
	receipt, err := json.Marshal(res.Receipt)
	if err != nil {
		return nil, err
	}
	outcome := &workflow.Outcome{Output: res.Output, Receipt: receipt}
	raw, err := json.Marshal(outcome)
	if err == nil && len(raw) > maxPayload {
		err = temporal.NewNonRetryableApplicationError(fmt.Sprintf(
			"%s has done its work, but its output and receipt have %d bytes, and Temporal takes %d",
			block, len(raw), maxPayload), string(runtime.TooLarge), nil)
	}
	return outcome, err
}

func invalid(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return temporal.NewNonRetryableApplicationError(err.Error(), string(runtime.InvalidInput), nil)
}

// failure converts an error of the runtime into an error of Temporal. Its type is our code, and its
// details are the error and the receipt as JSON.
func failure(ctx context.Context, err error) error {
	e := runtime.ErrorOf(err)
	if e.Code == runtime.Closed || errors.Is(context.Cause(ctx), errWorkerStopped) {
		return temporal.NewApplicationError(errWorkerStopped.Error(), workerStopped)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return temporal.NewCanceledError()
	}
	outcome := workflow.OutcomeOf(err)
	details := []any{outcome.Error}
	if outcome.Receipt != nil {
		details = append(details, outcome.Receipt)
	}
	return temporal.NewApplicationErrorWithOptions(e.Error(), string(e.Code), temporal.ApplicationErrorOptions{
		NonRetryable: !e.Retryable, NextRetryDelay: e.RetryAfter, Details: details,
	})
}

// attend returns the context of an invocation, and sends heartbeats to Temporal until stop is
// called. The answer to a heartbeat may cancel the activity.
func attend(ctx context.Context, heartbeats bool) (trying context.Context, stop func()) {
	trying, cancel := context.WithCancelCause(ctx)
	go func() {
		ticker := time.NewTicker(heartbeatEvery)
		defer ticker.Stop()
		stopped, grace := activity.GetWorkerStopChannel(ctx), (<-chan time.Time)(nil)
		for {
			select {
			case <-ticker.C:
				if heartbeats {
					activity.RecordHeartbeat(ctx)
				}
			case <-stopped:
				stopped, grace = nil, time.After(graceAtStop)
			case <-grace:
				cancel(errWorkerStopped)
			case <-trying.Done():
				return
			}
		}
	}()
	return trying, func() { cancel(nil) }
}
