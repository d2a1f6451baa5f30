package rest_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/serve/rest"
)

const attemptsOrder = `{"attempts":true,"input":{"event":"Order Completed","userId":"u-42"}}`

func TestAttempts(t *testing.T) {
	b := start(t)
	_, router := b.described()
	invoke := "/v1/blocks/segment_track/invoke"
	attempts := func(a answer) []runtime.Attempt {
		var body struct{ Attempts []runtime.Attempt }
		a.into(t, &body)
		require.NotContains(t, a.text, writeKey)
		return body.Attempts
	}
	require.NoError(t, b.segment.Script(emulator.Fault{Status: 429, RetryAfter: "1"}))
	a := b.check(router, true, "POST", invoke, attemptsOrder)
	require.Equal(t, 200, a.StatusCode, a.text)
	list := attempts(a)
	require.Len(t, list, 2)
	require.Equal(t, []int{429, 200}, []int{list[0].Response.Status, list[1].Response.Status})
	require.Equal(t, []string{"1"}, list[0].Response.Headers["Retry-After"])
	require.Greater(t, list[1].WaitedMS, 900.0)
	require.Contains(t, list[0].Request.Body, `"event":"Order Completed"`)
	require.Equal(t, []string{"Basic [redacted]"}, list[0].Request.Headers["Authorization"])
	require.NotContains(t, list[0].Request.Headers, "X-Retry-Count")

	require.NoError(t, b.segment.Script(emulator.Fault{Reset: true, Times: 2}))
	a = b.check(router, true, "POST", invoke, attemptsOrder)
	b.requireProblem(a, 503, "unavailable")
	list = attempts(a)
	require.Len(t, list, 2)
	require.Nil(t, list[1].Response)
	require.NotEmpty(t, list[1].Error)

	a = b.check(router, false, "POST", invoke, `{"attempts":true,"input":{}}`)
	b.requireProblem(a, 422, "invalid_input")
	require.Contains(t, a.text, `"attempts":[]`, "none was made")
	for _, body := range []string{order, strings.Replace(attemptsOrder, "true", "false", 1)} {
		require.NotContains(t, b.post("segment_track", "invoke", body).text, `"attempts":[`, "nobody has asked")
	}
	require.Equal(t, 200, b.post("segment_track", "preview", attemptsOrder).StatusCode)
	for _, value := range []string{"null", `"yes"`, "1", "[true]"} {
		p := b.requireProblem(b.post("segment_track", "invoke", `{"input":{},"attempts":`+value+`}`), 400,
			"invalid_request")
		require.Contains(t, p.Detail, "/attempts must be true or false")
	}
}

// TestAttemptsAsTheyEnd: the first attempt is told while the second is still to come.
func TestAttemptsAsTheyEnd(t *testing.T) {
	b := start(t)
	ask := func(body string) *http.Response {
		r, err := http.NewRequest(http.MethodPost, b.url+"/v1/blocks/segment_track/invoke", strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "text/event-stream")
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, res.Body.Close()) })
		return res
	}
	require.NoError(t, b.segment.Script(emulator.Fault{Status: 503}, emulator.Fault{Delay: time.Second, Times: 1}))
	res := ask(order)
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	require.NotEmpty(t, res.Header.Get("Idempotency-Key"))
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	next := func(kind string, into any) {
		t.Helper()
		require.True(t, lines.Scan())
		require.Equal(t, "event: "+kind, lines.Text())
		require.True(t, lines.Scan())
		require.NoError(t, json.Unmarshal([]byte(strings.TrimPrefix(lines.Text(), "data: ")), into))
		require.True(t, lines.Scan())
		require.Empty(t, lines.Text())
	}
	var attempt runtime.Attempt
	next("attempt", &attempt)
	require.Equal(t, 503, attempt.Response.Status)
	require.Equal(t, []string{"Basic [redacted]"}, attempt.Request.Headers["Authorization"])
	require.Zero(t, b.segment.Stats().Stored, "the run still goes on")
	next("attempt", &attempt)
	require.Equal(t, 200, attempt.Response.Status)
	var result struct {
		Output  map[string]any
		Receipt runtime.Receipt
	}
	next("result", &result)
	require.Equal(t, true, result.Output["success"])
	require.Equal(t, 2, result.Receipt.Attempts)
	require.False(t, lines.Scan(), "that is all")

	require.NoError(t, b.segment.Script(emulator.Fault{Status: 400}))
	lines = bufio.NewScanner(ask(order).Body)
	next("attempt", &attempt)
	var problem rest.Problem
	next("problem", &problem)
	require.Equal(t, "rejected", problem.Code)
	require.NotEmpty(t, problem.Instance)

	res = ask(`{"input":{}}`) // fails before anything is sent, so it has a status of its own
	require.Equal(t, 422, res.StatusCode)
	require.Equal(t, "application/problem+json", res.Header.Get("Content-Type"))
}
