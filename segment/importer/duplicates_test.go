package importer

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	goruntime "runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime"
)

// The memory of messageIds does not grow with their number, and has the latest ones.
func TestManyIDsTakeConstantMemory(t *testing.T) {
	const ids = 500_000
	heap := func() int64 {
		goruntime.GC()
		var m goruntime.MemStats
		goruntime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	im, err := New(Options{
		Files: []string{Stdin}, Stdin: strings.NewReader(""),
		Invoke: func(context.Context, runtime.JSON) (*runtime.Receipt, error) { return nil, nil },
	})
	require.NoError(t, err)
	hash := func(i uint64) uint64 { return maphash.Bytes(im.seed, binary.BigEndian.AppendUint64(nil, i)) }
	for i := range uint64(ids) {
		_, repeated, _ := im.ids.PeekOrAdd(hash(i), position{Line: int64(i)})
		if repeated {
			t.Fatal(i)
		}
	}
	took := heap() - before
	t.Logf("%.1f MB", float64(took)/1e6)
	require.Less(t, took, int64(20<<20))
	for i := range uint64(rememberedIDs) {
		at, repeated, _ := im.ids.PeekOrAdd(hash(ids-1-i), position{})
		if !repeated || at.Line != int64(ids-1-i) {
			t.Fatal(i)
		}
	}
}
