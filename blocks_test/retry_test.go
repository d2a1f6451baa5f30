package blocks_test

import (
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

func itoa(n int) string { return strconv.Itoa(n) }

// retryCase is one line of the list by which Segment's libraries test their retries. Its name has
// the id of the line. There is no case for T05b, a 511 to a client that authenticates with OAuth:
// the blocks only have write keys.
type retryCase struct {
	name   string
	faults []emulator.Fault
	policy retry.Policy
	// counts are the X-Retry-Count headers of the requests, "" for none.
	counts []string
	// code is the error's, "" if the message is accepted in the end.
	code       runtime.Code
	status     int
	text       string
	retryable  bool
	retryAfter time.Duration
	// atLeast is how long the requests must take.
	atLeast time.Duration
}

func status(codes ...int) []emulator.Fault {
	var faults []emulator.Fault
	for _, c := range codes {
		faults = append(faults, emulator.Fault{Status: c})
	}
	return faults
}

func always(f emulator.Fault) []emulator.Fault {
	f.Times = -1
	return []emulator.Fault{f}
}

var once = []string{""}

func retryCases() []retryCase {
	const past = "Wed, 21 Oct 2015 07:28:00 GMT"
	slow := emulator.Fault{Status: 429, RetryAfter: "1"}
	withBudget := func(p retry.Policy, budget, rateLimit time.Duration) retry.Policy {
		p.Budget, p.RateLimitBudget = budget, rateLimit
		return p
	}
	return []retryCase{
		{name: "T01 200", policy: fast(3), counts: once},
		{name: "T02 500 500 200", faults: status(500, 500), policy: fast(3), counts: []string{"", "1", "2"}},
		{name: "T03 501", faults: status(501), policy: fast(3), counts: once, code: runtime.Rejected, status: 501},
		{name: "T04 505", faults: status(505), policy: fast(3), counts: once, code: runtime.Rejected, status: 505},
		{name: "T05 511", faults: status(511), policy: fast(3), counts: once, code: runtime.Unauthorized, status: 511},
		{
			name: "T06 429 that says when is waited for and not counted", faults: []emulator.Fault{slow},
			policy: fast(1),
			counts: []string{"", "1"}, atLeast: time.Second,
		},
		// T20' shows that such a header is obeyed with any status. Here the time has passed, so
		// that the test does not wait.
		{
			name: "T07 408 that says when", faults: []emulator.Fault{{Status: 408, RetryAfter: past}}, policy: fast(1),
			counts: []string{"", "1"},
		},
		{
			name: "T08 503 that says when", faults: []emulator.Fault{{Status: 503, RetryAfter: past}}, policy: fast(1),
			counts: []string{"", "1"},
		},
		{
			name: "T09 429 that does not say when is counted", faults: always(emulator.Fault{Status: 429}),
			policy: fast(2),
			counts: []string{"", "1", "2"}, code: runtime.RateLimited, status: 429, retryable: true,
		},
		{name: "T10 408", faults: status(408), policy: fast(3), counts: []string{"", "1"}},
		{name: "T11 410", faults: status(410), policy: fast(3), counts: []string{"", "1"}},
		{name: "T12 413", faults: status(413), policy: fast(3), counts: once, code: runtime.TooLarge, status: 413},
		{name: "T13 460", faults: status(460), policy: fast(3), counts: []string{"", "1"}},
		{name: "T14 404", faults: status(404), policy: fast(3), counts: once, code: runtime.Rejected, status: 404},
		{
			name: "T15 connection cut", faults: []emulator.Fault{{Reset: true}}, policy: fast(3),
			counts: []string{"", "1"},
		},
		{
			name: "T16 always 500", faults: always(emulator.Fault{Status: 500}), policy: fast(3),
			counts: []string{"", "1", "2", "3"},
			code:   runtime.Unavailable, status: 500, retryable: true, text: "gave up after 4 attempts",
		},
		{
			name: "T16 always 500 without retries", faults: always(emulator.Fault{Status: 500}), policy: fast(-1),
			counts: once, code: runtime.Unavailable, status: 500, retryable: true,
		},
		{
			name:   "T17 429 that says when leaves the one retry for the 500",
			faults: append([]emulator.Fault{slow}, status(500)...),
			policy: fast(1), counts: []string{"", "1", "2"}, atLeast: time.Second,
		},
		{name: "T18 408 500 200", faults: status(408, 500), policy: fast(3), counts: []string{"", "1", "2"}},
		{name: "T19 400", faults: status(400), policy: fast(3), counts: once, code: runtime.Rejected, status: 400},
		{name: "T19 401", faults: status(401), policy: fast(3), counts: once, code: runtime.Unauthorized, status: 401},
		{name: "T19 403", faults: status(403), policy: fast(3), counts: once, code: runtime.Unauthorized, status: 403},
		{name: "T19 422", faults: status(422), policy: fast(3), counts: once, code: runtime.Rejected, status: 422},
		{
			name: "T19' waits that do not fit the budget are not begun", faults: always(emulator.Fault{Status: 503}),
			policy: retry.Policy{BaseDelay: time.Minute, Budget: 20 * time.Second}, counts: once,
			code:   runtime.Unavailable,
			status: 503, retryable: true, text: "beyond the 20s that may be spent on retrying",
		},
		{
			name:   "T20' nor is a wait that any status names",
			faults: always(emulator.Fault{Status: 503, RetryAfter: "30"}),
			policy: withBudget(fast(3), 0, 20*time.Second), counts: once, code: runtime.RateLimited, status: 503,
			retryable: true, retryAfter: 30 * time.Second, text: "beyond the 20s that may be spent waiting for it",
		},
		{
			name:   "T20' rate limit that does not fit the budget",
			faults: always(emulator.Fault{Status: 429, RetryAfter: "30"}),
			policy: withBudget(fast(3), 0, 20*time.Second), counts: once, code: runtime.RateLimited, status: 429,
			retryable: true, retryAfter: 30 * time.Second, text: "beyond the 20s that may be spent waiting for it",
		},
		{
			name:   "T21 endless 429 with a Retry-After of 0",
			faults: always(emulator.Fault{Status: 429, RetryAfter: "0"}),
			policy: fast(3),
			counts: []string{"", "1", "2", "3"}, code: runtime.RateLimited, status: 429, retryable: true,
		},
		{
			name: "T21 endless 429 that says when ends with the budget", faults: always(slow),
			policy: withBudget(fast(-1), 0, time.Second),
			counts: once, code: runtime.RateLimited, status: 429, retryable: true, retryAfter: time.Second,
		},
		{
			name: "T22 Retry-After of 600 means 300", faults: always(emulator.Fault{Status: 429, RetryAfter: "600"}),
			policy: fast(3),
			counts: once, code: runtime.RateLimited, status: 429, retryable: true, retryAfter: 300 * time.Second,
			text: "the next try would be in 5m0s",
		},
	}
}

// TestRetry runs each case through a block that sends one message, and through the batch.
func TestRetry(t *testing.T) {
	for _, input := range []struct{ block, input string }{
		{"segment_track", `{"event":"Order Completed","userId":"u-42"}`},
		{"segment_batch", trackBatch(2)},
	} {
		for _, c := range retryCases() {
			if c.atLeast > 0 && input.block == "segment_batch" {
				continue // T04' waits with a batch
			}
			t.Run(input.block+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				b := start(t, retrying(c.policy))
				b.script(c.faults...)
				begun := time.Now()
				res, err := b.invoke(input.block, input.input)
				require.GreaterOrEqual(t, time.Since(begun), c.atLeast)

				requests := b.requests()
				require.Equal(t, c.counts, retryCounts(requests))
				requireSameMessages(t, requests)
				requireBasic(t, requests)
				if c.code == "" {
					require.NoError(t, err)
					require.Equal(t, len(requests), res.Receipt.Attempts)
					require.Equal(t, 1, res.Receipt.Requests)
					require.Len(t, b.stored(), len(res.Receipt.MessageIDs))
					return
				}
				e := asError(t, err)
				require.Equal(t, c.code, e.Code, "%v", e)
				require.Equal(t, c.status, e.Status)
				require.Equal(t, c.retryable, e.Retryable)
				require.Equal(t, c.retryAfter, e.RetryAfter)
				require.Contains(t, e.Error(), c.text)
				require.Contains(t, e.Error(), "answered "+itoa(c.status))
				require.Equal(t, len(requests), e.Receipt.Attempts)
				require.Zero(t, e.Receipt.Accepted)
				require.Empty(t, b.stored())
			})
		}
	}
}

