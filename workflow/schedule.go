package workflow

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// Begin returns the state of a run that has not started anything. Input is a JSON object, or null.
// Its members replace those of the graph's start; others are an error.
func (g *Graph) Begin(input json.RawMessage) (*State, error) {
	// Runs share the graph, so its own start must stay as it is.
	start := slices.Clone(g.Start)
	if len(input) > 0 && string(input) != "null" {
		given, err := rawjson.ParseObject(slices.Clone(input), rawjson.Limits{})
		if err != nil {
			return nil, fmt.Errorf("the input of a workflow %w", err)
		}
		for _, m := range given {
			// With a misspelt input, the run would send the default.
			if _, known := start.Get(m.Name); !known {
				return nil, fmt.Errorf("the workflow has no input %q%s; its start has %s", m.Name,
					schemas.DidYouMean(m.Name, memberNames(start)), namesOf(start))
			}
			start = start.Set(m.Name, m.Value)
		}
	}
	s := g.begin(start)
	scope{graph: g, state: s, iteration: -1}.decide(g.free())
	return s, nil
}

func (g *Graph) begin(start rawjson.Object) *State {
	s := &State{Start: start, Nodes: make([]NodeState, len(g.Nodes)), Ready: []int{}, Ended: []int{}}
	for i, n := range g.Nodes {
		s.Nodes[i] = NodeState{Status: Pending, Waits: len(n.Needs)}
	}
	return s
}

// free returns the nodes that need no others.
func (g *Graph) free() (free []int) {
	for i, n := range g.Nodes {
		if len(n.Needs) == 0 {
			free = append(free, i)
		}
	}
	return free
}

// Next returns up to most tasks that are ready, and counts them as started. Each must be completed,
// in any order. The same state gives the same tasks. If it returns fewer, or none, call it again
// until s.Ready is empty: a long loop without tasks takes several calls, so that a caller can end
// in between.
func (g *Graph) Next(s *State, most int) []Task {
	return scope{graph: g, state: s, iteration: -1}.next(most)
}

// Complete enters the outcome of a task into the state. The error says that no such task is
// running.
func (g *Graph) Complete(s *State, node string, iteration int, outcome Outcome) error {
	c := scope{graph: g, state: s, iteration: -1}
	if i, inBody := g.inside[node]; inBody && s.Nodes[i].Loop != nil && s.Nodes[i].Loop.Bodies[iteration] != nil {
		inner := c.inside(i, iteration)
		if j := inner.graph.index[node]; inner.state.Nodes[j].Status == Running {
			inner.complete(j, -1, outcome)
			c.settle(i, iteration)
			return nil
		}
	} else if i, known := g.index[node]; known {
		state := &s.Nodes[i]
		running := state.Status == Running && (iteration < 0) == (state.Loop == nil)
		if running && (state.Loop == nil || slices.Contains(state.Loop.Open, iteration)) {
			c.complete(i, iteration, outcome)
			return nil
		}
	} else if !inBody {
		return fmt.Errorf("complete task: no node has this id: %q", node)
	}
	return fmt.Errorf("complete task: it does not run: %q", Task{Node: node, Iteration: iteration}.ID())
}

// scope is a graph and its state. References in a body also see the graph around it.
type scope struct {
	graph *Graph
	state *State
	// loop and iteration are the values of <loop>; they are nil and -1 outside loops.
	loop      *Loop
	iteration int
	around    *scope
}

// inside returns the scope of a body in one of its iterations.
func (c scope) inside(i, iteration int) scope {
	loop := c.state.Nodes[i].Loop
	return scope{c.graph.Nodes[i].Body, loop.Bodies[iteration], loop, iteration, &c}
}

// mostIdle is how many nodes or iterations next and advance look at beyond those that have tasks.
const mostIdle = 100

