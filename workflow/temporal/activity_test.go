package temporal_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdk "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	sdkflow "go.temporal.io/sdk/workflow"

	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/workflow"
	"github.com/aacflow/segment-blocks/workflow/temporal"
)

// track invokes a block with its input alone, as any workflow may.
func track(ctx sdkflow.Context, input map[string]any) (*workflow.Outcome, error) {
	ctx = sdkflow.WithActivityOptions(ctx, sdkflow.ActivityOptions{
		StartToCloseTimeout: time.Minute, ScheduleToCloseTimeout: 23 * time.Hour,
	})
	var outcome workflow.Outcome
	err := sdkflow.ExecuteActivity(ctx, "segment_track", input).Get(ctx, &outcome)
	return &outcome, err
}

func runTrack(t *testing.T, server *emulator.Server, input map[string]any) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	env := newEnvironment(t, server.URL)
	env.RegisterWorkflow(track)
	env.ExecuteWorkflow(track, input)
	require.True(t, env.IsWorkflowCompleted())
	return env
}

func TestActivityOfAnyWorkflow(t *testing.T) {
	server := newEmulator(t)
	// The event of the first try is stored, but the answer is a failure. The second try must not
	// count.
	require.NoError(t, server.Script(emulator.Fault{Status: 503, Store: true}))
	env := runTrack(t, server, map[string]any{"userId": "u", "event": "E {{NOT}} <a.reference>"})
	var outcome workflow.Outcome
	require.NoError(t, env.GetWorkflowResult(&outcome))
	require.JSONEq(t, `{"success":true,"event":"E {{NOT}} <a.reference>","userId":"u","anonymousId":null}`,
		string(outcome.Output))
	var receipt struct{ Accepted int }
	require.NoError(t, json.Unmarshal(outcome.Receipt, &receipt))
	require.Equal(t, 1, receipt.Accepted)
	require.EqualValues(t, 1, server.Stats().Stored)
	require.EqualValues(t, 1, server.Stats().Duplicates)
}

// placed is a workflow in Go. The answer to its first try is lost.
func placed(ctx sdkflow.Context) (bool, error) {
	out, err := temporal.Invoke[struct{ Success bool }](ctx, "placed", "segment_track",
		map[string]any{"userId": "u", "event": "Order Placed"})
	return out.Success, err
}

func tooMuch(ctx sdkflow.Context) error {
	_, err := temporal.Invoke[any](ctx, "large", "segment_track",
		map[string]any{"event": strings.Repeat("x", 3_000_000)})
	return err
}

func TestInvoke(t *testing.T) {
	server := newEmulator(t)
	env := newEnvironment(t, server.URL)
	env.RegisterWorkflow(placed)
	require.NoError(t, server.Script(emulator.Fault{Status: 503, Store: true}))
	env.ExecuteWorkflow(placed)
	var success bool
	require.NoError(t, env.GetWorkflowResult(&success))
	require.True(t, success)
	require.EqualValues(t, 1, server.Stats().Stored)
	require.EqualValues(t, 1, server.Stats().Duplicates)

	env = newEnvironment(t, server.URL)
	env.RegisterWorkflow(tooMuch)
	env.ExecuteWorkflow(tooMuch)
	require.ErrorContains(t, env.GetWorkflowError(), "the input of large has 3000012 bytes, and Temporal takes 2080768")

	// A run with the same FirstRunID sends the same message, as after a reset.
	env = newEnvironment(t, server.URL)
	env.RegisterWorkflow(placed)
	env.ExecuteWorkflow(placed)
	require.NoError(t, env.GetWorkflowError())
	require.EqualValues(t, 1, server.Stats().Stored)
}

func TestActivityErrors(t *testing.T) {
	server := newEmulator(t)
	var failed *sdk.ApplicationError
	require.ErrorAs(t, runTrack(t, server, map[string]any{"event": "E"}).GetWorkflowError(), &failed)
	require.Equal(t, "invalid_input", failed.Type())
	require.True(t, failed.NonRetryable())
	var detail struct {
		Code       string
		Violations []struct{ Message string }
	}
	require.NoError(t, failed.Details(&detail))
	require.Equal(t, "invalid_input", detail.Code)
	require.Equal(t, "must have userId or anonymousId", detail.Violations[0].Message)

	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	temporal.RegisterBlocks(env, newRuntime(t, server.URL), nil)
	require.NoError(t, server.Script(emulator.Fault{Status: 429, RetryAfter: "250"}))
	_, err := env.ExecuteActivity("segment_track", map[string]any{"userId": "u", "event": "E"})
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "rate_limited", failed.Type())
	require.False(t, failed.NonRetryable())
	require.InDelta(t, 250, failed.NextRetryDelay().Seconds(), 5)

	_, err = env.ExecuteActivity("segment_trak", map[string]any{})
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "unknown_block", failed.Type())
	_, err = env.ExecuteActivity("segment_track", "no object")
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "invalid_input", failed.Type())
	_, err = env.ExecuteActivity("segment_track", map[string]any{}, "no call")
	require.ErrorAs(t, err, &failed)
	require.ErrorContains(t, err, "the arguments of segment_track must be its input and, optionally, a call")
}

// TestRecordedHistories replays runs of earlier releases. It fails if a change of the interpreter
// breaks runs that are in progress. Such a change needs workflow.GetVersion. Record a history with:
//
//	temporal workflow show --workflow-id ID --output json > testdata/NAME.history.json
func TestRecordedHistories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.history.json")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 7)
	for _, file := range files {
		replayer := worker.NewWorkflowReplayer()
		replayer.RegisterWorkflowWithOptions(temporal.Graph, sdkflow.RegisterOptions{Name: temporal.WorkflowType})
		require.NoError(t, replayer.ReplayWorkflowHistoryFromJSONFile(nil, file), file)
	}
}
