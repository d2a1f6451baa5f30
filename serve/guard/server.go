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

// CheckAddress returns an error if other machines can reach the address, and the guard demands
// neither a token nor a client certificate.
func (g *Guard) CheckAddress(addr net.Addr) error {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || tcp.IP.IsLoopback() || len(g.tokens) > 0 || g.cfg.ClientCertificates {
		return nil // other addresses, such as Unix sockets, are local
	}
	return fmt.Errorf("guard: off loopback the server must have a token, or demand client certificates: %s", addr)
}

// Listen listens on a TCP address if [Guard.CheckAddress] allows it.
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

// Server returns a server for the handler behind the guard (see [Guard.Wrap]), with limits on
// connections, headers and times. A client that is slow to send its headers or its body, or to read
// its answer, is cut off. A handler may take up to ten minutes. The connections of all servers of a
// guard are counted together.
func (g *Guard) Server(handler http.Handler, open ...string) *http.Server {
	return &http.Server{
		Handler:           g.Wrap(handler, open...),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      10 * time.Minute, // until the first write; then Config.WriteTimeout
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ConnContext:       g.capacity.connected,
		ConnState:         g.capacity.changed,
		ErrorLog:          slog.NewLogLogger(g.cfg.Logger.Handler(), slog.LevelWarn),
	}
}
