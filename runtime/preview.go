package runtime

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// Request is an HTTP request as it would be sent, its secrets redacted.
type Request struct {
	Method string              `json:"method"`
	URL    string              `json:"url"`
	Header map[string][]string `json:"header"`
	Body   string              `json:"body"`
	// Bytes is the size of the body as it would be sent.
	Bytes int `json:"bytes"`
}

// Preview returns the requests that Invoke would send, and sends nothing. It runs the same code over a transport that records each
// request and answers 200 with an empty object. Message ids that Invoke would make at random differ from call to call, and
// times are those of the preview. The receipt counts the requests and bytes that would be sent, no attempts, and has the warnings.
func (rt *Runtime) Preview(ctx context.Context, block string, input Input, options ...InvokeOption) ([]Request, *Receipt, error) {
	if !rt.begin() {
		return nil, nil, &Error{Code: Closed, Block: block, Message: "was not invoked: the runtime is closed"}
	}
	defer rt.running.Done()

	inv := newInvocation(block, options)
	requests, err := rt.preview(ctx, inv, input)
	inv.finish()
	if err != nil {
		return nil, nil, inv.failed(err)
	}
	return requests, inv.receipt, nil
}

func (rt *Runtime) preview(ctx context.Context, inv *invocation, input Input) (requests []Request, err error) {
	defer rt.recover(ctx, inv, &err)
	call, err := rt.prepare(ctx, inv, input)
	if err != nil {
		return nil, err
	}
	recorder := &recorder{redactor: &inv.redactor}
	call.HTTP, call.shared, call.DryRun = newClient(recorder), &sync.Map{}, true
	if _, err := rt.run(ctx, inv, call); err != nil {
		return nil, err
	}
	inv.receipt.Accepted, inv.receipt.Attempts = 0, 0
	return recorder.requests, nil
}

// Validate returns nil where Invoke would get as far as sending, else the *[Error] that Invoke would return. It sends nothing.
func (rt *Runtime) Validate(ctx context.Context, block string, input Input, options ...InvokeOption) error {
	_, _, err := rt.Preview(ctx, block, input, options...)
	return err
}

// recorder is a transport that goes nowhere.
type recorder struct {
	redactor *redactor
	mu       sync.Mutex
	requests []Request
}

// RoundTrip keeps the request and answers 200.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, fmt.Errorf("read request body: %w", err)
		}
		if err = req.Body.Close(); err != nil {
			return nil, fmt.Errorf("close request body: %w", err)
		}
	}
	header := map[string][]string{}
	for name, values := range req.Header {
		for _, v := range values {
			header[name] = append(header[name], r.header(name, v))
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, Request{
		Method: req.Method,
		URL:    r.redactor.text(req.URL.String()),
		Header: header,
		Body:   r.redactor.text(string(body)),
		Bytes:  len(body),
	})
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:  http.Header{"Content-Type": {"application/json"}},
		Body:    io.NopCloser(bytes.NewReader([]byte("{}"))),
		Request: req,
	}, nil
}

// header redacts a value whole where the header is there to hold a credential.
func (r *recorder) header(name, value string) string {
	switch http.CanonicalHeaderKey(name) {
	case "Authorization", "Proxy-Authorization":
		scheme, _, _ := strings.Cut(value, " ")
		return scheme + " " + redacted
	case "Cookie", "X-Api-Key", "X-Write-Key":
		return redacted
	}
	return r.redactor.text(value)
}
