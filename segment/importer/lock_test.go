package importer

import (
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// However often the lock changes hands, only one import has it at a time.
func TestImportLockHasOneHolder(t *testing.T) {
	im := Import{options: Options{StatePath: filepath.Join(t.TempDir(), "state.json")}}
	var holders, taken atomic.Int32
	var g sync.WaitGroup
	for range 8 {
		g.Go(func() {
			for range 10_000 {
				release, err := im.lock()
				if err != nil {
					continue
				}
				taken.Add(1)
				if holders.Add(1) > 1 {
					t.Error("two hold the lock")
				}
				runtime.Gosched()
				holders.Add(-1)
				release()
			}
		})
	}
	g.Wait()
	require.Positive(t, taken.Load())
}
