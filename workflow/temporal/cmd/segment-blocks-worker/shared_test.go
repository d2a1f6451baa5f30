package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	workflowapi "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"

	"github.com/aacflow/segment-blocks/segment/emulator"
	blockflow "github.com/aacflow/segment-blocks/workflow/temporal"
)

// TestOneServer runs the tests that can share a server. Each has its own task queue.
func TestOneServer(t *testing.T) {
	t.Parallel()
	s := startTemporal(t, "--search-attribute", "Blocks=KeywordList", "--search-attribute", "Source=Keyword")
	for name, test := range map[string]func(*testing.T, *temporalServer){
		"stopped worker": testStoppedWorker, "canceled": testCanceled, "same as in process": testSameAsInProcess,
		"run": testRun, "encrypted": testEncrypted, "telemetry": testTelemetry,
		"search attributes": testSearchAttributes,
		"job":               testJob, "import": testImport, "versions": testVersions,
		"rate": testRate, "queues": testQueues,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

// slow starts a workflow of one node whose requests are not answered until the faults are cleared,
// and returns when the first one is sent.
func slow(t *testing.T, s *temporalServer, segment *emulator.Server, id string) {
	t.Helper()
	require.NoError(t,
		segment.Script(emulator.Fault{Delay: time.Minute}, emulator.Fault{Delay: time.Minute, Times: -1}))
	file := filepath.Join(t.TempDir(), "slow.workflow.yaml")
	text := "name: slow\nnodes: {a: {block: segment_track, with: {userId: u, event: Slow}}}"
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	_, _, err := runCommand(t.Context(), "run", "--address", s.address(), "--task-queue", id, "--file", file,
		"--run", id, "--detach")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(segment.Faults()) == 1 }, time.Minute, 50*time.Millisecond)
}

// testStoppedWorker stops a worker while it waits for an answer. The worker must hand the
// invocation over.
func testStoppedWorker(t *testing.T, s *temporalServer) {
	segment := newEmulator(t)
	first := startWorker(t, s, segment.URL, "stopped")
	slow(t, s, segment, "stopped")
	require.NoError(t, first.Process.Signal(os.Interrupt))
	require.NoError(t, first.Wait())
	segment.ClearFaults()
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

// testCanceled cancels a workflow that waits for an answer. The answer to a heartbeat cancels it.
func testCanceled(t *testing.T, s *temporalServer) {
	segment := newEmulator(t)
	startWorker(t, s, segment.URL, "canceled")
	slow(t, s, segment, "canceled")
	require.NoError(t, s.CancelWorkflow(t.Context(), "canceled", ""))
	err := s.GetWorkflow(t.Context(), "canceled", "").Get(patiently(t), nil)
	require.True(t, temporal.IsCanceledError(err), "%v", err)
	require.Zero(t, segment.Stats().Stored)
}

// testSameAsInProcess runs all workflow files on two workers, and compares the results with a run
// in this process.
func testSameAsInProcess(t *testing.T, s *temporalServer) {
	segment := newEmulator(t)
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
		run, err := s.ExecuteWorkflow(t.Context(), options, blockflow.WorkflowType,
			blockflow.Request{Text: string(text)})
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

// testRun follows workflow files.
func testRun(t *testing.T, s *temporalServer) {
	segment := newEmulator(t)
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
		require.ErrorContains(t, err, `another file, input or source has this id; choose another id: "o-1"`)
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

// testEncrypted searches all that the server stores of a workflow for the workflow's content.
func testEncrypted(t *testing.T, s *temporalServer) {
	segment := newEmulator(t)
	startWorker(t, s, segment.URL, "encrypted", "--payload-keys-env", "PAYLOAD_KEYS")
	file := filepath.Join(t.TempDir(), "private.workflow.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`name: private
start: {who: ""}
nodes:
  ok: {block: segment_track, with: {userId: <start.who>, event: PlainText}}
  given: {with: {time: <start.who>}}
  bad: {block: segment_track, with: {userId: u, event: E, timestamp: <given.time>}, onError: continue}
`), 0o600))
	args := []string{
		"run", "--address", s.address(), "--task-queue", "encrypted", "--file", file,
		"--run", "encrypted", "--input", `{"who": "PlainTextPerson"}`,
	}
	run := func(more ...string) (string, string, error) {
		return runCommand(patiently(t), append(args, more...)...)
	}
	out, _, err := run("--payload-keys-env", "PAYLOAD_KEYS")
	require.NoError(t, err)
	require.Contains(t, out, `09:30:00Z: \"PlainTextPerson`)
	again, _, err := run("--payload-keys-env", "PAYLOAD_KEYS")
	require.NoError(t, err, "the memo can be read")
	require.Equal(t, out, again)
	_, _, err = run()
	require.Error(t, err, "without the key")
	_, _, err = run("--payload-keys-env", "PAYLOAD_KEY")
	require.ErrorContains(t, err, "the variable PAYLOAD_KEY must hold one or more keys")
	require.Equal(t, 2, exitCode(err))

	answer, err := s.QueryWorkflow(t.Context(), "encrypted", "", blockflow.ProgressQuery)
	require.NoError(t, err)
	require.Error(t, answer.Get(&blockflow.Progress{}), "without the key")
	events := historyOf(t, s, "encrypted")
	require.Greater(t, len(events), 10)
	for _, event := range events {
		raw, err := proto.Marshal(event)
		require.NoError(t, err)
		require.NotContains(t, string(raw), "PlainText", event.String())
	}
	described, err := s.DescribeWorkflowExecution(t.Context(), "encrypted", "")
	require.NoError(t, err)
	require.NotContains(t, described.String(), "PlainText")
}

// testTelemetry collects the traces of a worker, and reads its metrics.
func testTelemetry(t *testing.T, s *temporalServer) {
	segment := newEmulator(t)
	exported := make(chan string, 100)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		exported <- string(body)
	}))
	defer collector.Close()
	address := "127.0.0.1:" + freePort(t)
	worker, _ := command(t, segment.URL, "serve", "--address", s.address(), "--task-queue", "telemetry",
		"--metrics", address)
	worker.Env = append(worker.Env, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL)
	require.NoError(t, worker.Start())
	t.Cleanup(func() { _ = worker.Process.Kill() })
	_, _, err := runCommand(patiently(t), "run", "--address", s.address(), "--task-queue", "telemetry",
		"--file", "../../../../examples/order.workflow.yaml")
	require.NoError(t, err)
	resp, err := http.Get("http://" + address + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), `segment_blocks_invocations_total{block="segment_identify"`)
	require.Contains(t, string(body), "temporal_activity_execution_latency")
	require.NoError(t, worker.Process.Signal(os.Interrupt))
	require.NoError(t, worker.Wait())
	var spans string
	for len(exported) > 0 {
		spans += <-exported
	}
	for _, name := range []string{
		"RunWorkflow:segment_blocks_graph", "RunActivity:segment_track", "invoke segment_track",
	} {
		require.Contains(t, spans, name)
	}
	require.NotContains(t, spans+string(body), writeKey)
}

