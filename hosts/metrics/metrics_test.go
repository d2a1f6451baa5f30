package metrics_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/emulator"
	"github.com/aacflow/segment-blocks/hosts/metrics"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/tracking"
)

func TestMetrics(t *testing.T) {
	segment, err := emulator.Start()
	require.NoError(t, err)
	defer func() { require.NoError(t, segment.Close(context.Background())) }()
	reg := registry.New()
	blocks.MustRegister(reg)
	m := metrics.New(reg)
	rt, err := runtime.New(reg, runtime.Observe(m.Observe), runtime.Source("test", tracking.Source{
		WriteKey: "0123456789abcdefghijklmnopqrstuv", Endpoint: segment.URL, Retry: tracking.RetryPolicy{BaseDelay: time.Millisecond},
	}))
	require.NoError(t, err)
	defer func() { require.NoError(t, rt.Close(context.Background())) }()

	require.NoError(t, segment.Script(emulator.Fault{Status: http.StatusServiceUnavailable}, emulator.Fault{Delay: 300 * time.Millisecond}))
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
		`segment_blocks_invocations_total{block="segment_track",outcome="ok"} 1`,
		`segment_blocks_invocations_total{block="segment_track",outcome="invalid_input"} 1`,
		`segment_blocks_invocations_total{block="unknown",outcome="unknown_block"} 1`,
		`segment_blocks_attempts_total{block="segment_track"} 2`,
		`segment_blocks_accepted_messages_total{block="segment_track"} 1`,
		`segment_blocks_invocation_duration_seconds_count{block="segment_track"} 2`,
		`go_goroutines`,
	} {
		require.True(t, contains(t, m, line), "%s", line)
	}
	require.False(t, contains(t, m, "segment_page"), "a preview is no invocation")
	require.False(t, contains(t, m, "no_such_block"), "a request must not make up labels")
}

func contains(t *testing.T, m *metrics.Metrics, line string) bool {
	t.Helper()
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return strings.Contains(string(body), line)
}
