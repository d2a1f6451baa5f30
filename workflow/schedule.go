package workflow

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// Status is how far a node, or a run, is.
type Status string

// The statuses. A run is running, succeeded, failed or canceled; a node is never canceled: it stays
// as it is, for the run to be resumed.
const (
	Pending   Status = "pending"
	Running   Status = "running"
	Succeeded Status = "succeeded"
	Failed    Status = "failed"
	Skipped   Status = "skipped"
	Canceled  Status = "canceled"
)

// State is how far a run is. It is plain data: it can be written as JSON, read again, and gone on
// with. Only [Graph.Next] and [Graph.Complete] change it.
type State struct {
	// Start is the input of the run: an object with all the members of the graph's start.
	Start rawjson.Object `json:"start"`
	// Nodes are in the order of the graph's.
	Nodes []NodeState `json:"nodes"`
	// Ready are the positions of the nodes that have something to start.
	Ready []int `json:"ready"`
	// Ended are the positions of the nodes that are done, in the order in which they were.
	Ended []int `json:"ended"`
}

// NodeState is how far a node is.
type NodeState struct {
	Status Status `json:"status"`
	// Output is what the node has returned, Receipt and Error are as the runtime writes them.
	Output  json.RawMessage `json:"output,omitempty"`
	Receipt json.RawMessage `json:"receipt,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
	// Waits is how many of the needed nodes are not done.
	Waits int `json:"waits,omitempty"`
	// Loop is how far the iterations of a node with forEach are.
	Loop *Loop `json:"loop,omitempty"`
}

// Task is one thing to do: invoke the block of a node, for one iteration where it has several.
type Task struct {
	Node string `json:"node"`
	// Iteration counts from 0; it is -1 for a node without forEach.
	Iteration int `json:"iteration"`
	// With is the input with its references, and Values has what those stand for. Variables are not
	// among them: they are secrets of whoever invokes. See [Task.Input].
	With   json.RawMessage            `json:"with"`
	Values map[string]json.RawMessage `json:"values,omitempty"`
}

// ID names the task within its run: the node, and the iteration if there is one.
func (t Task) ID() string {
	if t.Iteration < 0 {
		return t.Node
	}
	return t.Node + "/" + strconv.Itoa(t.Iteration)
}

// Outcome is what came of a task: an output, or else an error, each with the receipt where there is
// one. All of them are JSON objects; an error has code and message at least.
type Outcome struct {
	Output  json.RawMessage `json:"output,omitempty"`
	Receipt json.RawMessage `json:"receipt,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
}

// Failure returns the outcome of a task that failed before its block was invoked.
func Failure(code, message string) Outcome {
	return Outcome{Error: rawjson.Object{
		{Name: "code", Value: rawjson.Quote(code)},
		{Name: "message", Value: rawjson.Quote(message)},
		{Name: "retryable", Value: json.RawMessage("false")},
	}.JSON()}
}

// Codes of failures that are the graph's, beside those of package runtime.
const (
	codeReference = "unresolved_reference"
	codeCondition = "invalid_condition"
	codeLoop      = "invalid_loop"
)

// Begin returns the state of a run that has not started anything. The members of input, a JSON
// object or nil, take the place of those of the graph's start; it may have no others.
func (g *Graph) Begin(input json.RawMessage) (*State, error) {
	start := slices.Clone(g.Start)
	if len(input) > 0 {
		given, err := rawjson.ParseObject(slices.Clone(input), rawjson.Limits{})
		if err != nil {
			return nil, fmt.Errorf("the input of a workflow %w", err)
		}
		for _, m := range given {
			if _, known := start.Get(m.Name); !known {
				return nil, fmt.Errorf("the workflow has no input %q%s; its start has %s", m.Name,
					schemas.DidYouMean(m.Name, memberNames(start)), namesOf(start))
			}
			start = start.Set(m.Name, m.Value)
		}
	}
	s := &State{Start: start, Nodes: make([]NodeState, len(g.Nodes)), Ready: []int{}, Ended: []int{}}
	var free []int
	for i, n := range g.Nodes {
		s.Nodes[i] = NodeState{Status: Pending, Waits: len(n.Needs)}
		if len(n.Needs) == 0 {
			free = append(free, i)
		}
	}
	g.decide(s, free)
	return s, nil
}

