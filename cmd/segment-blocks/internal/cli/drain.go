package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/serve/guard"
)

// server is what serve runs, and how it ends.
type server struct {
	settings settings.Serve
	listener *closing
	tls      *tls.Config // nil for plain HTTP
	guard    *guard.Guard
	hosting  *hosting

	draining    atomic.Bool
	connections connections
}

// serve answers until ctx ends, and then drains.
func (p *Program) serve(ctx context.Context, s *server, format string) error {
	h := s.hosting
	handler, err := s.routes()
	if err == nil {
		err = p.announceServe(s.url(), h, format)
	}
	if err != nil {
		_, closing := h.close(ctx)
		return errors.Join(console.Failed("%w", err), s.listener.Close(), closing)
	}
	web := s.http(handler)
	stopped, deaf := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(deaf)
		stopped <- web.Serve(secured(s.listener, s.tls))
	}()
	select {
	case err = <-stopped: // it could not go on
	case <-ctx.Done():
		s.draining.Store(true)
		if delay := s.drainDelay(); delay > 0 {
			p.Note("stopping in %s: /readyz answers 503 until then", delay)
			time.Sleep(delay)
		}
		p.Note("stopping: requests in progress have %s", s.settings.Drain)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.settings.Drain)
	defer cancel()
	s.listener.finish()
	s.connections.settle(last, deaf)
	shutdown := web.Shutdown(last)
	left, closed := h.close(last)
	p.sayLeft(left)
	if err != nil {
		return console.Failed("%w", err)
	}
	if err := errors.Join(shutdown, closed); err != nil {
		return console.Failed("requests were cut off: %w", errors.Join(err, web.Close()))
	}
	p.Note("stopped: every request has been answered")
	return nil
}

// http returns the server, with the metrics in front of all that may refuse a request.
func (s *server) http(handler http.Handler) *http.Server {
	web := s.guard.Server(handler, "/healthz", "/readyz")
	guarded := s.hosting.metrics.HTTP(s.hosting.tracing.join(web.Handler), routeOf)
	web.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() {
			w.Header().Set("Connection", "close") // the client's next request goes to another server
		}
		guarded.ServeHTTP(w, r)
	})
	changed := web.ConnState
	web.ConnState = func(conn net.Conn, state http.ConnState) {
		if changed != nil {
			changed(conn, state)
		}
		s.connections.changed(conn, state)
	}
	return web
}

func (s *server) url() string {
	scheme := "http://"
	if s.tls != nil {
		scheme = "https://"
	}
	return scheme + reachable(s.listener.Addr())
}

// drainDelay is what the settings say or, where they say nothing, five seconds where other machines can reach the server.
func (s *server) drainDelay() time.Duration {
	switch {
	case s.settings.DrainDelay != nil:
		return *s.settings.DrainDelay
	case onLoopback(s.listener.Addr()):
		return 0
	}
	return 5 * time.Second
}

// connections tells which connections of a server have a request. http.Server.Shutdown closes one that waits for its next request even
// where that has arrived already, so what a busy client has sent would be lost.
type connections struct {
	mu sync.Mutex
	// quiet has the time since when a connection has had no request, or zero while it has one.
	quiet map[net.Conn]time.Time
}

// changed is a hook of http.Server.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.quiet == nil {
		c.quiet = map[net.Conn]time.Time{}
	}
	switch state {
	case http.StateNew, http.StateIdle:
		c.quiet[conn] = time.Now()
	case http.StateActive:
		c.quiet[conn] = time.Time{}
	case http.StateClosed, http.StateHijacked:
		delete(c.quiet, conn)
	}
}

// settle waits until the server has stopped listening (deaf), and each is closed or has been quiet for half a second, or until ctx ends.
func (c *connections) settle(ctx context.Context, deaf <-chan struct{}) {
	select {
	case <-deaf:
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
		if time.Since(since) < enough || since.IsZero() {
			return true
		}
	}
	return false
}

// closing is a listener that takes what has connected already before it closes. Closing at once would cut off the clients whose connection
// the kernel has set up and the server has not taken yet.
type closing struct {
	net.Listener
	deadline  interface{ SetDeadline(at time.Time) error } // the listener's own
	finishing atomic.Bool
	until     time.Time
}

// newClosing wraps a TCP listener.
func newClosing(ln net.Listener) *closing {
	tcp, _ := ln.(*net.TCPListener)
	return &closing{Listener: ln, deadline: tcp}
}

// Accept returns the next connection. Once the listener finishes, it closes when none waits.
func (l *closing) Accept() (net.Conn, error) {
	l.patience()
	conn, err := l.Listener.Accept()
	if err != nil && l.finishing.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, errors.Join(net.ErrClosed, l.Close())
	}
	return conn, err
}

// patience bounds the wait for a connection, once the listener finishes.
func (l *closing) patience() {
	const brief = 5 * time.Millisecond
	if !l.finishing.Load() {
		return
	}
	at := time.Now().Add(brief)
	if at.After(l.until) {
		at = l.until
	}
	_ = l.deadline.SetDeadline(at)
}

// finish makes the listener close once no connection waits, within a second.
func (l *closing) finish() {
	l.until = time.Now().Add(time.Second)
	l.finishing.Store(true)
	l.patience()
}
