package emulator_test

import (
	"context"
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/emulator"
)

const oneTrack = `{"userId":"u","event":"E","messageId":"m-1"}`

func TestFaults(t *testing.T) {
	const unavailable = `{"success":false,"code":"scripted","message":"503 Service Unavailable"}`
	tests := []struct {
		name   string
		fault  emulator.Fault
		status int // 0 is a cut connection
		body   string
		header map[string]string
		stored int
	}{
		{"status", emulator.Fault{Status: 503}, 503, unavailable, nil, 0},
		{
			"status without a name",
			emulator.Fault{Status: 460},
			460,
			`{"success":false,"code":"scripted","message":"460"}`, nil, 0,
		},
		{"stored all the same", emulator.Fault{Status: 503, Store: true}, 503, unavailable, nil, 1},
		{"a 200 that is none", emulator.Fault{Status: 200, Body: `{"ok":false}`}, 200, `{"ok":false}`, nil, 0},
		{
			"plain text",
			emulator.Fault{Status: 400, Body: "Bad Request"},
			400,
			"Bad Request",
			map[string]string{"Content-Type": "text/plain; charset=utf-8"},
			0,
		},
		{"empty 200", emulator.Fault{Status: 204}, 204, "", nil, 0},
		{
			"slow down",
			emulator.Fault{Status: 429, RetryAfter: "2", RateLimitReset: "3"},
			429,
			`{"success":false,"code":"scripted","message":"429 Too Many Requests"}`,
			map[string]string{"Retry-After": "2", "X-RateLimit-Reset": "3"},
			0,
		},
		{
			"a date",
			emulator.Fault{Status: 503, RetryAfter: "Wed, 21 Oct 2026 07:28:00 GMT", Body: "{}"},
			503, "{}",
			map[string]string{"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT", "Content-Type": "application/json"},
			0,
		},
		{"cut before", emulator.Fault{Reset: true}, 0, "", nil, 0},
		{"cut after", emulator.Fault{Reset: true, Store: true}, 0, "", nil, 1},
		{"slow", emulator.Fault{Delay: 30 * time.Millisecond}, 200, `{"success":true}`, nil, 1},
		{"nothing", emulator.Fault{}, 200, `{"success":true}`, nil, 1},
		{"other path", emulator.Fault{Status: 500, Path: "/v1/batch"}, 200, `{"success":true}`, nil, 1},
		{"pattern", emulator.Fault{Status: 500, Path: "/v1/t*", Body: "{}"}, 500, `{}`, nil, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := start(t)
			require.NoError(t, srv.Script(tt.fault))
			began := time.Now()
			got, err := trySend(t, "POST", srv.URL+"/v1/track", []byte(oneTrack))
			if tt.status == 0 {
				require.True(t, errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF), "%v", err)
			} else {
				require.NoError(t, err)
				require.Equal(t, tt.status, got.status)
				require.Equal(t, tt.body, got.body)
			}
			require.GreaterOrEqual(t, time.Since(began), tt.fault.Delay)
			for name, want := range tt.header {
				require.Equal(t, want, got.header.Get(name))
			}
			require.Len(t, srv.Events(emulator.Filter{}), tt.stored)
			r := srv.Requests()[0]
			require.Equal(t, tt.status, r.Status)
			require.Equal(t, tt.stored, r.Stored)
			require.JSONEq(t, oneTrack, string(r.Body), "also what is not stored is recorded")

			again := post(t, srv, "/v1/track", oneTrack)
			require.Equal(t, 200, again.status, "a fault is used up")
			require.Len(t, srv.Events(emulator.Filter{}), 1, "and a retry is not stored twice")
		})
	}
}

