package cli

import (
	"bytes"
	"sync"

	"github.com/aacflow/segment-blocks/segment/tracking"
)

// lockedBuffer is a buffer that one goroutine may read while another writes.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func placeholderSource() tracking.Source { return tracking.Source{WriteKey: placeholderKey} }
