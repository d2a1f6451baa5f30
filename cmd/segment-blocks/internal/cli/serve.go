package cli

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/hosts/guard"
	"github.com/aacflow/segment-blocks/hosts/mcp"
	"github.com/aacflow/segment-blocks/hosts/rest"
	"github.com/aacflow/segment-blocks/hosts/traces"
)

type serveFlags struct {
	addr, tokenFile, logFormat string
	hosts, origins             []string
	drain                      time.Duration
	quiet                      bool
	rate                       float64
	inFlight, connections      int
	buffered                   int64 // in MiB
	invocationIDs              bool
	tls                        tlsFlags
}

const tokenVariable = "SEGMENT_BLOCKS_TOKEN"

func newServe(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the blocks to other programs, over REST and MCP",
		Long: `Serve the blocks until interrupted, so that any workflow engine or agent can list and invoke them:

  /v1/blocks      REST: the catalog, and invoke, preview and validate for each block
  /openapi.json   the description of it, OpenAPI 3.1
  /mcp            MCP over streamable HTTP; /mcp/NAME for each configured source, /mcp/NAME/agent for the schemas that models like
  /metrics        Prometheus: invocations by block and outcome, latency, attempts, bytes, in flight; queues of durable sources
  /healthz        200 while the process lives; /readyz: 200 while it takes requests

Without a configured source events go to an emulator inside this process, and none is real.

It listens on this machine only, unless --addr says otherwise; then it needs a token, which clients send as
Authorization: Bearer TOKEN. The token comes from ` + tokenVariable + ` or a file, never from the command line. Web pages of other
origins and requests under other host names are refused unless they are allowed.

--tls-cert and --tls-key make it speak https; renewed files are taken up by themselves. With --tls-client-ca each client, a health check
too, must have a certificate signed by one of that file, and no token is needed.

Traces are exported over OTLP where OTEL_EXPORTER_OTLP_ENDPOINT is set: a span for each invocation and each HTTP request that it sends.

Each source says how its messages leave (delivery in the configuration): direct, coalesced or durable. With durable an
invocation succeeds when its messages are on disk; they are sent in the background, and segment-blocks queue shows what waits
and what was given up.

An interrupt ends it: no new request is taken, and those under way may end within --drain. What is stored is sent until then
too; what is left stays in the store for the next start.`,
		Example: `  segment-blocks serve
  segment-blocks serve --config segment-blocks.yaml --log json
  ` + tokenVariable + `=a-token-of-at-least-16-characters segment-blocks serve --addr 0.0.0.0:8787 --allow-host blocks.example.com`,
		Args: noArguments,
	}
	var f serveFlags
	cmd.Flags().StringVar(&f.addr, "addr", "127.0.0.1:8787", "address to listen on; port 0 takes a free one")
	cmd.Flags().StringVar(&f.tokenFile, "token-file", "", "file with the token that clients must send")
	cmd.Flags().StringSliceVar(&f.hosts, "allow-host", nil, "further host names that it may be asked under")
	cmd.Flags().StringSliceVar(&f.origins, "allow-origin", nil, "origins of web pages that may send requests, such as https://app.example.com")
	cmd.Flags().StringVar(&f.logFormat, "log", "text", "how requests are logged on stderr: text or json")
	cmd.Flags().DurationVar(&f.drain, "drain", 30*time.Second, "how long requests under way may take after an interrupt")
	cmd.Flags().BoolVar(&f.invocationIDs, "mcp-invocation-id", false, "give each MCP tool the input invocationId, for clients that cannot set _meta, such as the MCP block of AACFlow and Sim; not for models")
	cmd.Flags().Float64Var(&f.rate, "client-rate", guard.DefaultRate, "how many requests a second one client may make, twice as many at once; 0 for no limit")
	cmd.Flags().IntVar(&f.inFlight, "max-in-flight", guard.DefaultMaxInFlight, "how many requests are worked on at once; 503 beyond, but for GET; 0 for no limit")
	cmd.Flags().Int64Var(&f.buffered, "max-buffered", guard.DefaultMaxBuffered>>20, "how many MiB of request bodies are held at once, at least one of the largest; 503 beyond; 0 for no limit")
	cmd.Flags().IntVar(&f.connections, "max-connections", guard.DefaultMaxConnections, "how many connections are served at once; 0 for no limit")
	cmd.Flags().BoolVar(&f.quiet, "quiet", false, "log no requests; what goes wrong is logged all the same")
	f.tls.add(cmd)
	_ = cmd.RegisterFlagCompletionFunc("log", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	addSource(p, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := p.load(cmd)
		if err != nil {
			return err
		}
		logger, err := p.logger(f)
		if err != nil {
			return err
		}
		tokens, err := p.tokens(f.tokenFile)
		if err != nil {
			return err
		}
		secure, err := f.tls.config(logger)
		if err != nil {
			return err
		}
		requests := traces.LogHandler(logger.Handler())
		if f.quiet {
			requests = withoutRequests{requests}
		}
		limits, err := f.limits()
		if err != nil {
			return err
		}
		limits.Tokens, limits.ClientCertificates, limits.Hosts, limits.Origins = tokens, f.tls.clientCA != "", f.hosts, f.origins
		limits.Logger, limits.Open = slog.New(requests), []string{"/healthz", "/readyz"}
		g, err := guard.New(limits)
		if err != nil {
			return usage("%w", err)
		}
		ln, err := g.Listen(cmd.Context(), f.addr)
		if err != nil {
			return listenFailure(err, len(tokens) > 0)
		}
		h, err := p.openToHost(cmd.Context(), s, logger)
		if err != nil {
			return errors.Join(err, ln.Close())
		}
		return p.serve(cmd.Context(), secured(ln, secure), g, h, f, p.format(s.Output, false))
	}
	return cmd
}

