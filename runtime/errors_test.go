package runtime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
)

func TestFaultyExecutors(t *testing.T) {
	own := &runtime.Error{Code: runtime.Rejected, Message: "failed: no", Status: 418}
	give := func(output any, err error) execute {
		return func(context.Context, *runtime.Call, board) (any, error) { return output, err }
	}
	for _, c := range []struct {
		name string
		run  execute
		code runtime.Code
		text string
	}{
		{
			"panics", func(context.Context, *runtime.Call, board) (any, error) { panic("boom hush-hush") },
			runtime.Internal, "toy_post failed: panic: boom [redacted]",
		},
		{
			"nil pointer", func(context.Context, *runtime.Call, board) (any, error) { return *(*any)(nil), nil },
			runtime.Internal,
			"toy_post failed: panic: runtime error: invalid memory address or nil pointer dereference",
		},
		{
			"plain error", give(nil, errors.New("no hush-hush")),
			runtime.Internal, "toy_post failed: no [redacted]",
		},
		{"its own error", give(nil, fmt.Errorf("x: %w", own)), runtime.Rejected, "toy_post failed: no"},
		{"no output", give(nil, nil), runtime.InvalidOutput, "toy_post ran, but did not return an object: null"},
		{"a list", give([]int{1}, nil), runtime.InvalidOutput, "toy_post ran, but did not return an object: [1]"},
		{
			"not JSON", give(func() {}, nil), runtime.InvalidOutput,
			"toy_post ran, but did not return JSON: must be valid JSON: json: unsupported type: func()",
		},
		{
			"breaks its schema", give(map[string]any{"sean": 1}, nil), runtime.InvalidOutput,
			"toy_post ran, but its output breaks its own schema: /seen must be given",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var logged bytes.Buffer
			rt := start(t, c.run, runtime.Logger(slog.New(slog.NewTextHandler(&logged, nil))))
			res, err := rt.Invoke(t.Context(), "toy_post", good)
			require.Nil(t, res)
			e := asError(t, err)
			require.Equal(t, c.code, e.Code)
			require.EqualError(t, err, c.text)
			require.NotNil(t, e.Receipt)
			everything, jsonErr := json.Marshal(e)
			require.NoError(t, jsonErr)
			require.NotContains(t, string(everything)+fmt.Sprintf("%+v %v", e, e.Err)+logged.String(), "hush-hush")
			if c.name == "panics" {
				require.Contains(t, logged.String(), "errors_test.go", "the stack goes to the log")
			}
		})
	}
}

func TestErrorJSON(t *testing.T) {
	rt := start(t, echo)
	_, err := rt.Invoke(t.Context(), "toy_post", runtime.Map{})
	data, jsonErr := json.Marshal(asError(t, err))
	require.NoError(t, jsonErr)
	var got map[string]any
	require.NoError(t, json.Unmarshal(data, &got))
	require.Equal(t, "invalid_input", got["code"])
	require.Equal(t, "toy_post refused its input, nothing was sent: /title must be given", got["message"])
	require.Equal(t, false, got["retryable"])
	require.Equal(t, []any{map[string]any{"path": "/title", "code": "missing_parameter", "message": "must be given"}},
		got["violations"])
}

// The texts of the codes are in a file, which the compiler does not read.
func TestEveryCodeIsDocumented(t *testing.T) {
	var documented []runtime.Code
	for _, c := range runtime.Codes() {
		documented = append(documented, c.Code)
		require.NotContains(t, []string{c.Meaning, c.Remedy}, "", c.Code)
		require.Contains(t, []string{"no", "maybe", "yes"}, c.Sent, c.Code)
	}
	require.ElementsMatch(t, []runtime.Code{
		runtime.UnknownBlock, runtime.UnknownSource, runtime.InvalidInput, runtime.UnresolvedReference,
		runtime.MissingCredential, runtime.TooLarge, runtime.Unauthorized, runtime.Rejected, runtime.RateLimited,
		runtime.Unavailable, runtime.Canceled, runtime.DeadlineExceeded, runtime.PartialFailure, runtime.InvalidOutput,
		runtime.Closed, runtime.Internal,
	}, documented)
}

// An error and its receipt may have to cross from one process to another.
func TestErrorsSurviveJSON(t *testing.T) {
	for _, info := range runtime.Codes() {
		e := &runtime.Error{
			Code: info.Code, Block: "toy_post", Message: "failed: no\nmore", Retryable: true, Status: 429,
			RetryAfter: 90500 * time.Millisecond,
			Violations: []schemas.Violation{{Path: "/a", Code: "c", Message: "m"}}, UnlistedViolations: 7,
			Items: []runtime.Item{{Index: 1, MessageID: "m-1", Status: runtime.ItemUnsent}},
			Receipt: &runtime.Receipt{
				InvocationID: "run/node", Block: "toy_post", Source: "main", Credential: "c0ffee", Delivery: "direct",
				Endpoint: "http://127.0.0.1:1",
				Emulated: true, MessageIDs: []string{"m-1"}, Accepted: 1, Stored: 2, Requests: 3, Attempts: 4, Bytes: 5,
				StartedAt: time.Date(2026, 1, 31, 9, 30, 0, 1000, time.UTC),
				Duration:  3*time.Second + 42*time.Microsecond,
				Warnings:  []schemas.Violation{{Path: "/b", Code: "w", Message: "x"}},
			},
		}
		data, err := json.Marshal(e)
		require.NoError(t, err)
		var back runtime.Error
		require.NoError(t, json.Unmarshal(data, &back))
		require.Equal(t, e.Error(), back.Error())
		again, err := json.Marshal(&back)
		require.NoError(t, err)
		require.Equal(t, string(data), string(again))
		back.Message = e.Message // a line break in it has become an escape
		require.Equal(t, e, &back)
	}
}

func TestSentinelErrorsAreCopied(t *testing.T) {
	sentinel := &runtime.Error{Code: runtime.Rejected, Message: "failed: no"}
	rt := start(t, func(context.Context, *runtime.Call, board) (any, error) { return nil, sentinel })
	var group sync.WaitGroup
	receipts := make(chan *runtime.Receipt, 32)
	for range cap(receipts) {
		group.Go(func() {
			_, err := rt.Invoke(context.Background(), "toy_post", good)
			receipts <- runtime.ErrorOf(err).Receipt
		})
	}
	group.Wait()
	close(receipts)
	seen := map[string]bool{}
	for r := range receipts {
		seen[r.InvocationID] = true
	}
	require.Len(t, seen, cap(receipts))
	require.Nil(t, sentinel.Receipt)
}
