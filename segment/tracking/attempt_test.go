package tracking_test

import (
	"context"
	"encoding/base64"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// send sends one order and returns its status and error.
func send(t testing.TB, ctx context.Context, r *receiver, source tracking.Source) ( //nolint:revive // as in testing
	tracking.Status, *tracking.Error,
) {
	t.Helper()
	report, err := source.Send(ctx, r.client(), alone(order(t)))
	status := report.Messages[0].Status
	if err == nil {
		require.Equal(t, tracking.Accepted, status)
		return status, nil
	}
	return status, failure(t, err)
}

func TestAnswers(t *testing.T) {
	tests := map[string]struct {
		reply reply
		kind  retry.Code // "" for accepted
		text  string
	}{
		"segment":     {reply: reply{body: `{"success":true}`}},
		"rudderstack": {reply: reply{body: "ok"}},
		"empty":       {reply: reply{status: 204}},
		"jitsu":       {reply: reply{body: `{"ok":true,"receivedEvents":1,"okEvents":1,"errors":[]}`}},
		"ok false": {
			reply: reply{body: `{"ok":false,"error":"no such stream"}`}, kind: retry.Rejected,
			text: "no such stream",
		},
		"success false": {
			reply: reply{body: ` {"success": false, "code": "bad", "message": "no"} `}, kind: retry.Rejected,
			text: "bad: no",
		},
		"errors": {
			reply: reply{body: `{"ok":true,"errors":["first",{"message":"second"},3]}`},
			kind:  retry.Rejected, text: "first; second; 3",
		},
		"errors with codes": {
			reply: reply{body: `{"success":true,"errors":[{"code":"bad","message":"not planned"},{"row":3}]}`},
			kind:  retry.Rejected, text: `bad: not planned; {"row":3}`,
		},
		"problem": {
			reply: reply{status: 400, body: `{"type":"x","title":"Not planned","detail":"No event of this name"}`},
			kind:  retry.Rejected, text: "Not planned: No event of this name",
		},
		"errors of fields": {
			reply: reply{status: 422, body: `{"message":"invalid","errors":{"event":["is too long"]}}`},
			kind:  retry.Rejected, text: `invalid: {"event":["is too long"]}`,
		},
		"text": {reply: reply{status: 400, body: "Bad Request\n"}, kind: retry.Rejected, text: "Bad Request"},
		"json error": {
			reply: reply{status: 400, body: `{"error":{"code":"x","message":"y"}}`}, kind: retry.Rejected,
			text: "x: y",
		},
		"other json": {reply: reply{status: 400, body: `{"why":1}`}, kind: retry.Rejected, text: `{"why":1}`},
		"html": {
			reply: reply{status: 404, body: "<!doctype html>\n<TITLE>Not\nhere</TITLE><p>…"},
			kind:  retry.Rejected, text: "an HTML page: Not here",
		},
		"html, but 200": {
			reply: reply{body: "<title>Sign in</title>"}, kind: retry.Rejected,
			text: "an HTML page: Sign in",
		},
		"html, no title": {
			reply: reply{status: 404, body: "<html><body>lots of it"}, kind: retry.Rejected,
			text: "an HTML page",
		},
		"controls": {
			reply: reply{status: 400, body: "a\x1b[31mb\r\n\x00c\u202ed\xff"}, kind: retry.Rejected,
			text: "a [31mb c d�",
		},
		"long": {
			reply: reply{status: 400, body: strings.Repeat("ä", 100_000)}, kind: retry.Rejected,
			text: strings.Repeat("ä", 300) + "…",
		},
		"key echoed": {
			reply: reply{status: 400, body: "bad key " + string(testKey) + "!"}, kind: retry.Rejected,
			text: "bad key key:c17c91dd!",
		},
		"header echoed": {
			reply: reply{status: 400, body: base64.StdEncoding.EncodeToString([]byte(testKey + ":"))},
			kind:  retry.Rejected, text: "key:c17c91dd",
		},
		"key at the edge": {
			reply: reply{status: 400, body: strings.Repeat("x", 280) + string(testKey)},
			kind:  retry.Rejected, text: strings.Repeat("x", 280) + "key:c17c91dd",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, tt.reply)
			status, e := send(t, t.Context(), r, r.source())
			require.Len(t, r.requests(), 1)
			if tt.kind == "" {
				require.Nil(t, e)
				return
			}
			require.Equal(t, tracking.Rejected, status)
			require.Equal(t, tt.kind, e.Code)
			require.Equal(t, strings.ReplaceAll(tt.text, "key:c17c91dd", testKey.Fingerprint()), cause(t, e).Text)
			require.False(t, e.Code.Retryable())
			require.NotRegexp(t, `[\x00-\x1f]`, e.Error())
		})
	}
}

