package main

import (
	"context"
	"crypto/tls"
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

// eachInvocation is the number of events in one invocation of segment_batch, and inFlight is the
// number of invocations that run at once.
const eachInvocation, inFlight = 4_000, 2

// load says what the contenders of batch send: the number of events, and how many of them differ. A
// program that sends a stream holds only a part of it at a time, so the events repeat.
type load struct {
	shape
	events, kinds, each int
	callers             int // at once
}

func loadOf(set settings) load {
	return load{usual(), set.scaled(100_000), set.scaled(20_000), set.scaled(eachInvocation), inFlight}
}

// scaled returns n or, with -quick, a twentieth of it.
func (s settings) scaled(n int) int {
	if s.quick {
		return max(1, n/20)
	}
	return n
}

// batches measures what it costs to send many events.
func batches(set settings) []group {
	l := loadOf(set)
	node := l
	node.events, node.kinds = set.scaled(20_000), set.scaled(20_000)
	peers, nodes := []string{"analytics-go 250", "analytics-go 1000"},
		[]string{"analytics-node 15", "analytics-node 500"}
	const peer = "analytics-go, the better of batches of 250 (its default) and 1000"
	const ofNode = "@segment/analytics-node, the better of flushAt 15 (its default) and 500"
	const memory = "memory allocated per event"
	const raw, values = "batch raw", "batch map"
	cpu := cpuMillion()
	return []group{{
		name: "batch", rounds: 7,
		contenders: []contender{
			invoking(raw, l, rawInput), invoking(values, l, mapInput), prebuilt("prebuilt", l),
			analyticsGo(peers[0], l, 250), analyticsGo(peers[1], l, 1000),
			analyticsNode(nodes[0], node, 15), analyticsNode(nodes[1], node, 500),
		},
		lines: []line{
			cpu.of("batch/raw", atMost(1.8), "segment_batch, from bytes of JSON", raw),
			cpu.of("batch/raw/analytics-go", atLeast(9), peer, raw).over(cheaper, peers...),
			cpu.of("batch/raw/analytics-node", goal{}, ofNode, raw).over(cheaper, nodes...),
			kilobytes().of("batch/raw/allocated", goal{}, memory, raw),
			cpu.of("batch/map", atMost(3.2), "segment_batch, from Go maps", values),
			cpu.of("batch/map/analytics-go", goal{}, peer, values).over(cheaper, peers...),
			kilobytes().of("batch/map/allocated", goal{}, memory, values),
			cpu.of("batch/prebuilt", goal{}, "net/http posting the same bodies, built in advance", "prebuilt"),
		},
	}, batchShapes(set), batchReceivers(set)}
}

// batchShapes measures events of other sizes, about 60 MB of each size.
func batchShapes(set settings) group {
	g := group{name: "batch/shapes", rounds: 5}
	for _, s := range shapes() {
		if s == usual() {
			continue
		}
		l := loadOf(set)
		l.shape = s
		if s.products > 50 {
			l.events, l.kinds, l.each = l.events/10, l.kinds/10, l.each/10
		}
		raw, values := "batch raw "+s.name, "batch map "+s.name
		g.contenders = append(g.contenders, invoking(raw, l, rawInput), invoking(values, l, mapInput))
		g.lines = append(
			g.lines,
			cpuMillion().of("batch/raw/"+s.name, goal{}, "events of that size, from bytes", raw),
			cpuMillion().of("batch/map/"+s.name, goal{}, "events of that size, from Go maps", values),
		)
	}
	return g
}

// batchReceivers measures two other receivers: one speaks TLS, and the other refuses one request in
// a hundred, which is then sent again.
func batchReceivers(set settings) group {
	l := loadOf(set)
	small := l
	small.events, small.each = set.scaled(40_000), 200
	overTLS, fails := invoking("batch raw TLS", l, rawInput), invoking("batch raw failing", small, rawInput)
	overTLS.open = inPlace(overTLS.open, func(p place) place { return place{Sink: p.TLS} })
	refused := 100
	if set.quick {
		refused = 10 // -quick sends too few requests for one in a hundred
	}
	fails.open = inPlace(fails.open, func(p place) place { return place{Sink: failing(p.Sink, refused)} })
	raw, well := invoking("batch raw", l, rawInput), invoking("batch raw 200", small, rawInput)
	return group{
		name: "batch/receivers", rounds: 5, contenders: []contender{overTLS, raw, fails, well},
		lines: []line{
			cpuMillion().of("batch/raw/TLS", goal{}, "CPU time that TLS adds", overTLS.name).over(added, raw.name),
			cpuMillion().of("batch/raw/failing", goal{},
				"CPU time added when one request in a hundred is answered with 503, in batches of 200", fails.name).
				over(added, well.name),
		},
	}
}

// inPlace opens a contender in a changed place.
func inPlace(open func(context.Context, place) (runner, error), to func(place) place,
) func(context.Context, place) (runner, error) {
	return func(ctx context.Context, p place) (runner, error) { return open(ctx, to(p)) }
}

// rawInput and mapInput make an input of segment_batch from a document.
func rawInput(document []byte) (runtime.Input, error) { return runtime.JSON(document), nil }

func mapInput(document []byte) (runtime.Input, error) {
	m, err := decoded(document)
	return runtime.Map(m), err
}

// invoking returns a contender that sends through segment_batch.
func invoking(name string, l load, input func(document []byte) (runtime.Input, error)) contender {
	return contender{name: name, many: l.events > 200_000, open: func(ctx context.Context, p place) (runner, error) {
		rt, err := newRuntime(sourceOf(p.Sink))
		if err != nil {
			return runner{}, err
		}
		var inputs []runtime.Input
		for _, d := range documents(makeEvents(l.kinds, l.shape), l.each) {
			in, err := input(d)
			if err != nil {
				return runner{}, err
			}
			inputs = append(inputs, in)
		}
		return runner{run: func(ctx context.Context) (sample, error) {
			_, err := drive(l.callers, l.events/l.each, func(i int) error {
				res, err := rt.Invoke(ctx, "segment_batch", inputs[i%len(inputs)])
				if err == nil && res.Receipt.Accepted != l.each {
					err = fmt.Errorf("%d of %d events were accepted", res.Receipt.Accepted, l.each)
				}
				return err
			})
			return sample{Units: l.events, Sent: l.events}, err
		}, close: func() { _ = rt.Close(ctx) }}, nil
	}}
}

// prebuilt returns a contender that only posts. The bodies are those of our own requests, and they
// are built in advance.
func prebuilt(name string, l load) contender {
	return contender{name: name, open: func(ctx context.Context, p place) (runner, error) {
		var inputs []runtime.Input
		for _, d := range documents(makeEvents(l.kinds, l.shape), l.each) {
			inputs = append(inputs, runtime.JSON(d))
		}
		requests, err := wire(ctx, "segment_batch", inputs...)
		if err != nil {
			return runner{}, err
		}
		client := newPoster(p.Sink)
		return runner{run: func(ctx context.Context) (sample, error) {
			_, err := drive(4, len(requests)*(l.events/l.kinds), func(i int) error {
				_, err := client.post(ctx, requests[i%len(requests)])
				return err
			})
			return sample{Units: l.events, Sent: l.events, Distinct: l.kinds}, err
		}}, nil
	}}
}

// writeKey looks like a write key of Segment's.
const writeKey = "0123456789abcdefghijklmnopqrstuv"

func sourceOf(endpoint string) tracking.Source {
	return tracking.Source{WriteKey: writeKey, Endpoint: endpoint}
}

// newRuntime returns a runtime like that of any program. Its messages leave through the sender, and
// it accepts the sink's self-signed certificate.
func newRuntime(sender tracking.Sender, options ...runtime.Option) (*runtime.Runtime, error) {
	reg, err := newRegistry()
	if err != nil {
		return nil, err
	}
	transport := runtime.NewTransport()
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the sink's certificate
	options = append([]runtime.Option{runtime.Transport(transport), runtime.Source("bench", sender)}, options...)
	return runtime.New(reg, options...)
}

func newRegistry() (*registry.Registry, error) {
	reg := registry.New()
	return reg, blocks.Register(reg)
}

// recorder is a transport that keeps the requests and sends nothing.
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

// wire returns the requests that invocations of a block send.
func wire(ctx context.Context, block string, inputs ...runtime.Input) ([]posted, error) {
	var r recorder
	rt, err := newRuntime(sourceOf("http://127.0.0.1:9"), runtime.Transport(&r))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rt.Close(ctx) }()
	for _, input := range inputs {
		if _, err := rt.Invoke(ctx, block, input); err != nil {
			return nil, err
		}
	}
	return r.requests, nil
}
