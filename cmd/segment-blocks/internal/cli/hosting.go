package cli

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/observe/metrics"
	"github.com/aacflow/segment-blocks/observe/traces"
	"github.com/aacflow/segment-blocks/observe/traces/otlp"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
	"github.com/aacflow/segment-blocks/serve/invocations"
	"github.com/aacflow/segment-blocks/serve/workflows"
	"github.com/aacflow/segment-blocks/workflow"
)

// hosting is what serve and mcp run on: a runtime with every configured source, the chosen one
// first, which is where an invocation goes that names none.
type hosting struct {
	*runtime.Runtime
	// emulator is the one in this process, nil if events go to configured sources.
	emulator *emulator.Server
	metrics  *metrics.Metrics
	// endTraces exports the spans that are left.
	endTraces func(context.Context)
	// logger marks each line as emulated if events are not real.
	logger     *slog.Logger
	deliveries *deliveries
	// invocations are the latest ones, for the catalog of serve.
	invocations *invocations.Log
	// flows are the workflows of serve and their runs, and flowing is what they invoke blocks with.
	// Both are nil without --workflows.
	flows   *workflows.Handler
	flowing *runtime.Runtime
}

// openToHost returns a runtime for many invocations. Without a configured source, or if emulate is
// set, it sends to an emulator in this process. The logger gets failed invocations, problems of
// queues, and problems with the export of traces.
func (p *Program) openToHost(
	ctx context.Context, s *settings.Settings, logger *slog.Logger, emulate bool,
) (*hosting, error) {
	b := console.ReadBuild()
	h := &hosting{
		metrics: metrics.New(p.registry()), logger: logger,
		deliveries:  newDeliveries(s, logger),
		invocations: invocations.New(invocations.Config{KeepInputs: s.Serve.KeepInputs}),
	}
	// The metrics ask for the queues at each scrape, so the sources may be opened later.
	h.metrics.Build(b.Version, b.Commit)
	h.metrics.Queues(h.deliveries.queues)
	observed, err := p.startTracing(ctx, h)
	if err != nil {
		return nil, err
	}
	observed = append(observed, runtime.Observe(h.metrics.Observe), runtime.Observe(h.invocations.Observe))
	if err := p.openRuntime(h, s, emulate, observed); err != nil { //nolint:contextcheck // it goes on until close
		h.endTraces(ctx)
		return nil, errors.Join(err, h.deliveries.abandon(), h.closeEmulator(ctx)) //nolint:contextcheck // at once
	}
	// Only now are all stores open, and it is known which messages nobody sends.
	for _, text := range h.deliveries.stranded() {
		p.Warn("%s", text)
	}
	return h, nil
}

// openRuntime opens the runtime of a hosting that has all the rest. If it fails, the caller closes
// what it has opened.
func (p *Program) openRuntime(h *hosting, s *settings.Settings, emulate bool, options []runtime.Option) error {
	// With --emulator it does not matter which source is chosen, or whether one can be.
	chosen, configured, err := s.Chosen()
	if err != nil && !emulate {
		return sourceFailure(err)
	}
	if configured && !emulate {
		others := slices.DeleteFunc(s.Names(), func(name string) bool { return name == chosen.Name })
		// The runtime sends to its first source where an invocation names none.
		for _, name := range append([]string{chosen.Name}, others...) {
			sender, err := p.openSource(h, s, s.Sources[name], name == chosen.Name)
			if err != nil {
				return err
			}
			options = append(options, runtime.Source(name, sender))
		}
	} else {
		var source tracking.Source
		if h.emulator, source, err = startEmulator(s, emulator.AllowHosts(s.Serve.AllowHost...)); err != nil {
			return err
		}
		h.logger = h.logger.With("emulated", true)
		options = append(options, runtime.EmulatedSource("emulator", source))
	}
	options = append(options, runtime.Logger(h.logger))
	if h.Runtime, err = runtime.New(p.registry(), options...); err != nil {
		return sourceFailure(err)
	}
	if s.Serve.Workflows != "" {
		return p.openWorkflows(h, s.Serve, options)
	}
	return nil
}

