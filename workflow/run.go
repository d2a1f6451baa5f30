package workflow

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Options set up [Run].
type Options struct {
	// Invoke does the work: see [Invoker] and [Previewer].
	Invoke Invoke
	// RunID names the run. Invocation ids derive from it, so the same id, file and input send the
	// same messages. Default: a random id.
	RunID string
	// Environment returns the variables that the graph may use. Default: none.
	Environment Environment
	// Journal lets the run outlive this process. With a read-only journal, the run ends where the
	// journal does. Default: none.
	Journal *Journal
	// Concurrency is how many tasks may run at once. Default: 64.
	Concurrency int
	// Pins are the outputs of nodes whose blocks are not invoked, by the ids of the nodes.
	Pins map[string]json.RawMessage
	// Observe is called for each event, by one goroutine at a time. The run waits for it, so it
	// must be quick.
	Observe func(Event)
}

// Event is one thing that happens in a run.
type Event struct {
	Run  string `json:"run"`
	Node string `json:"node"`
	// Iteration is nil for a node as a whole.
	Iteration *int `json:"iteration,omitempty"`
	// Status is running when a task starts, and its last status when it ends. Running with an
	// attempt above 1 means that the task failed with the error and waits to be tried again.
	Status  Status `json:"status"`
	Attempt int    `json:"attempt,omitempty"`
	// Resumed tells that it ended in an earlier process, and the journal has its outcome.
	Resumed bool `json:"resumed,omitempty"`
	Outcome
}

// Result is a run as it ended.
type Result struct {
	Run    string
	Status Status
	Graph  *Graph
	State  *State
}

// MarshalJSON writes the run, its status, and its nodes by id in the order of the file.
func (r *Result) MarshalJSON() ([]byte, error) {
	nodes := rawjson.Object{}
	for i, n := range r.Graph.Nodes {
		nodes = append(nodes, rawjson.Member{Name: n.ID, Value: r.State.Nodes[i].summary()})
	}
	return rawjson.Object{
		{Name: "run", Value: rawjson.Quote(r.Run)},
		{Name: "status", Value: rawjson.Quote(string(r.Status))},
		{Name: "nodes", Value: nodes.JSON()},
	}.JSON(), nil
}

// summary returns what people see of a node.
func (state *NodeState) summary() json.RawMessage {
	type iterations struct {
		Count  int `json:"count"`
		Ended  int `json:"ended"`
		Failed int `json:"failed"`
	}
	s := struct {
		Status     Status      `json:"status"`
		Iterations *iterations `json:"iterations,omitempty"`
		Outcome
	}{Status: state.Status, Outcome: state.Outcome}
	if s.Status == Running { // nothing runs it any more
		s.Status = Pending
	}
	if loop := state.Loop; loop != nil {
		s.Iterations = &iterations{loop.Count, loop.Next - len(loop.Open), loop.Failed}
	}
	return written(s)
}

// Run runs a graph to its end. Nodes run as soon as they are ready, in parallel with others. A node
// that fails does not end the run: nodes that do not need it go on, and the status is failed in the
// end.
//
// When ctx ends, Run cancels what is running, and returns the status canceled and the error of ctx.
// With a journal, another Run with the same id continues where this one ended. Other errors say
// that the run could not begin, or that the journal could not be read or written.
func Run(ctx context.Context, g *Graph, input json.RawMessage, o Options) (*Result, error) {
	run, err := Prepare(g, input, o)
	if err != nil {
		return nil, err
	}
	return run(ctx)
}

// Prepare is the first part of [Run], which finds out whether the run can begin. It returns the
// rest of Run; call that once.
func Prepare(g *Graph, input json.RawMessage, o Options) (run func(context.Context) (*Result, error), err error) {
	state, err := g.Begin(input)
	if err != nil {
		return nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(o.Pins)) {
		// The blocks in the body of a pinned loop would send.
		if n := g.Node(id); n == nil || n.Block == "" {
			return nil, fmt.Errorf("only a node with a block can be pinned, and none has this id: %q", id)
		}
	}
	// Without its own id, a second run of the file would send the messageIds of the first one, and
	// Segment would drop its messages as duplicates.
	o.RunID = cmp.Or(o.RunID, uuid.NewString())
	o.Concurrency = cmp.Or(max(o.Concurrency, 0), 64)
	if o.Observe == nil {
		o.Observe = func(Event) {}
	}
	if o.Journal != nil {
		if err := o.Journal.bind(o.RunID, g, state); err != nil {
			return nil, err
		}
	}
	return (&runner{
		Options: o, graph: g, state: state, seed: g.Seed(state, o.RunID),
		// The channel has no buffer: tasks wait until run receives, so events do not pile up.
		says: make(chan func()), resumed: map[string]bool{},
	}).run, nil
}

// runner drives a graph in this process. Only the goroutine of run touches its fields. The
// goroutines of tasks send it functions to call.
type runner struct {
	Options
	graph   *Graph
	state   *State
	seed    string // of the invocation ids
	says    chan func()
	running int
	done    []job // have ended, but are not yet completed in the state
	told    int   // how many of state.Ended Observe knows
	resumed map[string]bool
}

func (r *runner) run(ctx context.Context) (*Result, error) {
	err := r.drive(ctx)
	res := &Result{Run: r.RunID, Status: r.graph.Status(r.state), Graph: r.graph, State: r.state}
	if res.Status == Running {
		res.Status = Canceled
	}
	if r.Journal != nil && !r.Journal.isReadOnly() {
		if failure := r.Journal.end(res.Status); err == nil {
			err = failure
		}
	}
	return res, err
}

