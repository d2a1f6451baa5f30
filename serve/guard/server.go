package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// CheckAddress returns an error where the server would listen beyond this machine and anybody could come in.
func (g *Guard) CheckAddress(addr net.Addr) error {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || tcp.IP.IsLoopback() || len(g.tokens) > 0 || g.cfg.ClientCertificates {
		return nil // what is no TCP address, such as a Unix socket, is not reached from elsewhere
	}
	return fmt.Errorf("guard: off loopback the server must have a token, or demand client certificates: %s", addr)
}

// Listen listens on a TCP address where [Guard.CheckAddress] allows it.
func (g *Guard) Listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false) // it takes no socket filter, which ending without a loss needs
	ln, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("guard: cannot listen: %w", err)
	}
	if err := g.CheckAddress(ln.Addr()); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return ln, nil
}

// Server returns a server for the handler behind the guard, with limits on connections, headers and
// times: a client that is slow to send its headers or its body, or to read its answer, is cut. How
// long a handler takes is its own affair, up to ten minutes. The connections of all servers of a
// guard are counted together.
func (g *Guard) Server(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           g.Wrap(handler),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      10 * time.Minute, // until the first write, then see Config
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ConnContext:       g.capacity.connected,
		ConnState:         g.capacity.changed,
		ErrorLog:          slog.NewLogLogger(g.cfg.Logger.Handler(), slog.LevelWarn),
	}
}
