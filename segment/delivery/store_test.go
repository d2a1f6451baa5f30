package delivery_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

func openStore(t testing.TB, path string, o delivery.StoreOptions) *delivery.Store {
	t.Helper()
	if o.Client == nil {
		o.Client = newClient(t)
	}
	if o.Rate == 0 {
		o.Rate = -1
	}
	if o.MaxBackoff == 0 {
		o.MaxBackoff = 20 * time.Millisecond
	}
	s, err := delivery.Open(path, o)
	require.NoError(t, err)
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_, _ = s.Close(ended)
	})
	return s
}

func storePath(t testing.TB) string { return filepath.Join(t.TempDir(), "prod.store") }

func mustStore(t testing.TB, s tracking.Sender, m tracking.Message) string {
	t.Helper()
	report, err := s.Send(soon(t), newClient(t), one(m))
	require.NoError(t, err)
	require.Equal(t, tracking.Stored, report.Messages[0].Status)
	require.Equal(t, []int{1, 0, 0, 0}, []int{report.Stored, report.Accepted, report.Requests, report.Attempts})
	require.Equal(t, delivery.Durable, report.Delivery)
	return report.Messages[0].MessageID
}

// only returns the stats of a store with one source.
func only(t testing.TB, s *delivery.Store) delivery.Stats {
	t.Helper()
	stats := s.Stats()
	require.Len(t, stats, 1)
	return stats[0]
}

func eventually(t testing.TB, what func() bool) {
	t.Helper()
	require.Eventually(t, what, time.Minute, 2*time.Millisecond)
}

func ids(batches [][]message) (list []string) {
	for _, b := range batches {
		for _, m := range b {
			list = append(list, m.MessageID)
		}
	}
	return list
}

func TestStoredIsDelivered(t *testing.T) {
	r := newReceiver(t, nil)
	s := openStore(t, storePath(t), delivery.StoreOptions{})
	source := s.Source("prod", r.source())
	require.NoError(t, validate(source))
	require.Contains(t, secrets(source), string(testKey))
	id := mustStore(t, source, track(t, "u1", "A"))
	eventually(t, func() bool { return only(t, s).Delivered == 1 })
	require.Equal(t, []string{id}, ids(r.got()))
	require.Zero(t, only(t, s).Waiting)
	left, err := s.Close(soon(t))
	require.NoError(t, err)
	require.Zero(t, left)
	_, err = source.Send(soon(t), nil, one(track(t, "u1", "A")))
	var failed *tracking.Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, tracking.Closed, failed.Code)
	_, err = s.Close(soon(t))
	require.NoError(t, err)
}

func TestStoreOutlivesTheReceiverAndItself(t *testing.T) {
	var up atomic.Bool
	r := newReceiver(t, func(int, []message) reply {
		if !up.Load() {
			return reply{status: 503}
		}
		return reply{}
	})
	path := storePath(t)
	s := openStore(t, path, delivery.StoreOptions{})
	source := s.Source("prod", r.source())
	var want []string
	for i := range 30 {
		want = append(want, mustStore(t, source, track(t, "u1", strconv.Itoa(i))))
	}
	eventually(t, func() bool { return only(t, s).LastError != "" })
	require.Contains(t, only(t, s).LastError, "503")
	require.WithinDuration(t, time.Now(), only(t, s).Oldest, 5*time.Second)
	left, err := s.Close(soon(t)) // at once: a receiver that fails is not waited for
	require.NoError(t, err)
	require.Equal(t, 30, left)

	again := openStore(t, path, delivery.StoreOptions{})
	require.Equal(t, 30, only(t, again).Waiting)
	up.Store(true)
	again.Source("prod", r.source())
	eventually(t, func() bool { return only(t, again).Delivered == 30 })
	left, err = again.Close(soon(t))
	require.NoError(t, err)
	require.Zero(t, left)
	got := ids(r.got())
	require.Equal(t, want, got[len(got)-30:])
	require.Empty(t, only(t, again).LastError)
}

