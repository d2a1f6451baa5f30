package rest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime"
)

// BenchmarkInvoke compares an event over HTTP, guard included, with the same event from Go. Both send it to the emulator.
func BenchmarkInvoke(b *testing.B) {
	const input = `{"event":"Order Completed","userId":"u-42","properties":{"total":42.50,"currency":"EUR"}}`
	bench := start(b)
	b.Run("go", func(b *testing.B) {
		for b.Loop() {
			_, err := bench.runtime.Invoke(b.Context(), "segment_track", runtime.JSON(input))
			require.NoError(b, err)
		}
	})
	b.Run("rest", func(b *testing.B) {
		for b.Loop() {
			res, err := http.Post(bench.url+"/v1/blocks/segment_track/invoke", "application/json", strings.NewReader(`{"input":`+input+`}`))
			require.NoError(b, err)
			_, err = io.Copy(io.Discard, res.Body)
			require.NoError(b, err)
			res.Body.Close()
			require.Equal(b, 200, res.StatusCode)
		}
	})
}
