package tracking_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// Beside the cases of Segment's own end-to-end suite, which package blocks_test plays.
func TestRetries(t *testing.T) {
	later := map[string]string{"Retry-After": "1"}
	for name, tt := range map[string]struct {
		replies    []reply
		maxRetries int
		header     []string // X-Retry-Count of each request
		atLeast    time.Duration
	}{
		"Retry-After with 408 is not counted": {
			[]reply{{status: 408, header: later}, {status: 500}, {}}, 1, []string{"-", "1", "2"}, time.Second,
		},
		"Retry-After with 529 is not counted": {
			[]reply{{status: 529, header: later}, {status: 500}, {}}, 1, []string{"-", "1", "2"}, time.Second,
		},
		"504 508 599": {[]reply{{status: 504}, {status: 508}, {status: 599}, {}}, 3, []string{"-", "1", "2", "3"}, 0},
		"other 2xx":   {[]reply{{status: 204}}, 3, []string{"-"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, tt.replies...)
			source := r.source()
			source.Retry.MaxRetries = tt.maxRetries
			start := time.Now()
			report, err := source.Send(t.Context(), r.client(), alone(order(t)))
			require.NoError(t, err)
			require.Equal(t, tracking.Accepted, report.Messages[0].Status)
			require.GreaterOrEqual(t, time.Since(start), tt.atLeast)
			require.Equal(t, tt.header, retryCounts(r.requests()))
			require.Equal(t, len(tt.header), report.Attempts)
			require.Equal(t, 1, report.Requests)
		})
	}
}

func TestRetryAfterIsCapped(t *testing.T) {
	for name, value := range map[string]string{
		"T22 seconds": "600", "date": time.Now().Add(time.Hour).UTC().Format(http.TimeFormat),
		"absurd": strings.Repeat("9",
			40),
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, reply{status: 429, header: map[string]string{"Retry-After": value}})
			report, err := r.source().Send(t.Context(), r.client(), alone(order(t)))
			e := failure(t, err)
			require.Equal(t, retry.RateLimited, e.Code)
			require.Equal(t, 300*time.Second, cause(t, e).RetryAfter)
			require.Len(t, r.requests(), 1)
			require.Equal(t, tracking.Rejected, report.Messages[0].Status)
			require.Equal(t, r.URL+" answered 429 (too many requests); gave up after 1 attempt: "+
				"the next try would be in 5m0s, beyond the 2m0s that may be spent waiting for it", err.Error())
		})
	}
}

// A wait that does not fit at all is a case of Segment's suite. These add up.
func TestBudgetEndsRetries(t *testing.T) {
	r := newReceiver(t, reply{status: 503})
	source := r.source()
	source.Retry = retry.Policy{
		BaseDelay: 20 * time.Millisecond, MaxDelay: 20 * time.Millisecond, MaxRetries: 1000,
		Budget: 200 * time.Millisecond,
	}
	_, err := source.Send(t.Context(), r.client(), alone(order(t)))
	require.Equal(t, retry.Unavailable, failure(t, err).Code)
	require.Greater(t, len(r.requests()), 1)
	require.LessOrEqual(t, len(r.requests()), 21, "each wait is at least 10 ms")
}

func TestRateLimitPausesTheSource(t *testing.T) {
	limited := reply{status: 429, header: map[string]string{"Retry-After": "1"}}
	everyOtherCallWaits := func(t *testing.T, status int) {
		t.Parallel()
		r := newReceiverFunc(t, func(n int, _ posted) reply {
			if n == 0 {
				return reply{status: status, header: limited.header}
			}
			return reply{}
		})
		client := r.client()
		first := make(chan error, 1)
		go func() {
			_, err := r.source().Send(t.Context(), client, alone(order(t)))
			first <- err
		}()
		require.Eventually(t, func() bool { return len(r.requests()) == 1 }, 5*time.Second, time.Millisecond)
		time.Sleep(200 * time.Millisecond) // until the answer has been read
		_, err := r.source().Send(t.Context(), client, tracking.Call{Messages: []tracking.Message{order(t)}})
		require.NoError(t, err)
		require.NoError(t, <-first)
		got := r.requests()
		require.Len(t, got, 3)
		for _, p := range got[1:] {
			require.GreaterOrEqual(t, p.at.Sub(got[0].at), time.Second)
		}
	}
	for _, status := range []int{408, 429, 503, 529} {
		t.Run(fmt.Sprintf("every other call waits after a %d", status), func(t *testing.T) {
			everyOtherCallWaits(t, status)
		})
	}
	t.Run("a call that cannot wait says when to come back", func(t *testing.T) {
		t.Parallel()
		r := newReceiver(t, reply{status: 429, header: map[string]string{"Retry-After": "100"}})
		client, source := r.client(), r.source()
		source.Retry.RateLimitBudget = -1
		for i := range 2 {
			report, err := source.Send(t.Context(), client, alone(order(t)))
			e := failure(t, err)
			require.Equal(t, i == 1, strings.Contains(e.Error(), "the receiver asked to wait another"))
			require.Equal(t, retry.RateLimited, e.Code)
			require.InDelta(t, 100*time.Second, cause(t, e).RetryAfter, float64(2*time.Second))
			require.True(t, e.Code.Retryable())
			require.Len(t, r.requests(), 1, "the second call must not reach the receiver")
			require.Zero(t, report.Accepted)
		}
	})
	t.Run("another source goes on", func(t *testing.T) {
		t.Parallel()
		r := newReceiverFunc(t, func(_ int, p posted) reply {
			if strings.HasPrefix(p.header.Get("Authorization"), "Basic Wng4") {
				return limited
			}
			return reply{}
		})
		client, source := r.client(), r.source()
		source.Retry.RateLimitBudget = -1
		_, err := source.Send(t.Context(), client, alone(order(t)))
		require.Error(t, err)
		source.WriteKey = "another-key"
		_, err = source.Send(t.Context(), client, alone(order(t)))
		require.NoError(t, err)
	})
	t.Run("cancelling ends the wait", func(t *testing.T) {
		t.Parallel()
		r := newReceiver(t, reply{status: 429, header: map[string]string{"Retry-After": "60"}})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		start := time.Now()
		report, err := r.source().Send(ctx, r.client(), alone(order(t)))
		e := failure(t, err)
		require.Equal(t, retry.Canceled, e.Code)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 429, cause(t, e).Status)
		require.Equal(t, 60*time.Second, cause(t, e).RetryAfter)
		require.Less(t, time.Since(start), 5*time.Second)
		require.Equal(t, tracking.Rejected, report.Messages[0].Status)
	})
}

// A receiver that answers 429 for ever must not hold a caller for ever.
func TestRateLimitHasASafetyCap(t *testing.T) {
	if testing.Short() {
		t.Skip("waits 21 s, as Retry-After counts whole seconds")
	}
	t.Parallel()
	r := newReceiver(t, reply{status: 429, header: map[string]string{"Retry-After": "1"}})
	source := r.source()
	source.Retry.MaxRetries = 1
	_, err := source.Send(t.Context(), r.client(), alone(order(t)))
	require.Equal(t, retry.RateLimited, failure(t, err).Code)
	require.Len(t, r.requests(), 1+1+20)
}
