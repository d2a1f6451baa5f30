package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
	"github.com/aacflow/segment-blocks/workflow"
	blockflow "github.com/aacflow/segment-blocks/workflow/temporal"
)

func newEmulator(t *testing.T) *emulator.Server {
	t.Helper()
	server, err := emulator.Start()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close(context.Background())) })
	return server
}

// killFile has three concurrent nodes, a loop of 30 iterations with one node beside it, and a last
// node.
const (
	killFile     = "../../testdata/kill.workflow.yaml"
	killMessages = 3 + 30 + 2
)

// begin starts the workflow of killFile, and returns when half of it is done.
func begin(t *testing.T, s *temporalServer, segment *emulator.Server, id string) {
	t.Helper()
	require.NoError(t, segment.Script(emulator.Fault{Delay: 200 * time.Millisecond, Times: -1}))
	out, _, err := runCommand(t.Context(), "run", "--address", s.address(), "--task-queue", id, "--file", killFile,
		"--env", "TOKEN", "--run", id, "--detach")
	require.NoError(t, err)
	require.Equal(t, id+"\n", out)
	_, err = segment.Wait(patiently(t), killMessages/2)
	require.NoError(t, err)
}

// requireComplete waits for the end of a workflow. Every message must be stored exactly once.
func requireComplete(t *testing.T, s *temporalServer, segment *emulator.Server, id string) {
	t.Helper()
	var raw json.RawMessage
	require.NoError(t, s.GetWorkflow(t.Context(), id, "").Get(patiently(t), &raw))
	require.Contains(t, string(raw), `"status":"succeeded"`)
	stats := segment.Stats()
	require.EqualValues(t, killMessages, stats.Stored)
	require.Zero(t, stats.Discarded)
	require.Len(t, ids(segment), killMessages)
	t.Logf("%d requests, %d stored, %d repeats recognised", stats.Requests, stats.Stored, stats.Duplicates)
}

