package rest_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime"
)

// BenchmarkOverhead compares an event over HTTP, guard included, with the same event from Go. Both
// send it to the emulator, in turns, so that whatever else the machine does meets both. It reports
// the median of the turns' ratios.
func BenchmarkOverhead(b *testing.B) {
	const input = `{"event":"Order Completed","userId":"u-42","properties":{"total":42.50,"currency":"EUR"}}`
	bench := start(b)
	direct := func() {
		_, err := bench.runtime.Invoke(b.Context(), "segment_track", runtime.JSON(input))
		require.NoError(b, err)
	}
	overHTTP := func() {
		res, err := http.Post(
			bench.url+"/v1/blocks/segment_track/invoke",
			"application/json",
			strings.NewReader(`{"input":`+input+`}`),
		)
		require.NoError(b, err)
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(b, err)
		res.Body.Close()
		require.Equal(b, 200, res.StatusCode)
	}
	timed := func(call func()) float64 {
		began := time.Now()
		for range 50 {
			call()
		}
		return float64(time.Since(began))
	}
	var ratios []float64
	for b.Loop() {
		d, h := timed(direct), timed(overHTTP)
		ratios = append(ratios, h/d)
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "rest/go")
}
