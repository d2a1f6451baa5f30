package workflow

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
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
	// Journal makes the run outlive this process. With one that is read-only, the run ends where the
	// journal does. Default: none.
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
	// Without an id of its own, a second run of the file would send the messageIds of the first one,
	// and nothing of it would count.
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
	return (&runner{Options: o, graph: g, state: state, events: make(chan any)}).run, nil
}

// runner drives a graph in this process. Only run touches its fields; the goroutines of tasks send
// it what they have to say.
type runner struct {
	Options
	graph   *Graph
	state   *State
	events  chan any // Event while a task waits, ended when it has ended
	running int
	told    int // how many of state.Ended have been observed
	resumed map[string]bool
}

// ended is the end of a task.
type ended struct {
	task     Task
	outcome  Outcome
	canceled bool
}

func (r *runner) run(ctx context.Context) (*Result, error) {
	err := r.drive(ctx)
	res := &Result{Run: r.RunID, Status: r.graph.Status(r.state), Graph: r.graph, State: r.state}
	if res.Status == Running {
		res.Status = Canceled
	}
	if r.Journal != nil && !r.Journal.only {
		if failure := r.Journal.put(nil, end{res.Status, time.Now()}); err == nil {
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
	var done []ended
	for {
		starts, err := r.begin(ctx, done)
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
		done = r.wait()
	}
	if failure == nil && r.graph.Status(r.state) == Running {
		failure = context.Cause(ctx)
	}
	return failure
}

// start is a task with the time of its first start.
type start struct {
	task  Task
	first time.Time
}

// begin completes what has ended, and returns what is to be started. All of it is in the journal
// when it returns, in one transaction.
func (r *runner) begin(ctx context.Context, done []ended) ([]start, error) {
	for _, d := range done {
		if err := r.complete(d.task, d.outcome, false); err != nil {
			return nil, err
		}
	}
	var starts []start
	// Tasks that the journal knows end at once and make others ready, so it asks again until nothing
	// more is ready or there is enough to do.
	for ctx.Err() == nil && len(starts)+r.running < r.Concurrency {
		tasks := r.graph.Next(r.state, r.Concurrency-r.running-len(starts))
		if len(tasks) == 0 {
			break
		}
		for _, task := range tasks {
			first, outcome, err := r.Journal.find(r.graph, task)
			switch {
			case err != nil:
				return nil, err
			case outcome != nil:
				if err := r.complete(task, *outcome, true); err != nil {
					return nil, err
				}
			case !r.Journal.isReadOnly():
				if first.IsZero() { // else it was started before, and its event keeps that time
					first = time.Now()
				}
				starts = append(starts, start{task, first})
			}
		}
	}
	if err := r.Journal.write(done, starts); err != nil {
		return nil, err
	}
	return starts, nil
}

func (r *runner) complete(task Task, outcome Outcome, resumed bool) error {
	// An iteration is told when it ends, and a node by tellEnded: skipped ones end without a task.
	if task.Iteration >= 0 {
		status := Succeeded
		if outcome.Error != nil {
			status = Failed
		}
		r.Observe(Event{
			Run: r.RunID, Node: task.Node, Iteration: &task.Iteration, Status: status, Resumed: resumed, Outcome: outcome,
		})
	} else if resumed {
		if r.resumed == nil {
			r.resumed = map[string]bool{}
		}
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

// wait returns tasks that have ended: one, and all others that have as well.
func (r *runner) wait() (done []ended) {
	// All that has ended by now goes into one transaction, which is synced once: that is what makes
	// many quick tasks at once cheap.
	take := func(event any) {
		switch e := event.(type) {
		case Event:
			r.Observe(e)
		case ended:
			r.running--
			if !e.canceled { // what was cut off has not ended: a resume does it again
				done = append(done, e)
			}
		}
	}
	for {
		take(<-r.events)
		for more := true; more; {
			select {
			case event := <-r.events:
				take(event)
			default:
				more = false
			}
		}
		if len(done) > 0 || r.running == 0 {
			return done
		}
	}
}

// launch starts a task in a goroutine of its own. It ends with an ended on r.events.
func (r *runner) launch(ctx context.Context, s start) {
	r.running++
	event := Event{Run: r.RunID, Node: s.task.Node, Status: Running, Attempt: 1}
	if s.task.Iteration >= 0 {
		event.Iteration = &s.task.Iteration
	}
	r.Observe(event)
	go func() {
		outcome := r.do(ctx, s, func(attempt int, last Outcome) {
			e := event
			e.Attempt, e.Outcome = attempt, last
			r.events <- e
		})
		r.events <- ended{s.task, outcome, outcome.Error != nil && ctx.Err() != nil}
	}()
}

// do does a task. Its retries end while the receiver still knows the messages of its first try.
func (r *runner) do(ctx context.Context, s start, waiting func(int, Outcome)) Outcome {
	// Even the references in its input do not matter then.
	if pinned, ok := r.Pins[s.task.Node]; ok {
		return Outcome{Output: pinned}
	}
	input, err := s.task.Input(r.Environment)
	if err != nil {
		return Failure(codeReference, err.Error())
	}
	from := s.first
	if r.Journal.allowsDuplicates() {
		from = time.Now()
	}
	ctx, cancel := context.WithDeadline(ctx, from.Add(maxRetrying))
	defer cancel()
	return r.Invoke.try(ctx, Call{
		Node: r.graph.Node(s.task.Node), Task: s.task, Input: input,
		InvocationID: InvocationID(r.RunID, s.task), At: s.first,
	}, waiting)
}

// ValidRunID reports whether an id can name a run: letters, digits, points, dashes and underscores,
// a letter or digit first, 64 in all.
func ValidRunID(id string) bool {
	// The id is the name of a file, the start of invocation ids, and part of a path over HTTP.
	for i, c := range []byte(id) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && (i == 0 || c != '.' && c != '-' && c != '_') {
			return false
		}
	}
	return id != "" && len(id) <= 64
}

// errRunID is the error of an id that cannot name a run.
func errRunID(id string) error {
	return fmt.Errorf("a run must be named by letters, digits, points, dashes and underscores, 64 in all: %q", id)
}
