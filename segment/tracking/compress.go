package tracking

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// gzipBytes is the smallest body that is compressed. What is smaller fits a packet or two either way.
const gzipBytes = 1 << 10

var gzipEncoding = []string{"gzip"}

// compressor makes bodies smaller. It is safe for concurrent use.
type compressor struct{ writers sync.Pool }

// compress returns data as gzip. The result is new memory, since the transport may go on reading it for a while.
func (c *compressor) compress(data []byte) ([]byte, error) {
	var buf bytes.Buffer
	buf.Grow(len(data) / 4)
	w, ok := c.writers.Get().(*gzip.Writer)
	if !ok {
		var err error
		if w, err = gzip.NewWriterLevel(nil, gzip.BestSpeed); err != nil {
			return nil, err
		}
	}
	w.Reset(&buf)
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	c.writers.Put(w)
	return buf.Bytes(), nil
}
