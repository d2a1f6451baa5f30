package tracking_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// manyOrders makes n messages of about 250 bytes, shared by so many users.
func manyOrders(t testing.TB, n, users int) []tracking.Message {
	t.Helper()
	out := make([]tracking.Message, n)
	for i := range out {
		out[i] = item(t, fmt.Sprintf(`{"type":"track","event":"Step","userId":"u-%d","properties":{"seq":%d}}`, i%users, i))
	}
	return out
}

func TestBatchOnTheWire(t *testing.T) {
	r := newReceiver(t)
	report, err := r.source().Send(t.Context(), r.client(), tracking.Call{
		Messages: []tracking.Message{
			item(t,
				`{"type":"identify","userId":"u","traits":{"n":1.10},"timestamp":"2024-01-02T03:04:05Z","messageId":"mine"}`),
			item(t,
				`{"type":"group","userId":"u","groupId":"g","context":{"ip":"1.2.3.4"},"integrations":{"Mixpanel":{"a":1}}}`),
		}, InvocationID: "run-1", Time: time.Date(2025, 6, 7, 8, 9, 10, 11_000_000, time.UTC),
		Context: json.RawMessage(`{"ip":"0.0.0.0","app":{"name":"shop"}}`), Integrations: json.RawMessage(`{"All":false}`),
	})
	require.NoError(t, err)
	got := r.requests()
	require.Len(t, got, 1)
	require.Equal(t, "/v1/batch", got[0].path)
	require.Equal(t, "POST", got[0].method)
	body := string(got[0].body)
	require.Regexp(t, `^{"sentAt":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","batch":\[`, body)
	id := tracking.DeriveMessageID(testKey, tracking.Group, "run-1", 1)
	library := `"library":{"name":"segment-blocks","version":"dev"}`
	require.Equal(t, `"batch":[`+
		`{"type":"identify","userId":"u","traits":{"n":1.10},"timestamp":"2024-01-02T03:04:05.000Z","messageId":"mine",`+
		`"context":{"ip":"0.0.0.0","app":{"name":"shop"},`+library+`},"integrations":{"All":false}},`+
		`{"type":"group","userId":"u","groupId":"g","context":{"ip":"1.2.3.4","app":{"name":"shop"},`+library+`},`+
		`"integrations":{"All":false,"Mixpanel":{"a":1}},"messageId":"`+id+`","timestamp":"2025-06-07T08:09:10.011Z"}]}`,
		body[strings.Index(body, `"batch"`):])
	require.Equal(t, tracking.Report{
		Delivery: tracking.Direct, Endpoint: r.URL, Requests: 1, Attempts: 1, Bytes: len(body), Accepted: 2,
		Messages: []tracking.Outcome{
			{MessageID: "mine", Status: tracking.Accepted, Request: 0},
			{MessageID: id, Status: tracking.Accepted, Request: 0},
		},
	}, report)
}

func TestBadMessagesSendNothing(t *testing.T) {
	r := newReceiver(t)
	large := item(t, `{"type":"track","event":"e","userId":"u","properties":{"x":"`+strings.Repeat("x", 40_000)+`"}}`)
	report, err := r.source().Send(t.Context(), r.client(), tracking.Call{Messages: []tracking.Message{
		order(t),
		item(t, `{"type":"track","event":5,"userId":"u"}`),
		order(t),
		item(t, `{"type":"alias","userId":"u"}`),
		large,
	}})
	e := failure(t, err)
	require.Equal(t, tracking.InvalidInput, e.Code)
	require.False(t, e.Code.Retryable())
	require.Empty(t, r.requests())
	require.Equal(t, map[tracking.Status]int{tracking.Unsent: 5}, statuses(report))
	require.Equal(t, "nothing was sent, 3 of 5 messages cannot be: message 1: /event must be a string: 5; "+
		"message 3: /previousId must be given: the id that the person had before; "+
		"message 4: message is 40,217 bytes, 32,000 are allowed", err.Error())

	_, err = r.source().Send(t.Context(), r.client(), tracking.Call{Messages: []tracking.Message{order(t), large}})
	require.Equal(t, retry.TooLarge, failure(t, err).Code)

	_, err = r.source().Send(t.Context(), r.client(), tracking.Call{Messages: nil})
	e = failure(t, err)
	require.Equal(t, []tracking.Finding{finding(-1, "", "empty_batch", "must hold at least one message")}, e.Problems)
	require.Empty(t, r.requests())
}

