package temporal

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	sdk "go.temporal.io/sdk/workflow"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/workflow"
)

// Request is the argument of [Graph].
type Request struct {
	// File is the name of the workflow file, for errors; Text is its content.
	File string `json:"file"`
	Text string `json:"text"`
	// Input is the input of the run, or nil.
	Input json.RawMessage `json:"input,omitempty"`
	// Source is the name of the workers' source to send to; "" means their first one.
	Source string `json:"source,omitempty"`
	// AllowDuplicates lets a reset run send messages again that Segment may have forgotten.
	AllowDuplicates bool `json:"allowDuplicates,omitempty"`
	// Since is the earliest time at which the tasks of a reset run may have been tried. It is zero
	// for other runs.
	Since time.Time `json:"since,omitzero"`
	// State is the progress of the run when it continued as a new one.
	State *workflow.State `json:"state,omitempty"`
}

// Progress is the progress of a run.
type Progress struct {
	Status workflow.Status `json:"status"`
	// Nodes has the status of each node by its id.
	Nodes map[string]workflow.Status `json:"nodes"`
}

const (
	// maxPayload is the size of the largest argument or result: Temporal's 2 MiB, less some room
	// for what it adds.
	maxPayload = 2<<20 - 16<<10
	// maxRetrying is how long after its first try a task may be tried again. Segment recognizes a
	// repeated message for 24 hours.
	maxRetrying = 23 * time.Hour
	// lostAfter is how long an invocation may go without a heartbeat before another worker tries
	// it. Its messageIds are the same there, in case the first worker is still alive.
	lostAfter = 30 * time.Second
	// Temporal ends a workflow with a longer or larger history.
	maxEvents, maxHistory = 45_000, 45 << 20
	// atOnce is how many tasks may run at once.
	atOnce = 64
)

// NodeFailed is the type of the error of a run that failed. Its detail is the result of the run.
const NodeFailed = "node_failed"

// Graph is the workflow that runs a workflow file to its end. It returns what the command workflow
// run prints: run, status and nodes. A run that fails returns an error of the type [NodeFailed].
// Canceling the run cancels its invocations in progress. Graph answers [ProgressQuery], and
// continues as a new run when its history grows long.
//
// The messageIds derive from the FirstRunID of the workflow, the file, its input, the node and the
// iteration, so a reset counts nothing twice. Segment recognizes a repeat for 24 hours. So after a
// reset that comes more than 23 hours after the run began, nothing is sent again, unless the
// request allows duplicates.
func Graph(ctx sdk.Context, req Request) (json.RawMessage, error) {
	g, err := workflow.Parse(req.File, []byte(req.Text))
	if err != nil {
		return nil, temporal.NewNonRetryableApplicationError(err.Error(), string(runtime.InvalidInput), nil)
	}
	info := sdk.GetInfo(ctx)
	r := &run{graph: g, request: req, state: req.State, id: cmp.Or(info.FirstRunID, info.WorkflowExecution.RunID)}
	if info.OriginalRunID != info.WorkflowExecution.RunID && req.Since.IsZero() {
		// After a reset, the times of the first tries are unknown. They are not before the run
		// began.
		r.request.Since = info.WorkflowStartTime
	}
	if r.state == nil {
		if r.state, err = g.Begin(req.Input); err != nil {
			return nil, temporal.NewNonRetryableApplicationError(err.Error(), string(runtime.InvalidInput), nil)
		}
	}
	r.seed = g.Seed(r.state, r.id)
	if err := sdk.SetQueryHandler(ctx, ProgressQuery, r.progress); err != nil {
		return nil, err
	}
	if err := r.drive(ctx); err != nil {
		return nil, err
	}
	return r.result()
}

// run is a run of a graph. Temporal runs one of its coroutines at a time.
type run struct {
	graph   *workflow.Graph
	request Request
	state   *workflow.State
	id      string
	seed    string // of the invocation ids
	running int
	ended   sdk.Channel
}

func (r *run) progress() (Progress, error) {
	p := Progress{Status: r.graph.Status(r.state), Nodes: map[string]workflow.Status{}}
	for i, n := range r.graph.Nodes {
		p.Nodes[n.ID] = r.state.Nodes[i].Status
	}
	return p, nil
}

