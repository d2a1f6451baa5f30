package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/export/aacflow"
	"github.com/aacflow/segment-blocks/observe/traces"
	"github.com/aacflow/segment-blocks/serve"
	"github.com/aacflow/segment-blocks/serve/catalog"
	"github.com/aacflow/segment-blocks/serve/guard"
	"github.com/aacflow/segment-blocks/serve/mcp"
)

// newServe makes serve. Its flags come from the table of settings, so that each can also be set in
// the configuration file.
func newServe(p *Program) *cobra.Command {
	cmd := command("serve", "Serve the blocks to other programs, over REST and MCP")
	addSettings(cmd, "serve.")
	addSource(p, cmd)
	return p.runs(cmd, func(_ []string, s *settings.Settings) error {
		return p.serve(cmd.Context(), s)
	})
}

// serve opens everything, the cheapest to refuse first, and serves until ctx ends. It listens
// before it opens the sources, since opening one may send what an earlier run has stored. Once it
// is asked to stop, requests and stored messages have --drain-delay and --drain together, and not
// each of them.
func (p *Program) serve(ctx context.Context, s *settings.Settings) error {
	p.limitMemory(s.Serve)
	logger := p.logger(s.Serve.Log)
	secure, err := tlsConfig(s.Serve, logger)
	if err != nil {
		return err
	}
	g, err := p.guard(s.Serve, logger)
	if err != nil {
		return err
	}
	// Where port 0 leads, and whether others can reach it, is known only from here on.
	ln, err := g.Listen(ctx, s.Serve.Addr)
	if err != nil {
		return cannotListen(s.Serve.Addr, err)
	}
	if err := checkEmulator(s, ln.Addr()); err != nil {
		return errors.Join(err, ln.Close())
	}
	h, err := p.openToHost(ctx, s, logger, s.Serve.Emulator)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	config, stopBy, scheme := p.serveConfig(h, s.Serve), time.Time{}, "http"
	if secure != nil {
		scheme = "https"
	}
	config.Guard, config.TLS = g, secure
	config.OnDrain = func(delay time.Duration) {
		stopBy = time.Now().Add(delay + s.Serve.Drain)
		if delay > 0 {
			p.Note("stopping in %s: /readyz answers 503 until then", delay)
		}
		p.Note("stopping: requests in progress have %s", s.Serve.Drain)
	}
	server, err := serve.New(h.Runtime, p.registry(), config)
	if err == nil {
		err = p.announceServe(urlOf(scheme, ln.Addr()), h)
	}
	if err != nil {
		_, closing := h.close(ctx)
		return errors.Join(console.Failed("%w", err), ln.Close(), closing)
	}
	// From here on the sources are the server's to use, and stay open until the last request is
	// over.
	served := server.Serve(ctx, ln)
	if stopBy.IsZero() { // it has failed, and was not stopped
		stopBy = time.Now().Add(s.Serve.Drain)
	}
	last, cancel := context.WithDeadline(context.WithoutCancel(ctx), stopBy)
	defer cancel()
	left, closing := h.close(last)
	p.sayLeft(left)
	switch {
	case served != nil:
		return console.Failed("%w", errors.Join(served, closing))
	case closing != nil:
		return console.Failed("requests were cut off: %w", closing)
	}
	p.Note("stopped: every request has been answered")
	return nil
}

