package importer_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/importer"
)

// BenchmarkImport sends events of about 500 bytes over HTTP to a receiver that reads nothing.
func BenchmarkImport(b *testing.B) {
	in := file(b, "events.ndjson", tracks(b.N, 5000, 330))
	invoke := invoker(b, sink(b))
	info, err := os.Stat(in)
	require.NoError(b, err)
	b.SetBytes(info.Size() / int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	run(b, importer.Options{Files: []string{in}, Invoke: invoke})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
