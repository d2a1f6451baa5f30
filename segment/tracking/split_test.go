package tracking_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

func TestLargeBatchIsSplitAndKeepsOrder(t *testing.T) {
	r := newReceiverFunc(t, func(int, posted) reply { return reply{delay: 20 * time.Millisecond} })
	const n, users = 12_000, 37
	report, err := r.source().Send(t.Context(), r.client(),
		tracking.Call{Messages: manyOrders(t, n, users), InvocationID: "x"})
	require.NoError(t, err)
	got := r.requests()
	require.Equal(t, len(got), report.Requests)
	require.Equal(t, n, report.Accepted)
	require.LessOrEqual(t, r.mostInFlight(), 4)
	require.Greater(t, r.mostInFlight(), 1)

	seen := map[any]int{} // by user, the last seq
	total := 0
	for _, p := range got {
		require.LessOrEqual(t, len(p.body), tracking.MaxBodyBytes)
		messages := p.messages(t)
		require.LessOrEqual(t, len(messages), tracking.MaxBatchMessages)
		for _, m := range messages {
			seq := int(m["properties"].(map[string]any)["seq"].(float64))
			last, ok := seen[m["userId"]]
			require.True(t, !ok || last == seq-users, "user %v: %d after %d", m["userId"], seq, last)
			seen[m["userId"]] = seq
			total++
		}
	}
	require.Equal(t, n, total)
	for _, m := range report.Messages {
		require.Equal(t, tracking.Accepted, m.Status)
		require.GreaterOrEqual(t, m.Request, 0)
		require.Less(t, m.Request, len(got))
	}
}

func TestInFlightOfOneIsSequential(t *testing.T) {
	r := newReceiver(t)
	source := r.source()
	source.InFlight = 1
	_, err := source.Send(t.Context(), r.client(), tracking.Call{Messages: manyOrders(t, 6000, 500)})
	require.NoError(t, err)
	require.Equal(t, 1, r.mostInFlight())
	next := 0.0
	for _, p := range r.requests() {
		for _, m := range p.messages(t) {
			require.Equal(t, next, m["properties"].(map[string]any)["seq"])
			next++
		}
	}
}