func TestPoisonBecomesADeadLetter(t *testing.T) {
	var healed atomic.Bool
	r := newReceiver(t, func(n int, batch []message) reply {
		switch {
		case n == 0:
			return reply{status: 500}
		case !healed.Load() && slices.ContainsFunc(batch, func(m message) bool { return m.Event == "poison" }):
			return reply{status: 400, body: "Bad Request"}
		}
		return reply{}
	})
	s := openStore(t, storePath(t), delivery.StoreOptions{})
	source := s.Source("prod", r.source())
	var poison string
	for i := range 200 {
		event := strconv.Itoa(i)
		if i == 123 {
			event = "poison"
		}
		if id := mustStore(t, source, track(t, fmt.Sprint("u", i%7), event)); i == 123 {
			poison = id
		}
	}
	eventually(t, func() bool { st := only(t, s); return st.Dead == 1 && st.Delivered == 199 })
	var letters []delivery.StoredMessage
	for l, err := range s.Dead("prod") {
		require.NoError(t, err)
		letters = append(letters, l)
	}
	require.Len(t, letters, 1)
	require.Equal(t, poison, letters[0].MessageID)
	require.Contains(t, letters[0].Reason, "answered 400 (bad request): Bad Request")
	require.Contains(t, string(letters[0].Message), `"event":"poison"`)
	healed.Store(true)
	n, err := s.Retry("prod", letters[0].ID)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	eventually(t, func() bool { st := only(t, s); return st.Dead == 0 && st.Delivered == 200 })
}

func TestSourceAtFaultIsNotAMessagesFault(t *testing.T) {
	for _, status := range []int{401, 403, 404, 400} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			var mended atomic.Bool
			r := newReceiver(t, func(int, []message) reply {
				if mended.Load() {
					return reply{}
				}
				return reply{status: status}
			})
			var log lockedBuffer
			s := openStore(t, storePath(t), delivery.StoreOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			source := s.Source("prod", r.source())
			var calls sync.WaitGroup
			for i := range 300 {
				calls.Go(func() { mustStore(t, source, track(t, fmt.Sprint("u", i), "A")) })
			}
			calls.Wait()
			eventually(t, func() bool { return only(t, s).LastError != "" })
			if status == 400 { // nobody can tell, up to a point
				eventually(t, func() bool { return only(t, s).Dead == 100 })
				time.Sleep(50 * time.Millisecond)
				require.Equal(t, 100, only(t, s).Dead)
			} else {
				require.Zero(t, only(t, s).Dead)
			}
			require.Contains(t, log.String(), "the receiver refuses the source")
			mended.Store(true)
			eventually(t, func() bool { return only(t, s).Waiting == 0 })
			eventually(t, func() bool { return strings.Contains(log.String(), "being delivered again") })
		})
	}
}

