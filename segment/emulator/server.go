package emulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// A Server is an Emulator that listens.
type Server struct {
	*Emulator
	// URL is where it listens, such as http://127.0.0.1:41234, without a final
	// slash. Clients take it in place of https://api.segment.io.
	URL string

	http   *http.Server
	served chan struct{} // closed when http serves no more
	failed error         // why that was before it was asked to; good once served is closed
}

// Start makes an emulator and serves it on a free port of 127.0.0.1 until Close.
func Start(opts ...Option) (*Server, error) {
	e, err := New(opts...)
	if err != nil {
		return nil, err
	}
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("emulator: cannot listen: %w", err), e.Close())
	}
	return e.listen(ln), nil
}

// listen serves the emulator on ln.
func (e *Emulator) listen(ln net.Listener) *Server {
	s := &Server{Emulator: e, URL: "http://" + ln.Addr().String(), served: make(chan struct{}), http: &http.Server{
		Handler:           e.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}}
	go func() {
		defer close(s.served)
		if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			s.failed = fmt.Errorf("emulator: cannot serve: %w", err)
		}
	}()
	return s
}

// Close ends streams and delays, lets running requests finish until ctx ends,
// cuts those that have not, and closes the emulator. When it returns nothing of
// the server is running. A second Close does nothing.
func (s *Server) Close(ctx context.Context) error {
	s.stop()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("emulator: requests were cut short: %w", err), s.http.Close())
	}
	<-s.served
	return errors.Join(err, s.failed, s.Emulator.Close())
}

// Serve serves the emulator on ln until ctx ends or the emulator is closed, then
// lets running requests finish for up to five seconds. It closes ln, and the
// emulator with it. It returns nil when it was asked to end.
//
// The query API shows customers' data: on an address that is not loopback Serve
// refuses to begin without a [Token].
func (e *Emulator) Serve(ctx context.Context, ln net.Listener) error {
	// Other machines cannot reach a Unix socket.
	if tcp, ok := ln.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() && e.cfg.token == "" {
		return errors.Join(fmt.Errorf("emulator: serving off loopback needs a token: %s", tcp), ln.Close(), e.Close())
	}
	s := e.listen(ln)
	select {
	case <-s.served:
	case <-ctx.Done():
	case <-e.stopping:
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return s.Close(grace)
}
