package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// client posts spans to a collector. It is an otlptrace.Client.
type client struct {
	config *config
	http   *http.Client

	ending  context.Context // done when there is no time left to try again
	hurry   context.CancelFunc
	life    context.Context // ends the requests that are in flight
	abandon context.CancelFunc
}

func newClient(c *config) *client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = c.tls
	posts := &client{config: c, http: &http.Client{
		Transport: transport,
		// The headers may hold a token, and are meant for this endpoint only.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	posts.ending, posts.hurry = context.WithCancel(context.Background())
	posts.life, posts.abandon = context.WithCancel(context.Background())
	return posts
}

// Start has nothing to do: the first upload connects.
func (c *client) Start(context.Context) error { return nil }

// Stop closes the connections.
func (c *client) Stop(context.Context) error {
	c.hurry()
	c.http.CloseIdleConnections()
	return nil
}

// UploadTraces posts spans, and repeats attempts whose failure may pass, until the configured
// timeout ends.
func (c *client) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	// The protocol's own message, ExportTraceServiceRequest, has the same single field. Its package
	// imports gRPC.
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("cannot encode spans: %w", err)
	}
	if c.config.gzip {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		_, _ = w.Write(body) // a buffer takes everything
		_ = w.Close()
		body = out.Bytes()
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.timeout)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)() //nolint:contextcheck // the client ends what its caller does not
	for pause := time.Second; ; pause *= 2 {
		after, err := c.post(ctx, body)
		if after == never {
			return err
		}
		select {
		case <-time.After(max(after, pause/2+rand.N(pause))):
		case <-c.ending.Done():
			return err
		case <-ctx.Done():
			return err
		}
	}
}

// never is how long to wait before an attempt that must not be made.
const never = time.Duration(-1)

// post makes one attempt, and returns how long to wait at least before the next. Its errors show
// neither headers nor what the collector wrote, which may repeat them.
func (c *client) post(ctx context.Context, body []byte) (after time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.config.endpoint.String(), bytes.NewReader(body))
	if err != nil {
		return never, fmt.Errorf("cannot make the request: %w", err)
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
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err // without the URL
		}
		return 0, fmt.Errorf("no answer: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	const most = 64 << 10
	answer, err := io.ReadAll(io.LimitReader(res.Body, most))
	switch status := res.StatusCode; {
	case status >= 200 && status < 300:
		if lost := rejectedSpans(answer); err == nil && lost > 0 {
			return never, fmt.Errorf("the collector rejected %d spans", lost)
		}
		return never, nil
	case slices.Contains([]int{429, 502, 503, 504}, status):
		seconds, _ := strconv.ParseUint(res.Header.Get("Retry-After"), 10, 16)
		after = time.Duration(seconds) * time.Second
	default:
		after = never
	}
	return after, errors.New("the collector answered " + res.Status)
}

// rejectedSpans reads from an answer, an ExportTraceServiceResponse, how many spans the collector
// did not take: field 1 of the message in field 1. It returns 0 for an answer that it cannot read.
func rejectedSpans(answer []byte) (rejected uint64) {
	partial, _ := field(answer)
	_, rejected = field(partial)
	return rejected
}

// field returns field 1 of a message, as bytes or as a number.
func field(message []byte) (data []byte, number uint64) {
	for len(message) > 0 {
		n, kind, size := protowire.ConsumeField(message)
		if size < 0 {
			return nil, 0
		}
		_, _, tag := protowire.ConsumeTag(message)
		switch value := message[tag:size]; {
		case n == 1 && kind == protowire.BytesType:
			data, _ = protowire.ConsumeBytes(value)
		case n == 1 && kind == protowire.VarintType:
			number, _ = protowire.ConsumeVarint(value)
		}
		message = message[size:]
	}
	return data, number
}