func retryCounts(requests []tapped) []string {
	var counts []string
	for _, r := range requests {
		counts = append(counts, r.header.Get("X-Retry-Count"))
	}
	return counts
}

// requireSameMessages checks that attempts differ only in sentAt.
func requireSameMessages(t *testing.T, attempts []tapped) {
	t.Helper()
	for _, r := range attempts[1:] {
		require.Equal(t, string(withoutSentAt(t, attempts[0].body)), string(withoutSentAt(t, r.body)))
	}
}

func withoutSentAt(t testing.TB, body []byte) []byte {
	t.Helper()
	obj, err := rawjson.ParseObject(body, rawjson.Limits{})
	require.NoError(t, err)
	_, ok := obj.Get("sentAt")
	require.True(t, ok, "a body must have sentAt")
	return obj.Without("sentAt").JSON()
}

// requireBasic is T20: each request authenticates with the write key and an empty password.
func requireBasic(t *testing.T, requests []tapped) {
	t.Helper()
	for _, r := range requests {
		user, password, ok := (&http.Request{Header: r.header}).BasicAuth()
		require.True(t, ok)
		require.Equal(t, testKey, user)
		require.Empty(t, password)
		require.NotContains(t, string(r.body), testKey)
	}
}

// This is T15 without a receiver.
func TestRetryT15Refused(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	url := "http://" + listener.Addr().String()
	require.NoError(t, listener.Close())

	rt := open(t, runtime.Source("test", tracking.Source{WriteKey: testKey, Endpoint: url, Retry: fast(2)}))
	_, err = rt.Invoke(t.Context(), "segment_batch", runtime.JSON(trackBatch(2)))
	e := asError(t, err)
	require.Equal(t, runtime.Unavailable, e.Code)
	require.True(t, e.Retryable)
	require.Equal(t, 3, e.Receipt.Attempts)
	require.Contains(t, e.Error(), "connection refused")
	for _, item := range e.Items {
		require.Equal(t, runtime.ItemUnsent, item.Status, "no byte has left")
	}
}

