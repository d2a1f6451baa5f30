package cli

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/observe/metrics"
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
				return nil, console.Fail(console.ExitCredentials, string(runtime.MissingCredential), err.Error(), err)
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

func (h *hosting) closeEmulator(ctx context.Context) error {
	if h.emulator == nil {
		return nil
	}
	return h.emulator.Close(ctx)
}
