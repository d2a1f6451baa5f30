package mcp

import (
	"bytes"
	"io"
	"runtime"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"
)

// A body that the SDK has read is not held in memory while the call takes its time.
func TestBodiesAreLetGo(t *testing.T) {
	body := bytes.Repeat([]byte("x"), 1<<20)
	held := weak.Make(&body[0])
	r := &readOnce{bytes.NewReader(body)}
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Len(t, data, 1<<20)
	runtime.GC()
	require.Nil(t, held.Value())
	n, err := r.Read(make([]byte, 1))
	require.Zero(t, n)
	require.ErrorIs(t, err, io.EOF)
}
