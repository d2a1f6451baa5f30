// Package workflow runs graphs of blocks.
//
//	against := workflow.CheckOptions{Registry: reg, Runtime: rt}
//	graph, err := workflow.Check(ctx, "order.workflow.yaml", data, against)
//	if err != nil { … } // *workflow.FileError: all that is wrong with the file
//	options := workflow.Options{Invoke: workflow.Invoker(rt), RunID: "o-1001"}
//	res, err := workflow.Run(ctx, graph, input, options)
//
// [Graph.Begin], [Graph.Next] and [Graph.Complete] define what a graph means. They are functions of
// a graph and a state, without a clock, goroutines or I/O. [Run] drives them in this process, with
// a journal if the run must outlive it. Another engine can drive them as well.
package workflow

import (
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Graph is a workflow: its nodes, and which of them need which. [Parse] and [Check] make it. It is
// read-only, and safe for concurrent use.
type Graph struct {
	// Name is what people call the workflow.
	Name string
	// Start has the inputs and their defaults.
	Start rawjson.Object
	// Nodes are in the order of the file, as are the nodes of a [State].
	Nodes []*Node

	// Digest is the SHA-256 of the file, in hexadecimal digits.
	Digest string

	index  map[string]int // the positions of the nodes
	inside map[string]int // of those in bodies, the positions of the loops
	around *Graph         // of a body
}

// Node is one node of a graph. Its JSON has the keys of the file. Only the needs are written as
// objects.
type Node struct {
	ID string `json:"id"`
	// Block names the block as a runtime takes it: segment_track, or segment_track@1 for that major
	// version. The output of a node without a block is the value of With.
	Block string `json:"block,omitempty"`
	// Needs are the edges that lead here: first those that the file lists, then those that
	// references imply.
	Needs []Need `json:"needs"`
	// Join is [Any] if one of the needs is enough.
	Join Join `json:"join,omitempty"`
	// With is the input: a JSON object whose texts may have references.
	With json.RawMessage `json:"with"`
	// Under is the member of the node's output that holds the block's output, such as
	// structuredContent for an MCP tool. It is "" if the two outputs are the same.
	Under string `json:"-"`
	// When is a condition that must be true for the node to run, or "".
	When string `json:"when,omitempty"`
	// ForEach is the list to loop over: JSON whose texts may have references, or nil.
	ForEach     json.RawMessage `json:"forEach,omitempty"`
	Concurrency int             `json:"concurrency"`
	// Body is the graph that each iteration runs in place of a block. Its nodes also see the graph
	// around it. The result of an iteration has the outputs of the nodes by their ids. If Listed is
	// set, it is a list of the outputs of the blocks, as in AACFlow.
	Body   *Graph `json:"nodes,omitempty"`
	Listed bool   `json:"-"`
	Retry  Retry  `json:"retry"`
	// Timeout bounds one try; 0 means no bound.
	Timeout Duration `json:"timeout,omitzero"`
	OnError OnError  `json:"onError"`

	condition *condition
	next      []int  // the nodes that need this one
	at        string // JSON Pointer in the file
}

// Need is an edge from one node to another.
type Need struct {
	// Node is the id of the needed node.
	Node string `json:"node"`
	// Failed tells that the node must have failed, not succeeded.
	Failed bool `json:"failed,omitempty"`
	// Implied tells that only a reference asks for it. A node with the join any waits for such a
	// need, but does not depend on its outcome.
	Implied bool `json:"implied,omitempty"`

	place int // of the needed node in the graph
}

// UnmarshalText reads a need of a file: NODE, or NODE.error.
func (n *Need) UnmarshalText(text []byte) error {
	n.Node, n.Failed = strings.CutSuffix(string(text), ".error")
	return nil
}

// Join says how many needs of a node must be met.
type Join string

// Any is the join of a node that runs if at least one of its needs is met, once all are decided.
// Every other value means that all must be met.
const Any Join = "any"

// OnError says how a run goes on when a node fails.
type OnError string

// Fail fails the run, and skips the nodes that need the failed one. Continue runs them. Branch runs
// those that need the failure in place of those that need the success.
const (
	Fail     OnError = "fail"
	Continue OnError = "continue"
	Branch   OnError = "branch"
)

// Retry says how often a node is tried while its errors are retryable, and how long to wait in
// between. The wait doubles after each try, up to MaxWait.
type Retry struct {
	Attempts int      `json:"attempts"`
	Wait     Duration `json:"wait"`
	MaxWait  Duration `json:"maxWait"`
}

// Duration is a time that JSON holds as text, such as 30s.
type Duration struct{ time.Duration }

// MarshalText implements [encoding.TextMarshaler].
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a time in the form that the schema of files demands. A time that is too long
// for Go becomes the longest one, which the parser refuses.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	if d.Duration, err = time.ParseDuration(string(text)); err != nil {
		d.Duration = math.MaxInt64
	}
	return nil
}

// Delay returns how long to wait after an attempt, counted from 1, and whether another may follow.
// The wait is never shorter than the receiver asks for.
func (r Retry) Delay(attempt int, asked time.Duration) (wait time.Duration, again bool) {
	wait = r.Wait.Duration
	for range min(attempt-1, 20) {
		wait = min(2*wait, r.MaxWait.Duration)
	}
	return max(wait, asked), attempt < r.Attempts
}

// MarshalJSON writes the nodes as a list.
func (g *Graph) MarshalJSON() ([]byte, error) { return json.Marshal(g.Nodes) }

// Node returns the node with the id, also from the body of another node, or nil.
func (g *Graph) Node(id string) *Node {
	if i, ok := g.index[id]; ok {
		return g.Nodes[i]
	}
	if i, ok := g.inside[id]; ok {
		return g.Nodes[i].Body.Node(id)
	}
	return nil
}

// failsWith reports whether a failure of the node with the id fails the run: neither the node nor
// the loop around it handles failures.
func (g *Graph) failsWith(id string) bool {
	if i, inBody := g.inside[id]; inBody && g.Nodes[i].OnError != Fail {
		return false
	}
	n := g.Node(id)
	return n == nil || n.OnError == Fail
}

// sees returns the node that a reference in the graph can mean: a node of the graph or of the one
// around it.
func (g *Graph) sees(id string) *Node {
	if i, ok := g.index[id]; ok {
		return g.Nodes[i]
	}
	if g.around != nil {
		return g.around.sees(id)
	}
	return nil
}
