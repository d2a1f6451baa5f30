package delivery_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// storeAll stores messages in one call.
func storeAll(t testing.TB, source tracking.Sender, messages []tracking.Message) {
	t.Helper()
	_, err := source.Send(soon(t), newClient(t), tracking.Call{Messages: messages})
	require.NoError(t, err)
}

func isBad(m message) bool { return m.Event == "bad" }

// Bad messages are found however often the receiver fails for another reason meanwhile.
func TestIsolationSurvivesTransientErrors(t *testing.T) {
	var failed atomic.Int64
	r := newReceiver(t, func(n int, batch []message) reply {
		switch {
		case n%7 == 3: // 14 of 100
			failed.Add(1)
			return reply{status: 503}
		case slices.ContainsFunc(batch, isBad):
			return reply{status: 400}
		}
		return reply{}
	})
	s := openStore(t, storePath(t), delivery.StoreOptions{MaxBackoff: 2 * time.Millisecond})
	source := s.Source("prod", r.source())
	const n, every = 2000, 37
	messages := make([]tracking.Message, n)
	for i := range messages {
		event := "good"
		if i%every == 0 {
			event = "bad"
		}
		messages[i] = track(t, fmt.Sprint("u", i%50), event)
	}
	storeAll(t, source, messages)
	bad := (n + every - 1) / every
	eventually(t, func() bool { return only(t, s).Waiting == 0 })
	require.Equal(t, bad, only(t, s).Dead)
	require.EqualValues(t, n-bad, only(t, s).Delivered)
	require.NotZero(t, failed.Load())
	require.Less(t, len(r.got()), bad*12, "about log2(37) requests find one")
}

// An accepted message resets the backoff, even if others fail, so waits do not grow for ever.
func TestBackoffStartsAnewWithProgress(t *testing.T) {
	r := newReceiver(t, func(n int, _ []message) reply {
		if n%2 == 1 {
			return reply{status: 503}
		}
		return reply{}
	})
	s := openStore(t, storePath(t), delivery.StoreOptions{MaxBackoff: time.Hour})
	// The messages of one person are sent one request after the other: in each round one is
	// accepted, and the next fails.
	storeAll(t, s.Source("prod", r.source()), slices.Repeat([]tracking.Message{track(t, "u", "A")}, 15_000))
	require.Eventually(t, func() bool { return only(t, s).Waiting == 0 }, 30*time.Second, 5*time.Millisecond)
}

// Many bad messages do not hold up the good ones behind them.
func TestManyBadMessagesFirst(t *testing.T) {
	r := newReceiver(t, func(_ int, batch []message) reply {
		if slices.ContainsFunc(batch, isBad) {
			return reply{status: 400}
		}
		return reply{}
	})
	s := openStore(t, storePath(t), delivery.StoreOptions{MaxBackoff: time.Hour})
	source := s.Source("prod", r.source())
	var messages []tracking.Message
	for i := range 250 {
		messages = append(messages, track(t, fmt.Sprint("b", i), "bad"))
	}
	// u1 has two messages, and the second does not overtake the first.
	for i, user := range []string{"u1", "u2", "u3", "u1"} {
		messages = append(messages, track(t, user, fmt.Sprint("good", i)))
	}
	messages = append(messages, track(t, "b249", "good4"), track(t, "u9", "bad"))
	storeAll(t, source, messages)
	eventually(t, func() bool { return only(t, s).Waiting == 0 })
	require.Equal(t, 251, only(t, s).Dead)
	require.EqualValues(t, 5, only(t, s).Delivered)
	var accepted []string
	for _, batch := range r.got() {
		if !slices.ContainsFunc(batch, isBad) {
			for _, m := range batch {
				accepted = append(accepted, m.UserID+" "+m.Event)
			}
		}
	}
	require.Less(t, slices.Index(accepted, "u1 good0"), slices.Index(accepted, "u1 good3"))
	// The last message that overtakes none of its own person shows first that the source is well.
	require.Equal(t, "u3 good2", accepted[0])
}

// A panic ends neither the process nor the delivery, loses nothing, and its stack is in the
// log, without the key.
func TestPanicsAreLogged(t *testing.T) {
	type opener func(*testing.T, *tracking.Client, tracking.Source, *slog.Logger) (tracking.Sender, func())
	for name, open := range map[string]opener{
		"durable": func(
			t *testing.T, client *tracking.Client, source tracking.Source, log *slog.Logger,
		) (tracking.Sender, func()) {
			s := openStore(t, storePath(t), delivery.StoreOptions{Client: client, Logger: log})
			return s.Source("prod", source), func() {
				eventually(t, func() bool { return only(t, s).Delivered == 5000 })
			}
		},
		"coalesced": func(
			_ *testing.T, _ *tracking.Client, source tracking.Source, log *slog.Logger,
		) (tracking.Sender, func()) {
			return coalesce(source, delivery.CoalesceOptions{Logger: log}), func() {}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, nil)
			var log lockedBuffer
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			client := tracking.NewClient(resty.New().SetTransport(&echoingPanic{RoundTripper: transport}))
			source, delivered := open(t, client, r.source(), slog.New(slog.NewTextHandler(&log, nil)))
			messages := make([]tracking.Message, 5000)
			for i := range messages {
				messages[i] = track(t, fmt.Sprint("u", i), "A")
			}
			_, err := source.Send(soon(t), client, tracking.Call{Messages: messages})
			if name == "coalesced" {
				require.ErrorContains(t, err, "sending panicked")
				require.NotContains(t, err.Error(), string(testKey))
			} else {
				require.NoError(t, err)
			}
			delivered()
			require.Contains(t, log.String(), "delivery panicked")
			require.Contains(t, log.String(), "echoingPanic", "the stack of the goroutine that panicked")
			require.NotContains(t, log.String(), string(testKey))
		})
	}
}

// echoingPanic panics once, with the header of the request.
type echoingPanic struct {
	http.RoundTripper
	once atomic.Bool
}

func (p *echoingPanic) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.Contains(req.URL.Path, "/v1/batch") && !p.once.Swap(true) {
		panic("request was " + strings.Join(req.Header["Authorization"], "") + " " + string(testKey))
	}
	return p.RoundTripper.RoundTrip(req)
}
