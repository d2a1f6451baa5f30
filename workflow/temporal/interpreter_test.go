package temporal_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/log"
	sdk "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	sdkflow "go.temporal.io/sdk/workflow"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
	"github.com/aacflow/segment-blocks/workflow"
	"github.com/aacflow/segment-blocks/workflow/temporal"
)

const writeKey = "plantedWriteKeyThatMustNotLeave1"

func newEmulator(t *testing.T) *emulator.Server {
	t.Helper()
	server, err := emulator.Start()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close(context.Background())) })
	return server
}

func newRuntime(t *testing.T, endpoint string) *runtime.Runtime {
	t.Helper()
	reg := registry.New()
	require.NoError(t, blocks.Register(reg))
	source := tracking.Source{WriteKey: writeKey, Endpoint: endpoint}
	source.Retry.MaxRetries = -1
	rt, err := runtime.New(reg, runtime.WithConventions(workflow.Conventions()), runtime.Source("prod", source))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, rt.Close(context.Background())) })
	return rt
}

// newEnvironment returns an environment in which workflows run without a server.
func newEnvironment(t *testing.T, endpoint string) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetWorkerOptions(temporal.WorkerOptions())
	temporal.Register(env, newRuntime(t, endpoint), func(name string) (string, bool) {
		return "secretOfTheWorker", name == "TOKEN"
	})
	return env
}

// TestSameAsInProcess runs the same files with both drivers.
func TestSameAsInProcess(t *testing.T) {
	for _, name := range files(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			server := newEmulator(t)
			env := newEnvironment(t, server.URL)
			env.ExecuteWorkflow(temporal.WorkflowType, temporal.Request{File: name, Text: string(text)})
			require.True(t, env.IsWorkflowCompleted())
			result := resultOf(t, env.GetWorkflowResult, env.GetWorkflowError())

			local := newEmulator(t)
			wanted := runLocally(t, local.URL, name, string(text), result.Run)
			require.Equal(t, wanted, result)
			require.Equal(t, stored(local), stored(server))
		})
	}
}

// files returns the examples, and the workflow files with which package workflow tests its driver.
func files(t *testing.T) (names []string) {
	t.Helper()
	for _, pattern := range []string{"../testdata/drivers/*", "../../examples/*.workflow.yaml"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, found, pattern)
		names = append(names, found...)
	}
	return names
}

// result is the part of a result that is the same in every run. It has no receipts, as they contain
// times.
type result struct {
	Run, Status string
	Nodes       map[string]struct {
		Status string
		Output any
		Error  struct {
			Code, Message string
		}
	}
}

// resultOf returns the result of a workflow, even of one that failed.
func resultOf(t *testing.T, get func(any) error, err error) (res result) {
	t.Helper()
	var raw json.RawMessage
	var failed *sdk.ApplicationError
	if err == nil {
		require.NoError(t, get(&raw))
	} else {
		require.ErrorAs(t, err, &failed)
		require.Equal(t, temporal.NodeFailed, failed.Type(), "%s", err)
		require.NoError(t, failed.Details(&raw))
	}
	require.NoError(t, json.Unmarshal(raw, &res))
	return res
}

func runLocally(t *testing.T, endpoint, name, text, run string) (res result) {
	t.Helper()
	g, err := workflow.Parse(name, []byte(text))
	require.NoError(t, err)
	ran, err := workflow.Run(t.Context(), g, nil, workflow.Options{
		Invoke: workflow.Invoker(newRuntime(t, endpoint)), RunID: run,
		Environment: func(name string) (string, bool) { return "secretOfTheWorker", name == "TOKEN" },
	})
	require.NoError(t, err)
	raw, err := json.Marshal(ran)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &res))
	return res
}

// stored returns the messages that an emulator has stored, by their ids, without times.
func stored(server *emulator.Server) map[string]any {
	messages := map[string]any{}
	for _, e := range server.Events(emulator.Filter{}) {
		var message map[string]any
		_ = json.Unmarshal(e.Message, &message)
		for _, name := range []string{"timestamp", "sentAt", "originalTimestamp"} {
			delete(message, name)
		}
		messages[e.MessageID] = message
	}
	return messages
}

