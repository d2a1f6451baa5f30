package cli

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/observe/metrics"
	"github.com/aacflow/segment-blocks/observe/traces"
	"github.com/aacflow/segment-blocks/observe/traces/otlp"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// hosting is what serve and mcp run on: a runtime with every configured source, the chosen one
// first.
type hosting struct {
	*runtime.Runtime
	registry *registry.Registry
	names    []string
	target   string           // where the chosen source sends
	emulator *emulator.Server // nil if a source is configured
	metrics  *metrics.Metrics
	tracing  *tracing // nil if nobody asks for traces
	logger   *slog.Logger

	deliveries *deliveries
}

// openToHost returns a runtime for many invocations. Without a configured source, or if emulate is
// set, it sends to an emulator in this process. The logger gets failed invocations, problems of
// queues, and problems with the export of traces.
func (p *Program) openToHost(
	ctx context.Context, s *settings.Settings, logger *slog.Logger, emulate bool,
) (*hosting, error) {
	reg, b := p.registry(), console.ReadBuild()
	h := &hosting{registry: reg, metrics: metrics.New(reg), logger: logger, deliveries: newDeliveries(logger)}
	h.metrics.Build(b.Version, b.Commit)
	h.metrics.Queues(h.deliveries.queues)
	var err error
	if h.tracing, err = p.startTracing(ctx, logger); err != nil {
		return nil, err
	}
	if err := p.openRuntime(h, s, emulate); err != nil { //nolint:contextcheck // what is opened goes on until close
		h.tracing.close(ctx)
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_, closing := h.deliveries.close(last)
		return nil, errors.Join(err, closing)
	}
	for _, text := range h.deliveries.stranded() {
		p.Warn("%s", text)
	}
	return h, nil
}

// openRuntime opens the runtime of a hosting that has all the rest.
func (p *Program) openRuntime(h *hosting, s *settings.Settings, emulate bool) error {
	chosen, configured, err := s.Chosen()
	if err != nil && !emulate {
		return sourceFailure(err)
	}
	options := append(h.tracing.observe(), runtime.Observe(h.metrics.Observe))
	var sources []runtime.Option
	if configured && !emulate {
		sources, err = p.openSources(h, s, chosen)
	} else {
		h.logger = h.logger.With("emulated", true)
		sources, err = h.startEmulator(s)
	}
	if err != nil {
		return err
	}
	options = append(append(options, runtime.Logger(h.logger)), sources...)
	if h.Runtime, err = runtime.New(h.registry, options...); err != nil {
		return errors.Join(sourceFailure(err), h.closeEmulator(context.Background()))
	}
	return nil
}

// openSources returns every configured source, the chosen one first.
func (p *Program) openSources(
	h *hosting,
	s *settings.Settings,
	chosen settings.Source,
) (list []runtime.Option, err error) {
	names := slices.DeleteFunc(s.Names(), func(name string) bool { return name == chosen.Name })
	for _, name := range append([]string{chosen.Name}, names...) {
		source := s.Sources[name]
		key, _, err := s.Key(source)
		if err != nil && name == chosen.Name {
			if source.Way() == settings.Durable { // it could not send what it has stored, and stores no keys of invocations
				return nil, sourceFailure(err)
			}
			p.Warn("%s; each invocation must bring one", err)
		}
		p.warnOfRegion(name, s.Tracking(source, key))
		sender, err := h.deliveries.sender(s, source, key)
		if err != nil {
			return nil, err
		}
		h.names = append(h.names, name)
		list = append(list, runtime.Source(name, sender))
	}
	if h.target, err = s.Tracking(chosen, "").URL(); err != nil {
		return nil, sourceFailure(err)
	}
	return list, nil
}

// startEmulator starts an emulator in this process and returns the source that sends to it.
func (h *hosting) startEmulator(s *settings.Settings) ([]runtime.Option, error) {
	var err error
	if h.emulator, err = emulator.Start(); err != nil {
		return nil, console.Failed("cannot start the emulator: %w", err)
	}
	h.target, h.names = h.emulator.URL, []string{"emulator"}
	source := tracking.Source{WriteKey: emulatorKey, Endpoint: h.emulator.URL, Retry: s.Retry}
	return []runtime.Option{runtime.EmulatedSource("emulator", source)}, nil
}

// close lets the invocations in progress end, for as long as ctx allows, sends what is stored, and
// exports the traces. It returns how many messages are left in each store.
func (h *hosting) close(ctx context.Context) (left map[string]int, err error) {
	err = h.Close(ctx)
	left, delivering := h.deliveries.close(ctx)
	err = errors.Join(err, delivering)
	h.tracing.close(ctx)
	// The emulator has streams that end only with it, so it gets a second of its own.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	return left, errors.Join(err, h.closeEmulator(last))
}

// closeEmulator ends the emulator, if there is one.
func (h *hosting) closeEmulator(ctx context.Context) error {
	if h.emulator == nil {
		return nil
	}
	return h.emulator.Close(ctx)
}

// tracing exports traces if the environment asks for it. A nil *tracing exports none.
type tracing struct {
	traces   *traces.Traces
	provider *otlp.Provider
	outgoing *http.Transport
	logger   *slog.Logger
}

// startTracing returns nil if the environment asks for no traces.
func (p *Program) startTracing(ctx context.Context, logger *slog.Logger) (*tracing, error) {
	provider, on, err := otlp.Start(ctx, otlp.Service{Name: "segment-blocks", Version: blocks.Version()}, logger)
	if err != nil {
		return nil, console.Usage("%w", err)
	}
	if !on {
		return nil, nil
	}
	return &tracing{traces.New(p.registry(), provider), provider, runtime.NewTransport(), logger}, nil
}

// observe returns the options that make a runtime report its invocations and requests.
func (t *tracing) observe() []runtime.Option {
	if t == nil {
		return nil
	}
	return []runtime.Option{runtime.Observe(t.traces.Observe), runtime.Transport(t.traces.Transport(t.outgoing))}
}

// callContext returns what makes MCP calls join the traces that they name, or nil.
func (t *tracing) callContext() func(context.Context, map[string]any) context.Context {
	if t == nil {
		return nil
	}
	return traces.JoinMeta
}

// join makes requests join the traces that they name.
func (t *tracing) join(handler http.Handler) http.Handler {
	if t == nil {
		return handler
	}
	return traces.Handler(handler)
}

// close exports the spans that are left, once no invocation is in flight. It takes the time that
// ctx leaves, at most five seconds, and at least one: the last spans are those of the slowest
// calls.
func (t *tracing) close(ctx context.Context) {
	if t == nil {
		return
	}
	t.outgoing.CloseIdleConnections()
	left := 5 * time.Second
	if deadline, ok := ctx.Deadline(); ok {
		left = min(left, max(time.Second, time.Until(deadline)))
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), left)
	defer cancel()
	if err := t.provider.Shutdown(last); err != nil {
		t.logger.WarnContext(ctx, "traces cannot be exported", "error", err)
	}
}