func TestManyBadMessagesAreAllNamed(t *testing.T) {
	bad := make([]tracking.Message, 20)
	for i := range bad {
		bad[i] = order(t)
		if i%3 == 0 || i > 15 {
			bad[i] = item(t, `{"type":"track","event":"e"}`)
		}
	}
	_, _, err := tracking.NewClient(nil).Preview(tracking.Source{WriteKey: testKey}, tracking.Call{Messages: bad})
	e := failure(t, err)
	require.Len(t, e.Problems, 10)
	require.Contains(t, err.Error(), "and 5 more problems, the messages in question are 0, 3, 6, 9, 12, 15-19")
}

// A batch with nothing but faults costs no more than its listing: the error is bounded, and the end
// is not looked at.
func TestManyProblemsAreBounded(t *testing.T) {
	bad := item(t, `{"type":"track"}`) // has two
	for n, listed := range map[int]int{60: 120, 4_000: 1_000, 300_000: 1_000} {
		messages := slices.Repeat([]tracking.Message{bad}, n)
		report, err := tracking.Source{WriteKey: testKey}.Send(t.Context(), tracking.NewClient(nil),
			tracking.Call{Messages: messages})
		e := failure(t, err)
		require.Equal(t, tracking.InvalidInput, e.Code)
		require.Len(t, e.Problems, listed)
		require.Equal(t, n, e.Total)
		require.Len(t, report.Messages, n)
		require.Less(t, len(err.Error()), 2000)
		require.Contains(t, err.Error(),
			fmt.Sprintf("; and %s more problems", map[int]string{120: "115", 1000: "995"}[listed]))
	}
}

// A caller that goes while a huge batch is being prepared is not kept.
func TestCancelledWhilePreparing(t *testing.T) {
	messages := slices.Repeat([]tracking.Message{order(t)}, 100_000)
	ctx := &endsAfter{Context: t.Context(), asked: 50}
	report, err := tracking.Source{WriteKey: testKey}.Send(ctx, tracking.NewClient(nil), tracking.Call{Messages: messages})
	require.Equal(t, retry.Canceled, failure(t, err).Code)
	require.ErrorIs(t, err, context.Canceled)
	require.EqualError(t, err, "the call was canceled; nothing was sent")
	require.Equal(t, map[tracking.Status]int{tracking.Unsent: len(messages)}, statuses(report))
	require.NotEmpty(t, report.Messages[10].MessageID)
	require.Empty(t, report.Messages[100].MessageID, "it has not come to that")
}

// endsAfter is a context that ends once it has been asked often enough.
type endsAfter struct {
	context.Context
	asked int
}

func (c *endsAfter) Err() error {
	if c.asked--; c.asked < 0 {
		return context.Canceled
	}
	return nil
}

func TestBatchDefaultsAreChecked(t *testing.T) {
	for text, code := range map[string]string{
		`[]`: "context_not_object", `"x"`: "context_not_object", `{"a":`: "invalid_json", `{"a":1,"a":2}`: "invalid_json",
	} {
		_, _, err := tracking.NewClient(nil).Preview(tracking.Source{WriteKey: testKey},
			tracking.Call{Messages: []tracking.Message{order(t)}, Context: json.RawMessage(text)})
		e := failure(t, err)
		require.Len(t, e.Problems, 1)
		require.Equal(t, code, e.Problems[0].Code)
		require.Equal(t, "/context", e.Problems[0].Path)
		require.Equal(t, -1, e.Problems[0].Index)
	}
	_, _, err := tracking.NewClient(nil).Preview(tracking.Source{WriteKey: testKey},
		tracking.Call{
			Messages: []tracking.Message{order(t)}, Context: json.RawMessage(`null`),
			Integrations: json.RawMessage(`1`),
		})
	require.Equal(t, "integrations_not_object", failure(t, err).Problems[0].Code)
}

// What the batch lays under each message counts towards that message's size.
func TestLimitsCountWhatIsMergedIn(t *testing.T) {
	r := newReceiver(t)
	context := json.RawMessage(`{"x":"` + strings.Repeat("x", 31_900) + `"}`)
	_, err := r.source().Send(t.Context(), r.client(),
		tracking.Call{Messages: []tracking.Message{order(t), order(t)}, Context: context})
	e := failure(t, err)
	require.Equal(t, retry.TooLarge, e.Code)
	require.Len(t, e.Problems, 2)
	require.Empty(t, r.requests())
}

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
		require.Contains(t, err.Error(), fmt.Sprintf("%d,%03d of 6,000 messages were accepted: ", first/1000, first%1000))
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
			text = fmt.Sprintf(`{"type":"track","event":"e","anonymousId":"anon","properties":{"n":%d,"f":%q}}`, i, filler)
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
