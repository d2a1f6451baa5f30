package importer_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/importer"
)

// Memory does not grow with the length of the file, whether its lines are sent or rejected.
func TestMemoryIsConstant(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("it reads 250,000 lines twice, and the race detector takes memory of its own")
	}
	invoke := invoker(t, sink(t))
	peak := func(lines int, line string) uint64 {
		path := filepath.Join(t.TempDir(), "events.ndjson")
		f, err := os.Create(path)
		require.NoError(t, err)
		w := bufio.NewWriter(f)
		for i := range lines {
			fmt.Fprintf(w, line, i, i%5000)
		}
		require.NoError(t, w.Flush())
		require.NoError(t, f.Close())
		var mu sync.Mutex
		var most uint64
		calls := 0
		measure := func() {
			mu.Lock()
			defer mu.Unlock()
			if calls++; calls%20 != 0 {
				return
			}
			goruntime.GC()
			var m goruntime.MemStats
			goruntime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
		o := importer.Options{
			Files: []string{path}, RejectsPath: path + ".rejects",
			Invoke: func(ctx context.Context, batch runtime.JSON) (*runtime.Receipt, error) {
				measure()
				return invoke(ctx, batch)
			},
		}
		refused := 0
		o.Rejected = func(string, int64, []schemas.Violation) {
			if refused++; refused%500 == 0 {
				measure()
			}
		}
		counts := run(t, o)
		require.EqualValues(t, lines, counts.Events)
		require.NotZero(t, most)
		return most
	}
	const few, many = 50_000, 200_000
	for name, line := range map[string]string{
		"sent": `{"type":"track","event":"E%d","userId":"u-%d","properties":{"note":"` + strings.Repeat("x", 400) +
			`"}}` + "\n",
		"rejected": "no JSON %d %d " + strings.Repeat("x", 400) + "\n",
	} {
		short, long := peak(few, line), peak(many, line)
		t.Logf("%s: %d lines %.1f MB, %d lines %.1f MB", name, few, float64(short)/1e6, many, float64(long)/1e6)
		require.Less(t, long, short+short/4+6<<20, name)
		require.Less(t, long, uint64(60<<20), name)
	}
}
