package serve

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// drainingListener is a listener that loses no client when it closes. The kernel completes
// handshakes on its own and queues the connections. Closing a listener resets those that nobody has
// accepted, although their clients may have sent a request.
//
// So a drainingListener first makes the kernel ignore new handshakes, where that is possible. Their
// clients try again after a second, and find that nobody listens. Then it accepts the connections
// that are complete, and those whose clients complete them within the round trip of a packet.
type drainingListener struct {
	net.Listener
	finishing atomic.Bool
	patience  time.Duration // how long a connection may take to come
	until     time.Time     // when to close in any case
}

// Accept returns the next connection. Once the listener finishes, it closes when none comes.
func (l *drainingListener) Accept() (net.Conn, error) {
	if l.finishing.Load() {
		l.hurry()
	}
	conn, err := l.Listener.Accept()
	if err != nil && l.finishing.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, errors.Join(net.ErrClosed, l.Close())
	}
	return conn, err
}

// hurry bounds the wait for the next connection.
func (l *drainingListener) hurry() {
	at := time.Now().Add(l.patience)
	if at.After(l.until) {
		at = l.until
	}
	limited, ok := l.Listener.(interface{ SetDeadline(at time.Time) error })
	if !ok || limited.SetDeadline(at) != nil {
		_ = l.Close()
	}
}

// finish makes the listener close once no connection comes.
func (l *drainingListener) finish() {
	// Without the filter there is always another connection while a client is busy.
	l.patience, l.until = 5*time.Millisecond, time.Now().Add(time.Second)
	if ignoreHandshakes(l.Listener) {
		l.patience, l.until = 300*time.Millisecond, time.Now().Add(10*time.Second)
	}
	l.finishing.Store(true)
	l.hurry()
}

// connections knows which connections of a server have a request. http.Server.Shutdown closes a
// connection that waits for its next request even if that has arrived already, so a busy client
// would lose a request.
type connections struct {
	mu sync.Mutex
	// quiet has the time since when a connection has had no request, or zero while it has one.
	quiet map[net.Conn]time.Time
}

// changed is a hook of http.Server.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew, http.StateIdle:
		c.quiet[conn] = time.Now()
	case http.StateActive:
		c.quiet[conn] = time.Time{}
	case http.StateClosed, http.StateHijacked:
		delete(c.quiet, conn)
	}
}

// settle waits until the server has stopped listening and each connection is closed or has been
// quiet for half a second, or until ctx ends.
func (c *connections) settle(ctx context.Context, stopped <-chan error) {
	select {
	case <-stopped: //nolint:errcheck // the listener was closed on purpose, so its error says nothing
	case <-ctx.Done():
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for c.busy() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (c *connections) busy() bool {
	const enough = 500 * time.Millisecond
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, since := range c.quiet {
		if since.IsZero() || time.Since(since) < enough {
			return true
		}
	}
	return false
}
