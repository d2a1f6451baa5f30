package delivery_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// upstream is a server that accepts everything after a delay.
func upstream(b *testing.B, delay time.Duration) (tracking.Source, *tracking.Client) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if delay > 0 {
			time.Sleep(delay)
		}
		_, _ = io.WriteString(w, `{"success":true}`)
	}))
	b.Cleanup(server.Close)
	transport := &http.Transport{MaxIdleConnsPerHost: 1024, WriteBufferSize: 64 << 10}
	b.Cleanup(transport.CloseIdleConnections)
	client := tracking.NewClient(resty.New().SetTransport(transport))
	return tracking.Source{WriteKey: testKey, Endpoint: server.URL}, client
}

// sample makes a message of about 600 bytes.
func sample(b *testing.B, user string) tracking.Message {
	fields, err := rawjson.ParseObject([]byte(`{"type":"track","event":"Order Completed","userId":"`+user+
		`","properties":{"total":42.50,"note":"`+strings.Repeat("x", 400)+`"}}`), rawjson.Limits{})
	require.NoError(b, err)
	return tracking.NewMessage("", fields)
}

// callers runs b.N calls from as many goroutines and reports the latencies.
func callers(b *testing.B, n int, sender tracking.Sender, client *tracking.Client) {
	messages := make([]tracking.Message, n)
	for i := range messages {
		messages[i] = sample(b, fmt.Sprint("user-", i))
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	took := make([][]time.Duration, n)
	var all sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for i := range n {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				began := time.Now()
				if _, err := sender.Send(b.Context(), client, one(messages[i])); err != nil {
					b.Error(err)
					return
				}
				took[i] = append(took[i], time.Since(began))
			}
		})
	}
	all.Wait()
	b.StopTimer()
	latencies := slices.Concat(took...)
	slices.Sort(latencies)
	if len(latencies) > 0 {
		b.ReportMetric(float64(latencies[len(latencies)*99/100].Microseconds()), "p99-us")
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	}
}

// BenchmarkCallers compares the ways over HTTP: benchstat shows the ratios.
func BenchmarkCallers(b *testing.B) {
	for _, delay := range []time.Duration{0, 2 * time.Millisecond, 20 * time.Millisecond} {
		for _, n := range []int{1, 16, 256} {
			b.Run(fmt.Sprintf("upstream=%s/callers=%d/direct", delay, n), func(b *testing.B) {
				source, client := upstream(b, delay)
				callers(b, n, source, client)
			})
			b.Run(fmt.Sprintf("upstream=%s/callers=%d/coalesced", delay, n), func(b *testing.B) {
				source, client := upstream(b, delay)
				sender := coalesce(source, delivery.CoalesceOptions{})
				callers(b, n, sender, client)
				require.NoError(b, sender.Close(b.Context()))
			})
		}
	}
}

// BenchmarkStore stores messages, and does not send them meanwhile.
func BenchmarkStore(b *testing.B) {
	for _, n := range []int{1, 64, 1024} {
		b.Run(fmt.Sprintf("callers=%d", n), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "bench.store")
			s, err := delivery.Open(path, delivery.StoreOptions{MaxEvents: -1, MaxBytes: -1})
			require.NoError(b, err)
			source := s.Source("bench", tracking.Source{WriteKey: testKey, Endpoint: "http://127.0.0.1:1"})
			callers(b, n, source, tracking.NewClient(nil))
			left, err := s.Close(b.Context())
			require.NoError(b, err)
			require.Equal(b, b.N, left)
		})
	}
}

// BenchmarkStoreDelivers measures how fast stored messages are sent, without a rate limit.
func BenchmarkStoreDelivers(b *testing.B) {
	source, client := upstream(b, 0)
	path := filepath.Join(b.TempDir(), "bench.store")
	s, err := delivery.Open(path, delivery.StoreOptions{Client: client, MaxEvents: -1, MaxBytes: -1, Rate: -1})
	require.NoError(b, err)
	stored := s.Source("bench", source)
	messages := make([]tracking.Message, 10_000)
	for i := range messages {
		messages[i] = sample(b, fmt.Sprint("user-", i))
	}
	b.ResetTimer()
	for n := 0; n < b.N; n += len(messages) {
		_, err := stored.Send(b.Context(), client, tracking.Call{Messages: messages[:min(len(messages), b.N-n)]})
		require.NoError(b, err)
	}
	left, err := s.Close(b.Context())
	require.NoError(b, err)
	require.Zero(b, left)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
