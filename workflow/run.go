package workflow

import (
	"cmp"
	"context"
	"encoding/json"
	"regexp"
	"time"

	"github.com/google/uuid"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Options set up [Run].
type Options struct {
	// Invoke does the work: see [Invoker] and [Previewer].
	Invoke Invoke
	// RunID names the run. Invocation ids are derived from it, so the same id, file and input send
	// the same messages. Default: a random one.
	RunID string
	// Environment gives the variables that the graph may use. Default: none.
	Environment Environment
	// Journal makes the run outlive this process. With one that is read-only, the run ends where
	// the journal does. Default: none.
	Journal *Journal
	// Concurrency is how many tasks run at once. Default 64.
	Concurrency int
	// Pins are outputs of nodes that are not to be invoked, by the ids of the nodes.
	Pins map[string]json.RawMessage
	// Observe is told what happens, by one goroutine at a time. It must be quick.
	Observe func(Event)
}

// Event is one thing that happens in a run.
type Event struct {
	Run  string `json:"run"`
	Node string `json:"node"`
	// Iteration is nil for a node as a whole.
	Iteration *int `json:"iteration,omitempty"`
	// Status is running when a task starts, and a last one when it ends. Running with an attempt
	// above 1 says that the task waits to be tried again after the error.
	Status  Status `json:"status"`
	Attempt int    `json:"attempt,omitempty"`
	// Resumed tells that it has ended before, as the journal says.
	Resumed bool `json:"resumed,omitempty"`
	Outcome
}

// Result is how far a run has come.
type Result struct {
	Run    string
	Status Status
	Graph  *Graph
	State  *State
}

// MarshalJSON writes run, status and nodes by their ids, in the order of the file.
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

// summary is what people see of a node.
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
	if s.Status == Running { // there is nobody who runs it
		s.Status = Pending
	}
	if loop := state.Loop; loop != nil {
		s.Iterations = &iterations{loop.Count, loop.Next - len(loop.Open), loop.Failed}
	}
	return written(s)
}

// Run runs a graph to its end. Nodes run as soon as they are ready, at once with others. A node
// that fails does not end the run: what does not need it goes on, and the status is failed in the
// end.
//
// When ctx ends, what runs is canceled, the status is canceled, and the error is that of ctx. With
// a journal, a run with the same id goes on where it ended. Other errors say that the run could not
// begin, or that the journal could not be written.
func Run(ctx context.Context, g *Graph, input json.RawMessage, o Options) (*Result, error) {
	run, err := Prepare(g, input, o)
	if err != nil {
		return nil, err
	}
	return run(ctx)
}

// Prepare is the part of [Run] that may find that the run cannot begin. Call the function that it
// returns once: that is the rest of Run.
func Prepare(g *Graph, input json.RawMessage, o Options) (run func(context.Context) (*Result, error), err error) {
	state, err := g.Begin(input)
	if err != nil {
		return nil, err
	}
	// Without an id of its own, a second run of the file would send the messageIds of the first
	// one, and nothing of it would count.
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
	// Tasks wait until they are listened to, so what they say is never more than a few events.
	return (&runner{Options: o, graph: g, state: state, says: make(chan func()), resumed: map[string]bool{}}).run, nil
}

// runner drives a graph in this process. Only run touches its fields; the goroutines of tasks send
// it what to do.
type runner struct {
	Options
	graph   *Graph
	state   *State
	says    chan func()
	running int
	done    []job // that have ended since they were last completed
	told    int   // how many of state.Ended have been observed
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

// drive starts what is ready until nothing is, and nothing runs.
func (r *runner) drive(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var failure error
	for {
		starts, err := r.begin(ctx)
		if err != nil { // without a journal nothing more may be sent
			failure = err
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

// begin completes what has ended, and returns what is to be started. All of it is in the journal
// when it returns, in one transaction.
func (r *runner) begin(ctx context.Context) ([]job, error) {
	done, starts := r.done, []job{}
	r.done = nil
	for _, j := range done {
		if err := r.complete(j, false); err != nil {
			return nil, err
		}
	}
	// Tasks that the journal knows end at once and make others ready, so it asks again until
	// nothing more is ready or there is enough to do.
	for ctx.Err() == nil && len(starts)+r.running < r.Concurrency {
		tasks := r.graph.Next(r.state, r.Concurrency-r.running-len(starts))
		if len(tasks) == 0 {
			break
		}
		for _, task := range tasks {
			j, err := r.Journal.find(r.graph, task)
			switch {
			case err != nil:
				return nil, err
			case j.Outcome != nil:
				if err := r.complete(j, true); err != nil {
					return nil, err
				}
			case !r.Journal.isReadOnly():
				if j.First.IsZero() { // else it was started before, and its event keeps that time
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
	// An iteration is told when it ends, and a node by tellEnded: skipped ones end without a task.
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

// tellEnded observes the nodes that have ended since.
func (r *runner) tellEnded() {
	for ; r.told < len(r.state.Ended); r.told++ {
		i := r.state.Ended[r.told]
		n, state := r.graph.Nodes[i], r.state.Nodes[i]
		r.Observe(Event{
			Run: r.RunID, Node: n.ID, Status: state.Status, Resumed: r.resumed[n.ID], Outcome: state.Outcome,
		})
	}
}

// wait waits until a task has ended, and takes in all others that have as well.
func (r *runner) wait() {
	for len(r.done) == 0 && r.running > 0 {
		(<-r.says)()
		// All that has ended by now goes into one transaction, which is synced once: that is what
		// makes many quick tasks at once cheap.
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

// launch starts a task in a goroutine of its own.
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
		// What was cut off has not ended: a resume does it again.
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

// do does a task. Its retries end while the receiver still knows the messages of its first try.
func (r *runner) do(ctx context.Context, j job, waiting func(int, Outcome)) Outcome {
	// Even the references in its input do not matter then.
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
		InvocationID: InvocationID(r.RunID, j.task), At: j.First,
	}, waiting)
}

// ValidRunID reports whether an id can name a run: letters, digits, points, dashes and underscores,
// a letter or digit first, 64 in all.
func ValidRunID(id string) bool {
	// The id is the name of a file, the start of invocation ids, and part of a path over HTTP.
	return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`).MatchString(id)
}