func TestErrors(t *testing.T) {
	server := newEmulator(t)
	t.Run("retry", func(t *testing.T) {
		env := newEnvironment(t, server.URL)
		require.NoError(t, server.Script(emulator.Fault{Status: 503}))
		env.ExecuteWorkflow(temporal.WorkflowType, temporal.Request{Text: `
name: retry
nodes:
  a: {block: segment_track, with: {userId: u, event: Again}, retry: {attempts: 2, wait: 1h}}
`})
		require.Equal(t, "succeeded", resultOf(t, env.GetWorkflowResult, env.GetWorkflowError()).Nodes["a"].Status)
		require.Len(t, server.Events(emulator.Filter{}), 1)
	})
	t.Run("faulty file", func(t *testing.T) {
		env := newEnvironment(t, server.URL)
		env.ExecuteWorkflow(temporal.WorkflowType, temporal.Request{File: "f.yaml", Text: "name: x"})
		require.ErrorContains(t, env.GetWorkflowError(), "f.yaml")
	})
	t.Run("too large", func(t *testing.T) {
		env := newEnvironment(t, server.URL)
		input, err := json.Marshal(map[string]any{"text": strings.Repeat("x", 1_500_000)})
		require.NoError(t, err)
		env.ExecuteWorkflow(temporal.WorkflowType, temporal.Request{Input: input, Text: `
name: large
start: {text: ""}
nodes:
  a: {with: {double: "<start.text><start.text>"}}
  b: {block: segment_track, with: {userId: u, event: Large, properties: {text: <a.double>}}, onError: continue}
`})
		e := resultOf(t, env.GetWorkflowResult, env.GetWorkflowError()).Nodes["b"].Error
		require.Equal(t, "too_large", e.Code)
		require.Contains(t, e.Message, "the input of b has 300")
		require.Contains(t, e.Message, "Temporal takes 2080768; nothing was sent")
		require.Len(t, server.Events(emulator.Filter{}), 1, "that of the first case")
	})
	t.Run("major version", func(t *testing.T) {
		env := newEnvironment(t, server.URL)
		env.ExecuteWorkflow(temporal.WorkflowType, temporal.Request{Text: `
name: major
nodes:
  a: {block: segment_track@1, with: {userId: u, event: E}}
  b: {block: segment_track@9, with: {userId: u, event: E}, onError: continue}
`})
		nodes := resultOf(t, env.GetWorkflowResult, env.GetWorkflowError()).Nodes
		require.Equal(t, "succeeded", nodes["a"].Status)
		require.Equal(t, "failed", nodes["b"].Status)
		require.Contains(t, nodes["b"].Error.Message, "9")
	})
	t.Run("late reset", func(t *testing.T) {
		request := temporal.Request{Since: time.Now().Add(-23 * time.Hour), Text: `
name: late
nodes: {a: {block: segment_track, with: {userId: u, event: Late}}}
`}
		sent := len(server.Requests())
		env := newEnvironment(t, server.URL)
		env.ExecuteWorkflow(temporal.WorkflowType, request)
		e := resultOf(t, env.GetWorkflowResult, env.GetWorkflowError()).Nodes["a"].Error
		require.Equal(t, "deadline_exceeded", e.Code)
		require.Contains(t, e.Message, "may have been sent more than 23 hours ago")
		require.Len(t, server.Requests(), sent)
		for _, allowed := range []temporal.Request{
			{Text: request.Text, Since: request.Since, AllowDuplicates: true},
			{Text: request.Text, Since: time.Now().Add(-22 * time.Hour)},
		} {
			env = newEnvironment(t, server.URL)
			env.ExecuteWorkflow(temporal.WorkflowType, allowed)
			require.Equal(t, "succeeded", resultOf(t, env.GetWorkflowResult, env.GetWorkflowError()).Status)
		}
	})
	t.Run("unknown source", func(t *testing.T) {
		env := newEnvironment(t, server.URL)
		env.ExecuteWorkflow(temporal.WorkflowType, temporal.Request{Source: "dev", Text: `
name: source
nodes: {a: {block: segment_track, with: {userId: u, event: E}}}
`})
		require.ErrorContains(t, env.GetWorkflowError(), `"dev"`)
	})
}

func TestContinuesAsNew(t *testing.T) {
	server := newEmulator(t)
	text := "name: loop\nnodes: {a: {block: segment_track, forEach: 100, concurrency: 8, " +
		"with: {userId: u, event: 'E<loop.index>'}}}"
	request := temporal.Request{Text: text}
	runs := 0
	for {
		env := newEnvironment(t, server.URL)
		if runs == 0 {
			env.RegisterDelayedCallback(func() { env.SetContinueAsNewSuggested(true) }, time.Millisecond)
		}
		env.ExecuteWorkflow(temporal.WorkflowType, request)
		runs++
		var next *sdkflow.ContinueAsNewError
		if err := env.GetWorkflowError(); err != nil && runs < 3 {
			require.ErrorAs(t, err, &next)
			require.Less(t, len(server.Events(emulator.Filter{})), 100)
			require.NoError(t, json.Unmarshal(next.Input.GetPayloads()[0].GetData(), &request))
			continue
		}
		require.Equal(t, "succeeded", resultOf(t, env.GetWorkflowResult, env.GetWorkflowError()).Status)
		break
	}
	require.Equal(t, 2, runs)
	require.Len(t, server.Events(emulator.Filter{}), 100)
	require.Len(t, server.Requests(), 100, "nothing was sent again")
}
