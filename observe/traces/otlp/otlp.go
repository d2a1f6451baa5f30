// Package otlp exports traces over OTLP/HTTP where OpenTelemetry's environment variables ask for it.
//
//	provider, on, err := otlp.Start(ctx, otlp.Service{Name: "my-engine", Version: "1.2.0"}, logger)
//	if err != nil { … } // a variable has a value that cannot be meant
//	if on {
//		defer provider.Shutdown(ctx)
//		t := traces.New(reg, provider)
//	}
//
// An endpoint turns it on: OTEL_EXPORTER_OTLP_ENDPOINT, below which /v1/traces is posted to, or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
// which is used as it is. OTEL_SDK_DISABLED=true and OTEL_TRACES_EXPORTER=none turn it off.
//
// These are heeded too, each of the exporter's also with TRACES_ before its last part: OTEL_EXPORTER_OTLP_HEADERS, _TIMEOUT, _COMPRESSION,
// _CERTIFICATE, _CLIENT_CERTIFICATE with _CLIENT_KEY, and _PROTOCOL, which must be http/protobuf; and what the SDK itself reads:
// OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_BSP_… and OTEL_SPAN_….
//
// The exporter is OpenTelemetry's. Its HTTP client is one of this package: theirs brings gRPC with it, which nothing here
// needs and every build would pay for.
package otlp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// Service is what spans are said to come from, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say otherwise.
type Service struct{ Name, Version string }

// Provider makes the spans that are exported. It holds back nobody: spans wait in a queue of bounded size, and those that find it full, or
// that cannot be delivered, are dropped.
type Provider struct {
	*sdk.TracerProvider
	client *client
}

// Start returns a provider whose spans are exported, and whether the environment asks for that. An error says which variable has a
// value that cannot be used; it shows no header. What later goes wrong with exporting is logged, at most once a minute.
//
// Whoever starts it calls Shutdown.
func Start(ctx context.Context, service Service, logger *slog.Logger) (provider *Provider, on bool, err error) {
	config, on, err := readEnvironment(os.Getenv)
	if err != nil || !on {
		return nil, false, err
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(semconv.ServiceName(service.Name), semconv.ServiceVersion(service.Version)), resource.WithFromEnv())
	switch {
	case errors.Is(err, resource.ErrPartialResource): // the SDK goes on without what it cannot read, and so does this
		logger.WarnContext(ctx, "OTEL_RESOURCE_ATTRIBUTES must be a list of key=value", "error", err)
	case err != nil:
		return nil, false, fmt.Errorf("cannot describe this service to OpenTelemetry: %w", err)
	}
	c := newClient(config)
	exporter := &logged{SpanExporter: otlptrace.NewUnstarted(c), logger: logger, endpoint: config.endpoint.Host, now: time.Now}
	return &Provider{sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about)), c}, true, nil
}

// Shutdown exports what is waiting, trying once, for as long as ctx allows. What is under way then is given up.
func (p *Provider) Shutdown(ctx context.Context) error {
	p.client.hurry()
	err := p.TracerProvider.Shutdown(ctx)
	p.client.abandon()
	if err != nil {
		return errors.Join(errors.New("spans were lost at the end"), err)
	}
	return nil
}
