//go:build unix

package workflow_test

import (
	"encoding/json"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/workflow"
)

// What a node costs beside its block: the CPU time of an invocation as an iteration of a node, in
// multiples of that of the same invocation alone, as cpu/bare. The receiver is in this process, and
// its time is in both.
func BenchmarkNode(b *testing.B) {
	cpu := func() time.Duration {
		var u syscall.Rusage
		require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	rt := runtimeTo(b, newReceiver(b).url)
	input := json.RawMessage(`{"userId":"u","event":"Order Completed"}`)
	for _, c := range []struct {
		name        string
		concurrency int
	}{{"alone", 1}, {"journal", 1}, {"journal64", 64}} {
		b.Run(c.name, func(b *testing.B) {
			g := graphOf(b, fmt.Sprintf(`{name: x, start: {u: u}, nodes: {each: {block: segment_track, forEach: %d,
				concurrency: %d, with: {userId: <start.u>, event: Order Completed}}}}`, b.N, c.concurrency))
			options := workflow.Options{Invoke: workflow.Invoker(rt), RunID: "R"}
			if c.name != "alone" {
				options.Journal = journal(b, b.TempDir(), "R", workflow.JournalOptions{})
				defer options.Journal.Close()
			}
			before := cpu()
			for range b.N {
				_, err := rt.Invoke(b.Context(), "segment_track", runtime.JSON(input))
				require.NoError(b, err)
			}
			bare := cpu() - before
			b.ResetTimer()
			before = cpu()
			_, err := workflow.Run(b.Context(), g, nil, options)
			require.NoError(b, err)
			b.ReportMetric(float64(cpu()-before)/float64(bare), "cpu/bare")
		})
	}
}