// drive runs tasks until none are left. It returns the error of the context, or an error that
// continues the run as a new one.
func (r *run) drive(ctx sdk.Context) error {
	r.ended = sdk.NewBufferedChannel(ctx, atOnce)
	handingOver, tooLarge := false, false
	for {
		if info := sdk.GetInfo(ctx); info.GetContinueAsNewSuggested() && !handingOver && !tooLarge {
			handingOver = sizeOf(r.next()) <= maxPayload
			tooLarge = !handingOver
		} else if info.GetCurrentHistoryLength() > maxEvents || info.GetCurrentHistorySize() > maxHistory {
			return r.tooLong()
		}
		if !handingOver && ctx.Err() == nil {
			r.start(ctx)
		}
		if r.running == 0 {
			break
		}
		r.ended.Receive(ctx, nil) // a canceled context does not end it
		r.running--
	}
	if ctx.Err() != nil && r.graph.Status(r.state) == workflow.Running {
		return ctx.Err()
	}
	if handingOver && r.graph.Status(r.state) == workflow.Running {
		return sdk.NewContinueAsNewError(ctx, WorkflowType, r.next())
	}
	return nil
}

// start starts the tasks that are ready.
func (r *run) start(ctx sdk.Context) {
	for r.running < atOnce && len(r.state.Ready) > 0 && ctx.Err() == nil {
		tasks := r.graph.Next(r.state, atOnce-r.running)
		if r.launch(ctx, tasks); len(tasks) == 0 {
			_ = sdk.Sleep(ctx, time.Millisecond) // Temporal stops workflows that compute without a pause
		}
	}
}

// launch starts tasks. Temporal takes up to 4 MiB of commands at once, so it pauses between large
// inputs.
func (r *run) launch(ctx sdk.Context, tasks []workflow.Task) {
	bytes := 0
	for _, task := range tasks {
		r.running++
		size := sizeOf(task)
		if bytes += size; bytes > maxPayload && bytes > size {
			_ = sdk.Sleep(ctx, time.Millisecond) // if it is canceled meanwhile, the tasks notice
			bytes = size
		}
		sdk.Go(ctx, func(ctx sdk.Context) {
			outcome, canceled := r.do(ctx, task, size)
			if !canceled {
				_ = r.graph.Complete(r.state, task.Node, task.Iteration, outcome) // no error: the task is running
			}
			r.ended.Send(ctx, nil)
		})
	}
}

// sizeOf returns the size of a value as Temporal stores it: JSON in which < is \u003c.
func sizeOf(value any) int {
	raw, err := json.Marshal(value)
	if err != nil {
		return maxPayload + 1
	}
	return len(raw)
}

// do runs a task, and repeats it as its node says. A try that ends because a worker dies does not
// count.
func (r *run) do(ctx sdk.Context, task workflow.Task, size int) (outcome workflow.Outcome, canceled bool) {
	if size > maxPayload {
		return workflow.Failure(string(runtime.TooLarge), fmt.Sprintf(
			"the input of %s has %d bytes with all it refers to, and Temporal takes %d; nothing was sent: "+
				"divide the data, or refer to less of it", task.ID(), size, maxPayload)), false
	}
	n, first := r.graph.Node(task.Node), sdk.Now(ctx)
	call := Call{
		InvocationID: workflow.InvocationID(r.seed, task), At: first, Source: r.request.Source, Values: task.Values,
	}
	if n.Timeout.Duration > 0 {
		call.Timeout = n.Timeout.String()
	}
	if !r.request.AllowDuplicates {
		call.Until = first.Add(maxRetrying)
		if since := r.request.Since; !since.IsZero() {
			call.Until = since.Add(maxRetrying)
		}
	}
	if call.Values == nil {
		call.Values = map[string]json.RawMessage{}
	}
	for attempt := 1; ; attempt++ {
		left := maxRetrying - sdk.Now(ctx).Sub(first)
		outcome, retryable, after, err := invoke(ctx, n, task, call, attempt, left)
		if err != nil {
			return outcome, true
		}
		wait, again := n.Retry.Delay(attempt, after)
		if !retryable || !again || wait > left {
			return outcome, false
		}
		if sdk.Sleep(ctx, wait) != nil {
			return outcome, true
		}
	}
}