func TestHalfDeliveredBatch(t *testing.T) {
	t.Run("one after the other", func(t *testing.T) {
		r := newReceiverFunc(t, func(n int, _ posted) reply {
			if n >= 1 {
				return reply{status: 400, body: "no more"}
			}
			return reply{}
		})
		source := r.source()
		source.InFlight = 1
		messages := manyOrders(t, 6000, 3)
		report, err := source.Send(t.Context(), r.client(), tracking.Call{Messages: messages, InvocationID: "again"})
		e := failure(t, err)
		require.Equal(t, retry.Rejected, e.Code)
		require.Len(t, r.requests(), 2)
		first, second := len(r.requests()[0].messages(t)), len(r.requests()[1].messages(t))
		require.Equal(t, map[tracking.Status]int{
			tracking.Accepted: first, tracking.Rejected: second, tracking.Unsent: 6000 - first - second,
		}, statuses(report))
		require.Equal(t, first, e.Accepted)
		require.Equal(t, 6000, e.Total)
		require.Equal(t, 2, report.Requests)
		require.Contains(t, err.Error(),
			fmt.Sprintf("%d,%03d of 6,000 messages were accepted: ", first/1000, first%1000))
		for i, m := range report.Messages {
			switch {
			case i < first:
				require.Equal(t, tracking.Outcome{MessageID: m.MessageID, Status: tracking.Accepted, Request: 0}, m)
			case i < first+second:
				require.Equal(t, tracking.Outcome{MessageID: m.MessageID, Status: tracking.Rejected, Request: 1}, m)
			default:
				require.Equal(t, tracking.Outcome{MessageID: m.MessageID, Status: tracking.Unsent, Request: -1}, m)
			}
		}

		r.mu.Lock()
		r.answer = func(int, posted) reply { return reply{} }
		r.mu.Unlock()
		again, err := source.Send(t.Context(), r.client(), tracking.Call{Messages: messages, InvocationID: "again"})
		require.NoError(t, err)
		for i := range messages {
			require.Equal(t, report.Messages[i].MessageID, again.Messages[i].MessageID)
		}
	})
	t.Run("side by side: those under way are finished, none is begun", func(t *testing.T) {
		release := make(chan struct{})
		var once sync.Once
		r := newReceiverFunc(t, func(n int, _ posted) reply {
			switch n {
			case 3:
				once.Do(func() { time.AfterFunc(500*time.Millisecond, func() { close(release) }) })
				return reply{status: 401}
			default:
				<-release
				return reply{}
			}
		})
		report, err := r.source().Send(t.Context(), r.client(), tracking.Call{Messages: manyOrders(t, 20_000, 999)})
		e := failure(t, err)
		require.Equal(t, retry.Unauthorized, e.Code)
		got := r.requests()
		require.Len(t, got, 4)
		accepted := 0
		for _, p := range append(got[:3:3], got[4:]...) {
			accepted += len(p.messages(t))
		}
		rejected := len(got[3].messages(t))
		require.Equal(t, map[tracking.Status]int{
			tracking.Accepted: accepted, tracking.Rejected: rejected, tracking.Unsent: 20_000 - accepted - rejected,
		}, statuses(report))
	})
	t.Run("cancelled: what was under way is in doubt", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := newReceiverFunc(t, func(n int, _ posted) reply {
			if n < 2 {
				return reply{}
			}
			time.AfterFunc(50*time.Millisecond, cancel)
			return reply{delay: time.Minute}
		})
		source := r.source()
		source.InFlight = 1
		report, err := source.Send(ctx, r.client(), tracking.Call{Messages: manyOrders(t, 12_000, 1)})
		e := failure(t, err)
		require.Equal(t, retry.Canceled, e.Code)
		require.Positive(t, statuses(report)[tracking.Unconfirmed])
		require.Equal(t, statuses(report)[tracking.Unconfirmed], e.Unconfirmed)
		require.Contains(t, err.Error(), "more may have been", "the first request was accepted")
	})
}

// A receiver that takes part of a batch, and says so behind a 200, leaves doubt about each message.
func TestBatchTakenInPart(t *testing.T) {
	r := newReceiver(t, reply{body: `{"ok":false,"receivedEvents":2,"okEvents":1,"errors":["one is bad"]}`})
	report, err := r.source().Send(t.Context(), r.client(), tracking.Call{Messages: manyOrders(t, 2, 1)})
	require.EqualError(t, err,
		"0 of 2 messages were accepted, 2 may have been: "+r.URL+" answered 200 (ok): one is bad")
	require.Equal(t, retry.Rejected, failure(t, err).Code)
	require.Equal(t, map[tracking.Status]int{tracking.Unconfirmed: 2}, statuses(report))

	for body, want := range map[string]tracking.Status{
		`{"ok":true,"errors":["one is bad"]}`:                tracking.Unconfirmed,
		`{"success":true,"errors":["one is bad"]}`:           tracking.Unconfirmed,
		`{"ok":false,"errors":["quota"]}`:                    tracking.Rejected,
		`{"ok":false,"okEvents":0,"errors":["quota"]}`:       tracking.Rejected,
		`{"success":false,"code":"x","message":"no source"}`: tracking.Rejected,
	} {
		r := newReceiver(t, reply{body: body})
		report, err := r.source().Send(t.Context(), r.client(), tracking.Call{Messages: manyOrders(t, 2, 1)})
		failure(t, err)
		require.Equal(t, map[tracking.Status]int{want: 2}, statuses(report), body)
	}
}

// A 429 met by one lane holds back the others, as Segment counts by source.
func TestRateLimitHoldsBackTheWholeBatch(t *testing.T) {
	r := newReceiverFunc(t, func(n int, _ posted) reply {
		if n == 0 {
			return reply{status: 429, header: map[string]string{"Retry-After": "1"}}
		}
		return reply{delay: 300 * time.Millisecond}
	})
	report, err := r.source().Send(t.Context(), r.client(), tracking.Call{Messages: manyOrders(t, 20_000, 999)})
	require.NoError(t, err)
	require.Equal(t, 20_000, report.Accepted)
	got := r.requests()
	early := 0
	for _, p := range got[1:] {
		if p.at.Sub(got[0].at) < time.Second {
			early++
		}
	}
	require.LessOrEqual(t, early, 3, "only those that were under way already")
}