// limits returns what the flags bound. To a guard 0 is a default, and a negative limit is none.
func (f serveFlags) limits() (guard.Config, error) {
	for name, given := range map[string]float64{
		"client-rate": f.rate, "max-in-flight": float64(f.inFlight), "max-buffered": float64(f.buffered), "max-connections": float64(f.connections),
	} {
		if given < 0 {
			return guard.Config{}, usage("--%s must not be negative: %g", name, given)
		}
	}
	return guard.Config{
		Rate: orNone(f.rate), MaxInFlight: orNone(f.inFlight), MaxBuffered: orNone(f.buffered << 20), MaxConnections: orNone(f.connections),
	}, nil
}

func orNone[T int | int64 | float64](limit T) T {
	if limit == 0 {
		return -1
	}
	return limit
}

// serve answers until ctx ends, and then drains.
func (p *Program) serve(ctx context.Context, ln net.Listener, g *guard.Guard, h *hosting, f serveFlags, format string) error {
	var draining atomic.Bool
	handler, err := routes(h, f, &draining)
	if err != nil {
		_, closing := h.close(ctx)
		return errors.Join(failed("%w", err), ln.Close(), closing)
	}
	if err := p.announceServe(f.tls.scheme()+"://"+reachable(ln.Addr()), h, format); err != nil {
		_, closing := h.close(ctx)
		return errors.Join(err, ln.Close(), closing)
	}
	server := g.Server(handler)
	server.Handler = h.tracing.join(server.Handler)
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(ln) }()
	select {
	case err = <-stopped: // it could not go on
	case <-ctx.Done():
		draining.Store(true)
		p.note("stopping: requests under way have %s", f.drain)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.drain)
	defer cancel()
	shutdown := server.Shutdown(last)
	left, closed := h.close(last)
	p.sayLeft(left)
	if err != nil && !errors.Is(err, http.ErrServerClosed) {
		return failed("%w", err)
	}
	if err := errors.Join(shutdown, closed); err != nil {
		return failed("requests were cut off: %w", errors.Join(err, server.Close()))
	}
	p.note("stopped: every request has been answered")
	return nil
}

