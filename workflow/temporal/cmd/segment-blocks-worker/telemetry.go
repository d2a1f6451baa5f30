package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/observe/metrics"
	"github.com/aacflow/segment-blocks/observe/traces"
	"github.com/aacflow/segment-blocks/observe/traces/otlp"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/serve/guard"
)

// telemetry holds the metrics and traces of a worker. Traces are exported if OpenTelemetry's
// variables ask for it.
type telemetry struct {
	metrics  *metrics.Metrics
	provider *otlp.Provider // nil for no traces
	options  []runtime.Option
}

// startTelemetry starts the telemetry. It also makes a client report what it and its workers do.
func startTelemetry(
	ctx context.Context, reg *registry.Registry, to *client.Options, logger *slog.Logger,
) (*telemetry, error) {
	t := &telemetry{metrics: metrics.New(reg)}
	t.metrics.Build(blocks.Version(), "")
	t.options = []runtime.Option{runtime.Observe(t.metrics.Observe)}
	reader, err := exporter.New(exporter.WithRegisterer(t.metrics.Registerer()),
		exporter.WithoutScopeInfo(), exporter.WithoutTargetInfo())
	if err != nil {
		return nil, err
	}
	meter := metric.NewMeterProvider(metric.WithReader(reader)).Meter("temporal-sdk-go")
	to.MetricsHandler = opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{Meter: meter})

	service := otlp.Service{Name: "segment-blocks-worker", Version: blocks.Version()}
	provider, on, err := otlp.Start(ctx, service, logger)
	if err != nil || !on {
		return t, err
	}
	t.provider = provider
	tracing, err := opentelemetry.NewTracingInterceptor(opentelemetry.TracerOptions{
		Tracer: provider.Tracer("go.temporal.io/sdk"),
	})
	if err != nil {
		return nil, err
	}
	to.Interceptors = []interceptor.ClientInterceptor{tracing}
	invocations := traces.New(reg, provider)
	t.options = append(t.options, runtime.Observe(invocations.Observe),
		runtime.Transport(invocations.Transport(runtime.NewTransport())))
	return t, nil
}

// listen serves /metrics, and /healthz for the system that starts workers, until ctx ends.
func (t *telemetry) listen(ctx context.Context, address string, logger *slog.Logger) error {
	g, err := guard.New(guard.Config{Tokens: strings.Fields(os.Getenv("SEGMENT_BLOCKS_TOKEN")), Logger: logger})
	if err != nil {
		return err
	}
	ln, err := g.Listen(ctx, address)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", t.metrics.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	server := g.Server(mux, "/healthz")
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() { _ = server.Serve(ln) }()
	return nil
}

// close exports the remaining traces.
func (t *telemetry) close(ctx context.Context) error {
	if t.provider == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return t.provider.Shutdown(ctx)
}
