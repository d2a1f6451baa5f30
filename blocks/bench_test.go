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
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// nowhere answers at once, so that what is measured is our own work.
type nowhere struct{}

func (nowhere) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(`{"success":true}`)),
		Request: r,
	}, nil
}

func BenchmarkInvoke(b *testing.B) {
	reg := registry.New()
	blocks.MustRegister(reg)
	rt, err := runtime.New(reg, runtime.Transport(nowhere{}),
		runtime.Source("bench", tracking.Source{WriteKey: "0123456789abcdefghijklmnopqrstuv"}))
	if err != nil {
		b.Fatal(err)
	}
	const order = `"event":"Order Completed","userId":"u-000042","properties":{"order_id":"o-00001001",` +
		`"total":127.50,"currency":"EUR","coupon":"summer-2026",` +
		`"products":[{"product_id":"p-00077","name":"Monopoly: 3rd Edition","price":19.50,"quantity":1},` +
		`{"product_id":"p-00078","name":"Uno Card Game","price":3.00,"quantity":2}]},` +
		`"context":{"ip":"203.0.113.9","locale":"en-GB","page":{"path":"/checkout/review",` +
		`"url":"https://shop.example/checkout/review"}},"timestamp":"2026-01-31T09:30:00.000Z"}`
	track := `{` + order
	batch := `{"batch":[` + strings.Repeat(`{"type":"track",`+order+",", 999) + `{"type":"track",` + order + `]}`
	var trackMap, batchMap map[string]any
	for text, into := range map[string]*map[string]any{track: &trackMap, batch: &batchMap} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			b.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, block string
		input       runtime.Input
	}{
		{"track/json", "segment_track", runtime.JSON(track)},
		{"track/map", "segment_track", runtime.Map(trackMap)},
		{"batch1000/json", "segment_batch", runtime.JSON(batch)},
		{"batch1000/map", "segment_batch", runtime.Map(batchMap)},
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