// TestKilledWorkers repeatedly kills one of two workers while they work, KILLS times in all.
func TestKilledWorkers(t *testing.T) {
	t.Parallel()
	s, segment := startTemporal(t), newEmulator(t)
	require.NoError(t, segment.Script(emulator.Fault{Delay: 200 * time.Millisecond, Times: -1}))
	kills := 2
	if text := os.Getenv("KILLS"); text != "" {
		var err error
		kills, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	workers := []*exec.Cmd{startWorker(t, s, segment.URL, "killed"), startWorker(t, s, segment.URL, "killed")}
	runs := 0
	for killed := range kills {
		if runs == 0 || s.GetWorkflow(t.Context(), fmt.Sprint("killed", runs-1), "").Get(atOnce(t), nil) == nil {
			_, _, err := runCommand(t.Context(), "run", "--address", s.address(), "--task-queue", "killed",
				"--file", killFile,
				"--env", "TOKEN", "--run", fmt.Sprint("killed", runs), "--detach")
			require.NoError(t, err)
			runs++
		}
		_, err := segment.Wait(patiently(t), min(runs*killMessages, len(segment.Events(emulator.Filter{}))+1))
		require.NoError(t, err)
		victim := &workers[killed%2]
		require.NoError(t, (*victim).Process.Kill())
		*victim = startWorker(t, s, segment.URL, "killed")
	}
	for i := range runs {
		require.NoError(t, s.GetWorkflow(t.Context(), fmt.Sprint("killed", i), "").Get(patiently(t), nil))
	}
	require.EqualValues(t, runs*killMessages, segment.Stats().Stored)
	require.Len(t, ids(segment), runs*killMessages)
	t.Logf("%d kills, %d of %d stored, %d repeats recognised", kills, segment.Stats().Stored, runs*killMessages,
		segment.Stats().Duplicates)
}

// atOnce returns a context with a short timeout, for reading what already exists.
func atOnce(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func TestKilledWorker(t *testing.T) {
	t.Parallel()
	s, segment := startTemporal(t), newEmulator(t)
	first := startWorker(t, s, segment.URL, "killed")
	begin(t, s, segment, "killed")
	require.NoError(t, first.Process.Kill())
	startWorker(t, s, segment.URL, "killed")
	requireComplete(t, s, segment, "killed")

	t.Run("reset", func(t *testing.T) {
		before := segment.Stats()
		segment.ClearFaults()
		reset(t, s, "killed")
		requireComplete(t, s, segment, "killed")
		require.EqualValues(t, before.Duplicates+killMessages, segment.Stats().Duplicates, "all was sent again")
		// The new run knows that it repeats another run, which began at the first event.
		events := historyOf(t, s, "killed")
		var call blockflow.Call
		for _, event := range events {
			if input := event.GetActivityTaskScheduledEventAttributes().GetInput(); input != nil {
				require.NoError(t, converter.GetDefaultDataConverter().FromPayload(input.Payloads[1], &call))
				require.WithinDuration(t, events[0].EventTime.AsTime().Add(23*time.Hour), call.Until, 0)
			}
		}
		require.NotZero(t, call.Until)
	})
	t.Run("secrets", func(t *testing.T) { requireNoSecrets(t, s, "killed") })
}

// reset makes a workflow start again as a run with another id.
func reset(t *testing.T, s *temporalServer, id string) {
	t.Helper()
	before := s.GetWorkflow(t.Context(), id, "").GetRunID()
	_, err := s.ResetWorkflowExecution(t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
		Namespace:                 "default",
		WorkflowExecution:         &common.WorkflowExecution{WorkflowId: id},
		Reason:                    "a test",
		RequestId:                 "reset-" + id,
		WorkflowTaskFinishEventId: 4, // the first one
	})
	require.NoError(t, err)
	require.NotEqual(t, before, s.GetWorkflow(t.Context(), id, "").GetRunID())
}

// requireNoSecrets reads all that Temporal stores of a workflow. It must contain no secrets.
func requireNoSecrets(t *testing.T, s *temporalServer, id string) {
	t.Helper()
	var all []byte
	for _, event := range historyOf(t, s, id) {
		raw, err := proto.Marshal(event)
		require.NoError(t, err)
		all = append(all, raw...)
	}
	require.Contains(t, string(all), "{{TOKEN}}", "the search finds what is there")
	require.False(t, bytes.Contains(all, []byte(writeKey)))
	require.False(t, bytes.Contains(all, []byte(token)))
}

func historyOf(t *testing.T, s *temporalServer, id string) (events []*history.HistoryEvent) {
	t.Helper()
	found := s.GetWorkflowHistory(t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for found.HasNext() {
		event, err := found.Next()
		require.NoError(t, err)
		events = append(events, event)
	}
	return events
}

func TestKilledServer(t *testing.T) {
	t.Parallel()
	s, segment := startTemporal(t), newEmulator(t)
	startWorker(t, s, segment.URL, "server")
	begin(t, s, segment, "server")
	s.Close()
	s.kill(t)
	require.True(t, s.start(t))
	requireComplete(t, s, segment, "server")
}

// TestContinuedAsNew has the server ask for a new run every 60 events.
func TestContinuedAsNew(t *testing.T) {
	t.Parallel()
	s, segment := startTemporal(t, "--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=60"),
		newEmulator(t)
	startWorker(t, s, segment.URL, "long")
	begin(t, s, segment, "long")
	first := s.GetWorkflow(t.Context(), "long", "")
	described, err := s.DescribeWorkflow(t.Context(), "long", first.GetRunID())
	require.NoError(t, err)
	requireComplete(t, s, segment, "long")
	last, err := s.DescribeWorkflow(t.Context(), "long", "")
	require.NoError(t, err)
	require.NotEqual(t, described.WorkflowExecution.RunID, last.WorkflowExecution.RunID)
	require.Zero(t, segment.Stats().Duplicates)
}

// resultOf returns a result without its receipts, which contain times.
func resultOf(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	var result map[string]any
	require.NoError(t, json.Unmarshal(raw, &result), "%s", raw)
	for _, node := range result["nodes"].(map[string]any) {
		delete(node.(map[string]any), "receipt")
	}
	return result
}

func runLocally(t *testing.T, endpoint, file, run string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	g, err := workflow.Parse(file, data)
	require.NoError(t, err)
	reg := registry.New()
	require.NoError(t, blocks.Register(reg))
	rt, err := runtime.New(reg, runtime.WithConventions(workflow.Conventions()),
		runtime.Source("prod", tracking.Source{WriteKey: writeKey, Endpoint: endpoint}))
	require.NoError(t, err)
	defer rt.Close(context.Background())
	res, err := workflow.Run(t.Context(), g, nil, workflow.Options{
		Invoke: workflow.Invoker(rt), RunID: run,
		Environment: func(name string) (string, bool) { return token, name == "TOKEN" },
	})
	require.NoError(t, err)
	raw, err := json.Marshal(res)
	require.NoError(t, err)
	return resultOf(t, raw)
}

// stored returns the messages of an emulator by their ids, without times.
func stored(server *emulator.Server) map[string]any {
	messages := map[string]any{}
	for _, e := range server.Events(emulator.Filter{}) {
		var message map[string]any
		_ = json.Unmarshal(e.Message, &message)
		for name := range message {
			if strings.HasSuffix(strings.ToLower(name), "timestamp") || name == "sentAt" {
				delete(message, name)
			}
		}
		messages[e.MessageID] = message
	}
	return messages
}