func (c scope) next(most int) (tasks []Task) {
	// After each iteration that it starts, a loop goes to the end of the queue. So other nodes do
	// not wait for the end of a long loop, and several loops take turns.
	for seen := 0; len(tasks) < most && len(c.state.Ready) > 0 && seen-len(tasks) < mostIdle; seen++ {
		i := c.state.Ready[0]
		c.state.Ready = c.state.Ready[1:]
		n, state := c.graph.Nodes[i], &c.state.Nodes[i]
		state.Status = Running
		at := c
		if state.Loop != nil {
			if n.Body != nil {
				tasks = append(tasks, c.advance(i, most-len(tasks))...)
				state.Loop.Queued = false // not before, so that what ends meanwhile does not queue it
				c.queueLoop(i)
				continue
			}
			state.Loop.Queued = false
			at.loop, at.iteration = state.Loop, state.Loop.start()
		}
		values, err := at.valuesFor(n.With)
		if err != nil {
			// The task fails before it starts, because it has no input.
			c.complete(i, at.iteration, Failure(codeReference, err.Error()))
			continue
		}
		tasks = append(tasks, Task{n.ID, at.iteration, n.With, values})
		c.queueLoop(i)
	}
	return tasks
}

// advance returns tasks of a loop's body: first of running iterations, then of new ones.
func (c scope) advance(i, most int) (tasks []Task) {
	n, loop := c.graph.Nodes[i], c.state.Nodes[i].Loop
	// Settle removes iterations from the list meanwhile.
	for _, k := range slices.Clone(loop.Open) {
		if len(loop.Bodies[k].Ready) > 0 {
			tasks = append(tasks, c.inside(i, k).next(most-len(tasks))...)
			c.settle(i, k)
		}
	}
	for seen := 0; len(tasks) < most && loop.mayStart(n) && seen-len(tasks) < mostIdle; seen++ {
		k := loop.start()
		if loop.Bodies == nil { // for the first one, and in a state that was read from JSON
			loop.Bodies = map[int]*State{}
		}
		loop.Bodies[k] = n.Body.begin(nil)
		inner := c.inside(i, k)
		inner.decide(n.Body.free())
		tasks = append(tasks, inner.next(most-len(tasks))...)
		c.settle(i, k)
	}
	return tasks
}

// settle ends an iteration whose body has ended, and queues the loop if it can go on.
func (c scope) settle(i, iteration int) {
	body, loop := c.graph.Nodes[i].Body, c.state.Nodes[i].Loop
	if s := loop.Bodies[iteration]; s != nil && body.Status(s) != Running {
		delete(loop.Bodies, iteration)
		c.complete(i, iteration, body.outcome(s, c.graph.Nodes[i].Listed))
		return
	}
	c.queueLoop(i)
}

// queueLoop appends a loop to the queue if it has something to start, and reports whether it has.
func (c scope) queueLoop(i int) bool {
	loop := c.state.Nodes[i].Loop
	isReady := func(k int) bool { return loop.Bodies[k] != nil && len(loop.Bodies[k].Ready) > 0 }
	if loop == nil || !loop.mayStart(c.graph.Nodes[i]) && !slices.ContainsFunc(loop.Open, isReady) {
		return false
	}
	if !loop.Queued {
		loop.Queued = true
		c.state.Ready = append(c.state.Ready, i)
	}
	return true
}

func (c scope) complete(i, iteration int, outcome Outcome) {
	state := &c.state.Nodes[i]
	// References in an exported workflow lead through this member.
	if under := c.graph.Nodes[i].Under; under != "" && outcome.Output != nil {
		outcome.Output = rawjson.Object{{Name: under, Value: outcome.Output}}.JSON()
	}
	if loop := state.Loop; loop != nil {
		loop.end(iteration, outcome)
		// The error of the loop is that of the lowest failed iteration, so that it does not depend
		// on which one ends first.
		if outcome.Error != nil && loop.FirstFailed == iteration {
			state.Error = within(fmt.Sprintf("iteration %d", iteration), outcome.Error)
		}
		if c.queueLoop(i) || len(loop.Open) > 0 {
			return
		}
		results := rawjson.Object{{Name: "results", Value: arrayOf(loop.Results)}}.JSON()
		// The output has the results now. A state in JSON should not have them twice.
		loop.Items, loop.Results, loop.Fixed, loop.Bodies = nil, nil, nil, nil
		outcome = Outcome{Output: results, Error: state.Error}
	}
	state.Status = Succeeded
	if outcome.Error != nil {
		state.Status = Failed
	}
	state.Outcome = outcome
	c.decide(c.freed(i))
}

