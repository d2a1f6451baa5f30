package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// writeKey looks like one of Segment's.
const writeKey = "0123456789abcdefghijklmnopqrstuv"

// newRuntime returns a runtime as a program would have it, that sends to an endpoint.
func newRuntime(endpoint string, options ...runtime.Option) (*runtime.Runtime, error) {
	return newRuntimeOf(sourceOf(endpoint), options...)
}

func sourceOf(endpoint string) tracking.Source {
	return tracking.Source{WriteKey: writeKey, Endpoint: endpoint}
}

// newRuntimeOf returns one whose messages leave through a sender.
func newRuntimeOf(sender tracking.Sender, options ...runtime.Option) (*runtime.Runtime, error) {
	reg := registry.New()
	if err := blocks.Register(reg); err != nil {
		return nil, err
	}
	return runtime.New(reg, append(options, runtime.Source("bench", sender))...)
}

// closed is what ends a runtime that has nothing under way.
func closed(ctx context.Context, rt *runtime.Runtime) func() {
	return func() { _ = rt.Close(ctx) }
}

// posted is a request that somebody made.
type posted struct {
	path   string
	header http.Header
	body   []byte
}

// recorder is a transport that keeps the requests and goes nowhere.
type recorder struct {
	mu       sync.Mutex
	requests []posted
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, posted{req.URL.Path, req.Header.Clone(), body})
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(`{}`)), Request: req}, nil
}

// wire returns the requests that invocations of a block lead to.
func wire(ctx context.Context, block string, inputs ...runtime.Input) ([]posted, error) {
	var r recorder
	rt, err := newRuntime("http://127.0.0.1:9", runtime.Transport(&r))
	if err != nil {
		return nil, err
	}
	defer closed(ctx, rt)()
	for _, input := range inputs {
		if _, err := rt.Invoke(ctx, block, input); err != nil {
			return nil, err
		}
	}
	return r.requests, nil
}

// bare posts with net/http and nothing else, through the transport that runtimes use.
type bare struct {
	client *http.Client
	base   string
}

func newBare(base string) bare {
	return bare{client: &http.Client{Transport: runtime.NewTransport()}, base: base}
}

func (b bare) post(ctx context.Context, p posted) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.base+p.path, bytes.NewReader(p.body))
	if err != nil {
		return err
	}
	req.Header = p.header
	resp, err := b.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the sink answered %d", resp.StatusCode)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
