package metrics_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/observe/metrics"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

func TestMetrics(t *testing.T) {
	segment, err := emulator.Start()
	require.NoError(t, err)
	defer func() { require.NoError(t, segment.Close(context.Background())) }()
	reg := registry.New()
	blocks.MustRegister(reg)
	m := metrics.New(reg)
	rt, err := runtime.New(reg, runtime.Observe(m.Observe), runtime.EmulatedSource("test", tracking.Source{
		WriteKey: "0123456789abcdefghijklmnopqrstuv", Endpoint: segment.URL,
		Retry: retry.Policy{BaseDelay: time.Millisecond},
	}))
	require.NoError(t, err)
	defer func() { require.NoError(t, rt.Close(context.Background())) }()

	require.NoError(
		t,
		segment.Script(
			emulator.Fault{Status: http.StatusServiceUnavailable}, emulator.Fault{Delay: 300 * time.Millisecond},
		),
	)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = rt.Invoke(context.Background(), "segment_track", runtime.Map{"event": "e", "userId": "u"})
	}()
	require.Eventually(t, func() bool {
		return contains(t, m, `segment_blocks_invocations_in_flight{block="segment_track"} 1`)
	}, 5*time.Second, time.Millisecond)
	<-done
	_, err = rt.Invoke(t.Context(), "segment_track", runtime.Map{"event": ""})
	require.Error(t, err)
	_, err = rt.Invoke(t.Context(), "no_such_block", runtime.Map{})
	require.Error(t, err)
	_, _, err = rt.Preview(t.Context(), "segment_page", runtime.Map{"userId": "u"})
	require.NoError(t, err)

	for _, line := range []string{
		`segment_blocks_invocations_in_flight{block="segment_track"} 0`,
		`segment_blocks_invocations_total{block="segment_track",emulated="true",outcome="ok",source="test"} 1`,
		`segment_blocks_invocations_total{block="segment_track",emulated="true",outcome="invalid_input",` +
			`source="test"} 1`,
		`segment_blocks_invocations_total{block="unknown",emulated="false",outcome="unknown_block",source=""} 1`,
		`segment_blocks_attempts_total{block="segment_track",emulated="true",source="test"} 2`,
		`segment_blocks_accepted_messages_total{block="segment_track",emulated="true",source="test"} 1`,
		`segment_blocks_invocation_duration_seconds_count{block="segment_track",emulated="true",source="test"} 2`,
		`go_goroutines`,
	} {
		require.True(t, contains(t, m, line), "%s", line)
	}
	require.False(t, contains(t, m, "segment_page"), "a preview is not an invocation")
	require.False(t, contains(t, m, "no_such_block"), "a request must not make up labels")
}

// The labels of HTTP metrics are the route, not the path, and the known methods. A request cannot
// make up labels.
func TestHTTP(t *testing.T) {
	m := metrics.New(registry.New())
	m.Build("v1.2.3", "abcdef")
	handler := m.HTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/b/none" {
			w.WriteHeader(http.StatusNotFound)
		}
		require.NoError(t, http.NewResponseController(w).Flush(), "streams pass through")
	}), func(*http.Request) string { return "/b/{id}" })
	for _, request := range []struct{ method, path string }{
		{"GET", "/b/one"}, {"GET", "/b/two"}, {"POST", "/b/none"}, {"MADEUP", "/b/one"},
	} {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(request.method, request.path, nil))
	}
	for _, line := range []string{
		`segment_blocks_http_requests_total{code="200",method="get",route="/b/{id}"} 2`,
		`segment_blocks_http_requests_total{code="404",method="post",route="/b/{id}"} 1`,
		`segment_blocks_http_requests_total{code="200",method="unknown",route="/b/{id}"} 1`,
		`segment_blocks_http_request_duration_seconds_count{method="get",route="/b/{id}"} 2`,
		`segment_blocks_build_info{goversion="go`,
		`revision="abcdef",version="v1.2.3"} 1`,
	} {
		require.True(t, contains(t, m, line), line)
	}
}

func contains(t *testing.T, m *metrics.Metrics, line string) bool {
	t.Helper()
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	faults, err := promlint.New(bytes.NewReader(body)).Lint()
	require.NoError(t, err)
	require.Empty(t, faults)
	return strings.Contains(string(body), line)
}

func TestQueues(t *testing.T) {
	m := metrics.New(registry.New())
	m.Queues(func() []metrics.Queue {
		return []metrics.Queue{
			{Source: "empty"},
			{Source: "prod", Waiting: 7, InFlight: 3, Dead: 2, Delivered: 90, Oldest: time.Now().Add(-time.Hour)},
		}
	})
	for _, line := range []string{
		`segment_blocks_queue_waiting_messages{source="prod"} 7`,
		`segment_blocks_queue_in_flight_messages{source="prod"} 3`,
		`segment_blocks_queue_dead_messages{source="prod"} 2`,
		`segment_blocks_queue_delivered_messages_total{source="prod"} 90`,
		`segment_blocks_queue_oldest_seconds{source="empty"} 0`,
		`segment_blocks_queue_oldest_seconds{source="prod"} 3600`,
	} {
		require.True(t, contains(t, m, line), line)
	}
}
