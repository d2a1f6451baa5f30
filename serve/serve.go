// Package serve offers the blocks of a registry to other programs over HTTP. A Go host mounts it in
// its own mux, or lets it serve a listener.
//
//	server, err := serve.New(rt, reg, serve.Config{})
//	if err != nil { … }
//	mux.Handle("/segment/", http.StripPrefix("/segment", server))
//
// These are its paths:
//
//	/v1/ …          REST, see package rest
//	/openapi.json   the description of it
//	/v1/workflows   and /v1/runs: what Config.Workflows answers, see package workflows
//	/mcp …          MCP over streamable HTTP, see package mcp
//	/catalog/ …     a web page over all of it, see package catalog; / leads browsers to it
//	/healthz        200 while the process lives
//	/readyz         200, and 503 once the server drains
//	/metrics        what Config.Metrics answers
//
// A [guard.Guard] is in front of all of them: it decides which requests are let in, and bounds what
// they cost. The two health checks need no token and answer while the server is full. The files of
// the catalog need none either: they hold no data, and the page asks its user for the token.
package serve

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aacflow/segment-blocks/internal/loopback"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/serve/catalog"
	"github.com/aacflow/segment-blocks/serve/guard"
	"github.com/aacflow/segment-blocks/serve/invocations"
	"github.com/aacflow/segment-blocks/serve/mcp"
	"github.com/aacflow/segment-blocks/serve/rest"
)

// The defaults of Config.
const (
	defaultDrain      = 30 * time.Second
	defaultDrainDelay = 5 * time.Second // off loopback; on loopback there is no delay
)

// Config says what a Server offers, and how it stops. The zero value of each field is a sensible
// default.
type Config struct {
	// Guard is in front of every path. Default a guard of the zero [guard.Config], with the Logger.
	Guard *guard.Guard
	// MCP configures the tools. New sets its Mount and HostChecked, and its Version and Logger if
	// they are empty.
	MCP mcp.Config
	// Invocations remembers invocations for /v1/invocations. It must observe the runtime.
	Invocations *invocations.Log
	// Queues are those of the sources that send messages later, by the names of the sources.
	Queues map[string]rest.Queue
	// Catalog makes the server offer a web page at /catalog/. New sets its API and its Workflows.
	// Default none.
	Catalog *catalog.Config
	// Workflows answers /v1/workflows and /v1/runs: a handler of package workflows. Default none.
	// The host closes it once the server has stopped, before it closes the runtime.
	Workflows Workflows
	// Version is what REST and MCP give as the version of what they offer.
	Version string
	// Emulated says that the runtime sends to an emulator, so that the health checks can say so.
	Emulated bool
	// Logger gets panics with their stacks and what goes wrong with connections. The default
	// discards them. [runtime.Logger] takes a logger for failed invocations.
	Logger *slog.Logger
	// Metrics answers /metrics. Without it the path does not exist.
	Metrics http.Handler
	// Middleware wraps the server in front of the guard, to count, time or trace requests. It is
	// called once, by New. Route names the route of a request, such as /v1/blocks/{id}.
	Middleware func(next http.Handler, route func(*http.Request) string) http.Handler
	// TLS makes [Server.Serve] speak https.
	TLS *tls.Config
	// Drain is how long requests may take once [Server.Serve] has stopped listening. Default
	// 30 seconds; negative is no time.
	Drain time.Duration
	// DrainDelay is how long Serve goes on listening after its context has ended, while /readyz
	// answers 503, so that load balancers can take the server out first. Default 5
	// seconds if other machines can reach the listener; negative is none.
	DrainDelay time.Duration
	// OnDrain is called when the context of Serve has ended, with the delay until Serve stops
	// listening.
	OnDrain func(delay time.Duration)
}

// Workflows is a handler with several routes that ends its streams when the server drains.
type Workflows interface {
	http.Handler
	namer
	Drain()
}

// Server answers the requests of other programs. It is an [http.Handler] and safe for concurrent
// use. It does not close the runtime.
type Server struct {
	cfg      Config
	page     *catalog.Handler // nil without one
	routes   []route
	handler  http.Handler
	api      *rest.Handler
	draining atomic.Bool
}

