package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
)

// Node is one block of a workflow, as the engine knows it.
type Node struct {
	ID   string
	Name string
	// Type is the id of the block, such as segment_track.
	Type string
	// Source is the name of the source that the node's author chose; empty is the first that fits.
	Source string
}

// Execution is a place in a run of a workflow.
type Execution struct {
	WorkflowID string
	// RunID stays the same when a run is resumed or one of its nodes is run again, so that a repeat
	// can be recognized.
	RunID string
	// Iterations are those of the loops and parallels around the node, from the outside in.
	Iterations []Iteration
}

// Iteration is one round of a loop, or one branch of a parallel.
type Iteration struct {
	Scope string // the id of the loop or parallel
	Index int
}

// InvocationID names one execution of one node. The attempt is not part of it: another attempt is
// not another event. The parts are escaped, so that no two executions have the same id.
func (e Execution) InvocationID(node Node) string {
	parts := []string{url.PathEscape(e.WorkflowID), url.PathEscape(e.RunID), url.PathEscape(node.ID)}
	for _, i := range e.Iterations {
		parts = append(parts, url.PathEscape(i.Scope)+":"+strconv.Itoa(i.Index))
	}
	return strings.Join(parts, "/")
}

// Handler executes the nodes whose type is a block of the registry. An engine asks its handlers in
// turn, and the first that can takes the node. It is safe for concurrent use.
type Handler struct {
	registry *registry.Registry
	runtime  *runtime.Runtime
}

// CanHandle reports whether the registry has the block of the node.
func (h Handler) CanHandle(node Node) bool {
	_, ok := h.registry.Lookup(node.Type)
	return ok
}

// Execute runs a node with inputs in which the engine has resolved all references. Later nodes
// refer to the output; the engine's log should keep the receipt. The error is always a
// *[NodeError]. ctx is the context of the run: canceling the run cancels the node.
func (h Handler) Execute(
	ctx context.Context,
	run Execution,
	node Node,
	inputs map[string]any,
) (map[string]any, *runtime.Receipt, error) {
	options := []runtime.InvokeOption{runtime.InvocationID(run.InvocationID(node))}
	if node.Source != "" {
		options = append(options, runtime.ToSource(node.Source))
	}
	res, err := h.runtime.Invoke(ctx, node.Type, runtime.Map(inputs), options...)
	if err != nil {
		details := runtime.ErrorOf(err)
		return nil, details.Receipt, &NodeError{node, details}
	}
	var output map[string]any
	decoder := json.NewDecoder(bytes.NewReader(res.Output))
	decoder.UseNumber() // a number keeps its digits on the way to the next node
	if err := decoder.Decode(&output); err != nil {
		return nil, res.Receipt, &NodeError{node, runtime.ErrorOf(fmt.Errorf("decode output: %w", err))}
	}
	return output, res.Receipt, nil
}

// NodeError is the error of a node.
type NodeError struct {
	Node    Node
	Details *runtime.Error
}

// Error is the one line that the run's log shows, the node's name first.
func (e *NodeError) Error() string { return e.Node.Name + ": " + e.Details.Error() }

// Unwrap returns the details, so that errors.As and errors.Is find them and their cause.
func (e *NodeError) Unwrap() error { return e.Details }

// Output is what the node passes to its error edge: the line as error, as in AACFlow, and the
// details, which a workflow can use in conditions.
func (e *NodeError) Output() (map[string]any, error) {
	raw, err := json.Marshal(e.Details)
	if err != nil {
		return nil, fmt.Errorf("encode error of node %q: %w", e.Node.ID, err)
	}
	return map[string]any{"error": e.Error(), "details": json.RawMessage(raw)}, nil
}
