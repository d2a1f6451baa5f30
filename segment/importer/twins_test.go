package importer

import (
	"context"
	goruntime "runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime"
)

// What is remembered of messageIds does not grow with their number.
func TestManyIDsTakeConstantMemory(t *testing.T) {
	const ids = 500_000
	heap := func() int64 {
		goruntime.GC()
		var m goruntime.MemStats
		goruntime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	seen := newTwins()
	var id []byte
	for i := range ids {
		id = strconv.AppendInt(append(id[:0], "message-"...), int64(i), 10)
		_, _, repeated := seen.see(id, place{line: int64(i)})
		if repeated {
			t.Fatal(i)
		}
	}
	took := heap() - before
	t.Logf("%.1f MB", float64(took)/1e6)
	require.Less(t, took, int64(20<<20))
	_, _, repeated := seen.see(id, place{})
	require.True(t, repeated)
}

// Neither does what is remembered of repeats, also where there is no state to write.
func TestRepeatsAreForgottenOnceSettled(t *testing.T) {
	in, err := OpenInput(Stdin, NDJSON, nil)
	require.NoError(t, err)
	e := newEngine(Options{Inputs: []*Input{in}, Invoke: func(context.Context, runtime.JSON) (*runtime.Receipt, error) { return nil, nil }})
	require.NoError(t, e.begin(0))
	for i := range int64(1000) {
		e.twins.seqs = append(e.twins.seqs, i)
	}
	e.next.seq = 900
	require.NoError(t, e.checkpoint())
	require.Len(t, e.twins.seqs, 100)
	require.EqualValues(t, 1000, e.progress().Duplicates)
}
