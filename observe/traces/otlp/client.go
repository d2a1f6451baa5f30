package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// client posts spans to a collector. It is an otlptrace.Client.
type client struct {
	config *config
	http   *http.Client

	ending  chan struct{} // closed when there is no time left to try again
	once    sync.Once
	life    context.Context // ends what is still under way
	abandon context.CancelFunc
}

func newClient(c *config) *client {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second,
		TLSClientConfig:     c.tls,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 2,
		IdleConnTimeout:     90 * time.Second,
	}
	life, abandon := context.WithCancel(context.Background())
	return &client{
		config: c, life: life, abandon: abandon, ending: make(chan struct{}),
		http: &http.Client{
			Transport: transport,
			// The headers may hold a token, and are meant for this endpoint.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// hurry ends all waiting for another attempt, now and later.
func (c *client) hurry() { c.once.Do(func() { close(c.ending) }) }

// Start has nothing to do: the first upload connects.
func (c *client) Start(context.Context) error { return nil }

// Stop closes the connections.
func (c *client) Stop(context.Context) error {
	c.hurry()
	c.http.CloseIdleConnections()
	return nil
}

// UploadTraces posts spans, and again after failures that may pass, within the timeout of the configuration.
func (c *client) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	// The message of the protocol, ExportTraceServiceRequest, has the same single field. Its package would bring gRPC along.
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("cannot encode spans: %w", err)
	}
	if c.config.gzip {
		body = compress(body)
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.timeout)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)() //nolint:contextcheck // the client ends what its caller does not

	for pause := time.Second; ; pause *= 2 {
		failure := c.post(ctx, body)
		if failure == nil || !failure.passing {
			return failure.orNil()
		}
		wait := time.NewTimer(max(failure.after, pause/2+rand.N(pause)))
		select {
		case <-wait.C:
		case <-c.ending:
			wait.Stop()
			return failure
		case <-ctx.Done():
			wait.Stop()
			return failure
		}
	}
}

// uploadError says why spans were not taken. It shows neither headers nor what the collector wrote, which may repeat them.
type uploadError struct {
	text    string
	cause   error
	passing bool          // another attempt may succeed
	after   time.Duration // that the collector asks for
}

func (e *uploadError) Error() string {
	if e.cause != nil {
		return e.text + ": " + e.cause.Error()
	}
	return e.text
}

func (e *uploadError) Unwrap() error { return e.cause }

func (e *uploadError) orNil() error {
	if e == nil {
		return nil
	}
	return e
}

func (c *client) post(ctx context.Context, body []byte) *uploadError {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.config.endpoint.String(), bytes.NewReader(body))
	if err != nil {
		return &uploadError{text: "cannot make the request", cause: err}
	}
	req.Header.Set("User-Agent", "segment-blocks (OTLP exporter)")
	for name, value := range c.config.headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	if c.config.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	res, err := c.http.Do(req)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return &uploadError{text: "no answer", cause: err, passing: true}
	}
	defer func() { _ = res.Body.Close() }()
	const most = 64 << 10
	answer, err := io.ReadAll(io.LimitReader(res.Body, most))
	switch status := res.StatusCode; {
	case status >= 200 && status < 300:
		if lost := rejectedSpans(answer); err == nil && lost > 0 {
			return &uploadError{text: fmt.Sprintf("the collector rejected %d spans", lost)}
		}
		return nil
	case status == http.StatusTooManyRequests, status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		seconds, _ := strconv.ParseUint(res.Header.Get("Retry-After"), 10, 16)
		return &uploadError{text: "the collector answered " + res.Status, passing: true, after: time.Duration(seconds) * time.Second}
	default:
		return &uploadError{text: "the collector answered " + res.Status}
	}
}

func compress(body []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(body) // a buffer takes everything
	_ = w.Close()
	return out.Bytes()
}
