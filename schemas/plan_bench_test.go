package schemas_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aacflow/segment-blocks/rawjson"
)

func BenchmarkPlan(b *testing.B) {
	event := []byte(`{"event":"Order Completed","userId":"u-42","properties":{"order_id":"o-1001","total":42.50,` +
		`"currency":"EUR","products":[` +
		strings.TrimSuffix(strings.Repeat(`{"product_id":"p-77","sku":"G-32","name":"Monopoly: 3rd Edition",`+
			`"price":19,"quantity":2,"category":"Games"},`, 6), ",") +
		`]},"context":{"ip":"203.0.113.9","userAgent":"Mozilla/5.0 (X11; Linux x86_64)","locale":"en-GB"},` +
		`"timestamp":"2026-01-31T09:30:00.000Z","integrations":{"All":true}}`)
	for _, m := range manifests(b) {
		if m.ID != "segment_track" {
			continue
		}
		b.Run("json", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(event)))
			for b.Loop() {
				if !m.Input.AcceptsJSON(event, rawjson.Limits{}) {
					b.Fatal("not accepted")
				}
			}
		})
		b.Run("syntax", func(b *testing.B) {
			b.SetBytes(int64(len(event)))
			for b.Loop() {
				if rawjson.Check(event, rawjson.Limits{}) != nil {
					b.Fatal("not accepted")
				}
			}
		})
		b.Run("std", func(b *testing.B) {
			b.SetBytes(int64(len(event)))
			for b.Loop() {
				json.Valid(event)
			}
		})
	}
}
