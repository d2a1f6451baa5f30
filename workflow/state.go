package workflow

import (
	"encoding/json"
	"strconv"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Status is the progress of a node or a run.
type Status string

// A run is running, succeeded, failed or canceled. A node is never canceled: when its run is, the
// node keeps its status, so that the run can be resumed.
const (
	Pending   Status = "pending"
	Running   Status = "running"
	Succeeded Status = "succeeded"
	Failed    Status = "failed"
	Skipped   Status = "skipped"
	Canceled  Status = "canceled"
)

// State is the progress of a run. It is plain data: it can be written as JSON, read again and
// continued. Only [Graph.Next] and [Graph.Complete] change it.
type State struct {
	// Start is the input of the run: an object with all the members of the graph's start.
	Start rawjson.Object `json:"start"`
	// Nodes are in the order of the graph's.
	Nodes []NodeState `json:"nodes"`
	// Ready are the positions of the nodes that have something to start.
	Ready []int `json:"ready"`
	// Ended are the positions of the nodes that have ended, in the order in which they did.
	Ended []int `json:"ended"`
}

// NodeState is the progress of a node.
type NodeState struct {
	Status Status `json:"status"`
	Outcome
	// Waits counts the needed nodes that have not ended.
	Waits int `json:"waits,omitempty"`
	// Loop is the progress of the iterations of a node with forEach, or nil.
	Loop *Loop `json:"loop,omitempty"`
}

// Task is one thing to do: to invoke the block of a node, for one iteration if it has several.
type Task struct {
	Node string `json:"node"`
	// Iteration counts from 0; it is -1 for a node without forEach.
	Iteration int `json:"iteration"`
	// With is the input with its references, and Values has their values. Variables are not among
	// them, since only the host knows them. [Task.Input] resolves both.
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

// Outcome is the outcome of a task: an output or an error, with a receipt if there is one. All are
// JSON objects. An error has at least code and message.
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

// The codes of a graph's own failures, beside those of package runtime.
const (
	codeReference = "unresolved_reference"
	codeCondition = "invalid_condition"
	codeLoop      = "invalid_loop"
)