func TestConnectionsAreReused(t *testing.T) {
	var mu sync.Mutex
	conns := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		mu.Lock()
		conns[req.RemoteAddr] = true
		mu.Unlock()
		w.WriteHeader([]int{200, 503}[len(req.Header["X-Retry-Count"])%2])
		_, _ = io.WriteString(w, strings.Repeat(" ", 60_000))
	}))
	defer server.Close()
	r := &receiver{Server: server}
	for range 5 {
		_, e := send(t, t.Context(), r, r.source())
		require.Nil(t, e)
	}
	require.Len(t, conns, 1)
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	policies := map[string]any{
		"none": resty.NoRedirectPolicy(),
		"use last response": resty.RedirectPolicyFunc(func(*http.Request,
			[]*http.Request,
		) error {
			return http.ErrUseLastResponse
		}),
		"followed": resty.FlexibleRedirectPolicy(3),
	}
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			r := newReceiverFunc(t, func(_ int, p posted) reply {
				if p.path == "/v1/track" {
					return reply{
						status: 302, header: map[string]string{"Location": "/elsewhere?k=" + string(testKey)},
						body: "moved",
					}
				}
				return reply{}
			})
			client := tracking.NewClient(resty.NewWithClient(r.Client()).SetRedirectPolicy(policy))
			report, err := r.source().Send(t.Context(), client, alone(order(t)))
			e := failure(t, err)
			require.Equal(t, 302, cause(t, e).Status)
			require.Equal(t, retry.Rejected, e.Code)
			require.Contains(t, err.Error(), "redirects are not followed")
			require.Equal(t, tracking.Rejected, report.Messages[0].Status)
			require.Equal(t, 1, report.Attempts)
		})
	}
}

func TestNoConnection(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())

	source := tracking.Source{
		WriteKey: testKey, Endpoint: "http://" + address,
		Retry: retry.Policy{MaxRetries: 2, BaseDelay: time.Millisecond},
	}
	report, err := source.Send(t.Context(), tracking.NewClient(nil), alone(order(t)))
	e := failure(t, err)
	require.Equal(t, retry.Unavailable, e.Code)
	require.True(t, e.Code.Retryable())
	require.Equal(t, 3, report.Attempts)
	require.Equal(t, tracking.Unsent, report.Messages[0].Status, "nothing can have arrived")
	require.Equal(t,
		"no answer from http://"+address+": connect: connection refused; "+
			"gave up after 3 attempts", err.Error())
	var op *net.OpError
	require.ErrorAs(t, err, &op)
}

func TestBrokenConnectionLeavesDoubt(t *testing.T) {
	t.Run("all broken", func(t *testing.T) {
		r := newReceiver(t, reply{reset: true})
		status, e := send(t, t.Context(), r, r.source())
		require.Equal(t, tracking.Unconfirmed, status)
		require.Equal(t, retry.Unavailable, e.Code)
		require.Len(t, r.requests(), 4)
	})
	t.Run("one broken, then refused", func(t *testing.T) {
		r := newReceiver(t, reply{reset: true}, reply{status: 400})
		status, e := send(t, t.Context(), r, r.source())
		require.Equal(t, tracking.Unconfirmed, status, "the first may have been accepted")
		require.Equal(t, retry.Rejected, e.Code)
	})
	for code, want := range map[int]tracking.Status{
		500: tracking.Unconfirmed, 503: tracking.Unconfirmed, 429: tracking.Rejected, 410: tracking.Rejected,
		408: tracking.Unconfirmed, 460: tracking.Unconfirmed, 502: tracking.Unconfirmed,
		504: tracking.Unconfirmed, 522: tracking.Unconfirmed,
	} {
		t.Run(http.StatusText(code), func(t *testing.T) {
			r := newReceiver(t, reply{status: code})
			status, _ := send(t, t.Context(), r, r.source())
			require.Equal(t, want, status)
		})
	}
}

