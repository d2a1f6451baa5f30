package tracking

import (
	"context"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
)

// buffers lends the large buffers that batches are written in, so that a stream of them does not allocate half a megabyte a request.
type buffers struct{ pool sync.Pool }

const (
	// lentBytes is the capacity of each: a body fits, and the messages of a batch fill several.
	lentBytes = MaxBodyBytes + MaxMessageBytes
	// smallBytes is what is not worth lending.
	smallBytes = 64 << 10
)

// lent reports whether a buffer is one of those.
func lent(buf []byte) bool { return cap(buf) == lentBytes }

// lend returns an empty buffer for size bytes.
func (b *buffers) lend(size int) []byte {
	if size <= smallBytes || size > lentBytes {
		return make([]byte, 0, size)
	}
	if buf, ok := b.pool.Get().(*[lentBytes]byte); ok {
		return buf[:0]
	}
	return make([]byte, 0, lentBytes)
}

// giveBack takes a buffer that nobody reads any more. It may be one that was not lent.
func (b *buffers) giveBack(buf []byte) {
	if lent(buf) {
		b.pool.Put((*[lentBytes]byte)(buf[:lentBytes]))
	}
}

// writes watches the transport write a request. It may go on doing so after the answer has come, and begin again on another connection.
type writes struct{ begun, done atomic.Int32 }

// watch returns the context to send the request with.
func (w *writes) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { w.begun.Add(1) },
		WroteRequest: func(httptrace.WroteRequestInfo) { w.done.Add(1) },
	})
}

// over reports whether nothing reads the body any more, as far as the transport tells.
func (w *writes) over() bool {
	begun := w.begun.Load()
	return begun > 0 && w.done.Load() == begun
}
