package cli

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/observe/traces"
	"github.com/aacflow/segment-blocks/observe/traces/otlp"
	"github.com/aacflow/segment-blocks/runtime"
)

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
