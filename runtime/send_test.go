package runtime_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/retry"
)

const sendSecret = "hush-hush-hush"

// posting returns a runtime whose block posts six bytes with call.Send and takes the body "no" of a
// 2xx for a refusal.
func posting(t *testing.T, policy retry.Policy, receiver http.HandlerFunc) *runtime.Runtime {
	t.Helper()
	server := httptest.NewServer(receiver)
	t.Cleanup(server.Close)
	reg := registry.New()
	post := func(ctx context.Context, call *runtime.Call, to board) (any, error) {
		_, err := call.Send(ctx, retry.Request{
			URL: to.url + "/notes", Endpoint: to.url, Credential: to.token,
			Header: http.Header{"Authorization": {"Bearer " + to.token}},
			Body:   func() ([]byte, error) { return []byte("a note"), nil },
			Judge: func(a *retry.Answer) retry.Decision {
				if string(a.Body) == "no" {
					return retry.Decision{Code: runtime.Rejected, Err: errors.New("it does not want the note")}
				}
				return retry.Judge(a)
			},
			Policy: policy,
		})
		return map[string]any{"seen": map[string]any{}}, err
	}
	require.NoError(t, reg.Register(runtime.Define(manifest(t), post)))
	rt, err := runtime.New(reg, runtime.Source("board", board{url: server.URL, token: sendSecret}))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, rt.Close(context.Background())) })
	return rt
}

// answering answers requests with these statuses in turn, and the rest with the last.
func answering(n *atomic.Int32, retryAfter string, statuses ...int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		i := int(n.Add(1)) - 1
		status := statuses[min(i, len(statuses)-1)]
		if status != http.StatusOK && retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(status)
	}
}

func TestSendWaitsForARetryAfter(t *testing.T) {
	var n atomic.Int32
	rt := posting(t, retry.Policy{}, answering(&n, "1", 429, 200))
	began := time.Now()
	res, err := rt.Invoke(t.Context(), "toy_post", runtime.Map{"title": "Hi"})
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(began), time.Second)
	require.Equal(t, []int{1, 2, 12}, []int{res.Receipt.Requests, res.Receipt.Attempts, int(res.Receipt.Bytes)})
	require.NotEmpty(t, res.Receipt.Endpoint)
}

func TestSendFailsWithTheRightError(t *testing.T) {
	quick := retry.Policy{MaxRetries: 2, BaseDelay: time.Millisecond, RateLimitBudget: time.Second}
	for name, tt := range map[string]struct {
		receiver func(n *atomic.Int32) http.HandlerFunc
		code     runtime.Code
		status   int
		after    time.Duration
		attempts int
		says     string
	}{
		"rate limited": {
			func(n *atomic.Int32) http.HandlerFunc { return answering(n, "7", 429) },
			runtime.RateLimited, 429, 7 * time.Second, 1, "the next try would be in 7s",
		},
		"unavailable": {
			func(n *atomic.Int32) http.HandlerFunc { return answering(n, "", 503) },
			runtime.Unavailable, 503, 0, 3, "gave up after 3 attempts",
		},
		"unauthorized": {
			func(n *atomic.Int32) http.HandlerFunc { return answering(n, "", 401) },
			runtime.Unauthorized, 401, 0, 1, "answered 401",
		},
		"refused behind a 200": {
			func(*atomic.Int32) http.HandlerFunc {
				return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "no") }
			},
			runtime.Rejected, 200, 0, 1, "it does not want the note",
		},
		"the secret at the edge of what is shown": {
			func(*atomic.Int32) http.HandlerFunc {
				return func(w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(http.StatusBadRequest)
					_, _ = io.WriteString(w, strings.Repeat("x", 295)+sendSecret)
				}
			},
			runtime.Rejected, 400, 0, 1, "xxx[reda",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int32
			_, err := posting(t, quick, tt.receiver(&n)).Invoke(t.Context(), "toy_post", runtime.Map{"title": "Hi"})
			var e *runtime.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, tt.code, e.Code, err)
			require.Equal(t, tt.code.Retryable(), e.Retryable)
			require.Equal(t, tt.status, e.Status)
			require.Equal(t, tt.after, e.RetryAfter)
			require.Equal(t, tt.attempts, e.Receipt.Attempts)
			require.Equal(t, 1, e.Receipt.Requests)
			require.Contains(t, err.Error(), tt.says)
			require.NotContains(t, err.Error(), "hush")
		})
	}
}

// What waits shares the wait with the other invocations that use the credential.
func TestSendPausesEveryInvocation(t *testing.T) {
	var n atomic.Int32
	rt := posting(t, retry.Policy{RateLimitBudget: -1}, answering(&n, "100", 429))
	for range 3 {
		_, err := rt.Invoke(t.Context(), "toy_post", runtime.Map{"title": "Hi"})
		require.Equal(t, runtime.RateLimited, runtime.ErrorOf(err).Code)
	}
	require.EqualValues(t, 1, n.Load(), "the others did not even try")
}

func TestSendIsCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	rt := posting(t, retry.Policy{BaseDelay: time.Minute, Budget: time.Hour},
		func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
		})
	_, err := rt.Invoke(retry.OnRetry(ctx, func(retry.Wait) { cancel() }), "toy_post", runtime.Map{"title": "Hi"})
	e := runtime.ErrorOf(err)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, runtime.Canceled, e.Code)
	require.Equal(t, 503, e.Status)
	require.Equal(t, 1, e.Receipt.Attempts)
}

func TestSendIsPreviewed(t *testing.T) {
	rt := posting(t, retry.Policy{}, func(http.ResponseWriter, *http.Request) { t.Error("a preview was sent") })
	requests, receipt, err := rt.Preview(t.Context(), "toy_post", runtime.Map{"title": "Hi"})
	require.NoError(t, err)
	require.Len(t, requests, 1)
	require.Equal(t, "a note", requests[0].Body)
	require.Equal(t, []string{"Bearer [redacted]"}, requests[0].Header["Authorization"])
	require.Equal(t, []int{1, 0}, []int{receipt.Requests, receipt.Attempts})
}