// Next returns up to most tasks that are ready, and counts them as started. Each of them has to be
// completed, in any order. The same state gives the same tasks.
func (g *Graph) Next(s *State, most int) []Task {
	var tasks []Task
	for len(tasks) < most && len(s.Ready) > 0 {
		i := s.Ready[0]
		s.Ready = s.Ready[1:]
		n, state := g.Nodes[i], &s.Nodes[i]
		state.Status = Running
		task := Task{Node: n.ID, Iteration: -1, With: n.With}
		if state.Loop != nil {
			state.Loop.Queued = false
			task.Iteration = state.Loop.start()
		}
		var err error
		if task.Values, err = g.valuesFor(s, n.With, state.Loop, task.Iteration); err != nil {
			g.complete(s, i, task.Iteration, Failure(codeReference, err.Error()))
			continue
		}
		tasks = append(tasks, task)
		g.queueLoop(s, i)
	}
	return tasks
}

// queueLoop puts a loop that may start another iteration behind all else that is ready.
func (g *Graph) queueLoop(s *State, i int) bool {
	loop := s.Nodes[i].Loop
	if loop == nil || !loop.mayStart(g.Nodes[i]) {
		return false
	}
	if !loop.Queued {
		loop.Queued = true
		s.Ready = append(s.Ready, i)
	}
	return true
}

// Complete tells the state what came of a task. The error says that no such task runs.
func (g *Graph) Complete(s *State, node string, iteration int, outcome Outcome) error {
	i, known := g.index[node]
	if !known {
		return fmt.Errorf("complete task: no node has this id: %q", node)
	}
	state := &s.Nodes[i]
	running := state.Status == Running && (iteration < 0) == (state.Loop == nil)
	if running && state.Loop != nil {
		running = slices.Contains(state.Loop.Open, iteration)
	}
	if !running {
		return fmt.Errorf("complete task: it does not run: %q", Task{Node: node, Iteration: iteration}.ID())
	}
	g.complete(s, i, iteration, outcome)
	return nil
}

func (g *Graph) complete(s *State, i, iteration int, outcome Outcome) {
	state := &s.Nodes[i]
	if under := g.Nodes[i].Under; under != "" && outcome.Output != nil {
		outcome.Output = rawjson.Object{{Name: under, Value: outcome.Output}}.JSON()
	}
	if loop := state.Loop; loop != nil {
		loop.end(iteration, outcome)
		if outcome.Error != nil && loop.FirstFailed == iteration {
			state.Error = loopError(iteration, outcome.Error)
		}
		if g.queueLoop(s, i) || len(loop.Open) > 0 {
			return
		}
		results := rawjson.Object{{Name: "results", Value: arrayOf(loop.Results)}}.JSON()
		loop.Items, loop.Results, loop.Fixed = nil, nil, nil
		outcome = Outcome{Output: results, Error: state.Error}
	}
	state.Status = Succeeded
	if outcome.Error != nil {
		state.Status = Failed
	}
	state.Output, state.Receipt, state.Error = outcome.Output, outcome.Receipt, outcome.Error
	g.decide(s, g.freed(s, i))
}

// freed returns the nodes that wait for nothing any more now that a node is done.
func (g *Graph) freed(s *State, done int) (free []int) {
	s.Ended = append(s.Ended, done)
	for _, j := range g.Nodes[done].next {
		if s.Nodes[j].Waits--; s.Nodes[j].Waits == 0 {
			free = append(free, j)
		}
	}
	return free
}

// decide begins the nodes that wait for nothing any more, or skips them, and so on with the nodes
// behind those that are done at once.
func (g *Graph) decide(s *State, free []int) {
	for len(free) > 0 {
		i := free[0]
		free = free[1:]
		g.begin(s, i)
		if s.Nodes[i].Status == Pending {
			s.Ready = append(s.Ready, i)
			continue
		}
		free = append(free, g.freed(s, i)...)
	}
}

// begin leaves a node pending if it is to run, and gives it its last status if it is not.
func (g *Graph) begin(s *State, i int) {
	n, state := g.Nodes[i], &s.Nodes[i]
	fail := func(code string, err error) {
		state.Status, state.Error = Failed, Failure(code, err.Error()).Error
	}
	if !g.wanted(s, n) {
		state.Status = Skipped
		return
	}
	if n.condition != nil {
		holds, err := n.condition.holds(g, s)
		if err != nil {
			fail(codeCondition, err)
			return
		}
		if !holds {
			state.Status = Skipped
			return
		}
	}
	if n.ForEach != nil {
		items, err := g.items(s, n)
		if err != nil {
			fail(codeLoop, err)
			return
		}
		fixed, err := g.valuesFor(s, n.With, nil, -1)
		if err != nil {
			fail(codeReference, err)
			return
		}
		state.Loop = &Loop{Items: items, Results: make([]json.RawMessage, len(items)), Count: len(items), Fixed: fixed}
		if state.Loop.Queued = len(items) > 0; !state.Loop.Queued {
			state.Status, state.Output = Succeeded, json.RawMessage(`{"results":[]}`)
		}
		return
	}
	if n.Block == "" { // there is nothing to invoke
		output, err := g.resolved(s, n.With)
		if err != nil {
			fail(codeReference, err)
			return
		}
		state.Status, state.Output = Succeeded, output
	}
}

