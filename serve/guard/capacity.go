package guard

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/semaphore"
)

// spareConnections is how many connections beyond the cap are answered, so that health checks get
// through. Beyond these, each new connection takes the place of the one that has waited longest for
// its client to send a request.
const spareConnections = 64

// capacity bounds the requests, bytes and connections of all clients together.
type capacity struct {
	mostRequests, mostBytes, mostConnections int64

	requests, bytes *semaphore.Weighted
	connections     atomic.Int64
	waiting         *lru.Cache[net.Conn, struct{}] // the connections without a whole request
}

func newCapacity(cfg Config) *capacity {
	limit := func(given, standard int64) int64 {
		if given < 0 {
			return math.MaxInt64
		}
		return cmp.Or(given, standard)
	}
	c := &capacity{
		mostRequests:    limit(int64(cfg.MaxInFlight), defaultMaxInFlight),
		mostBytes:       max(limit(cfg.MaxBuffered, defaultMaxBuffered), cfg.MaxBody),
		mostConnections: limit(int64(cfg.MaxConnections), defaultMaxConnections),
	}
	c.waiting, _ = lru.New[net.Conn, struct{}](math.MaxInt) // fails for sizes below 1; connections are bounded
	c.requests, c.bytes = semaphore.NewWeighted(c.mostRequests), semaphore.NewWeighted(c.mostBytes)
	return c
}

// admit reserves capacity for a request and its body. The caller must call leave when the request
// has been answered.
func (c *capacity) admit(r *http.Request, b *body) (leave func(), _ *Problem) {
	if p := b.hold(max(0, r.ContentLength)); p != nil {
		return nil, p
	}
	b.counted = true
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return b.release, nil
	}
	switch {
	case connectionOf(r).crowded:
		b.release()
		return nil, overloaded("the server has as many connections as it may: %d", c.mostConnections)
	case !c.requests.TryAcquire(1):
		b.release()
		return nil, overloaded("the server processes as many requests as it may: %d", c.mostRequests)
	}
	return func() {
		b.release()
		c.requests.Release(1)
	}, nil
}

func overloaded(reason string, limit int64) *Problem {
	return &Problem{
		Status: http.StatusServiceUnavailable, Code: "overloaded", Retryable: true, RetryAfter: time.Second,
		Detail: "nothing was done, try again: " + fmt.Sprintf(reason, limit),
	}
}

// body is the body of a request. Its connection waits for the rest of the request until the body
// has been read: a client that does not send it must not hold a place. Its bytes count from when
// they are announced or read until the request has been answered.
type body struct {
	io.ReadCloser
	capacity   *capacity
	conn       net.Conn // nil if it does not wait
	counted    bool
	read, held int64
}

func (c *capacity) bodyOf(r *http.Request) *body {
	b := &body{ReadCloser: r.Body, capacity: c}
	if conn := connectionOf(r).Conn; conn != nil && r.ContentLength != 0 {
		b.conn = conn
		c.waiting.Add(conn, struct{}{})
	}
	return b
}

// Read fails with a *Problem if there is no room for what it reads.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case b.conn == nil:
	case err != nil:
		b.capacity.waiting.Remove(b.conn)
		b.conn = nil
	default:
		b.capacity.waiting.Add(b.conn, struct{}{}) // as the last
	}
	b.read += int64(n)
	if more := b.read - b.held; b.counted && more > 0 {
		if p := b.hold(more); p != nil {
			return 0, p
		}
	}
	return n, err
}

func (b *body) hold(n int64) *Problem {
	if !b.capacity.bytes.TryAcquire(n) {
		return overloaded("the server holds as many bytes of requests as it may: %d", b.capacity.mostBytes)
	}
	b.held += n
	return nil
}

// release ends the count: a refused body is still read, and nobody would release what that takes.
func (b *body) release() {
	b.counted = false
	b.capacity.bytes.Release(b.held)
}

// connKey finds the connection of a request in its context.
type connKey struct{}

type connection struct {
	net.Conn
	crowded bool // it is beyond the cap
}

func connectionOf(r *http.Request) connection {
	conn, _ := r.Context().Value(connKey{}).(connection)
	return conn
}

// connected is called for each new connection, before anything is read from it.
func (c *capacity) connected(ctx context.Context, conn net.Conn) context.Context {
	beyond := c.connections.Add(1) - c.mostConnections
	if beyond > spareConnections {
		c.makeRoom(conn)
	}
	return context.WithValue(ctx, connKey{}, connection{conn, beyond > 0})
}

// makeRoom closes the connection that has waited longest for a request, or the new one if all
// others have sent theirs.
func (c *capacity) makeRoom(last net.Conn) {
	if first, _, ok := c.waiting.RemoveOldest(); ok {
		last = first
	}
	if t, ok := last.(*tls.Conn); ok {
		last = t.NetConn() // without a farewell, which could wait for the client
	}
	_ = last.Close()
}

func (c *capacity) changed(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew, http.StateIdle:
		c.waiting.Add(conn, struct{}{})
	case http.StateClosed, http.StateHijacked:
		c.connections.Add(-1)
		fallthrough
	default:
		c.waiting.Remove(conn)
	}
}

// ReadJSON is [ReadBody] for a body that must be JSON by its Content-Type, and not compressed. A
// page of another site can send that type only after a preflight request, and a form cannot send
// it.
func ReadJSON(w http.ResponseWriter, r *http.Request, most int64) ([]byte, *Problem) {
	why, given := "", r.Header.Get("Content-Type")
	if name, _, err := mime.ParseMediaType(given); err != nil || name != "application/json" {
		why = fmt.Sprintf("the body must be JSON, with Content-Type: application/json: %.100q", given)
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		why = fmt.Sprintf("the body must not be compressed: Content-Encoding %.50q", encoding)
	}
	if why != "" {
		return nil, &Problem{Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type", Detail: why}
	}
	return ReadBody(w, r, most)
}

// ReadBody reads the body of a request to its end, into memory of its size if the request announces
// that. It returns the problem to answer with where the body has more than most bytes, where a
// [Guard] has no room for it, or where it ends too early.
func ReadBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, *Problem) {
	tooLarge := &Problem{
		Status: http.StatusRequestEntityTooLarge, Code: "too_large",
		Detail: fmt.Sprintf("the body must have at most %d bytes", most),
	}
	if r.ContentLength > most {
		return nil, tooLarge
	}
	body := http.MaxBytesReader(w, r.Body, most)
	var data []byte
	var err error
	if r.ContentLength < 0 {
		data, err = io.ReadAll(body)
	} else {
		data = make([]byte, r.ContentLength)
		_, err = io.ReadFull(body, data)
	}
	if err == nil {
		return data, nil
	}
	if full, ok := errors.AsType[*Problem](err); ok {
		return nil, full
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge
	}
	return nil, &Problem{
		Status: http.StatusBadRequest, Code: "invalid_request", Detail: "the body could not be read to its end",
	}
}
