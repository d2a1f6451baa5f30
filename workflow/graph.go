// Package workflow runs graphs of blocks.
//
//	graph, err := workflow.Check("order.workflow.yaml", data, reg, workflow.CheckOptions{})
//	if err != nil { … } // *workflow.FileError: all that is wrong with the file
//	options := workflow.Options{Invoke: workflow.Invoker(rt), RunID: "o-1001"}
//	res, err := workflow.Run(ctx, graph, input, options)
//
// What a graph means is said once, by [Graph.Begin], [Graph.Next] and [Graph.Complete]: functions
// of a graph and a state that know no clock, no goroutine and no I/O. [Run] drives them in this
// process, with a journal if it is to outlive the process; another engine may drive them as well.
package workflow

import (
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Graph is a workflow: nodes, and which of them need which. [Parse] and [Check] make it. It is
// read-only, and safe for concurrent use.
type Graph struct {
	// Name is what people call the workflow.
	Name string
	// Start has the inputs and their defaults.
	Start rawjson.Object
	// Nodes are in the order of the file. A [State] has its nodes in the same order.
	Nodes []*Node

	// Digest is the SHA-256 of the file, in hexadecimal digits.
	Digest string

	index  map[string]int // the positions of the nodes
	inside map[string]int // of those in bodies, the positions of the loops
	around *Graph         // of a body
}

// Node is one node of a graph. Its JSON is that of the file, but for the needs.
type Node struct {
	ID string `json:"id"`
	// Block names the block as a runtime takes it: segment_track, or segment_track@1 for that major
	// version. A node without a block has what stands under with for its output.
	Block string `json:"block,omitempty"`
	// Needs are the edges that lead here: those of the file, then those of references.
	Needs []Need `json:"needs"`
	// Join is any where one of the needs is enough.
	Join Join `json:"join,omitempty"`
	// With is the input, a JSON object whose texts may hold references.
	With json.RawMessage `json:"with"`
	// Under is the member of the node's output that holds the block's, "" where they are the same:
	// structuredContent for the result of an MCP tool.
	Under string `json:"-"`
	// When is an expression that must be true; "" for none.
	When string `json:"when,omitempty"`
	// ForEach is the list to run over: JSON whose texts may hold references, or nil.
	ForEach     json.RawMessage `json:"forEach,omitempty"`
	Concurrency int             `json:"concurrency"`
	// Body is what an iteration runs if that is not the block: a graph whose nodes see the graph
	// around it. The result of an iteration has the outputs of its nodes by their ids or, if Listed
	// is set, is a list of those of its blocks, as AACFlow has it.
	Body   *Graph `json:"nodes,omitempty"`
	Listed bool   `json:"-"`
	Retry  Retry  `json:"retry"`
	// Timeout bounds one try; 0 for no bound.
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
	// Implied tells that only a reference asks for it. A node that one need is enough for waits for
	// it, whatever comes of it.
	Implied bool `json:"implied,omitempty"`

	place int // of the needed node in the graph
}

// UnmarshalText reads a need of a file: NODE, or NODE.error.
func (n *Need) UnmarshalText(text []byte) error {
	n.Node, n.Failed = strings.CutSuffix(string(text), ".error")
	return nil
}

// Join says how many of the needs of a node are enough.
type Join string

// Any is the join of a node that runs once all are decided and one of them at least is met. All is
// what the others mean.
const Any Join = "any"

// OnError says what becomes of a run when a node fails.
type OnError string

// What can become of a run.
const (
	Fail     OnError = "fail"
	Continue OnError = "continue"
	Branch   OnError = "branch"
)

// Retry says how often to try a node whose error is retryable.
type Retry struct {
	Attempts int      `json:"attempts"`
	Wait     Duration `json:"wait"`
	MaxWait  Duration `json:"maxWait"`
}

// Duration is a time that JSON has as text: 30s.
type Duration struct{ time.Duration }

// MarshalText implements [encoding.TextMarshaler].
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a time that has the form which the schema of files demands. One that is too
// long for Go is the longest that there is, and so the parser refuses it.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	if d.Duration, err = time.ParseDuration(string(text)); err != nil {
		d.Duration = math.MaxInt64
	}
	return nil
}

// Delay returns how long to wait behind the attempt with this number, counted from 1, and whether
// there is to be another. It is never shorter than what the receiver asks for.
func (r Retry) Delay(attempt int, asked time.Duration) (wait time.Duration, again bool) {
	wait = r.Wait.Duration
	for range min(attempt-1, 20) {
		wait = min(2*wait, r.MaxWait.Duration)
	}
	return max(wait, asked), attempt < r.Attempts
}

// MarshalJSON writes the nodes as a list.
func (g *Graph) MarshalJSON() ([]byte, error) { return json.Marshal(g.Nodes) }

// Node returns the node with the id, which may be in the body of another, or nil.
func (g *Graph) Node(id string) *Node {
	if i, ok := g.index[id]; ok {
		return g.Nodes[i]
	}
	if i, ok := g.inside[id]; ok {
		return g.Nodes[i].Body.Node(id)
	}
	return nil
}

// sees returns the node that a reference in the graph can mean: one of its own, or of the graph
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

// root returns the graph of the file.
func (g *Graph) root() *Graph {
	if g.around != nil {
		return g.around.root()
	}
	return g
}
