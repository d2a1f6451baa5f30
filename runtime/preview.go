package runtime

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// Request is an HTTP request as it would be sent, with its secrets redacted.
type Request struct {
	Method string              `json:"method"`
	URL    string              `json:"url"`
	Header map[string][]string `json:"header"`
	Body   string              `json:"body"`
	// Bytes is the size of the body as it would be sent.
	Bytes int `json:"bytes"`
}

// Preview returns the requests that Invoke would send, and sends nothing. It runs the same code
// with a transport that records each request and answers 200 with an empty object. Message ids
// differ from call to call unless the invocation has an id, and times are the time of the preview.
// The receipt has the warnings, and counts the requests and bytes that would be sent, but no
// attempts.
func (rt *Runtime) Preview(
	ctx context.Context, block string, input Input, options ...InvokeOption,
) ([]Request, *Receipt, error) {
	inv := newInvocation(block, options)
	recorder := &recorder{redactor: &inv.redactor}
	if err := rt.dryRun(ctx, inv, input, recorder); err != nil {
		return nil, nil, err
	}
	return recorder.requests, inv.Receipt, nil
}

// Validate returns nil if Invoke would begin to send, and otherwise the *[Error] that Invoke would
// return. It sends nothing.
func (rt *Runtime) Validate(ctx context.Context, block string, input Input, options ...InvokeOption) error {
	return rt.dryRun(ctx, newInvocation(block, options), input, nowhere{})
}

// dryRun does what Invoke does, with a transport that sends nothing.
func (rt *Runtime) dryRun(ctx context.Context, inv *invocation, input Input, transport http.RoundTripper) error {
	if err := rt.begin(inv.Receipt.Block); err != nil {
		return err
	}
	defer rt.running.Release(1)
	inv.HTTP, inv.shared, inv.DryRun = newClient(transport), &sync.Map{}, true
	_, err := rt.invoke(ctx, inv, input)
	inv.Receipt.Accepted, inv.Receipt.Attempts = 0, 0
	inv.finish()
	if err != nil {
		return inv.failed(err)
	}
	return nil
}

// nowhere is a transport that answers 200 with an empty object and does not look at the request.
type nowhere struct{}

func (nowhere) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader("{}")), Request: req,
	}, nil
}

// recorder is a transport that keeps each request, without secrets.
type recorder struct {
	redactor *redactor
	mu       sync.Mutex
	requests []Request
}

// RoundTrip keeps the request and answers as nowhere does.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, fmt.Errorf("read request body: %w", err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, Request{
		Method: req.Method,
		URL:    r.redactor.text(req.URL.String()),
		Header: r.redactor.headers(req.Header),
		Body:   r.redactor.text(string(body)),
		Bytes:  len(body),
	})
	return nowhere{}.RoundTrip(req)
}
