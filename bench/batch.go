package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aacflow/segment-blocks/runtime"
)

const (
	// batchEvents are sent in one run, batchKinds of them different: a program that sends a stream
	// holds a part of it at a time.
	batchEvents, batchKinds = 100_000, 20_000
	nodeEvents              = 25_000
	// eachInvocation is how many events an invocation takes, and inFlight how many invocations
	// there are at once.
	eachInvocation, inFlight = 4_000, 2
)

// load is how many events the contenders of batch send.
type load struct{ events, kinds, node int }

func loadOf(set settings) load {
	if set.quick {
		return load{20_000, 4_000, 1_000}
	}
	return load{batchEvents, batchKinds, nodeEvents}
}

// batch measures how fast many events go out.
func batch(set settings) []group {
	const seconds = "2006-01-02T15:04:05Z"
	l := loadOf(set)
	peers := []string{"analytics-go 250", "analytics-go 1000"}
	node := []string{"analytics-node 15", "analytics-node 500"}
	const peer = "analytics-go, the faster of batches of 250 (its default) and 1000"
	rate := func(name string, g goal, ours, against string, theirs ...string) line {
		return line{name: name, goal: g, unit: "events/s", ours: ours, theirs: theirs, more: true, against: against}
	}
	return []group{{
		name: "batch", rounds: 7,
		contenders: []contender{
			invokingBatches("batch raw", l, timeLayout, rawInputs, ""),
			invokingBatches("batch map", l, timeLayout, mapInputs, ""),
			invokingBatches("batch raw seconds", l, seconds, rawInputs, ""),
			invokingBatches("batch raw sign", l, timeLayout, rawInputs, "fewer < 10"),
			prebuilt("net/http prebuilt", l),
			analyticsGo(peers[0], l, 250), analyticsGo(peers[1], l, 1000),
			analyticsNode(node[0], l, 15), analyticsNode(node[1], l, 500),
		},
		lines: []line{
			rate("batch/raw/analytics-go", atLeast(12, times), "batch raw", peer, peers...),
			rate("batch/map/analytics-go", atLeast(8, times), "batch map", peer, peers...),
			rate("batch/raw/analytics-node", atLeast(100, times), "batch raw",
				"@segment/analytics-node, the faster of flushAt 15 (its default) and 500", node...),
			rate("batch/raw/limit", atLeast(0.30, percent), "batch raw", "net/http posting the same bodies, built before",
				"net/http prebuilt"),
			rate("batch/raw/seconds", none(percent), "batch raw seconds",
				"the same events with milliseconds in their times, which need no rewriting", "batch raw"),
			rate("batch/raw/sign", none(percent), "batch raw sign", "the same events without a < in one text of each invocation",
				"batch raw"),
		},
	}}
}

// rawInputs and mapInputs make inputs of segment_batch from documents.
func rawInputs(documents [][]byte) ([]runtime.Input, error) {
	var out []runtime.Input
	for _, d := range documents {
		out = append(out, runtime.JSON(d))
	}
	return out, nil
}

func mapInputs(documents [][]byte) ([]runtime.Input, error) {
	var out []runtime.Input
	for _, d := range documents {
		m, err := decoded(d)
		if err != nil {
			return nil, err
		}
		out = append(out, runtime.Map(m))
	}
	return out, nil
}

// invokingBatches sends through segment_batch. Coupon, unless it is empty, is that of the first
// event of each invocation.
func invokingBatches(name string, l load, layout string, inputs func([][]byte) ([]runtime.Input, error),
	coupon string,
) contender {
	return contender{name: name, open: func(ctx context.Context, b *bench) (runner, error) {
		rt, err := newRuntime(b.sink.url)
		if err != nil {
			return runner{}, err
		}
		events := makeEvents(l.kinds)
		if coupon != "" {
			for i := 0; i < len(events); i += eachInvocation {
				events[i].coupon = coupon
			}
		}
		docs := documents(events, eachInvocation, layout)
		var list []runtime.Input
		return runner{
			prepare: func() (err error) {
				list, err = inputs(docs)
				return err
			},
			run: func(ctx context.Context) (sample, error) {
				defer func() { list = nil }() // lest the collector has to look at it while others run
				return rateOf(l.events, func() error { return sendAll(ctx, rt, list, l.events) })
			},
			close: closed(ctx, rt),
		}, nil
	}}
}

// sendAll invokes with one input after the other, over and over, until so many events are sent.
func sendAll(ctx context.Context, rt *runtime.Runtime, inputs []runtime.Input, events int) error {
	return inParallel(inFlight, events/eachInvocation, func(i int) error {
		res, err := rt.Invoke(ctx, "segment_batch", inputs[i%len(inputs)])
		if err == nil && res.Receipt.Accepted != eachInvocation {
			err = fmt.Errorf("%d of %d events were accepted", res.Receipt.Accepted, eachInvocation)
		}
		return err
	})
}

// prebuilt posts the bodies that our own requests have, with nothing left to do but that.
func prebuilt(name string, l load) contender {
	return contender{name: name, open: func(ctx context.Context, b *bench) (runner, error) {
		inputs, err := rawInputs(documents(makeEvents(l.kinds), eachInvocation, timeLayout))
		if err != nil {
			return runner{}, err
		}
		requests, err := wire(ctx, "segment_batch", inputs...)
		if err != nil {
			return runner{}, err
		}
		client := newBare(b.sink.url)
		return runner{
			run: func(ctx context.Context) (sample, error) {
				s, err := rateOf(l.events, func() error {
					return inParallel(4, len(requests)*(l.events/l.kinds),
						func(i int) error { return client.post(ctx, requests[i%len(requests)]) })
				})
				s.distinct = l.kinds
				return s, err
			},
			close: client.client.CloseIdleConnections,
		}, nil
	}}
}

// rateOf measures how many events a second go out.
func rateOf(events int, send func() error) (sample, error) {
	cpu, start := cpuTime(), time.Now()
	if err := send(); err != nil {
		return sample{}, err
	}
	took := time.Since(start)
	return sample{
		value: float64(events) / took.Seconds(),
		cpu:   float64((cpuTime() - cpu).Nanoseconds()) / 1000 / float64(events),
		sent:  events,
	}, nil
}

// inParallel does n things, so many at once, and returns the first errors. A single thing needs no
// goroutine: a new one would first have to grow its stack.
func inParallel(workers, n int, do func(i int) error) error {
	if n == 1 {
		return do(0)
	}
	var next atomic.Int64
	errs := make([]error, workers)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for errs[w] == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				errs[w] = do(i)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}