// drive starts what is ready, until nothing is ready and nothing runs.
func (r *runner) drive(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var failure error
	for {
		starts, err := r.begin(ctx)
		if err != nil { // what the journal cannot record must not be sent
			failure, starts = err, nil
			cancel()
		}
		r.tellEnded()
		for _, s := range starts {
			r.launch(ctx, s)
		}
		if r.running == 0 {
			break
		}
		r.wait()
	}
	if failure == nil && r.graph.Status(r.state) == Running {
		failure = context.Cause(ctx)
	}
	return failure
}

// begin completes what has ended, and returns what to start. It writes both to the journal in one
// transaction.
func (r *runner) begin(ctx context.Context) ([]job, error) {
	done, starts := r.done, []job{}
	r.done = nil
	for _, j := range done {
		if err := r.complete(j, false); err != nil {
			return nil, err
		}
	}
	// Tasks whose outcome is in the journal end at once and make others ready. So it asks for tasks
	// until none is ready, or enough are running.
	for ctx.Err() == nil && len(starts)+r.running < r.Concurrency && len(r.state.Ready) > 0 {
		for _, task := range r.graph.Next(r.state, r.Concurrency-r.running-len(starts)) {
			j, err := r.Journal.find(r.graph, task)
			switch {
			case err != nil:
				return nil, err
			case j.Outcome != nil:
				if err := r.complete(j, true); err != nil {
					return nil, err
				}
			case !r.Journal.isReadOnly():
				if j.First.IsZero() { // otherwise it was started before, and its event keeps that time
					j.First = time.Now().UTC()
				}
				starts = append(starts, j)
			}
		}
	}
	return starts, r.Journal.write(append(done, starts...))
}

func (r *runner) complete(j job, resumed bool) error {
	task, outcome := j.task, *j.Outcome
	// Iterations are observed here. Nodes are observed by tellEnded, because skipped ones end
	// without a task.
	if task.Iteration >= 0 {
		status := Succeeded
		if outcome.Error != nil {
			status = Failed
		}
		r.Observe(Event{
			Run: r.RunID, Node: task.Node, Iteration: &task.Iteration, Status: status, Resumed: resumed,
			Outcome: outcome,
		})
	} else if resumed {
		r.resumed[task.Node] = true
	}
	return r.graph.Complete(r.state, task.Node, task.Iteration, outcome)
}

// tellEnded observes the nodes that have ended since its last call.
func (r *runner) tellEnded() {
	for ; r.told < len(r.state.Ended); r.told++ {
		i := r.state.Ended[r.told]
		n, state := r.graph.Nodes[i], r.state.Nodes[i]
		r.Observe(Event{
			Run: r.RunID, Node: n.ID, Status: state.Status, Resumed: r.resumed[n.ID], Outcome: state.Outcome,
		})
	}
}

// wait waits until a task has ended, and takes in all others that have ended by then.
func (r *runner) wait() {
	for len(r.done) == 0 && r.running > 0 {
		(<-r.says)()
		// All that has ended by now goes into one transaction, with one sync. That makes many quick
		// tasks cheap.
		for more := true; more; {
			select {
			case do := <-r.says:
				do()
			default:
				more = false
			}
		}
	}
}

// launch starts a task in its own goroutine.
func (r *runner) launch(ctx context.Context, j job) {
	r.running++
	event := Event{Run: r.RunID, Node: j.task.Node, Status: Running, Attempt: 1}
	if j.task.Iteration >= 0 {
		event.Iteration = &j.task.Iteration
	}
	r.Observe(event)
	go func() {
		outcome := r.do(ctx, j, func(attempt int, last Outcome) {
			e := event
			e.Attempt, e.Outcome = attempt, last
			r.says <- func() { r.Observe(e) }
		})
		// A task that was cut off has not ended: a resume repeats it.
		canceled := outcome.Error != nil && ctx.Err() != nil
		j.Outcome = &outcome
		r.says <- func() {
			r.running--
			if !canceled {
				r.done = append(r.done, j)
			}
		}
	}()
}

// do does a task. Its retries end while the receiver still recognizes the messages of the first
// try.
func (r *runner) do(ctx context.Context, j job, waiting func(int, Outcome)) Outcome {
	// A pinned node does not need its input, so its references are not resolved.
	if pinned, ok := r.Pins[j.task.Node]; ok {
		return Outcome{Output: pinned}
	}
	input, err := j.task.Input(r.Environment)
	if err != nil {
		return Failure(codeReference, err.Error())
	}
	from := j.First
	if r.Journal.allowsDuplicates() {
		from = time.Now()
	}
	ctx, cancel := context.WithDeadline(ctx, from.Add(maxRetrying))
	defer cancel()
	return r.Invoke.try(ctx, Call{
		Node: r.graph.Node(j.task.Node), Task: j.task, Input: input,
		InvocationID: InvocationID(r.seed, j.task), At: j.First,
	}, waiting)
}

// RunIDForm says what a valid run id is, for error messages.
const RunIDForm = "up to 64 letters, digits, points, dashes and underscores, a letter or digit first"

// ValidRunID reports whether an id can name a run: up to 64 letters, digits, points, dashes and
// underscores, of which the first is a letter or digit.
func ValidRunID(id string) bool {
	// The id is part of a file name, of invocation ids, and of a path over HTTP.
	return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`).MatchString(id)
}
