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

// The cases that Segment's own end-to-end suite plays, by the names that its SDKs' tests give them.
func TestConformance(t *testing.T) {
	later := map[string]string{"Retry-After": "1"}
	tests := []struct {
		id         string
		replies    []reply
		maxRetries int
		header     []string // X-Retry-Count of each request
		kind       retry.Code
		atLeast    time.Duration
	}{
		{id: "T01 success", replies: []reply{{}}, header: []string{"-"}},
		{id: "T02 500 twice", replies: []reply{{status: 500}, {status: 500}, {}}, header: []string{"-", "1", "2"}},
		{id: "T03 501", replies: []reply{{status: 501}}, header: []string{"-"}, kind: retry.Rejected},
		{id: "T04 505", replies: []reply{{status: 505}}, header: []string{"-"}, kind: retry.Rejected},
		{id: "T05 511", replies: []reply{{status: 511}}, header: []string{"-"}, kind: retry.Unauthorized},
		{
			id: "T06 429 with Retry-After", replies: []reply{{status: 429, header: later}, {}}, header: []string{"-", "1"},
			atLeast: time.Second,
		},
		{
			id: "T07 408 with Retry-After", replies: []reply{{status: 408, header: later}, {}}, header: []string{"-", "1"},
			atLeast: time.Second,
		},
		{
			id: "T08 503 with Retry-After", replies: []reply{{status: 503, header: later}, {}}, header: []string{"-", "1"},
			atLeast: time.Second,
		},
		{id: "T09 429 without", replies: []reply{{status: 429}, {}}, header: []string{"-", "1"}},
		{
			id: "T09 429 without, counted", replies: []reply{{status: 429}}, maxRetries: 2, header: []string{"-", "1", "2"},
			kind: retry.RateLimited,
		},
		{id: "T10 408", replies: []reply{{status: 408}, {}}, header: []string{"-", "1"}},
		{id: "T11 410", replies: []reply{{status: 410}, {}}, header: []string{"-", "1"}},
		{id: "T12 413", replies: []reply{{status: 413}}, header: []string{"-"}, kind: retry.TooLarge},
		{id: "T13 460", replies: []reply{{status: 460}, {}}, header: []string{"-", "1"}},
		{id: "T14 404", replies: []reply{{status: 404}}, header: []string{"-"}, kind: retry.Rejected},
		{id: "T15 connection error", replies: []reply{{reset: true}, {reset: true}, {}}, header: []string{"-", "1", "2"}},
		{
			id: "T16 always 500", replies: []reply{{status: 500}}, maxRetries: 4, header: []string{"-", "1", "2", "3", "4"},
			kind: retry.Unavailable,
		},
		{
			id: "T16 no retries", replies: []reply{{status: 500}}, maxRetries: -1, header: []string{"-"},
			kind: retry.Unavailable,
		},
		{
			id: "T17 429 is not counted", replies: []reply{{status: 429, header: later}, {status: 500}}, maxRetries: 1,
			header: []string{"-", "1", "2"}, kind: retry.Unavailable,
		},
		{
			id: "Retry-After with 408 is not counted", replies: []reply{
				{status: 408, header: later},
				{status: 500},
				{},
			}, maxRetries: 1,
			header: []string{"-", "1", "2"}, atLeast: time.Second,
		},
		{
			id: "Retry-After with 529 is not counted", replies: []reply{
				{status: 529, header: later},
				{status: 500},
				{},
			}, maxRetries: 1,
			header: []string{"-", "1", "2"}, atLeast: time.Second,
		},
		{id: "T18 408 500", replies: []reply{{status: 408}, {status: 500}, {}}, header: []string{"-", "1", "2"}},
		{id: "T19 400", replies: []reply{{status: 400}}, header: []string{"-"}, kind: retry.Rejected},
		{id: "T19 401", replies: []reply{{status: 401}}, header: []string{"-"}, kind: retry.Unauthorized},
		{id: "T19 403", replies: []reply{{status: 403}}, header: []string{"-"}, kind: retry.Unauthorized},
		{id: "422", replies: []reply{{status: 422}}, header: []string{"-"}, kind: retry.Rejected},
		{
			id: "T21 endless 429 with Retry-After 0", replies: []reply{{
				status: 429,
				header: map[string]string{"Retry-After": "0"},
			}},
			header: []string{"-", "1", "2", "3"}, kind: retry.RateLimited,
		},
		{
			id: "504 508 599", replies: []reply{{status: 504}, {status: 508}, {status: 599}, {}},
			header: []string{"-", "1", "2", "3"},
		},
		{id: "other 2xx", replies: []reply{{status: 204}}, header: []string{"-"}},
	}
	for _, tt := range tests {
		t.Run(tt.id, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, tt.replies...)
			source := r.source()
			if tt.maxRetries != 0 {
				source.Retry.MaxRetries = tt.maxRetries
			}
			start := time.Now()
			report, err := source.Send(t.Context(), r.client(), alone(order(t)))

			got := r.requests()
			require.Equal(t, tt.header, retryCounts(got))
			require.GreaterOrEqual(t, time.Since(start), tt.atLeast)
			require.Equal(t, len(got), report.Attempts)
			require.Equal(t, 1, report.Requests)
			if tt.kind == "" {
				require.NoError(t, err)
				require.Equal(t, tracking.Accepted, report.Messages[0].Status)
				require.Equal(t, 1, report.Accepted)
			} else {
				e := failure(t, err)
				require.Equal(t, tt.kind, e.Code, err)
				require.Equal(t, len(got), cause(t, e).Attempts)
				require.Zero(t, report.Accepted)
			}
			ids := map[any]bool{}
			size := 0
			for _, p := range got {
				ids[p.fields(t)["messageId"]] = true
				size += len(p.body)
				// T20
				require.Equal(t, "Basic Wng4MVF3OTJFcjczVHk2NFVpNTVPcDQ2QXMzN0RmMjg6", p.header.Get("Authorization"))
				require.Equal(t, "application/json", p.header.Get("Content-Type"))
				require.Equal(t, "segment-blocks/dev", p.header.Get("User-Agent"))
				requireClean(t, string(p.body))
			}
			require.Len(t, ids, 1, "a retry must keep its messageId")
			require.Equal(t, size, report.Bytes)
		})
	}
}