// New returns a server for the blocks that the registry holds now, which must be blocks of the
// runtime.
func New(rt *runtime.Runtime, reg *registry.Registry, cfg Config) (*Server, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Guard == nil {
		var err error
		if cfg.Guard, err = guard.New(guard.Config{Logger: cfg.Logger}); err != nil {
			return nil, fmt.Errorf("serve: %w", err)
		}
	}
	cfg.Drain = cmp.Or(cfg.Drain, defaultDrain)
	cfg.MCP.Mount, cfg.MCP.HostChecked = mcpPath, true
	cfg.MCP.Version = cmp.Or(cfg.MCP.Version, cfg.Version)
	cfg.MCP.Logger = cmp.Or(cfg.MCP.Logger, cfg.Logger)
	tools, err := mcp.New(rt, reg, cfg.MCP)
	if err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	s := &Server{cfg: cfg}
	open := []string{healthPath, readyPath}
	if cfg.Catalog != nil {
		s.page = catalog.New(catalog.Config{
			Emulator: cfg.Catalog.Emulator, AACFlow: cfg.Catalog.AACFlow, Workflows: cfg.Workflows != nil,
		})
		open = append(open, "/", catalogPath)
		for _, path := range s.page.Paths() {
			open = append(open, catalogPath+path)
		}
	}
	s.api = rest.New(rt, reg, rest.Config{Version: cfg.Version, Invocations: cfg.Invocations, Queues: cfg.Queues})
	s.routes = s.table(s.api, tools)
	s.handler = cfg.Guard.Wrap(http.HandlerFunc(s.dispatch), open...)
	if cfg.Middleware != nil {
		s.handler = cfg.Middleware(s.handler, s.routeOf)
	}
	return s, nil
}

// ServeHTTP answers a request. A host that serves by itself calls [Server.Drain] before it shuts
// down.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.draining.Load() {
		w.Header().Set("Connection", "close") // the client's next request goes to another server
	}
	s.handler.ServeHTTP(w, r)
}

// Drain makes /readyz answer 503, and each answer close its connection. It ends streams.
func (s *Server) Drain() {
	s.draining.Store(true)
	s.api.Drain()
	if s.cfg.Workflows != nil {
		s.cfg.Workflows.Drain()
	}
	if s.page != nil {
		s.page.Drain()
	}
}

// Serve answers requests on a listener until ctx ends, and then drains: requests in progress and
// connections that clients have opened already are served, for as long as Config.Drain. It closes
// the listener. It refuses one that other machines can reach if the guard lets in everybody.
//
// Serve returns nil if every request has been answered.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if err := s.cfg.Guard.CheckAddress(ln.Addr()); err != nil {
		return errors.Join(fmt.Errorf("serve: %w", err), ln.Close())
	}
	draining := &drainingListener{Listener: ln}
	ln = draining
	if s.cfg.TLS != nil {
		ln = tls.NewListener(draining, s.cfg.TLS)
	}
	web, conns := s.cfg.Guard.Server(nil), &connections{quiet: map[net.Conn]time.Time{}}
	web.Handler = s // which has the guard in it
	counted := web.ConnState
	web.ConnState = func(conn net.Conn, state http.ConnState) {
		counted(conn, state)
		conns.changed(conn, state)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- web.Serve(ln) }()
	select {
	case err := <-stopped: // it could not go on
		return errors.Join(fmt.Errorf("serve: %w", err), web.Close())
	case <-ctx.Done():
	}
	s.Drain()
	delay := s.drainDelay(draining.Addr())
	if s.cfg.OnDrain != nil {
		s.cfg.OnDrain(delay)
	}
	time.Sleep(delay)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Drain)
	defer cancel()
	draining.finish()
	conns.settle(last, stopped)
	if err := web.Shutdown(last); err != nil {
		return fmt.Errorf("requests were cut off: %w", errors.Join(err, web.Close()))
	}
	return nil
}

func (s *Server) drainDelay(addr net.Addr) time.Duration {
	tcp, ok := addr.(*net.TCPAddr)
	if s.cfg.DrainDelay == 0 && ok && !loopback.Host(tcp.IP.String()) {
		return defaultDrainDelay
	}
	return max(0, s.cfg.DrainDelay)
}
