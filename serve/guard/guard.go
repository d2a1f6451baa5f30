// Package guard protects a local HTTP server: it decides which requests are let in, bounds what
// they cost, and keeps internals out of answers and logs.
//
//	g, err := guard.New(guard.Config{Tokens: tokens, Logger: logger})
//	if err != nil { … }
//	ln, err := g.Listen(ctx, "127.0.0.1:8787") // off loopback only with a token
//	if err != nil { … }
//	err = g.Server(handler, "/healthz").Serve(ln)
//
// The zero Config is safe for a server on 127.0.0.1 that no web page of another origin may use. A
// guard answers the CORS preflights of the pages in [Config.Origins], and lets them read answers.
package guard

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"
)

// DefaultMaxBody is the default of Config.MaxBody. It has room for the largest input of a block and
// the JSON around it.
const DefaultMaxBody = 33 << 20

// The other defaults of Config.
const (
	// This leaves room for a workflow host, which is one client however many users it has, and
	// stops a runaway loop.
	defaultRate = 500
	// These keep a server of blocks within 512 MiB of memory.
	defaultMaxInFlight    = 1024
	defaultMaxBuffered    = 32 << 20
	defaultMaxConnections = 2048
)

// AnyHost among Config.Hosts lets every Host header pass. It needs a token or client certificates.
const AnyHost = "*"

// Config says what a Guard lets pass. The zero value of each field is a safe default.
type Config struct {
	// Tokens are the bearer tokens that open the server. Each has 16 visible ASCII characters or
	// more. Several are accepted so that one can be replaced without an interruption. Without a
	// token, everybody who can reach the listener is let in.
	Tokens []string
	// ClientCertificates says that the listener demands and verifies TLS client certificates. Then
	// no token is needed off loopback.
	ClientCertificates bool
	// Hosts are the host names, without port, that requests may name beside localhost and the
	// loopback addresses. A web page that rebinds its own name to this machine sends that name, and
	// is refused.
	Hosts []string
	// Origins are the origins of web pages, such as https://app.example.com, that may send
	// requests and read the answers. The server's own origin always may. Pages on loopback may send
	// without being named, but not read.
	Origins []string
	// MaxBody is the largest body of a request, in bytes. Default [DefaultMaxBody].
	MaxBody int64
	// MaxInFlight is how many requests are processed at once, for all clients together. Those
	// beyond are answered with 503 and Retry-After. GET and HEAD are not counted, so that health
	// checks and metrics are answered while the server is full. Default 1,024; negative is
	// no limit.
	MaxInFlight int
	// MaxBuffered is how many bytes of request bodies are held at once, for all clients together:
	// from when a request announces or sends them until it has been answered. Requests beyond are
	// answered with 503 and Retry-After. Default 32 MiB, and at least MaxBody; negative
	// is no limit.
	MaxBuffered int64
	// MaxConnections is how many connections [Guard.Server] serves. A few beyond are answered once
	// and closed: GET and HEAD as usual, everything else with 503. Beyond these, the connection
	// that has waited longest for the rest of a request makes room for a new one. Default 2,048;
	// negative is no limit.
	MaxConnections int
	// Rate is how many requests a second one client may make, and twice as many at once. Requests
	// that are refused for their Host, Origin or token have a separate limit of the same size, so
	// that a web page cannot use up what programs on the same machine may send. A client is a
	// remote address, or an IPv6 network of 64 bits; behind a proxy all clients are one. Beyond
	// 10,000 clients, the one not seen for longest is forgotten. Default 500; negative is no limit.
	Rate float64
	// WriteTimeout is how long one write of an answer may take before a client that does not read
	// is cut off. A stream goes on for as long as its reader keeps up. Default 30 seconds.
	WriteTimeout time.Duration
	// Logger gets a line for each request, without query, body or credentials, and panics with
	// their stacks. The default discards them.
	Logger *slog.Logger
	// Quiet leaves out the lines for requests.
	Quiet bool
}

// Guard wraps handlers. It is safe for concurrent use.
type Guard struct {
	cfg      Config
	tokens   tokens
	hosts    hostList
	accepted *limiter
	refused  *limiter
	capacity *capacity
}

// New returns a Guard, or an error that names what is wrong with the configuration.
func New(cfg Config) (*Guard, error) {
	cfg.MaxBody = cmp.Or(cfg.MaxBody, DefaultMaxBody)
	cfg.WriteTimeout = cmp.Or(cfg.WriteTimeout, 30*time.Second)
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	cfg.Rate = cmp.Or(cfg.Rate, defaultRate)
	g := &Guard{cfg: cfg, accepted: newLimiter(cfg.Rate), refused: newLimiter(cfg.Rate), capacity: newCapacity(cfg)}
	var err error
	if g.tokens, err = newTokens(cfg.Tokens); err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	if g.hosts, err = newHostList(cfg.Hosts, cfg.Origins); err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	if g.hosts.any && len(cfg.Tokens) == 0 && !cfg.ClientCertificates {
		return nil, errors.New(`guard: without a token the hosts must be named: "*"`)
	}
	return g, nil
}

// Wrap returns the handler with the guard in front of it. A request that is refused gets a
// [Problem]. The open paths are exact paths that need no token and are neither limited nor checked
// for Host and Origin, so that any web page can reach them: only health checks should be open.
func (g *Guard) Wrap(next http.Handler, open ...string) http.Handler {
	return Identify(g.logged(g.recovered(g.checked(next, open))))
}

// checked makes the cheapest checks first.
func (g *Guard) checked(next http.Handler, open []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if connectionOf(r).crowded {
			w.Header().Set("Connection", "close")
		}
		if g.allowPage(w, r) {
			g.preflight(w, r)
			return
		}
		// It reads a byte beyond the limit. That byte must not count: there may be no room for it,
		// and a client whose body is too large must not be told to try again.
		r.Body = http.MaxBytesReader(w, r.Body, g.cfg.MaxBody)
		body := g.capacity.bodyOf(r)
		r.Body = body
		if slices.Contains(open, r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		if p := g.refuse(r); p != nil {
			if p.Status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", "Bearer")
			}
			p.Write(w, r)
			return
		}
		leave, p := g.capacity.admit(r, body)
		if p != nil {
			if r.Header.Get("Expect") == "" { // most clients read no answer before they have sent all
				_, _ = io.Copy(io.Discard, r.Body)
			}
			p.Write(w, r)
			return
		}
		defer leave()
		next.ServeHTTP(w, r)
	})
}

// refuse looks at who asks before it looks at how often, because a browser sends what any web page
// wants from the address of its user. Requests that are refused count against a limit of their own.
func (g *Guard) refuse(r *http.Request) *Problem {
	for _, check := range []func(*http.Request) *Problem{g.hosts.checkHost, g.hosts.checkOrigin, g.tokens.check} {
		if p := check(r); p != nil {
			if tooMany := g.refused.check(r); tooMany != nil {
				return tooMany
			}
			return p
		}
	}
	return cmp.Or(g.accepted.check(r), g.tooLarge(r))
}

// tooLarge refuses a body by the size that it announces. A body that announces none is cut off
// while it is read, by http.MaxBytesReader.
func (g *Guard) tooLarge(r *http.Request) *Problem {
	if r.ContentLength <= g.cfg.MaxBody {
		return nil
	}
	return &Problem{
		Status: http.StatusRequestEntityTooLarge, Code: "too_large",
		Detail: fmt.Sprintf("the body must have at most %d bytes: %d", g.cfg.MaxBody, r.ContentLength),
	}
}