// Anyone who is known by several ids is still one person.
func TestLinkedIDsKeepTheirOrder(t *testing.T) {
	r := newReceiverFunc(t, func(int, posted) reply { return reply{delay: 5 * time.Millisecond} })
	filler := strings.Repeat("f", 1000)
	var messages []tracking.Message
	for i := range 3000 {
		text := fmt.Sprintf(`{"type":"track","event":"e","userId":"other-%d","properties":{"f":%q}}`, i, filler)
		switch i % 300 {
		case 0:
			text = fmt.Sprintf(`{"type":"track","event":"e","anonymousId":"anon","properties":{"n":%d,"f":%q}}`, i,
				filler)
		case 100:
			text = fmt.Sprintf(`{"type":"alias","userId":"known","previousId":"anon","context":{"n":%d}}`, i)
		case 200:
			text = fmt.Sprintf(`{"type":"identify","userId":"known","traits":{"n":%d,"f":%q}}`, i, filler)
		}
		messages = append(messages, item(t, text))
	}
	_, err := r.source().Send(t.Context(), r.client(), tracking.Call{Messages: messages})
	require.NoError(t, err)
	last := -1.0
	for _, p := range r.requests() {
		for _, m := range p.messages(t) {
			for _, in := range []string{"properties", "traits", "context"} {
				if data, ok := m[in].(map[string]any); ok && data["n"] != nil {
					require.Greater(t, data["n"], last)
					last = data["n"].(float64)
				}
			}
		}
	}
	require.Equal(t, 2900.0, last)
}

// Whatever the receiver does, the report adds up and agrees with what arrived.
func TestReportAddsUp(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		answers := rapid.SliceOfN(rapid.SampledFrom([]reply{
			{},
			{},
			{},
			{status: 500},
			{status: 400},
			{reset: true},
			{status: 504},
		}), 1, 12).Draw(rt, "answers")
		var mu sync.Mutex
		accepted := map[any]bool{}
		r := newReceiverFunc(t, func(n int, p posted) reply {
			a := answers[n%len(answers)]
			if a.status == 0 && !a.reset {
				mu.Lock()
				defer mu.Unlock()
				for _, m := range p.messages(t) {
					accepted[m["messageId"]] = true
				}
			}
			return a
		})
		defer r.Close()
		source := r.source()
		source.Retry.MaxRetries = rapid.SampledFrom([]int{-1, 1, 3}).Draw(rt, "retries")
		source.InFlight = rapid.IntRange(1, 5).Draw(rt, "inFlight")
		n := rapid.IntRange(1, 9000).Draw(rt, "messages")
		report, err := source.Send(t.Context(), r.client(),
			tracking.Call{Messages: manyOrders(t, n, rapid.IntRange(1, 50).Draw(rt, "users")), InvocationID: "i"})

		count := statuses(report)
		require.Equal(rt, count[tracking.Accepted], report.Accepted)
		require.Len(rt, report.Messages, n)
		require.Equal(rt, err == nil, report.Accepted == n)
		require.LessOrEqual(rt, r.mostInFlight(), source.InFlight)
		got := r.requests()
		require.Equal(rt, len(got), report.Attempts)
		bytes := 0
		for _, p := range got {
			bytes += len(p.body)
			require.LessOrEqual(rt, len(p.body), tracking.MaxBodyBytes)
		}
		require.Equal(rt, bytes, report.Bytes)
		mu.Lock()
		defer mu.Unlock()
		for _, m := range report.Messages {
			switch m.Status {
			case tracking.Accepted:
				require.True(rt, accepted[m.MessageID])
			default:
				require.False(rt, accepted[m.MessageID])
				require.Equal(rt, m.Status == tracking.Unsent, m.Request < 0)
			}
		}
	})
}