// serveConfig returns the configuration of the server, from the settings and from what it is to
// serve. Metrics are outermost, so that they count requests that the guard refuses.
func (p *Program) serveConfig(h *hosting, s settings.Serve) serve.Config {
	config := serve.Config{
		MCP: mcp.Config{
			Sources: h.names(), InvocationIDInput: s.MCPInvocationID, CallContext: traces.JoinMeta,
		},
		Catalog: &catalog.Config{}, Version: blocks.Version(), Emulated: h.emulator != nil,
		Logger: h.logger, Metrics: h.metrics.Handler(),
		Middleware: func(next http.Handler, route func(*http.Request) string) http.Handler {
			return h.metrics.HTTP(traces.Handler(next), route)
		},
		Drain: orNone(s.Drain), Invocations: h.invocations, Queues: h.deliveries.restQueues(),
	}
	// Package catalog serves blocks of any vendor, and knows no export.
	config.Catalog.AACFlow = func(block string) ([]byte, error) { return aacflow.Workflow(p.registry(), block) }
	if h.emulator != nil {
		config.Catalog.Emulator = h.emulator.Handler()
	}
	if h.flows != nil {
		config.Workflows = h.flows
	}
	if s.MCPWatch {
		config.MCP.Tools = h.watchTools()
	}
	if s.DrainDelay != nil { // otherwise it depends on the address, which package serve knows
		config.DrainDelay = orNone(*s.DrainDelay)
	}
	return config
}

// limitMemory makes the garbage collector work harder before the process outgrows its limits. A
// batch of the smallest messages takes 12 times its size in memory, and without a limit Go lets
// garbage take as much again. GOMEMLIMIT takes precedence.
func (p *Program) limitMemory(s settings.Serve) {
	if s.MaxBuffered > 0 && p.Variable("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(12*s.MaxBuffered<<20 + 32<<20)
	}
}

// guard returns the guard of the server. It is made before anything is opened: what it refuses,
// such as a token that is too short, is a slip in the configuration.
func (p *Program) guard(s settings.Serve, logger *slog.Logger) (*guard.Guard, error) {
	tokens, err := p.tokens(s.TokenFile)
	if err != nil {
		return nil, err
	}
	g, err := guard.New(guard.Config{
		Tokens: tokens, ClientCertificates: s.TLSClientCA != "", Hosts: s.AllowHost, Origins: s.AllowOrigin,
		Rate: orNone(s.ClientRate), MaxInFlight: orNone(s.MaxInFlight), MaxBuffered: orNone(s.MaxBuffered << 20),
		MaxConnections: orNone(s.MaxConnections),
		Logger:         logger, Quiet: s.Quiet,
	})
	if errors.Is(err, guard.ErrToken) {
		err = fmt.Errorf("%w: %s", guard.ErrToken, cmp.Or(s.TokenFile, tokenVariable))
	}
	if err != nil {
		return nil, console.Usage("%w", err)
	}
	return g, nil
}

// orNone turns a limit of 0, which means none in the settings, into a negative one, which means
// none in guard and serve.
func orNone[T int | int64 | float64 | time.Duration](limit T) T {
	if limit == 0 {
		return -1
	}
	return limit
}

// checkEmulator refuses to serve an emulator to other machines unless --emulator is given: they
// would take their events for sent.
func checkEmulator(s *settings.Settings, addr net.Addr) error {
	_, configured, err := s.Chosen()
	if err == nil && !configured && !s.Serve.Emulator && !onLoopback(addr) {
		return console.Usage("no source is configured, and other machines can reach %s: set SEGMENT_WRITE_KEY and "+
			"SEGMENT_REGION, name sources in a %s, or give --emulator to send all events to an emulator",
			addr, settings.FileName)
	}
	return nil // opening the source reports what is wrong with the choice
}