// A message that expires says what kept it, and is no sign that others are accepted again.
func TestOldMessagesDie(t *testing.T) {
	r := newReceiver(t, func(int, []message) reply { return reply{status: 503} })
	var log lockedBuffer
	s := openStore(t, storePath(t), delivery.StoreOptions{
		MaxAge: time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	source := s.Source("prod", r.source())
	for range 3 {
		mustStore(t, source, track(t, "u1", "A"))
	}
	eventually(t, func() bool { return only(t, s).Dead == 3 })
	for l, err := range s.Dead("prod") {
		require.NoError(t, err)
		require.Contains(t, l.Reason, "it was not accepted within 1s: ")
	}
	require.NotEmpty(t, only(t, s).LastError)
	require.NotContains(t, log.String(), "delivered again")
	n, err := s.Drop("prod")
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.Zero(t, only(t, s).Dead)
}

func TestKeyOfTheInputIsRefused(t *testing.T) {
	r := newReceiver(t, nil)
	s := openStore(t, storePath(t), delivery.StoreOptions{})
	source := s.Source("prod", r.source())
	call := one(track(t, "u1", "A"))
	call.WriteKey = "another-key-of-somebody-elses-000"
	report, err := source.Send(soon(t), nil, call)
	var failed *tracking.Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, tracking.InvalidInput, failed.Code)
	require.Equal(t, "write_key_not_stored", failed.Problems[0].Code)
	require.Equal(t, delivery.Durable, report.Delivery)
	call.WriteKey = testKey
	_, err = source.Send(soon(t), nil, call)
	require.NoError(t, err)
}

func TestNamesOfStoredSources(t *testing.T) {
	s := openStore(t, storePath(t), delivery.StoreOptions{})
	require.NoError(t, validate(s.Source("prod", tracking.Source{WriteKey: testKey, Endpoint: "http://127.0.0.1:1"})))
	again := s.Source("prod", tracking.Source{WriteKey: testKey})
	require.ErrorContains(t, validate(again), `already has a source with this name: "prod"`)
	require.ErrorContains(t, validate(s.Source("", tracking.Source{WriteKey: testKey})), "must have a name")
	require.ErrorContains(t, validate(s.Source("bad", tracking.Source{Region: "mars"})), "must be us or eu")
}

func TestRateAndRetryAfterAreKept(t *testing.T) {
	r := newReceiver(t, func(n int, _ []message) reply {
		if n == 0 {
			return reply{status: 429, retryAfter: "1"}
		}
		return reply{}
	})
	s := openStore(t, storePath(t), delivery.StoreOptions{Rate: 100})
	source := s.Source("prod", r.source())
	began := time.Now()
	for i := range 250 {
		mustStore(t, source, track(t, fmt.Sprint("u", i), "A"))
	}
	eventually(t, func() bool { return only(t, s).Delivered == 250 })
	require.Greater(t, time.Since(began), 1400*time.Millisecond)
	for _, b := range r.got() {
		require.LessOrEqual(t, len(b), 100)
	}
}

func TestCancelledCallIsStoredOrNot(t *testing.T) {
	s := openStore(t, storePath(t), delivery.StoreOptions{})
	source := s.Source("prod", tracking.Source{WriteKey: testKey, Endpoint: "http://127.0.0.1:1"})
	var stored, not atomic.Int64
	var calls sync.WaitGroup
	for i := range 200 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*20*time.Microsecond)
		calls.Go(func() {
			defer cancel()
			report, err := source.Send(ctx, nil, one(track(t, "u1", "A")))
			if err == nil {
				stored.Add(1)
				return
			}
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, tracking.Unsent, report.Messages[0].Status)
			not.Add(1)
		})
	}
	calls.Wait()
	require.EqualValues(t, stored.Load(), only(t, s).Waiting)
	require.EqualValues(t, 200, stored.Load()+not.Load())
}

func TestSourcesOfAStoreDoNotHoldEachOtherUp(t *testing.T) {
	down := newReceiver(t, func(int, []message) reply { return reply{status: 503} })
	up := newReceiver(t, nil)
	path := storePath(t)
	s := openStore(t, path, delivery.StoreOptions{})
	bad, good := s.Source("bad", down.source()), s.Source("good", up.source())
	for i := range 20 {
		mustStore(t, bad, track(t, "u", strconv.Itoa(i)))
		mustStore(t, good, track(t, "u", strconv.Itoa(i)))
	}
	eventually(t, func() bool { st := s.Stats(); return st[1].Delivered == 20 && st[0].LastError != "" })
	require.Equal(t, "bad", s.Stats()[0].Source)
	require.Equal(t, 20, s.Stats()[0].Waiting)
	inOrderOfUsers(t, up.got(), 20)
	left, err := s.Close(soon(t))
	require.NoError(t, err)
	require.Equal(t, 20, left)

	// Another key is used, with a warning.
	var log lockedBuffer
	again := openStore(t, path, delivery.StoreOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	other := up.source()
	other.WriteKey = "another-key-of-the-same-source-00"
	again.Source("bad", other)
	require.Contains(t, log.String(), "were stored with another write key")
	require.NotContains(t, log.String(), string(other.WriteKey))
	eventually(t, func() bool { return again.Stats()[0].Waiting == 0 })
}

func TestStoreSurvivesPanicsOfTheTransport(t *testing.T) {
	r := newReceiver(t, nil)
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	defer transport.CloseIdleConnections()
	broken := &panicking{RoundTripper: transport}
	broken.n.Store(2) // so that the first request panics
	s := openStore(t, storePath(t), delivery.StoreOptions{Client: tracking.NewClient(resty.New().SetTransport(broken))})
	source := s.Source("prod", r.source())
	for i := range 30 {
		mustStore(t, source, track(t, fmt.Sprint("u", i), "A"))
	}
	eventually(t, func() bool { return only(t, s).Delivered == 30 })
}

// lockedBuffer can be written and read at the same time.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
