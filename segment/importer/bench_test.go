package importer_test

import (
	"testing"

	"github.com/aacflow/segment-blocks/segment/importer"
)

// BenchmarkImport sends events of about 500 bytes over HTTP to a receiver that looks at nothing.
func BenchmarkImport(b *testing.B) {
	in := file(b, "events.ndjson", tracks(b.N, 5000, 330))
	invoke := invoker(b, sink(b))
	b.SetBytes(in.Size / int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	run(b, importer.Options{Inputs: []*importer.Input{in}, Invoke: invoke})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
