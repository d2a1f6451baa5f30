// Package otlp exports traces over OTLP/HTTP if OpenTelemetry's environment variables ask for it.
//
//	provider, on, err := otlp.Start(ctx, otlp.Service{Name: "my-engine", Version: "1.2.0"}, logger)
//	if err != nil { … } // a variable has a value that makes no sense
//	if on {
//		defer provider.Shutdown(ctx)
//		t := traces.New(reg, provider)
//	}
//
// An endpoint turns the export on: OTEL_EXPORTER_OTLP_ENDPOINT, to which /v1/traces is added, or
// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, which is used as it is. OTEL_SDK_DISABLED=true and
// OTEL_TRACES_EXPORTER=none turn it off.
//
// The exporter also reads OTEL_EXPORTER_OTLP_HEADERS, _TIMEOUT, _COMPRESSION, _CERTIFICATE,
// _CLIENT_CERTIFICATE with _CLIENT_KEY, and _PROTOCOL, which must be http/protobuf. Each of them
// has a form for traces alone, such as OTEL_EXPORTER_OTLP_TRACES_HEADERS, which comes first. The
// SDK reads OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_BSP_… and
// OTEL_SPAN_….
//
// The exporter is OpenTelemetry's. Its HTTP client is this package's: OpenTelemetry's links gRPC,
// logs what a collector answers, and does not hurry at the end.
package otlp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// Service is the origin of the spans, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES name
// another.
type Service struct{ Name, Version string }

// Provider makes the spans that are exported. It never blocks: spans wait in a queue of bounded
// size, and are dropped if the queue is full or they cannot be delivered.
type Provider struct {
	*sdk.TracerProvider
	client *client
}

// Start returns a provider whose spans are exported, and whether the environment asks for that. An
// error names the variable whose value cannot be used, and shows no header. Failures of later
// exports are logged, at most once a minute.
//
// The caller calls Shutdown at the end.
func Start(ctx context.Context, service Service, logger *slog.Logger) (provider *Provider, on bool, err error) {
	config, on, err := readEnvironment(os.Getenv)
	if err != nil || !on {
		return nil, false, err
	}
	about, err := resource.New(
		ctx, resource.WithTelemetrySDK(), resource.WithAttributes(
			semconv.ServiceName(service.Name), semconv.ServiceVersion(service.Version),
		), resource.WithFromEnv(),
	)
	switch {
	case errors.Is(err, resource.ErrPartialResource): // the SDK drops what it cannot read, and so do we
		logger.WarnContext(ctx, "OTEL_RESOURCE_ATTRIBUTES must be a list of key=value", "error", err)
	case err != nil:
		return nil, false, fmt.Errorf("cannot describe this service to OpenTelemetry: %w", err)
	}
	c := newClient(config)
	exporter := &logged{
		SpanExporter: otlptrace.NewUnstarted(c), logger: logger, endpoint: config.endpoint.Host, now: time.Now,
	}
	return &Provider{sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about)), c}, true, nil
}

// Shutdown exports the spans that wait, in one attempt, until ctx ends. It then gives up those that
// are left.
func (p *Provider) Shutdown(ctx context.Context) error {
	p.client.hurry()
	err := p.TracerProvider.Shutdown(ctx)
	p.client.abandon()
	if err != nil {
		return fmt.Errorf("spans were lost at the end: %w", err)
	}
	return nil
}

// quiet is how long a logged failure silences those that follow.
const quiet = time.Minute

// logged is an exporter that logs its failures instead of returning them. The SDK would hand them
// to an error handler that the whole process shares, which this package must not set.
type logged struct {
	sdk.SpanExporter
	logger   *slog.Logger
	endpoint string
	now      func() time.Time

	mu      sync.Mutex
	dropped int       // spans since the last line
	last    time.Time // of the last line, zero if the last export succeeded
}

// ExportSpans always returns nil.
func (l *logged) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := l.SpanExporter.ExportSpans(ctx, spans)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		if !l.last.IsZero() {
			l.logger.InfoContext(ctx, "traces are exported again", "endpoint", l.endpoint, "droppedSpans", l.dropped)
			l.dropped, l.last = 0, time.Time{}
		}
		return nil
	}
	l.dropped += len(spans)
	if now := l.now(); now.Sub(l.last) >= quiet {
		l.logger.WarnContext(
			ctx, "traces cannot be exported", "endpoint", l.endpoint, "error", err, "droppedSpans", l.dropped,
		)
		l.dropped, l.last = 0, now
	}
	return nil
}