func testSearchAttributes(t *testing.T, s *temporalServer) {
	_, _, err := runCommand(t.Context(), "run", "--address", s.address(), "--task-queue", "nobody", "--detach",
		"--file", "../../../../examples/order.workflow.yaml", "--run", "found", "--source", "prod",
		"--block-attribute", "Blocks", "--source-attribute", "Source")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		found, err := s.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
			Query: `Blocks = "segment_group" AND Source = "prod"`,
		})
		return err == nil && len(found.Executions) == 1 && found.Executions[0].Execution.WorkflowId == "found"
	}, time.Minute, 100*time.Millisecond)
	_, _, err = runCommand(t.Context(), "run", "--address", s.address(), "--detach",
		"--file", "../../../../examples/order.workflow.yaml", "--block-attribute", "Unheard")
	require.ErrorContains(t, err, "Unheard")
	require.Equal(t, 1, exitCode(err))
}

// testJob invokes a block without a workflow. The server of Temporal's command cannot do that. A
// variable names a server that can, see .ci/nightly.
func testJob(t *testing.T, s *temporalServer) {
	segment := newEmulator(t)
	newer := os.Getenv("SEGMENT_BLOCKS_NEWER_TEMPORAL")
	if newer != "" {
		_, port, err := net.SplitHostPort(newer)
		require.NoError(t, err)
		s = &temporalServer{port: port}
	}
	namespace := cmp.Or(os.Getenv("TEMPORAL_NAMESPACE"), "default")
	startWorker(t, s, segment.URL, "job", "--namespace", namespace)
	invoke := func(more ...string) (string, error) {
		out, _, err := runCommand(patiently(t), append([]string{
			"invoke", "segment_track", "--address", s.address(),
			"--namespace", namespace, "--task-queue", "job", "--id", "job-1",
		}, more...)...)
		return out, err
	}
	const input = `{"userId": "u", "event": "Order Completed"}`
	_, err := invoke("--input", `{"userId": "u"}`)
	require.ErrorContains(t, err, "/event")
	require.Equal(t, 2, exitCode(err))
	first, err := invoke("--input", input)
	if newer == "" {
		require.ErrorIs(t, err, blockflow.ErrNoStandalone)
		require.Equal(t, 1, exitCode(err))
		return
	}
	require.NoError(t, err)
	require.Contains(t, first, `"output":{"success":true,`)
	again, err := invoke("--input", input)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Len(t, segment.Requests(), 1, "nothing was sent again")
	_, err = invoke("--input", `{"userId": "u", "event": "Another"}`)
	require.ErrorContains(t, err, `another block, input or source has this id; choose another id: "job-1"`)
}