// invoke makes one try. Temporal repeats it only after a worker is lost or stopped, so that the
// file determines the number of tries. An error means that the try was canceled.
func invoke(
	ctx sdk.Context, n *workflow.Node, task workflow.Task, call Call, attempt int, left time.Duration,
) (outcome workflow.Outcome, retryable bool, after time.Duration, err error) {
	options := sdk.ActivityOptions{
		ActivityID:             task.ID(),
		ScheduleToCloseTimeout: left,
		StartToCloseTimeout:    left,
		HeartbeatTimeout:       lostAfter,
		WaitForCancellation:    true,
		Summary:                task.ID(),
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, MaximumInterval: time.Minute},
	}
	if attempt > 1 {
		options.ActivityID = fmt.Sprintf("%s#%d", task.ID(), attempt)
	}
	if n.Timeout.Duration > 0 {
		options.StartToCloseTimeout = min(left, n.Timeout.Duration+5*time.Second) // the try itself ends first
	}
	policy := options.RetryPolicy
	for _, code := range runtime.Codes() {
		policy.NonRetryableErrorTypes = append(policy.NonRetryableErrorTypes, string(code.Code))
	}
	future := sdk.ExecuteActivity(sdk.WithActivityOptions(ctx, options), n.Block, task.With, call)
	err = future.Get(ctx, &outcome)
	switch app := (*temporal.ApplicationError)(nil); {
	case err == nil:
		return outcome, false, 0, nil
	case temporal.IsCanceledError(err):
		return outcome, false, 0, err
	case errors.As(err, &app):
		if !app.HasDetails() || app.Details(&outcome.Error, &outcome.Receipt) != nil {
			outcome = workflow.Failure(app.Type(), app.Message())
		}
		return outcome, !app.NonRetryable(), app.NextRetryDelay(), nil
	}
	return workflow.Failure(string(runtime.DeadlineExceeded), fmt.Sprintf(
		"no worker has done %s within %s: %s", task.ID(), maxRetrying, err)), false, 0, nil
}

// next returns the request of the run that continues this one.
func (r *run) next() Request {
	next := r.request
	next.Input, next.State = nil, r.state
	return next
}

// tooLong returns the error of a run that is about to outgrow Temporal's limits, but is too large
// to continue as a new one.
func (r *run) tooLong() error {
	largest, most := "", 0
	for i, n := range r.graph.Nodes {
		if size := sizeOf(r.state.Nodes[i]); size > most {
			largest, most = n.ID, size
		}
	}
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(
		"the run is too large for Temporal: it must remember %d bytes, of at most %d, and %d of them are "+
			"of the node %q; give that node fewer elements, or send them with segment_batch",
		sizeOf(r.next()), maxPayload, most, largest), string(runtime.TooLarge), nil)
}

// result returns the result of the run. If it is too large, it has no outputs.
func (r *run) result() (json.RawMessage, error) {
	status := r.graph.Status(r.state)
	res := &workflow.Result{Run: r.id, Status: status, Graph: r.graph, State: r.state}
	raw, err := json.Marshal(res)
	if err != nil {
		return nil, err
	}
	if len(raw) > maxPayload {
		for i := range r.state.Nodes {
			state := &r.state.Nodes[i]
			state.Output, state.Receipt = nil, nil
		}
		if raw, err = json.Marshal(res); err != nil {
			return nil, err
		}
	}
	if status == workflow.Failed {
		return nil, temporal.NewNonRetryableApplicationError(r.failedNode(), NodeFailed, nil, json.RawMessage(raw))
	}
	return raw, nil
}

// failedNode describes the error of the node that made the run fail.
func (r *run) failedNode() string {
	i := r.graph.Failed(r.state)
	e := rawjson.OpenObject(r.state.Nodes[i].Error)
	return fmt.Sprintf("the node %q failed: %s", r.graph.Nodes[i].ID, e.Text("message"))
}

// CheckSize refuses a request that is too large for Temporal.
func CheckSize(req Request) error {
	if size := sizeOf(req); size > maxPayload {
		return fmt.Errorf("the workflow file and its input have %d bytes, and Temporal takes %d: "+
			"divide them, or have a block fetch the data", size, maxPayload)
	}
	return nil
}
