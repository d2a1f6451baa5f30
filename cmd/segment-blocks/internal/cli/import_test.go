package cli

import (
	"bytes"
	"io"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
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