func routes(h *hosting, f serveFlags, draining *atomic.Bool) (http.Handler, error) {
	options := []mcp.Option{mcp.Sources(h.names...), mcp.Version(blocks.Version()), mcp.HostChecked()}
	options = append(options, h.tracing.joinCalls()...)
	if f.invocationIDs {
		options = append(options, mcp.InvocationIDInput())
	}
	tools, err := mcp.New(h.Runtime, h.registry, options...)
	if err != nil {
		return nil, err
	}
	counters := h.metrics.Handler()
	api := rest.New(h.Runtime, h.registry, rest.Version(blocks.Version()))
	// A http.ServeMux would redirect paths such as //x, in HTML.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == "/mcp" || strings.HasPrefix(path, "/mcp/"):
			tools.ServeHTTP(w, r)
		case path == "/metrics":
			counters.ServeHTTP(w, r)
		case path == "/healthz":
			health(w, http.StatusOK, "ok")
		case path == "/readyz" && draining.Load():
			health(w, http.StatusServiceUnavailable, "stopping")
		case path == "/readyz":
			health(w, http.StatusOK, "ready")
		default:
			api.ServeHTTP(w, r)
		}
	}), nil
}

func health(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`{"status":"` + text + `"}` + "\n"))
}

// announceServe prints where the server is. The lines are data: a script waits for them.
func (p *Program) announceServe(url string, h *hosting, format string) error {
	if format != "text" {
		return p.write(format, struct {
			URL     string   `json:"url"`
			REST    string   `json:"rest"`
			OpenAPI string   `json:"openapi"`
			MCP     string   `json:"mcp"`
			Sources []string `json:"sources"`
			Target  string   `json:"target"`
			Real    bool     `json:"real"`
			// Delivery has the ways of the configured sources, by name.
			Delivery map[string]string `json:"delivery"`
		}{url, url + "/v1/blocks", url + "/openapi.json", url + "/mcp", h.names, h.target, h.emulator == nil, h.deliveries.ways})
	}
	target := h.target + ", events are real"
	if isLocal(h.target) {
		target = h.target + ", a receiver on this machine"
	}
	if h.emulator != nil {
		target = h.target + ", an emulator inside this process: no event is real"
	}
	rows := [][]string{
		{"REST", url + "/v1/blocks"},
		{"OpenAPI", url + "/openapi.json"},
		{"MCP", url + "/mcp"},
		{"target", target},
	}
	if h.emulator != nil {
		rows = append(rows, []string{"look at", h.emulator.URL + "/emulator/v1/events"})
	} else {
		rows = append(rows, []string{"sources", strings.Join(h.names, ", ")})
	}
	rows = append(rows, h.deliveries.special(h.names)...)
	writeln(p.stdout, "the blocks are being served")
	writeTable(p.stdout, rows)
	writeln(p.stderr, "Ctrl-C stops it")
	return nil
}

func (p *Program) logger(f serveFlags) (*slog.Logger, error) {
	switch {
	case f.logFormat != "text" && f.logFormat != "json":
		return nil, usage("log must be text or json: %q", f.logFormat)
	case f.logFormat == "json":
		return slog.New(slog.NewJSONHandler(p.stderr, nil)), nil
	}
	return slog.New(slog.NewTextHandler(p.stderr, nil)), nil
}

// withoutRequests logs everything but requests: what is wrong is worth a line in any case.
type withoutRequests struct{ slog.Handler }

func (h withoutRequests) Handle(ctx context.Context, record slog.Record) error {
	if record.Message == guard.RequestMessage {
		return nil
	}
	return h.Handler.Handle(ctx, record)
}

func (h withoutRequests) WithAttrs(attributes []slog.Attr) slog.Handler {
	return withoutRequests{h.Handler.WithAttrs(attributes)}
}

func (h withoutRequests) WithGroup(name string) slog.Handler {
	return withoutRequests{h.Handler.WithGroup(name)}
}

// tokens reads the tokens that clients may send: several where one is being replaced, separated by commas or lines.
func (p *Program) tokens(file string) ([]string, error) {
	text := p.variable(tokenVariable)
	if file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, usage("cannot read the token: %w", err)
		}
		text = string(data)
	}
	tokens := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' || r == ' ' })
	if file != "" && len(tokens) == 0 {
		return nil, usage("the token file is empty: %s", file)
	}
	return tokens, nil
}

func listenFailure(err error, hasToken bool) error {
	var op *net.OpError
	if !hasToken && !errors.As(err, &op) {
		return usage("%w; set %s, or give --tls-client-ca", err, tokenVariable)
	}
	return failed("%w", err)
}