func TestRetryAfterIsCapped(t *testing.T) {
	for name, value := range map[string]string{
		"T22 seconds": "600", "date": time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), "absurd": strings.Repeat("9",
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

func TestBudgetEndsRetries(t *testing.T) {
	t.Run("a wait that does not fit is not begun", func(t *testing.T) {
		r := newReceiver(t, reply{status: 503})
		source := r.source()
		source.Retry = retry.Policy{BaseDelay: 10 * time.Second, Budget: time.Second}
		start := time.Now()
		_, err := source.Send(t.Context(), r.client(), alone(order(t)))
		e := failure(t, err)
		require.Equal(t, retry.Unavailable, e.Code)
		require.Less(t, time.Since(start), time.Second)
		require.Len(t, r.requests(), 1)
		require.Contains(t, err.Error(), "beyond the 1s that may be spent on retrying")
	})
	t.Run("nor one that the deadline cuts off", func(t *testing.T) {
		r := newReceiver(t, reply{status: 503, header: map[string]string{"Retry-After": "30"}})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		_, err := r.source().Send(ctx, r.client(), alone(order(t)))
		e := failure(t, err)
		require.Equal(t, retry.RateLimited, e.Code)
		require.InDelta(t, 30*time.Second, cause(t, e).RetryAfter, float64(time.Second))
		require.Less(t, time.Since(start), 2*time.Second)
		require.Contains(t, err.Error(), "left until the deadline")
	})
	t.Run("many waits that add up", func(t *testing.T) {
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
	})
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
		t.Run(fmt.Sprintf("every other call waits after a %d", status), func(t *testing.T) { everyOtherCallWaits(t, status) })
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

func TestSentAtIsFreshAndTimestampIsNot(t *testing.T) {
	r := newReceiver(t, reply{status: 503}, reply{status: 503}, reply{})
	source := r.source()
	source.Retry.BaseDelay = 20 * time.Millisecond
	_, err := source.Send(t.Context(), r.client(), alone(order(t)))
	require.NoError(t, err)
	var sentAt, timestamp []string
	for _, p := range r.requests() {
		f := p.fields(t)
		sentAt = append(sentAt, f["sentAt"].(string))
		timestamp = append(timestamp, f["timestamp"].(string))
		at, err := time.Parse(time.RFC3339, f["sentAt"].(string))
		require.NoError(t, err)
		require.WithinDuration(t, p.at, at, time.Second)
	}
	require.Len(t, sentAt, 3)
	require.IsIncreasing(t, sentAt)
	require.Equal(t, []string{timestamp[0], timestamp[0], timestamp[0]}, timestamp)
}