// testRate makes two workers share the load and a rate. In addition to the rate, each of the
// queue's four partitions may let one task through at once.
func testRate(t *testing.T, s *temporalServer) {
	const rate, atOnce, sent = 5, 5 + 4, 25
	segment := newEmulator(t)
	for range 2 {
		startWorker(t, s, segment.URL, "rate", "--rate", fmt.Sprint(rate))
	}
	require.Eventually(t, func() bool {
		queue, err := s.DescribeTaskQueue(t.Context(), "rate", enums.TASK_QUEUE_TYPE_ACTIVITY)
		return err == nil && len(queue.GetPollers()) == 2
	}, time.Minute, 100*time.Millisecond)
	text := fmt.Sprintf("{name: rate, nodes: {a: {forEach: %d, concurrency: %[1]d, block: segment_track, "+
		"with: {userId: u, event: E}}}}", sent)
	began := time.Now()
	run, err := s.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: "rate"}, blockflow.WorkflowType,
		blockflow.Request{Text: text})
	require.NoError(t, err)
	require.NoError(t, run.Get(patiently(t), nil))
	events := segment.Events(emulator.Filter{})
	require.Len(t, events, sent)
	for i, e := range events {
		seconds := e.ReceivedAt.Sub(began).Seconds()
		require.LessOrEqual(t, float64(i+1), rate*seconds+atOnce, "events in %.1f s", seconds)
	}
	workers := map[string]int{}
	for _, event := range historyOf(t, s, run.GetID()) {
		if started := event.GetActivityTaskStartedEventAttributes(); started != nil {
			workers[started.Identity]++
		}
	}
	require.Len(t, workers, 2, "both have work")
	t.Logf("%d events in %.1f s, by worker: %v", sent, events[sent-1].ReceivedAt.Sub(began).Seconds(), workers)
}

// testVersions checks that a run stays with the worker version on which it began.
func testVersions(t *testing.T, s *temporalServer) {
	segment := newEmulator(t)
	deployment := s.WorkerDeploymentClient().GetHandle("versions")
	serveVersion := func(version string) {
		startWorker(t, s, segment.URL, "versions", "--worker-version", version)
		require.Eventually(t, func() bool {
			_, err := deployment.SetCurrentVersion(t.Context(),
				client.WorkerDeploymentSetCurrentVersionOptions{BuildID: version})
			return err == nil
		}, 3*time.Minute, 200*time.Millisecond)
	}
	versionOf := func(id string) string {
		described, err := s.DescribeWorkflowExecution(t.Context(), id, "")
		require.NoError(t, err)
		return described.GetWorkflowExecutionInfo().GetVersioningInfo().GetDeploymentVersion().GetBuildId()
	}
	serveVersion("v1")
	slow(t, s, segment, "versions")
	segment.ClearFaults()
	serveVersion("v2")
	_, _, err := runCommand(patiently(t), "run", "--address", s.address(), "--task-queue", "versions",
		"--file", "../../../../examples/order.workflow.yaml", "--run", "newer")
	require.NoError(t, err)
	require.Equal(t, "v2", versionOf("newer"))
	require.NoError(t, s.GetWorkflow(t.Context(), "versions", "").Get(patiently(t), nil))
	require.Equal(t, "v1", versionOf("versions"))
}

// testQueues gives each source its own task queue. A source that cannot send must not delay the
// other.
func testQueues(t *testing.T, s *temporalServer) {
	shop, crm := newEmulator(t), newEmulator(t)
	config := filepath.Join(t.TempDir(), "sources.yaml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `sources:
  shop: {writeKeyEnv: SEGMENT_WRITE_KEY, endpoint: %q}
  crm: {writeKeyEnv: SEGMENT_WRITE_KEY, endpoint: %q}
`, shop.URL, crm.URL), 0o600))
	for _, source := range []string{"shop", "crm"} {
		startWorker(t, s, "", source, "--config", config, "--source", source)
	}
	slow(t, s, crm, "crm")
	_, _, err := runCommand(patiently(t), "run", "--address", s.address(), "--task-queue", "shop",
		"--file", "../../../../examples/order.workflow.yaml")
	require.NoError(t, err)
	require.EqualValues(t, 3, shop.Stats().Stored)
	require.Zero(t, crm.Stats().Stored)

	// The waiting invocation sends a heartbeat, but only after ten seconds. With shorter intervals,
	// it would seem dead on a loaded machine.
	var alive *workflowapi.PendingActivityInfo
	require.Eventually(t, func() bool {
		described, err := s.DescribeWorkflowExecution(t.Context(), "crm", "")
		require.NoError(t, err)
		alive = described.GetPendingActivities()[0]
		return alive.GetLastHeartbeatTime() != nil
	}, time.Minute, 100*time.Millisecond)
	require.GreaterOrEqual(t, alive.LastHeartbeatTime.AsTime().Sub(alive.LastStartedTime.AsTime()), 9*time.Second)
	for _, event := range historyOf(t, s, "crm") {
		if scheduled := event.GetActivityTaskScheduledEventAttributes(); scheduled != nil {
			require.Equal(t, 30*time.Second, scheduled.HeartbeatTimeout.AsDuration())
			require.Less(t, scheduled.ScheduleToCloseTimeout.AsDuration(), 24*time.Hour)
		}
	}
	require.NoError(t, s.CancelWorkflow(t.Context(), "crm", ""))
	require.True(t, temporal.IsCanceledError(s.GetWorkflow(t.Context(), "crm", "").Get(patiently(t), nil)))
	require.Zero(t, crm.Stats().Stored)
}