// wanted reports whether the nodes that a node needs have ended so that it runs.
func (g *Graph) wanted(s *State, n *Node) bool {
	if len(n.Needs) == 0 {
		return true
	}
	met, asked := 0, 0
	for _, need := range n.Needs {
		if n.Any && need.Implied {
			continue // its value is null if it did not run
		}
		asked++
		if g.meets(s, need) {
			met++
		}
	}
	if n.Any && asked > 0 {
		return met > 0
	}
	return met == asked
}

// meets reports whether a node has ended as a need of it asks for.
func (g *Graph) meets(s *State, need Need) bool {
	status, goesOn := s.Nodes[need.Node].Status, g.Nodes[need.Node].OnError
	if need.Failed {
		return status == Failed && goesOn == Branch
	}
	return status == Succeeded || status == Failed && goesOn == Continue
}

// resolved resolves a template that has no variables and no loop in it.
func (g *Graph) resolved(s *State, template json.RawMessage) (json.RawMessage, error) {
	values, err := g.valuesFor(s, template, nil, -1)
	if err != nil {
		return nil, err
	}
	return Task{With: template, Values: values}.Input(nil)
}

// valuesFor returns the values of all references in a template, by their text: not those of
// variables and, without a loop, not those into the loop. The error joins what is wrong with all
// references that lead nowhere.
func (g *Graph) valuesFor(s *State, template json.RawMessage, loop *Loop, i int) (map[string]json.RawMessage, error) {
	values := map[string]json.RawMessage{}
	var wrong []string
	referencesIn(template, func(_ string, ref reference, _ bool) {
		if _, known := values[ref.text]; known || ref.variable != "" || ref.head == loopHead && loop == nil {
			return
		}
		var value json.RawMessage
		var err error
		if fixed, known := loop.fixed(ref.text); known {
			value = fixed
		} else if value, err = ref.lookUp(g.valueOf(s, ref, loop, i)); err != nil {
			if !slices.Contains(wrong, err.Error()) {
				wrong = append(wrong, err.Error())
			}
			return
		}
		values[ref.text] = value
	})
	if len(wrong) > 0 {
		return nil, errors.New(strings.Join(wrong, "; "))
	}
	return values, nil
}

// fixed returns the value of a reference that is the same for all iterations.
func (l *Loop) fixed(text string) (json.RawMessage, bool) {
	if l == nil {
		return nil, false
	}
	value, known := l.Fixed[text]
	return value, known
}

// valueOf returns what the head of a reference stands for: the start, an iteration of the loop, or
// what has come of a node. It is nothing for a node that did not run, and for one that failed
// unless the reference asks for its error.
func (g *Graph) valueOf(s *State, ref reference, loop *Loop, i int) rawjson.Object {
	switch ref.head {
	case startHead:
		return s.Start
	case loopHead:
		return rawjson.Object{
			{Name: "index", Value: json.RawMessage(strconv.Itoa(i))}, {Name: "currentItem", Value: loop.Items[i]},
		}
	}
	state := &s.Nodes[g.index[ref.head]]
	if ref.isError() {
		return rawjson.Object{{Name: "error", Value: orNull(state.Error)}}
	}
	return rawjson.OpenObject(state.Output)
}

func orNull(raw json.RawMessage) json.RawMessage {
	if raw == nil {
		return json.RawMessage("null")
	}
	return raw
}

// Status returns how far the run is: running until all its nodes are done, then failed if a node
// failed that the graph has no answer to, else succeeded.
func (g *Graph) Status(s *State) Status {
	if len(s.Ended) < len(s.Nodes) {
		return Running
	}
	for i := range s.Nodes {
		if s.Nodes[i].Status == Failed && g.Nodes[i].OnError == Fail {
			return Failed
		}
	}
	return Succeeded
}
