package otlp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// exporter is OpenTelemetry's exporter and the transport below it. It logs failures instead of
// returning them: the SDK would hand them to an error handler that the whole process shares.
type exporter struct {
	sdk.SpanExporter
	transport *http.Transport
	logger    *slog.Logger
	now       func() time.Time
	ending    atomic.Bool

	// The SDK exports one batch at a time.
	failure error     // of the last request
	dropped int       // spans since the last line of the log
	logged  time.Time // when that was, zero if the last export succeeded
}

func newExporter(ctx context.Context, logger *slog.Logger) (*exporter, error) {
	certificates, err := tlsConfig()
	if err != nil {
		return nil, err
	}
	timeout := 10 * time.Second
	if _, text := variable("TIMEOUT"); text != "" {
		milliseconds, _ := strconv.Atoi(text) // as the rules have it
		timeout = time.Duration(milliseconds) * time.Millisecond
	}
	name, text := variable("ENDPOINT")
	endpoint, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s must be a URL: %w", name, err)
	}
	e := &exporter{
		transport: http.DefaultTransport.(*http.Transport).Clone(), logger: logger.With("endpoint", endpoint.Host),
		now: time.Now,
	}
	e.transport.TLSClientConfig = certificates
	e.SpanExporter, err = otlptracehttp.New(
		ctx,
		otlptracehttp.WithHTTPClient(&http.Client{
			Transport: e, Timeout: timeout,
			// The headers may hold a token, and are meant for this endpoint only.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
			Enabled: true, InitialInterval: time.Second, MaxInterval: timeout, MaxElapsedTime: timeout,
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("cannot export traces: %w", err)
	}
	return e, nil
}

// RoundTrip keeps from OpenTelemetry what a collector writes about a failure, which may repeat a
// token. It makes a collector that cannot be reached one that is unavailable, which OpenTelemetry
// tries again, unless the process ends.
func (e *exporter) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := e.transport.RoundTrip(req)
	switch {
	case err != nil:
		e.failure = fmt.Errorf("no answer: %w", err)
		res = &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Request: req}
	case res.StatusCode/100 == 2:
		e.failure = errors.New("the collector rejected some of the spans")
		return res, nil
	default:
		_ = res.Body.Close()
		e.failure = fmt.Errorf("the collector answered %d %s", res.StatusCode, http.StatusText(res.StatusCode))
	}
	if e.ending.Load() {
		return nil, e.failure
	}
	res.Body = http.NoBody
	return res, nil
}

// ExportSpans always returns nil. It logs one failure a minute.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	switch err := e.SpanExporter.ExportSpans(ctx, spans); {
	case err != nil:
		e.dropped += len(spans)
		if now := e.now(); now.Sub(e.logged) >= time.Minute {
			e.logger.WarnContext(ctx, "traces cannot be exported", "error", e.failure, "droppedSpans", e.dropped)
			e.dropped, e.logged = 0, now
		}
	case !e.logged.IsZero():
		e.logger.InfoContext(ctx, "traces are exported again", "droppedSpans", e.dropped)
		e.dropped, e.logged = 0, time.Time{}
	}
	return nil
}

// Shutdown ends the requests that are in flight.
func (e *exporter) Shutdown(ctx context.Context) error {
	defer e.transport.CloseIdleConnections()
	return e.SpanExporter.Shutdown(ctx)
}
