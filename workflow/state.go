package workflow

import (
	"encoding/json"
	"strconv"

	"github.com/aacflow/segment-blocks/rawjson"
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
	Outcome
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