// freed counts a node as ended, and returns the nodes that wait for nothing any more.
func (c scope) freed(done int) (free []int) {
	c.state.Ended = append(c.state.Ended, done)
	for _, j := range c.graph.Nodes[done].next {
		// Counting keeps a graph of many edges linear.
		if c.state.Nodes[j].Waits--; c.state.Nodes[j].Waits == 0 {
			free = append(free, j)
		}
	}
	return free
}

// decide begins or skips nodes that wait for nothing any more. If they end at once, it goes on with
// the nodes that need them. It is a loop, not a recursion, because chains may be long.
func (c scope) decide(free []int) {
	for len(free) > 0 {
		i := free[0]
		free = free[1:]
		state := &c.state.Nodes[i]
		if code, err := c.begin(i); err != nil {
			state.Status, state.Error = Failed, Failure(code, err.Error()).Error
		}
		if state.Status == Pending {
			c.state.Ready = append(c.state.Ready, i)
			continue
		}
		free = append(free, c.freed(i)...)
	}
}

// begin leaves a node pending if it must run, and else gives it its last status. The error, with
// its code, is why the node failed.
func (c scope) begin(i int) (code string, err error) {
	n, state := c.graph.Nodes[i], &c.state.Nodes[i]
	if !c.wanted(n) {
		state.Status = Skipped
		return "", nil
	}
	if n.condition != nil {
		holds, err := c.holds(n.condition)
		if err != nil {
			return codeCondition, err
		}
		if !holds {
			state.Status = Skipped
			return "", nil
		}
	}
	switch {
	case n.ForEach != nil:
		list, err := c.resolved(n.ForEach)
		if err != nil {
			return codeLoop, err
		}
		items, err := itemsOf(list)
		if err != nil {
			return codeLoop, err
		}
		// Values from outside the loop cannot change while it runs, so they are looked up once.
		fixed, err := c.valuesFor(n.With)
		if err != nil {
			return codeReference, err
		}
		state.Loop = &Loop{Items: items, Results: make([]json.RawMessage, len(items)), Count: len(items), Fixed: fixed}
		// A loop over nothing has no iteration that could complete it.
		if state.Loop.Queued = len(items) > 0; !state.Loop.Queued {
			state.Status, state.Output = Succeeded, json.RawMessage(`{"results":[]}`)
		}
	case n.Block == "": // there is no block to invoke
		output, err := c.resolved(n.With)
		if err != nil {
			return codeReference, err
		}
		state.Status, state.Output = Succeeded, output
	}
	return "", nil
}

// wanted reports whether a node may run, now that the nodes it needs have ended.
func (c scope) wanted(n *Node) bool {
	met, asked := 0, 0
	for _, need := range n.Needs {
		if n.Join == Any && need.Implied {
			continue // if that node did not run, its value is null
		}
		asked++
		status, goesOn := c.state.Nodes[need.place].Status, c.graph.Nodes[need.place].OnError
		switch {
		case need.Failed && status == Failed && goesOn == Branch,
			!need.Failed && (status == Succeeded || status == Failed && goesOn == Continue):
			met++
		}
	}
	return met == asked || n.Join == Any && met > 0
}

// Status returns running until all nodes have ended; then failed if a node with onError: fail has
// failed, or else succeeded.
func (g *Graph) Status(s *State) Status {
	switch {
	case len(s.Ended) < len(s.Nodes):
		return Running
	case g.Failed(s) >= 0:
		return Failed
	}
	return Succeeded
}

// Failed returns the position of the first node with onError: fail that has failed, in the order of
// the file, or -1.
func (g *Graph) Failed(s *State) int {
	for i, n := range g.Nodes {
		if s.Nodes[i].Status == Failed && n.OnError == Fail {
			return i
		}
	}
	return -1
}
