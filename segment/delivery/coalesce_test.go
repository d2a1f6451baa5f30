package delivery_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// outcome is the result of a call.
type outcome struct {
	report tracking.Report
	err    error
	took   time.Duration
	seen   []retry.Attempt // what the call was told of
}

// gathered makes calls that share a request: two requests are held up until all calls wait. After
// release, it returns the outcomes in the order of the messages.
func gathered(
	t *testing.T, c *coalesced, client *tracking.Client, r *receiver, release func(), messages ...tracking.Message,
) []outcome {
	t.Helper()
	outcomes := make([]outcome, len(messages))
	var calls sync.WaitGroup
	for i, m := range messages {
		calls.Go(func() {
			began := time.Now()
			var seen []retry.Attempt
			ctx := retry.OnAttempt(soon(t), func(a retry.Attempt) { seen = append(seen, a) })
			report, err := c.Send(ctx, client, one(m))
			outcomes[i] = outcome{report, err, time.Since(began), seen}
		})
		if i < 2 {
			require.Eventually(t, func() bool { return len(r.got()) == i+1 }, time.Second, time.Millisecond)
		} else {
			time.Sleep(20 * time.Microsecond)
		}
	}
	release()
	calls.Wait()
	return outcomes
}

func TestLoneCallGoesAtOnce(t *testing.T) {
	r := newReceiver(t, nil)
	c := coalesce(r.source(), delivery.CoalesceOptions{})
	report, err := c.Send(soon(t), newClient(t), one(track(t, "u1", "A")))
	require.NoError(t, err)
	require.Equal(t, delivery.Coalesced, report.Delivery)
	require.Equal(t, r.URL, report.Endpoint)
	require.Equal(t, []int{1, 1, 1}, []int{report.Requests, report.Attempts, report.Accepted})
	require.Equal(t, r.got()[0][0].MessageID, report.Messages[0].MessageID)
	require.Equal(t, tracking.Accepted, report.Messages[0].Status)
	require.NoError(t, c.Close(soon(t)))
	require.NoError(t, c.Close(soon(t)))
	_, err = c.Send(soon(t), newClient(t), one(track(t, "u1", "A")))
	var failed *tracking.Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, tracking.Closed, failed.Code)
	require.EqualError(t, err, "nothing was sent: the source has been closed")
}

func TestCallsShareRequests(t *testing.T) {
	held := make(chan struct{})
	release := sync.OnceFunc(func() { close(held) })
	defer release() // whatever fails
	r := newReceiver(t, func(n int, _ []message) reply {
		if n < 2 {
			<-held
		}
		return reply{}
	})
	c := coalesce(r.source(), delivery.CoalesceOptions{MaxInFlight: 2})
	defer c.Close(soon(t))
	var messages []tracking.Message
	for i := range 50 {
		messages = append(messages, track(t, fmt.Sprint("u", i), "E"))
	}
	later := func() { time.Sleep(30 * time.Millisecond); release() }
	for i, o := range gathered(t, c, newClient(t), r, later, messages...) {
		require.NoError(t, o.err)
		require.Equal(t, 1, o.report.Accepted)
		require.Equal(t, 1, o.report.Attempts)
		require.Positive(t, o.report.Bytes)
		require.Less(t, o.report.Bytes, 1000, i)
		if i < 2 { // it had a request of its own
			require.Len(t, o.seen, 1)
		} else {
			require.Empty(t, o.seen, "a call must not see what others send")
		}
	}
	require.LessOrEqual(t, len(r.got()), 5)
}

func TestProblemsAreFoundBeforeJoining(t *testing.T) {
	r := newReceiver(t, nil)
	c := coalesce(r.source(), delivery.CoalesceOptions{})
	defer c.Close(soon(t))
	report, err := c.Send(soon(t), newClient(t), one(track(t, "", "A")))
	var failed *tracking.Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "no_user_anon_id", failed.Problems[0].Code)
	require.Equal(t, delivery.Coalesced, report.Delivery)
	require.Empty(t, r.got())
}

func TestOnlyTheGuiltyFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		refuse reply
		kind   retry.Code
	}{
		{"400", reply{status: 400, body: `{"message":"poison"}`}, retry.Rejected},
		{"413", reply{status: 413}, retry.TooLarge},
		{"200 that refuses", reply{status: 200, body: `{"ok":false,"error":"poison"}`}, retry.Rejected},
	} {
		t.Run(c.name, func(t *testing.T) {
			held := make(chan struct{})
			release := sync.OnceFunc(func() { close(held) })
			defer release() // whatever fails
			r := newReceiver(t, func(n int, batch []message) reply {
				if n < 2 {
					<-held
				}
				if slices.ContainsFunc(batch, func(m message) bool { return m.Event == "Poison" }) {
					return c.refuse
				}
				return reply{}
			})
			sender := coalesce(r.source(), delivery.CoalesceOptions{MaxInFlight: 2})
			defer sender.Close(soon(t))
			var messages []tracking.Message
			for i := range 40 {
				event := "Good"
				if i == 17 {
					event = "Poison"
				}
				messages = append(messages, track(t, fmt.Sprint("u", i%10), event))
			}
			later := func() { time.Sleep(30 * time.Millisecond); release() }
			for i, o := range gathered(t, sender, newClient(t), r, later, messages...) {
				if i != 17 {
					require.NoError(t, o.err)
					require.Equal(t, tracking.Accepted, o.report.Messages[0].Status)
					continue
				}
				var failed *tracking.Error
				require.ErrorAs(t, o.err, &failed)
				require.Equal(t, c.kind, failed.Code)
				require.Equal(t, tracking.Rejected, o.report.Messages[0].Status)
				require.Greater(t, o.report.Requests, 2)
			}
		})
	}
}

// inOrderOfUsers requires that want messages arrived, and that the first arrivals of each user,
// whose events are numbers, were in order.
func inOrderOfUsers(t *testing.T, batches [][]message, want int) {
	t.Helper()
	seen := map[string]bool{}
	next := map[string]int{}
	for _, b := range batches {
		for _, m := range b {
			if seen[m.MessageID] {
				continue
			}
			seen[m.MessageID] = true
			require.Equal(t, strconv.Itoa(next[m.UserID]), m.Event, "of %s", m.UserID)
			next[m.UserID]++
		}
	}
	require.Len(t, seen, want)
}

// asked is a context that tells when Done is first called, which a call does when it is in its
// queue.
type asked struct {
	context.Context
	once   sync.Once
	joined chan struct{}
}

func (a *asked) Done() <-chan struct{} {
	a.once.Do(func() { close(a.joined) })
	return a.Context.Done()
}

func TestOneUserStaysInOrder(t *testing.T) {
	const users, each = 30, 40
	var n atomic.Int64
	r := newReceiver(t, func(int, []message) reply {
		if n.Add(1)%7 == 3 {
			return reply{status: 503}
		}
		return reply{delay: rand.N(3 * time.Millisecond)}
	})
	c := coalesce(r.source(), delivery.CoalesceOptions{})
	client := newClient(t)
	var calls sync.WaitGroup
	for u := range users {
		calls.Go(func() {
			for i := range each {
				ctx := &asked{Context: soon(t), joined: make(chan struct{})}
				calls.Go(func() {
					_, err := c.Send(ctx, client, one(track(t, fmt.Sprint("u", u), fmt.Sprint(i))))
					require.NoError(t, err)
				})
				<-ctx.joined
			}
		})
	}
	calls.Wait()
	require.NoError(t, c.Close(soon(t)))
	require.Less(t, len(r.got()), users*each)
	inOrderOfUsers(t, r.got(), users*each)
}

func TestLaterMessageOfAUserWaits(t *testing.T) {
	held := make(chan struct{})
	release := sync.OnceFunc(func() { close(held) })
	defer release() // whatever fails
	r := newReceiver(t, func(n int, _ []message) reply {
		if n == 0 {
			<-held
		}
		return reply{}
	})
	c := coalesce(r.source(), delivery.CoalesceOptions{})
	client := newClient(t)
	var calls sync.WaitGroup
	deliver := func(user, event string) {
		calls.Go(func() {
			_, err := c.Send(soon(t), client, one(track(t, user, event)))
			require.NoError(t, err)
		})
		time.Sleep(10 * time.Millisecond)
	}
	deliver("u1", "1")
	deliver("u1", "2")
	deliver("u2", "other")
	deliver("u1", "3")
	require.Len(t, r.got(), 2)
	large := make([]tracking.Message, 150)
	for i := range large {
		large[i] = track(t, "u1", "large")
	}
	calls.Go(func() {
		_, err := c.Send(soon(t), client, tracking.Call{Messages: large})
		require.NoError(t, err)
	})
	time.Sleep(10 * time.Millisecond)
	require.Len(t, r.got(), 2)
	release()
	calls.Wait()
	require.NoError(t, c.Close(soon(t)))
	got := r.got()
	require.Len(t, got, 4)
	require.Equal(t, []string{"2", "3"}, []string{got[2][0].Event, got[2][1].Event})
	require.Equal(t, "large", got[3][0].Event)
}

