package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
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

// killFile has three nodes at once, a loop of 30, one node beside it and a last one.
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

// requireComplete waits for the end of a workflow. Everything must have been stored once.
func requireComplete(t *testing.T, s *temporalServer, segment *emulator.Server, id string) {
	t.Helper()
	var raw json.RawMessage
	require.NoError(t, s.GetWorkflow(t.Context(), id, "").Get(patiently(t), &raw))
	require.Contains(t, string(raw), `"status":"succeeded"`)
	stats := segment.Stats()
	require.EqualValues(t, killMessages, stats.Stored)
	require.Zero(t, stats.Discarded)
	seen := map[any]bool{}
	for _, e := range segment.Events(emulator.Filter{}) {
		seen[e.MessageID] = true
	}
	require.Len(t, seen, killMessages)
	t.Logf("%d requests, %d stored, %d repeats recognised", stats.Requests, stats.Stored, stats.Duplicates)
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
	})
	t.Run("secrets", func(t *testing.T) { requireNoSecrets(t, s, "killed") })
}

// reset has a workflow begin again as a run with another id.
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

// requireNoSecrets reads back all that Temporal has of a workflow.
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
	s.start(t)
	requireComplete(t, s, segment, "server")
}

// TestContinuedAsNew has the server ask for a new run every 60 events.
func TestContinuedAsNew(t *testing.T) {
	t.Parallel()
	s, segment := startTemporal(t, "--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=60"), newEmulator(t)
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

// slow starts a workflow of one node whose request is not answered, and returns when it is sent.
func slow(t *testing.T, s *temporalServer, segment *emulator.Server, id string) {
	t.Helper()
	require.NoError(t, segment.Script(emulator.Fault{Delay: time.Minute}))
	file := filepath.Join(t.TempDir(), "slow.workflow.yaml")
	text := "name: slow\nnodes: {a: {block: segment_track, with: {userId: u, event: Slow}}}"
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	_, _, err := runCommand(t.Context(), "run", "--address", s.address(), "--task-queue", id, "--file", file,
		"--run", id, "--detach")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(segment.Faults()) == 0 }, time.Minute, 50*time.Millisecond)
}

// TestStoppedWorker stops a worker while it waits for an answer. It hands the invocation over.
func TestStoppedWorker(t *testing.T) {
	t.Parallel()
	s, segment := startTemporal(t), newEmulator(t)
	first := startWorker(t, s, segment.URL, "stopped")
	slow(t, s, segment, "stopped")
	require.NoError(t, first.Process.Signal(os.Interrupt))
	require.NoError(t, first.Wait())
	startWorker(t, s, segment.URL, "stopped")
	var raw json.RawMessage
	require.NoError(t, s.GetWorkflow(t.Context(), "stopped", "").Get(patiently(t), &raw))
	require.EqualValues(t, 1, segment.Stats().Stored)
	var why string
	for _, event := range historyOf(t, s, "stopped") {
		why += event.GetActivityTaskStartedEventAttributes().GetLastFailure().GetApplicationFailureInfo().GetType()
	}
	require.Equal(t, "worker_stopped", why)
}

// TestCanceled cancels a workflow that waits for an answer. Cancellation comes with a heartbeat.
func TestCanceled(t *testing.T) {
	t.Parallel()
	s, segment := startTemporal(t), newEmulator(t)
	startWorker(t, s, segment.URL, "canceled")
	slow(t, s, segment, "canceled")
	require.NoError(t, s.CancelWorkflow(t.Context(), "canceled", ""))
	err := s.GetWorkflow(t.Context(), "canceled", "").Get(patiently(t), nil)
	require.True(t, temporal.IsCanceledError(err), "%v", err)
	require.Zero(t, segment.Stats().Stored)
}

// TestSameAsInProcess runs all workflow files on two workers, and compares with a run in this process.
func TestSameAsInProcess(t *testing.T) {
	t.Parallel()
	s, segment := startTemporal(t), newEmulator(t)
	startWorker(t, s, segment.URL, "same")
	startWorker(t, s, segment.URL, "same")
	var files []string
	for _, pattern := range []string{
		"../../testdata/*.yaml", "../../../testdata/drivers/*", "../../../../examples/*.workflow.yaml",
	} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		files = append(files, found...)
	}
	require.GreaterOrEqual(t, len(files), 12)
	for _, file := range files {
		require.NoError(t, segment.Clear())
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		options := client.StartWorkflowOptions{TaskQueue: "same"}
		run, err := s.ExecuteWorkflow(t.Context(), options, blockflow.WorkflowType, blockflow.Request{Text: string(text)})
		require.NoError(t, err)
		var raw json.RawMessage
		var failed *temporal.ApplicationError
		if err := run.Get(patiently(t), &raw); err != nil {
			require.ErrorAs(t, err, &failed, file)
			require.NoError(t, failed.Details(&raw), file)
		}
		local := newEmulator(t)
		require.Equal(t, runLocally(t, local.URL, file, run.GetRunID()), resultOf(t, raw), file)
		require.Equal(t, stored(local), stored(segment), file)
	}
}

// TestRun follows workflow files.
func TestRun(t *testing.T) {
	t.Parallel()
	s, segment := startTemporal(t), newEmulator(t)
	startWorker(t, s, segment.URL, "run")
	t.Run("same run", func(t *testing.T) {
		file := "../../../../examples/order.workflow.yaml"
		args := []string{"run", "--address", s.address(), "--task-queue", "run", "--file", file, "--run", "o-1"}
		first, _, err := runCommand(patiently(t), args...)
		require.NoError(t, err)
		second, _, err := runCommand(patiently(t), args...)
		require.NoError(t, err)
		require.Equal(t, first, second)
		require.Len(t, segment.Requests(), 3, "nothing was sent again")
		_, _, err = runCommand(t.Context(), append(args, "--input", `{"userId":"u-7"}`)...)
		require.ErrorContains(t, err, `another file, input or source has this id, take another one: "o-1"`)
	})
	t.Run("failed", func(t *testing.T) {
		require.NoError(t, segment.Script(emulator.Fault{Status: 400}))
		out, stderr, err := runCommand(patiently(t), "run", "--address", s.address(), "--task-queue", "run",
			"--file", "../../../../examples/order.workflow.yaml")
		require.ErrorContains(t, err, `the node "who" failed: `)
		require.Contains(t, stderr, "order-completed runs as the workflow order-completed-")
		nodes := resultOf(t, []byte(out))["nodes"].(map[string]any)
		require.Equal(t, "skipped", nodes["order"].(map[string]any)["status"])
	})
}

// resultOf returns a result without its receipts, which tell the time.
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

// stored returns the messages of an emulator by their ids, without what tells the time.
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
