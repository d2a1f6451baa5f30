package traces

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Transport returns a transport that makes a span of each request of a recorded invocation, from
// the request's beginning to the end of its answer. Any other request passes straight through.
//
// It adds no traceparent header. The receiver belongs to another company and has no use for the
// host's ids, and what is sent stays byte for byte what a preview shows.
func (t *Traces) Transport(next http.RoundTripper) http.RoundTripper {
	return &transport{next: next, tracer: t.tracer}
}

type transport struct {
	next   http.RoundTripper
	tracer trace.Tracer
}

// CloseIdleConnections closes those of the next transport.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// RoundTrip sends a request.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !trace.SpanFromContext(req.Context()).IsRecording() {
		return t.next.RoundTrip(req)
	}
	ctx, span := t.tracer.Start(
		req.Context(), req.Method, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(about(req)...),
	)
	res, err := t.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		fail(span, kindOf(err))
		span.End()
		return res, err
	}
	span.SetAttributes(semconv.HTTPResponseStatusCode(res.StatusCode))
	if res.StatusCode >= http.StatusBadRequest {
		fail(span, strconv.Itoa(res.StatusCode))
	}
	res.Body = &body{ReadCloser: res.Body, span: span}
	return res, nil
}

func about(req *http.Request) []attribute.KeyValue {
	attributes := []attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(req.Method),
		semconv.ServerAddress(req.URL.Hostname()),
		semconv.URLFull(scrubbed(req.URL)),
	}
	if port := portOf(req.URL); port != 0 {
		attributes = append(attributes, semconv.ServerPort(port))
	}
	if count, err := strconv.Atoi(req.Header.Get("X-Retry-Count")); err == nil && count > 0 {
		attributes = append(attributes, semconv.HTTPRequestResendCount(count))
	}
	return attributes
}

// scrubbed returns a URL without the parts that may hold credentials.
func scrubbed(u *url.URL) string {
	bare := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	return bare.String()
}

func portOf(u *url.URL) int {
	if port, err := strconv.Atoi(u.Port()); err == nil {
		return port
	}
	return map[string]int{"http": 80, "https": 443}[u.Scheme]
}

// fail records the kind of a failure. It leaves out the text of a transport's error, which may show
// the password of a proxy.
func fail(span trace.Span, kind string) {
	span.SetAttributes(semconv.ErrorTypeKey.String(kind))
	span.SetStatus(codes.Error, kind)
}

func kindOf(err error) string {
	var slow net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &slow) && slow.Timeout():
		return "timeout"
	}
	return fmt.Sprintf("%T", err)
}

// body ends a span when the answer has been read to its end, breaks off or is closed.
type body struct {
	io.ReadCloser
	span trace.Span
	once sync.Once
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.once.Do(func() {
			if !errors.Is(err, io.EOF) {
				fail(b.span, kindOf(err))
			}
			b.span.End()
		})
	}
	return n, err
}

func (b *body) Close() error {
	b.once.Do(func() { b.span.End() })
	return b.ReadCloser.Close()
}