func TestTimeLimits(t *testing.T) {
	t.Run("an attempt that hangs is tried again", func(t *testing.T) {
		r := newReceiver(t, reply{delay: time.Minute}, reply{})
		source := r.source()
		source.Retry.AttemptTimeout = 100 * time.Millisecond
		_, e := send(t, t.Context(), r, source)
		require.Nil(t, e)
		require.Equal(t, []string{"-", "1"}, retryCounts(r.requests()))
	})
	t.Run("so is one whose answer stalls", func(t *testing.T) {
		r := newReceiver(t, reply{stall: time.Minute}, reply{})
		source := r.source()
		source.Retry.AttemptTimeout = 100 * time.Millisecond
		_, e := send(t, t.Context(), r, source)
		require.Nil(t, e)
		require.Len(t, r.requests(), 2)
	})
	t.Run("a slow answer in time is fine", func(t *testing.T) {
		r := newReceiver(t, reply{stall: 50 * time.Millisecond})
		_, e := send(t, t.Context(), r, r.source())
		require.Nil(t, e)
		require.Len(t, r.requests(), 1)
	})
	t.Run("a hanging receiver is not the caller's deadline", func(t *testing.T) {
		r := newReceiver(t, reply{delay: time.Minute})
		source := r.source()
		source.Retry.AttemptTimeout = 50 * time.Millisecond
		source.Retry.MaxRetries = -1
		status, e := send(t, t.Context(), r, source)
		require.Equal(t, retry.Unavailable, e.Code)
		require.NotErrorIs(t, e, context.DeadlineExceeded)
		require.Contains(t, e.Error(), "no answer within 50ms")
		require.Equal(t, tracking.Unconfirmed, status)
	})
	t.Run("the caller's deadline in mid-request", func(t *testing.T) {
		r := newReceiver(t, reply{delay: time.Minute})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		status, e := send(t, ctx, r, r.source())
		require.Equal(t, retry.DeadlineExceeded, e.Code)
		require.ErrorIs(t, e, context.DeadlineExceeded)
		require.Equal(t, tracking.Unconfirmed, status)
	})
	t.Run("cancelled in mid-request", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := newReceiverFunc(t, func(int, posted) reply { cancel(); return reply{delay: time.Minute} })
		status, e := send(t, ctx, r, r.source())
		require.Equal(t, retry.Canceled, e.Code)
		require.ErrorIs(t, e, context.Canceled)
		require.Equal(t, tracking.Unconfirmed, status)
		require.Len(t, r.requests(), 1)
	})
	t.Run("cancelled in mid-wait", func(t *testing.T) {
		r := newReceiver(t, reply{status: 503})
		source := r.source()
		source.Retry.BaseDelay = 30 * time.Second
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(500*time.Millisecond, cancel)
		start := time.Now()
		status, e := send(t, ctx, r, source)
		require.Less(t, time.Since(start), 5*time.Second)
		require.Equal(t, retry.Canceled, e.Code)
		require.Equal(t, 503, cause(t, e).Status)
		require.Equal(t, tracking.Unconfirmed, status)
	})
	t.Run("cancelled before", func(t *testing.T) {
		r := newReceiver(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		status, e := send(t, ctx, r, r.source())
		require.Equal(t, tracking.Unsent, status)
		require.Equal(t, retry.Canceled, e.Code)
		require.Empty(t, r.requests())
		require.Equal(t, "the call was canceled; nothing was sent", e.Error())
	})
}

func TestNoGoroutineOutlivesACall(t *testing.T) {
	r := newReceiverFunc(t, func(n int, _ posted) reply { return []reply{{}, {delay: time.Minute}}[n%2] })
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := r.source().Send(ctx, r.client(), tracking.Call{Messages: manyOrders(t, 8000, 50)})
	require.Error(t, err)
	r.Client().CloseIdleConnections()
	r.CloseClientConnections()
	require.NoError(t,
		goleak.Find(before, goleak.IgnoreAnyFunction("net/http.(*Server).Serve"),
			goleak.IgnoreAnyFunction("net/http.(*conn).serve")))
}

func TestCertificateFailureIsFinal(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	source := tracking.Source{WriteKey: testKey, Endpoint: server.URL}
	report, err := source.Send(t.Context(), tracking.NewClient(nil), alone(order(t)))
	e := failure(t, err)
	require.Equal(t, 1, report.Attempts)
	require.Contains(t, e.Error(), "certificate")
	require.Equal(t, tracking.Unsent, report.Messages[0].Status)
}