// T04': while a source is rate limited, no other request is sent to it.
func TestRetryT04PrimeRateLimitStopsAll(t *testing.T) {
	t.Parallel()
	b := start(t, retrying(fast(3)), inFlight(1))
	b.script(emulator.Fault{Status: 429, RetryAfter: "1"})

	done := make(chan error, 1)
	go func() {
		_, err := b.invoke("segment_batch", trackBatch(tracking.MaxBatchMessages+1))
		done <- err
	}()
	require.Eventually(t, func() bool { return len(b.segment.Requests()) == 1 }, 10*time.Second, time.Millisecond)
	limited := b.requests()[0].at
	time.Sleep(100 * time.Millisecond) // the answer has arrived by then
	b.accepted("segment_track", `{"event":"e","userId":"u"}`)
	require.NoError(t, <-done)

	requests := b.requests()
	require.Len(t, requests, 4, "the limited request twice, the rest of its batch, and the other invocation")
	for _, r := range requests[1:] {
		require.GreaterOrEqual(t, r.at.Sub(limited), time.Second)
	}
	require.Len(t, b.stored(), tracking.MaxBatchMessages+2)
}

// A deadline before the end of a rate limit ends the invocation at once.
func TestRetryDeadlineBeforeRateLimit(t *testing.T) {
	b := start(t)
	b.script(emulator.Fault{Status: 429, RetryAfter: "60"})
	begun := time.Now()
	e := b.failed("segment_track", `{"event":"e","userId":"u"}`, runtime.Deadline(time.Now().Add(20*time.Second)))
	require.Equal(t, runtime.RateLimited, e.Code)
	require.Equal(t, 60*time.Second, e.RetryAfter)
	require.Contains(t, e.Error(), "left until the deadline")
	require.Less(t, time.Since(begun), 5*time.Second)
	require.Len(t, b.requests(), 1)

	// The next invocation knows of the limit, and sends nothing.
	e = b.failed("segment_track", `{"event":"e","userId":"u"}`, runtime.Deadline(time.Now().Add(time.Second)))
	require.Equal(t, runtime.RateLimited, e.Code)
	require.Greater(t, e.RetryAfter, 50*time.Second)
	require.Zero(t, e.Receipt.Attempts)
	require.Len(t, b.requests(), 1)
}