// announceServe prints where the server is. The lines are data: scripts wait for them. They say
// whether events are real, which is the costliest thing to be wrong about.
func (p *Program) announceServe(url string, h *hosting) error {
	sources, names := h.Sources(), h.names()
	doc := struct {
		URL     string   `json:"url"`
		Catalog string   `json:"catalog"`
		REST    string   `json:"rest"`
		OpenAPI string   `json:"openapi"`
		MCP     string   `json:"mcp"`
		Sources []string `json:"sources"`
		Target  string   `json:"target"`
		Real    bool     `json:"real"`
		// Delivery has the ways of the configured sources, by name.
		Delivery map[string]string `json:"delivery"`
		// Workflows is empty without --workflows.
		Workflows string `json:"workflows,omitempty"`
	}{
		url, url + "/catalog/", url + "/v1/blocks", url + "/openapi.json", url + "/mcp", names,
		sources[0].Endpoint, h.emulator == nil,
		map[string]string{},
		"",
	}
	for _, source := range sources {
		if !source.Emulated {
			doc.Delivery[source.Name] = source.Delivery
		}
	}
	if h.flows != nil {
		doc.Workflows = url + "/v1/workflows"
	}
	return p.show(doc, func(w io.Writer) {
		what, list, events := "events are real", strings.Join(names, ", "), ""
		switch {
		case h.emulator != nil:
			what = "an emulator inside this process: no event is real"
			list, events = "", h.emulator.URL+"/emulator/v1/events"
		case isLocal(doc.Target):
			what = "a receiver on this machine"
		}
		fields := []string{
			"catalog", doc.Catalog, "REST", doc.REST, "OpenAPI", doc.OpenAPI, "MCP", doc.MCP,
			"target", doc.Target + ", " + what, "sources", list, "look at", events,
		}
		// How a source delivers is said where success means something else than usual.
		for _, source := range sources {
			says := map[string]string{
				settings.Coalesced: "coalesced: calls that come together share requests",
				settings.Durable:   "durable: success means stored in " + h.deliveries.paths[source.Name],
			}
			fields = append(fields, source.Name, says[source.Delivery])
		}
		console.Writeln(w, "serving the blocks")
		console.WriteFields(w, append(fields, "workflows", doc.Workflows)...)
		console.Writeln(p.Stderr, "Ctrl-C stops it")
	})
}

// tokens reads the tokens that clients may send, separated by commas or lines. There are several
// while one is being replaced. An empty file is an error: it is a secret that was not mounted, not
// a server without one.
func (p *Program) tokens(file string) ([]string, error) {
	text := p.Variable(tokenVariable)
	if file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, console.Usage("cannot read the token: %w", err)
		}
		text = string(data)
	}
	// Whatever a shell or a secret store puts around a token is no part of it.
	tokens := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' || r == ' ' })
	if file != "" && len(tokens) == 0 {
		return nil, console.Usage("the token file is empty: %s", file)
	}
	return tokens, nil
}

// tlsConfig returns nil if the settings name no certificate. Half a configuration is refused:
// serving http to somebody who asked for https would send tokens in the clear.
func tlsConfig(s settings.Serve, logger *slog.Logger) (*tls.Config, error) {
	switch {
	case s.TLSCert == "" && s.TLSKey == "" && s.TLSClientCA == "":
		return nil, nil
	case s.TLSCert == "" && s.TLSKey == "":
		return nil, console.Usage("--tls-client-ca needs --tls-cert and --tls-key")
	case s.TLSKey == "":
		return nil, console.Usage("--tls-cert and --tls-key go together: --tls-key is missing")
	case s.TLSCert == "":
		return nil, console.Usage("--tls-cert and --tls-key go together: --tls-cert is missing")
	}
	// It reads the files again when they change, so that a certificate is renewed without a
	// restart.
	certificate, err := serve.Certificate(s.TLSCert, s.TLSKey, logger)
	if err != nil {
		return nil, console.Usage("cannot serve https: %w", err)
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		// The guard's limits on slow clients are those of a connection with one request at a time.
		NextProtos:     []string{"http/1.1"},
		GetCertificate: certificate,
	}
	if s.TLSClientCA == "" {
		return config, nil
	}
	// Unlike the certificate it is read only once, because it is not renewed every few weeks.
	pem, err := os.ReadFile(s.TLSClientCA)
	if err != nil {
		return nil, console.Usage("cannot read the certificates of --tls-client-ca: %w", err)
	}
	// Every client then needs a certificate, even a health check.
	config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !config.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, console.Usage("the file of --tls-client-ca must hold certificates in PEM: %s", s.TLSClientCA)
	}
	return config, nil
}