func TestFaultsAreUsedInOrder(t *testing.T) {
	srv := start(t)
	require.NoError(t, srv.Script(
		emulator.Fault{Status: 500, Times: 2},
		emulator.Fault{Status: 501, Path: "/v1/identify"},
		emulator.Fault{},
		emulator.Fault{Status: 502, Times: -1},
	))
	got := make([]int, 0, 5)
	for range 5 {
		got = append(got, post(t, srv, "/v1/track", oneTrack).status)
	}
	require.Equal(t, []int{500, 500, 200, 502, 502}, got)
	require.Equal(t, 501, post(t, srv, "/v1/identify", oneTrack).status)
	require.Len(t, srv.Faults(), 1)
	srv.ClearFaults()
	require.Equal(t, 200, post(t, srv, "/v1/track", oneTrack).status)
}

func TestFaultsThatMakeNoSense(t *testing.T) {
	srv := start(t)
	for _, tt := range []struct {
		fault emulator.Fault
		want  string
	}{
		{emulator.Fault{Status: 99}, "fault 1: status must be 200 to 599: 99"},
		{emulator.Fault{Status: 200, Reset: true}, "cannot both answer and cut"},
		{emulator.Fault{Store: true}, "store needs a status or a reset"},
		{emulator.Fault{RetryAfter: "1"}, "a header needs a status"},
		{emulator.Fault{Status: 429, RetryAfter: "1\r\nX: y"}, "cannot hold a line break"},
		{emulator.Fault{Delay: -1}, "delay cannot be negative"},
		{emulator.Fault{Path: "["}, `path must be a pattern: "["`},
	} {
		require.ErrorContains(t, srv.Script(emulator.Fault{}, tt.fault), tt.want)
	}
	require.Empty(t, srv.Faults(), "none of them is added")
}

func TestFaultsOverHTTP(t *testing.T) {
	srv := start(t)
	got := post(t, srv, "/emulator/v1/faults", `[{"status":429,"retryAfter":"1","times":2},{"delay":"5ms"}]`)
	require.Equal(t, 200, got.status, got.body)
	require.JSONEq(t, `{"faults":[{"status":429,"retryAfter":"1","times":2},{"delay":"5ms"}]}`, got.body)
	require.Equal(t, 429, post(t, srv, "/v1/track", oneTrack).status)
	require.JSONEq(t, `{"faults":[{"status":429,"retryAfter":"1","times":1},{"delay":"5ms"}]}`,
		get(t, srv, "/emulator/v1/faults").body)
	require.Equal(t, 200, post(t, srv, "/emulator/v1/faults", `{"reset":true}`).status)
	require.Len(t, srv.Faults(), 3)
	for _, body := range []string{`{"statuss":500}`, `{"delay":"soon"}`, `{"status":1}`, `7`, ``, `{"a":1,"a":2}`} {
		require.Equal(t, 400, post(t, srv, "/emulator/v1/faults", body).status, body)
	}
	require.Equal(t, 415, post(t, srv, "/emulator/v1/faults", `{}`, "Content-Type: text/plain").status)
	require.JSONEq(t, `{"faults":[]}`, send(t, "DELETE", srv.URL+"/emulator/v1/faults", "").body)
}

func TestClientThatGivesUpHasNothingStored(t *testing.T) {
	srv := start(t)
	require.NoError(t, srv.Script(emulator.Fault{Delay: time.Minute}))
	c := *client
	c.Timeout = 50 * time.Millisecond
	_, err := c.Post(srv.URL+"/v1/track", "application/json", nil)
	require.Error(t, err)
	require.Eventually(t, func() bool { return len(srv.Requests()) == 1 }, 5*time.Second, time.Millisecond)
	require.Zero(t, srv.Requests()[0].Status)
}

func TestCloseEndsDelays(t *testing.T) {
	srv, err := emulator.Start()
	require.NoError(t, err)
	require.NoError(t, srv.Script(emulator.Fault{Delay: time.Hour}))
	done := make(chan error)
	go func() {
		_, err := trySend(t, "POST", srv.URL+"/v1/track", []byte(oneTrack))
		done <- err
	}()
	require.Eventually(t, func() bool { return len(srv.Faults()) == 0 }, 5*time.Second, time.Millisecond)
	require.NoError(t, srv.Close(context.Background()))
	require.Error(t, <-done)
	require.NoError(t, srv.Close(context.Background()), "a second Close does nothing")
}
