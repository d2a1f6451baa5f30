package cli

import (
	"bytes"
	"io"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/segment/importer"
)

// faulty panics when it is read or written.
type faulty struct{}

func (faulty) Read([]byte) (int, error)  { panic("out of order") }
func (faulty) Write([]byte) (int, error) { panic("out of order") }

// Exit code 2 says that nothing was sent, which nobody knows after a panic.
func TestPanicIsInternal(t *testing.T) {
	for _, p := range []*Program{
		{Console: &console.Console{Args: []string{"version", "-o", "json"}, Stdout: faulty{}}},
		{Console: &console.Console{
			Args:  []string{"import", "--rejects", filepath.Join(t.TempDir(), "rejects"), "-o", "json"},
			Stdin: faulty{}, Stdout: io.Discard,
		}},
	} {
		var stderr bytes.Buffer
		p.Stderr = &stderr
		require.Equal(t, int(console.ExitFailure), Run(t.Context(), p), p.Args)
		require.Contains(t, stderr.String(), `"code":"internal"`)
		require.Contains(t, stderr.String(), "faulty", "the stack")
	}
}

// However often the lock is taken and given up, one import at a time has it.
func TestImportLockHasOneHolder(t *testing.T) {
	run := importRun{options: importer.Options{StatePath: filepath.Join(t.TempDir(), "state.json")}}
	var holders, taken atomic.Int32
	var g sync.WaitGroup
	for range 8 {
		g.Go(func() {
			for range 10_000 {
				release, err := run.lock()
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