// openWorkflows makes a hosting serve the workflows of a folder. They have a runtime of their own,
// with the same sources: what looks like a reference in an input of the server is refused, and in
// one of a workflow, whose references have been resolved, it is data.
func (p *Program) openWorkflows(h *hosting, s settings.Serve, options []runtime.Option) error {
	var err error
	options = append(slices.Clone(options), runtime.WithConventions(workflow.Conventions()))
	h.flowing, err = runtime.New(p.registry(), options...)
	if err != nil {
		return sourceFailure(err)
	}
	var sources []workflows.Source
	for _, source := range h.Sources() {
		sources = append(sources, workflows.Source{Name: source.Name, Target: journalTarget(source)})
	}
	h.flows, err = workflows.New(workflows.Config{
		Folder: s.Workflows, Registry: p.registry(), Runtime: h.flowing, Sources: sources, Variables: s.WorkflowEnv,
		Environment: p.environment(s.WorkflowEnv),
	})
	if err != nil {
		return console.Usage("%w", err)
	}
	return nil
}

// names returns the names of the sources, the chosen one first.
func (h *hosting) names() (names []string) {
	for _, source := range h.Sources() {
		names = append(names, source.Name)
	}
	return names
}

// openSource opens a configured source. Without a write key each invocation must bring one, but not
// to a durable source: it could not send what it has stored, and stores no keys.
func (p *Program) openSource(
	h *hosting, s *settings.Settings, source settings.Source, chosen bool,
) (tracking.Sender, error) {
	key, _, err := s.Key(source)
	switch {
	case err != nil && chosen && source.Way() == settings.Durable:
		return nil, sourceFailure(err)
	case err != nil && chosen:
		p.Warn("%s; each invocation must bring one", err)
	}
	p.mentionRegion(source.Name, s.Tracking(source, key))
	return h.deliveries.sender(source, key)
}

// close lets the invocations in progress end, for as long as ctx allows, sends what is stored, and
// exports the traces. The order matters: an invocation may still store messages, and its span is
// complete only when it has ended. It returns how many messages are left in each store.
func (h *hosting) close(ctx context.Context) (left map[string]int, err error) {
	if h.flows != nil {
		err = errors.Join(h.flows.Close(ctx), h.flowing.Close(ctx))
	}
	err = errors.Join(err, h.Close(ctx))
	left, delivering := h.deliveries.close(ctx)
	err = errors.Join(err, delivering)
	h.endTraces(ctx)
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

// startTracing returns the options that make a runtime report its invocations and requests as
// traces, if the environment asks for them. Calls join the traces that they name in any case, so
// that the log has their ids.
func (p *Program) startTracing(ctx context.Context, h *hosting) ([]runtime.Option, error) {
	provider, on, err := otlp.Start(ctx, otlp.Service{Name: "segment-blocks", Version: blocks.Version()}, h.logger)
	if err != nil {
		return nil, console.Usage("%w", err)
	}
	h.endTraces = func(context.Context) {}
	if !on {
		return nil, nil
	}
	// A transport around this one makes a span of each request.
	outgoing := runtime.NewTransport()
	// It takes the time that ctx leaves, at most five seconds, since a collector that does not
	// answer must not hold up the end, and at least one: the last spans are those of the slowest
	// calls.
	h.endTraces = func(ctx context.Context) {
		outgoing.CloseIdleConnections()
		left := 5 * time.Second
		if deadline, ok := ctx.Deadline(); ok {
			left = min(left, max(time.Second, time.Until(deadline)))
		}
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), left)
		defer cancel()
		if err := provider.Shutdown(last); err != nil {
			h.logger.WarnContext(ctx, "traces cannot be exported", "error", err)
		}
	}
	t := traces.New(p.registry(), provider)
	return []runtime.Option{runtime.Observe(t.Observe), runtime.Transport(t.Transport(outgoing))}, nil
}

// logger logs to stderr, as text or JSON. Lines of a call have the ids of its trace, so that one
// leads to the other.
func (p *Program) logger(format string) *slog.Logger {
	var handler slog.Handler = slog.NewTextHandler(p.Stderr, nil)
	if format == "json" {
		handler = slog.NewJSONHandler(p.Stderr, nil)
	}
	return slog.New(traces.LogHandler(handler))
}
