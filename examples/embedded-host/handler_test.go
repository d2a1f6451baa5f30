package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

const writeKey = "S3cretS3cretS3cretS3cretS3cretS3"

func start(t *testing.T) (Handler, *emulator.Server) {
	segment, err := emulator.Start()
	require.NoError(t, err)
	reg := registry.New()
	blocks.MustRegister(reg)
	source := tracking.Source{
		WriteKey: writeKey,
		Endpoint: segment.URL,
		Retry:    retry.Policy{MaxRetries: 1, BaseDelay: time.Millisecond},
	}
	rt, err := runtime.New(reg, runtime.Source("prod", source))
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		require.NoError(t, rt.Close(ctx))
		require.NoError(t, segment.Close(ctx))
	})
	return Handler{reg, rt}, segment
}

func fault(t *testing.T, segment *emulator.Server, rule string) {
	res, err := http.Post(segment.URL+"/emulator/v1/faults", "application/json", strings.NewReader(rule))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
}

var (
	node  = Node{ID: "node-3", Name: "Track order", Type: "segment_track"}
	order = map[string]any{
		"event":      "Order Completed",
		"userId":     "u-42",
		"properties": map[string]any{"total": json.Number("42.50")},
	}
)

func at(rounds ...Iteration) Execution {
	return Execution{WorkflowID: "wf-1", RunID: "run-7", Iterations: rounds}
}

func TestCanHandle(t *testing.T) {
	h, _ := start(t)
	require.True(t, h.CanHandle(node))
	require.False(t, h.CanHandle(Node{Type: "send_mail"}))
}

func TestOutputAndEvent(t *testing.T) {
	h, segment := start(t)
	output, receipt, err := h.Execute(t.Context(), at(), node, order)
	require.NoError(t, err)
	require.Equal(
		t,
		map[string]any{"success": true, "event": "Order Completed", "userId": "u-42", "anonymousId": nil},
		output,
	)
	require.Equal(t, "wf-1/run-7/node-3", receipt.InvocationID)
	require.Equal(t, 1, receipt.Accepted)
	events := segment.Events(emulator.Filter{})
	require.Len(t, events, 1)
	require.Equal(t, receipt.MessageIDs[0], events[0].MessageID)
	require.Contains(t, string(events[0].Message), `42.50`, "every digit arrives")
}

// What runs again keeps its message id, so Segment counts it once; whatever else differs gets
// another.
func TestMessageIDs(t *testing.T) {
	h, segment := start(t)
	messageID := func(run Execution, node Node) string {
		_, receipt, err := h.Execute(t.Context(), run, node, order)
		require.NoError(t, err)
		return receipt.MessageIDs[0]
	}
	loop := Iteration{"loop-1", 0}
	first := messageID(at(loop), node)
	require.Equal(t, first, messageID(at(loop), node), "the node runs again")

	other := node
	other.ID = "node-4"
	seen := map[string]bool{first: true}
	for name, id := range map[string]string{
		"another iteration":         messageID(at(Iteration{"loop-1", 1}), node),
		"another loop":              messageID(at(Iteration{"loop-2", 0}), node),
		"a parallel in the loop":    messageID(at(loop, Iteration{"parallel-1", 0}), node),
		"its other branch":          messageID(at(loop, Iteration{"parallel-1", 1}), node),
		"no loop":                   messageID(at(), node),
		"another node":              messageID(at(loop), other),
		"another run":               messageID(Execution{"wf-1", "run-8", []Iteration{loop}}, node),
		"another workflow":          messageID(Execution{"wf-2", "run-7", []Iteration{loop}}, node),
		"a node named like a path":  messageID(at(), Node{ID: "node-3/loop-1:0", Type: node.Type}),
		"a scope named like a path": messageID(at(Iteration{"loop-1:0/parallel-1", 1}), node),
	} {
		require.False(t, seen[id], name)
		seen[id] = true
	}
	require.Len(t, segment.Events(emulator.Filter{}), len(seen), "the repeat is stored once")
}

func TestRefusedInput(t *testing.T) {
	h, segment := start(t)
	_, receipt, err := h.Execute(t.Context(), at(), node, map[string]any{"event": "", "userId": "{{USER}}"})
	var failed *NodeError
	require.ErrorAs(t, err, &failed)
	require.True(
		t,
		strings.HasPrefix(err.Error(), "Track order: segment_track refused its input, nothing was sent: /event "),
		"%v",
		err,
	)
	require.NotContains(t, err.Error(), "\n")
	require.Zero(t, receipt.Attempts)
	require.Empty(t, segment.Requests())

	output, err := failed.Output()
	require.NoError(t, err)
	require.Equal(t, failed.Error(), output["error"])
	var details struct {
		Code       string
		Retryable  bool
		Violations []struct{ Path, Code string }
	}
	require.NoError(t, json.Unmarshal(output["details"].(json.RawMessage), &details))
	require.Equal(t, "invalid_input", details.Code)
	require.False(t, details.Retryable)
	require.Contains(t, details.Violations, struct{ Path, Code string }{"/event", "event_not_defined"})
	require.Contains(t, details.Violations, struct{ Path, Code string }{"/userId", "unresolved_reference"})
}

// An outage is worth a retry of the engine's, which sends the same message once more.
func TestOutage(t *testing.T) {
	h, segment := start(t)
	fault(t, segment, `{"status": 503, "times": 2}`)
	_, before, err := h.Execute(t.Context(), at(), node, order)
	var failed *NodeError
	require.ErrorAs(t, err, &failed)
	require.True(t, failed.Details.Retryable)
	require.Equal(t, runtime.Unavailable, failed.Details.Code)
	require.Equal(t, http.StatusServiceUnavailable, failed.Details.Status)
	require.Equal(t, 2, before.Attempts)
	output, err := failed.Output()
	require.NoError(t, err)
	require.NotContains(t, string(output["details"].(json.RawMessage)), writeKey)

	_, after, err := h.Execute(t.Context(), at(), node, order)
	require.NoError(t, err)
	require.Equal(t, before.MessageIDs, after.MessageIDs)
}

func TestUnknownSource(t *testing.T) {
	h, _ := start(t)
	lost := node
	lost.Source = "prd"
	_, _, err := h.Execute(t.Context(), at(), lost, order)
	require.ErrorContains(t, err, `did you mean "prod"?`)
}

// A run that is canceled ends its nodes at once.
func TestCancel(t *testing.T) {
	h, segment := start(t)
	fault(t, segment, `{"delay": "60s", "times": 1}`)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	began := time.Now()
	_, _, err := h.Execute(ctx, at(), node, order)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, runtime.Canceled, runtime.ErrorOf(err).Code)
	require.Less(t, time.Since(began), 5*time.Second)
}

func TestProgram(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 5)
	require.NotEqual(t, lines[0], lines[1])
	require.Equal(t, lines[1], lines[2])
	require.Contains(t, lines[3], "Track order: segment_track refused its input")
	require.Equal(t, "events stored: 2", lines[4])
}