func TestRateLimitIsWaitedOut(t *testing.T) {
	r := newReceiver(t, func(n int, _ []message) reply {
		if n == 0 {
			return reply{status: 429, retryAfter: "1"}
		}
		return reply{}
	})
	c := coalesce(r.source(), delivery.CoalesceOptions{})
	defer c.Close(soon(t))
	client := newClient(t)
	began := time.Now()
	var calls sync.WaitGroup
	for i := range 20 {
		calls.Go(func() {
			_, err := c.Send(soon(t), client, one(track(t, fmt.Sprint("u", i), "E")))
			require.NoError(t, err)
		})
	}
	calls.Wait()
	require.GreaterOrEqual(t, time.Since(began), 900*time.Millisecond)
}

// panicking is a transport that panics now and then.
type panicking struct {
	http.RoundTripper
	n atomic.Int32
}

func (p *panicking) RoundTrip(req *http.Request) (*http.Response, error) {
	if p.n.Add(1)%3 == 0 {
		panic("the transport is broken")
	}
	return p.RoundTripper.RoundTrip(req)
}

func TestPanicsStayInside(t *testing.T) {
	r := newReceiver(t, nil)
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	defer transport.CloseIdleConnections()
	client := tracking.NewClient(resty.New().SetTransport(&panicking{RoundTripper: transport}))
	c := coalesce(r.source(), delivery.CoalesceOptions{})
	var calls sync.WaitGroup
	var panics atomic.Int32
	for i := range 100 {
		calls.Go(func() {
			report, err := c.Send(soon(t), client, one(track(t, fmt.Sprint("u", i), "E")))
			if err != nil {
				panics.Add(1)
				require.EqualError(t, err,
					"sending panicked, and the messages may have been accepted: the transport is broken")
				require.Equal(t, tracking.Unconfirmed, report.Messages[0].Status)
				return
			}
		})
		if i%10 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	calls.Wait()
	require.Positive(t, panics.Load())
	require.NoError(t, c.Close(soon(t)))
}

func TestKeysDoNotShareRequests(t *testing.T) {
	r := newReceiver(t, func(int, []message) reply { return reply{delay: 5 * time.Millisecond} })
	c := coalesce(r.source(), delivery.CoalesceOptions{})
	client := newClient(t)
	var calls sync.WaitGroup
	for i := range 100 {
		call := one(track(t, fmt.Sprint("u", i), fmt.Sprint("key", i%3)))
		if i%3 > 0 {
			call.WriteKey = tracking.WriteKey(strings.Repeat(fmt.Sprint(i%3), 32))
		}
		calls.Go(func() {
			_, err := c.Send(soon(t), client, call)
			require.NoError(t, err)
		})
	}
	calls.Wait()
	require.NoError(t, c.Close(soon(t)))
	for _, b := range r.got() {
		for _, m := range b {
			require.Equal(t, b[0].Event, m.Event)
		}
	}
}

func TestVeryManyCallers(t *testing.T) {
	var most atomic.Int64
	r := newReceiver(t, func(_ int, batch []message) reply {
		most.Store(max(most.Load(), int64(len(batch))))
		return reply{}
	})
	c := coalesce(r.source(), delivery.CoalesceOptions{})
	client := newClient(t)
	n := 6000
	if testing.Short() {
		n = 1000
	}
	var calls sync.WaitGroup
	for i := range n {
		calls.Go(func() {
			user := fmt.Sprint("u", i)
			if i%2 == 0 {
				user = "the same"
			}
			_, err := c.Send(t.Context(), client, one(track(t, user, "E"))) // as long as it takes
			require.NoError(t, err)
		})
	}
	calls.Wait()
	require.NoError(t, c.Close(t.Context()))
	require.LessOrEqual(t, most.Load(), int64(tracking.MaxBatchMessages))
}

func TestSourceIsCheckedAndRedacted(t *testing.T) {
	bad := coalesce(tracking.Source{Region: "mars"}, delivery.CoalesceOptions{})
	require.ErrorContains(t, bad.Validate(), "region must be us or eu")
	good := coalesce(tracking.Source{WriteKey: testKey}, delivery.CoalesceOptions{})
	require.NoError(t, good.Validate())
	require.Contains(t, good.Secrets(), string(testKey))
	require.Equal(t, testKey, good.Target().WriteKey)
}
