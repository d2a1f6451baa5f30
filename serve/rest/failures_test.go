package rest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/serve/rest"
)

func TestFailuresOfTheReceiver(t *testing.T) {
	for name, c := range map[string]struct {
		fault      emulator.Fault
		status     int
		code       string
		retryable  bool
		retryAfter string
	}{
		"rejected":         {emulator.Fault{Status: 400}, 502, "rejected", false, ""},
		"unauthorized":     {emulator.Fault{Status: 401}, 502, "unauthorized", false, ""},
		"forbidden":        {emulator.Fault{Status: 403}, 502, "unauthorized", false, ""},
		"too large there":  {emulator.Fault{Status: 413}, 502, "too_large", false, ""},
		"rate limited":     {emulator.Fault{Status: 429, RetryAfter: "100"}, 503, "rate_limited", true, "100"},
		"unavailable":      {emulator.Fault{Status: 500}, 503, "unavailable", true, ""},
		"cut, but stored":  {emulator.Fault{Reset: true, Store: true}, 503, "unavailable", true, ""},
		"a 200 that is no": {emulator.Fault{Status: 200, Body: `{"success":false}`}, 502, "rejected", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t)
			c.fault.Times = -1
			require.NoError(t, b.segment.Script(c.fault))
			a := b.post("segment_track", "invoke", order)
			p := b.requireProblem(a, c.status, c.code)
			require.Equal(t, c.retryable, p.Retryable)
			require.Equal(t, c.fault.Status, p.UpstreamStatus)
			require.Positive(t, b.receiptOf(a).Attempts)
			if c.retryAfter != "" {
				require.NotEmpty(t, a.Header.Get("Retry-After"))
				require.InDelta(t, 100, p.RetryAfterSeconds, 2)
			}
			require.NotEmpty(t, a.Header.Get("Idempotency-Key"))
		})
	}
}

// TestTryAgainAfterwards: a client that had no key finds one in the answer, and with it the event
// is counted once.
func TestTryAgainAfterwards(t *testing.T) {
	b := start(t)
	require.NoError(t, b.segment.Script(emulator.Fault{Status: 504, Store: true, Times: 2}))
	a := b.post("segment_track", "invoke", order)
	b.requireProblem(a, 503, "unavailable")
	again := b.post("segment_track", "invoke", order, "Idempotency-Key", a.Header.Get("Idempotency-Key"))
	require.Equal(t, 200, again.StatusCode, again.text)
	require.Equal(t, b.receiptOf(a).MessageIDs, b.receiptOf(again).MessageIDs)
	require.Len(t, b.segment.Events(emulator.Filter{}), 1)
}

func TestPartialFailure(t *testing.T) {
	b := start(t)
	var items []string
	for i := range 2600 { // two requests
		items = append(items, fmt.Sprintf(`{"type":"track","event":"e","userId":"u-%d"}`, i))
	}
	require.NoError(t, b.segment.Script(emulator.Fault{}, emulator.Fault{Status: 400, Times: -1}))
	body := `{"input":{"batch":[` + strings.Join(items, ",") + `]}}`
	a := b.post("segment_batch", "invoke", body, "Idempotency-Key", "batch-1")
	p := b.requireProblem(a, 502, "partial_failure")
	count := map[runtime.ItemStatus]int{}
	for _, item := range p.Items {
		count[item.Status]++
	}
	require.Len(t, p.Items, 2600)
	require.Positive(t, count[runtime.ItemAccepted])
	require.Equal(t, len(b.segment.Events(emulator.Filter{})), count[runtime.ItemAccepted])

	b.segment.ClearFaults()
	again := b.post("segment_batch", "invoke", body, "Idempotency-Key", "batch-1")
	require.Equal(t, 200, again.StatusCode, again.text)
	require.Len(t, b.segment.Events(emulator.Filter{}), 2600, "none lost, none doubled")
}

// TestClientGoesAway: the invocation ends with the request.
func TestClientGoesAway(t *testing.T) {
	b := start(t)
	require.NoError(t, b.segment.Script(emulator.Fault{Delay: time.Minute}))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(
		ctx,
		http.MethodPost,
		b.url+"/v1/blocks/segment_track/invoke",
		strings.NewReader(order),
	)
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	_, err = http.DefaultClient.Do(req)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	closing, done := context.WithTimeout(t.Context(), 5*time.Second)
	defer done()
	require.NoError(t, b.runtime.Close(closing), "nothing is under way any more")
	a := b.post("segment_track", "invoke", order)
	b.requireProblem(a, 503, "closed")
}

const slow = `id: toy_slow
name: Slow
summary: Wait to be canceled
description: Waits to be canceled.
whenToUse: In tests.
version: 1.0.0
category: toys
tags: [toys]
input:
  type: object
  additionalProperties: false
  properties:
    text: {type: string, description: Text., examples: [a], x-filled-by: user-or-llm, x-aacflow-type: string}
output:
  type: object
  additionalProperties: true
  properties:
    fine: {type: boolean, description: Whether it went well., x-aacflow-type: boolean}
examples:
  - {title: Nothing, input: {text: a}, output: {fine: true}}
`

// TestClientLeavesDuringValidate: what nobody waits for any more ends.
func TestClientLeavesDuringValidate(t *testing.T) {
	manifests, err := schemas.Load(fstest.MapFS{"slow.yaml": {Data: []byte(slow)}})
	require.NoError(t, err)
	entered, canceled := make(chan struct{}), make(chan error, 1)
	reg := registry.New()
	reg.MustRegister(
		runtime.Define(manifests[0], func(ctx context.Context, _ *runtime.Call, _ runtime.NoSource) (any, error) {
			close(entered)
			<-ctx.Done()
			canceled <- context.Cause(ctx)
			return nil, ctx.Err()
		}),
	)
	rt, err := runtime.New(reg)
	require.NoError(t, err)
	server := httptest.NewServer(rest.New(rt, reg, rest.Config{}))
	defer server.Close()
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(
		ctx,
		http.MethodPost,
		server.URL+"/v1/blocks/toy_slow/validate",
		strings.NewReader(`{"input":{"text":"a"}}`),
	)
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	answered := make(chan error, 1)
	go func() {
		_, err := server.Client().Do(req)
		answered <- err
	}()
	<-entered
	leave()
	require.ErrorIs(t, <-answered, context.Canceled)
	select {
	case err := <-canceled:
		require.ErrorIs(t, err, context.Canceled)
	case <-time.After(10 * time.Second):
		require.Fail(t, "the validation goes on")
	}
	closing, done := context.WithTimeout(context.Background(), 10*time.Second)
	defer done()
	require.NoError(t, rt.Close(closing), "nothing is running any more")
}
