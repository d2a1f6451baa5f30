package blocks_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/tracking"
)

// nowhere answers at once, so that what is measured is our own work.
type nowhere struct{}

func (nowhere) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(`{"success":true}`)), Request: r}, nil
}

func BenchmarkInvoke(b *testing.B) {
	reg := registry.New()
	blocks.MustRegister(reg)
	rt, err := runtime.New(reg, runtime.Transport(nowhere{}), runtime.Source("bench", tracking.Source{WriteKey: "0123456789abcdefghijklmnopqrstuv"}))
	if err != nil {
		b.Fatal(err)
	}
	track := `{"event":"Order Completed","userId":"u-42","properties":{"note":"` + strings.Repeat("x", 900) + `","total":42.50}}`
	var asMap map[string]any
	if err := json.Unmarshal([]byte(track), &asMap); err != nil {
		b.Fatal(err)
	}
	batch := `{"batch":[` + strings.Repeat(`{"type":"track",`+track[1:]+",", 399) + `{"type":"track",` + track[1:] + `]}`
	for _, c := range []struct {
		name, block string
		input       runtime.Input
	}{
		{"track/json", "segment_track", runtime.JSON(track)},
		{"track/map", "segment_track", runtime.Map(asMap)},
		{"batch400/json", "segment_batch", runtime.JSON(batch)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := rt.Invoke(b.Context(), c.block, c.input); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
