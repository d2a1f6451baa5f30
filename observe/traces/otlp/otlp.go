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
// _CLIENT_CERTIFICATE with _CLIENT_KEY, and _PROTOCOL, which must be http/protobuf or http/json.
// Each of them has a form for traces alone, such as OTEL_EXPORTER_OTLP_TRACES_HEADERS, which comes
// first. The SDK reads OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER,
// OTEL_BSP_… and OTEL_SPAN_….
//
// The exporter is OpenTelemetry's. Its HTTP transport is this package's, so that no log shows what
// a collector answers, and no redirect takes the headers elsewhere.
package otlp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

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
	exporter *exporter
}

// Start returns a provider whose spans are exported, and whether the environment asks for that. An
// error names the variable whose value cannot be used, and shows no header. Failures of later
// exports are logged, at most once a minute.
//
// The caller calls Shutdown at the end.
func Start(ctx context.Context, service Service, logger *slog.Logger) (provider *Provider, on bool, err error) {
	if on, err = enabled(); err != nil || !on {
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
	e, err := newExporter(ctx, logger)
	if err != nil {
		return nil, false, err
	}
	return &Provider{sdk.NewTracerProvider(sdk.WithBatcher(e), sdk.WithResource(about)), e}, true, nil
}

// Shutdown exports the spans that wait, without further attempts, until ctx ends. It then gives up
// those that are left.
func (p *Provider) Shutdown(ctx context.Context) error {
	p.exporter.ending.Store(true)
	err := p.TracerProvider.Shutdown(ctx)
	_ = p.exporter.Shutdown(context.WithoutCancel(ctx)) // ends the request that ctx has not waited for
	if err != nil {
		return fmt.Errorf("spans were lost at the end: %w", err)
	}
	return nil
}
