package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

func TestCancelledCallers(t *testing.T) {
	held := make(chan struct{})
	release := sync.OnceFunc(func() { close(held) })
	defer release() // whatever fails
	r := newReceiver(t, func(n int, _ []message) reply {
		if n < 3 {
			<-held
		}
		return reply{}
	})
	c := coalesce(r.source(), delivery.CoalesceOptions{MaxInFlight: 3})
	client := newClient(t)
	var calls sync.WaitGroup
	call := func(ctx context.Context, user string, check func(tracking.Report, error)) {
		calls.Go(func() { check(c.Send(ctx, client, one(track(t, user, "E")))) })
	}
	fine := func(_ tracking.Report, err error) { require.NoError(t, err) }
	for i := range 2 {
		call(soon(t), fmt.Sprint("u", i), fine)
		require.Eventually(t, func() bool { return len(r.got()) == i+1 }, time.Second, time.Millisecond)
	}
	// Three calls share a request that is held up: one leaves, two stay.
	going, goes := context.WithCancel(soon(t))
	gone := make(chan struct{})
	call(going, "u2", func(report tracking.Report, err error) {
		defer close(gone)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, tracking.Unconfirmed, report.Messages[0].Status)
		require.ErrorContains(t, err, "no answer from "+r.URL)
	})
	call(soon(t), "u3", fine)
	call(soon(t), "u4", fine)
	require.Eventually(t, func() bool { return len(r.got()) == 3 }, time.Second, time.Millisecond)
	goes()
	<-gone
	// One call waits for room until its own deadline.
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	report, err := c.Send(short, client, one(track(t, "late", "E")))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, tracking.Unsent, report.Messages[0].Status)
	require.Zero(t, report.Attempts)
	release()
	calls.Wait()
	require.NoError(t, c.Close(soon(t)))
	for _, b := range r.got() {
		for _, m := range b {
			require.NotEqual(t, "late", m.UserID)
		}
	}
}

// After a request has been split, it is canceled when its last waiting caller leaves.
func TestRequestOfNobodyEnds(t *testing.T) {
	both, free, slow, gone := make(chan struct{}, 2), make(chan struct{}), make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		has := func(user string) bool { return strings.Contains(string(body), `"`+user+`"`) }
		switch {
		case has("first"), has("second"): // keep what follows together
			both <- struct{}{}
			<-free
		case has("good") && has("slow"):
			w.WriteHeader(http.StatusBadRequest)
		case has("slow"):
			close(slow)
			<-req.Context().Done()
			close(gone)
		}
	}))
	defer server.Close()
	c := coalesce(tracking.Source{WriteKey: testKey, Endpoint: server.URL}, delivery.CoalesceOptions{MaxInFlight: 2})
	client := newClient(t)
	var calls sync.WaitGroup
	call := func(ctx context.Context, user string) {
		calls.Go(func() { _, _ = c.Send(ctx, client, one(track(t, user, "E"))) })
	}
	call(soon(t), "first")
	<-both
	call(soon(t), "second")
	<-both
	going, goes := context.WithCancel(soon(t))
	defer goes()
	call(soon(t), "good")
	eventually(t, func() bool { return delivery.Gathering(c.Sender) == 1 })
	call(going, "slow")
	eventually(t, func() bool { return delivery.Gathering(c.Sender) == 2 })
	close(free)
	<-slow
	goes()
	calls.Wait()
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		require.Fail(t, "the request goes on, and nobody waits for it")
	}
	require.NoError(t, c.Close(soon(t)))
}

func TestCloseSaysWhatIsLeft(t *testing.T) {
	r := newReceiver(t, func(int, []message) reply { return reply{delay: time.Minute} })
	c := coalesce(r.source(), delivery.CoalesceOptions{MaxInFlight: 2})
	client := newClient(t)
	var calls sync.WaitGroup
	var unsent, unconfirmed atomic.Int32
	for i := range 10 {
		calls.Go(func() {
			report, err := c.Send(soon(t), client, one(track(t, fmt.Sprint("u", i), "E")))
			require.Error(t, err)
			switch report.Messages[0].Status {
			case tracking.Unsent:
				unsent.Add(1)
			case tracking.Unconfirmed:
				unconfirmed.Add(1)
				require.ErrorContains(t, err, "the source was closed before it ended")
			}
		})
	}
	require.Eventually(t, func() bool { return len(r.got()) == 2 }, time.Second, time.Millisecond)
	time.Sleep(20 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := c.Close(ctx)
	require.ErrorContains(t, err, "close source: 8 messages were not sent and 2 more may not have been accepted")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	calls.Wait()
	require.EqualValues(t, 8, unsent.Load())
	require.EqualValues(t, 2, unconfirmed.Load())
}

func TestCloseDrainsDuringTraffic(t *testing.T) {
	r := newReceiver(t, func(int, []message) reply { return reply{delay: 2 * time.Millisecond} })
	c := coalesce(r.source(), delivery.CoalesceOptions{})
	client := newClient(t)
	var calls sync.WaitGroup
	var accepted atomic.Int32
	for i := range 64 {
		calls.Go(func() {
			for n := 0; ; n++ {
				_, err := c.Send(soon(t), client, one(track(t, fmt.Sprint("u", i), fmt.Sprint(n))))
				var failed *tracking.Error
				if errors.As(err, &failed) {
					require.Equal(t, tracking.Closed, failed.Code)
					return
				}
				require.NoError(t, err)
				accepted.Add(1)
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	require.NoError(t, c.Close(soon(t)))
	calls.Wait()
	arrived := 0
	for _, b := range r.got() {
		arrived += len(b)
	}
	require.EqualValues(t, accepted.Load(), arrived)
}
