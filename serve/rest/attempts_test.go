package rest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
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
		p := b.requireProblem(b.post("segment_track", "invoke", `{"input":{},"attempts":`+value+`}`), 400, "invalid_request")
		require.Contains(t, p.Detail, "/attempts must be true or false")
	}
}
