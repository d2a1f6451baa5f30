package guard

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// spareConnections is how many connections beyond the cap are answered, so that health checks get
// through.
const spareConnections = 64

// capacity bounds the requests, bytes and connections of all clients together.
type capacity struct {
	mostRequests, mostBytes, mostConnections int64

	requests, bytes *semaphore.Weighted
	connections     atomic.Int64
}

func newCapacity(cfg Config) *capacity {
	limit := func(given, standard int64) int64 {
		switch {
		case given < 0:
			return math.MaxInt64
		case given == 0:
			return standard
		}
		return given
	}
	c := &capacity{
		mostRequests:    limit(int64(cfg.MaxInFlight), DefaultMaxInFlight),
		mostBytes:       max(limit(cfg.MaxBuffered, DefaultMaxBuffered), cfg.MaxBody),
		mostConnections: limit(int64(cfg.MaxConnections), DefaultMaxConnections),
	}
	c.requests, c.bytes = semaphore.NewWeighted(c.mostRequests), semaphore.NewWeighted(c.mostBytes)
	return c
}

// admit reserves capacity for a request and its body. The caller must call leave when the request
// has been answered.
func (c *capacity) admit(r *http.Request) (leave func(), _ *Problem) {
	body := &heldBody{ReadCloser: r.Body, capacity: c}
	if p := body.hold(max(0, r.ContentLength)); p != nil {
		return nil, p
	}
	r.Body = body
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return body.release, nil
	}
	switch {
	case crowded(r):
		body.release()
		return nil, overloaded("the server has as many connections as it may: %d", c.mostConnections)
	case !c.requests.TryAcquire(1):
		body.release()
		return nil, overloaded("the server processes as many requests as it may: %d", c.mostRequests)
	}
	return func() {
		body.release()
		c.requests.Release(1)
	}, nil
}

func overloaded(reason string, limit int64) *Problem {
	return &Problem{
		Status: http.StatusServiceUnavailable, Code: "overloaded", Retryable: true, RetryAfter: time.Second,
		Detail: "nothing was done, try again: " + fmt.Sprintf(reason, limit),
	}
}

// heldBody counts the bytes of a body from when they are announced or read until the request has
// been answered.
type heldBody struct {
	io.ReadCloser
	capacity   *capacity
	read, held int64
}

// Read fails with a *Problem if there is no room for what it reads.
func (b *heldBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	if more := b.read - b.held; more > 0 {
		if p := b.hold(more); p != nil {
			return 0, p
		}
	}
	return n, err
}

func (b *heldBody) hold(n int64) *Problem {
	if !b.capacity.bytes.TryAcquire(n) {
		return overloaded("the server holds as many bytes of requests as it may: %d", b.capacity.mostBytes)
	}
	b.held += n
	return nil
}

func (b *heldBody) release() { b.capacity.bytes.Release(b.held) }

// crowdedKey marks the context of a connection beyond the cap.
type crowdedKey struct{}

func crowded(r *http.Request) bool { return r.Context().Value(crowdedKey{}) != nil }

// connected is called for each new connection, before anything is read from it.
func (c *capacity) connected(ctx context.Context, conn net.Conn) context.Context {
	switch beyond := c.connections.Add(1) - c.mostConnections; {
	case beyond > spareConnections:
		_ = conn.Close()
	case beyond > 0:
		ctx = context.WithValue(ctx, crowdedKey{}, true)
	}
	return ctx
}

func (c *capacity) changed(_ net.Conn, state http.ConnState) {
	if state == http.StateClosed || state == http.StateHijacked {
		c.connections.Add(-1)
	}
}

// ReadBody reads the body of a request to its end, into memory of its size if the request announces
// that. The error is a *[http.MaxBytesError] for a body of more than most bytes, and a *[Problem]
// to answer with for a body that a [Guard] has no room for.
func ReadBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	if r.ContentLength > most {
		return nil, &http.MaxBytesError{Limit: most}
	}
	body := http.MaxBytesReader(w, r.Body, most)
	if r.ContentLength < 0 {
		return io.ReadAll(body)
	}
	data := make([]byte, r.ContentLength)
	_, err := io.ReadFull(body, data)
	return data, err
}
