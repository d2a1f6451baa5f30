package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

const (
	// nobody is an endpoint at which no one listens: what is stored for it stays in the store.
	nobody = "http://127.0.0.1:9"
	// storing is how many callers store events at once.
	storing = 1024
	// sourceName is the one of stored sources.
	sourceName = "bench"
)

// deliveryModes compares the ways in which messages leave: coalesced with direct, and durable with
// a file that is appended to.
func deliveryModes(set settings) []group {
	return append(coalesced(set), durable(set), fromDisk(set))
}

// coalesced compares calls/s and latency with direct, for some callers and receivers.
func coalesced(set settings) []group {
	var groups []group
	for _, c := range []struct {
		name    string
		callers int
		delay   time.Duration
		rate    goal
		p99     goal
		slice   time.Duration
		rounds  int
	}{
		{"delivery/coalesced/1", 1, 0, atLeast(0.6, times), goal{}, 100 * time.Millisecond, 31},
		{"delivery/coalesced/256", 256, 0, atLeast(5, times), atMost(1, times), 400 * time.Millisecond, 21},
		{"delivery/coalesced/16/20ms", 16, 20 * time.Millisecond, atLeast(1, exact), none(exact), 400 * time.Millisecond, 11},
		{
			"delivery/coalesced/256/20ms", 256, 20 * time.Millisecond, atLeast(1, exact), none(exact), 500 * time.Millisecond,
			11,
		},
	} {
		if set.quick {
			c.slice /= 4
		}
		upstream, path := "the sink", ""
		if c.delay > 0 {
			upstream, path = fmt.Sprintf("the sink, which takes %s to answer", c.delay), slow(c.delay)
		}
		short := strings.TrimPrefix(c.name, "delivery/coalesced/")
		mine, direct := "coalesced "+short, "direct "+short
		against := fmt.Sprintf("direct, both Invoke of segment_track through HTTP to %s, callers: %d", upstream, c.callers)
		lines := []line{{
			name: c.name, goal: c.rate, unit: "calls/s", ours: mine, theirs: []string{direct}, more: true,
			against: against,
		}}
		if c.p99 != (goal{}) {
			lines = append(lines, line{
				name: c.name + "/p99", goal: c.p99, unit: "µs (p99)", ours: mine, theirs: []string{direct}, against: against,
				of: func(s sample) float64 { return s.p99 },
			})
		}
		groups = append(groups, group{
			name: c.name, rounds: c.rounds, lines: lines,
			contenders: []contender{
				calling(mine, path, c.callers, c.slice, true), calling(direct, path, c.callers, c.slice, false),
			},
		})
	}
	return groups
}

// calling invokes segment_track, each caller for a person of its own: events of one person would
// wait for each other.
func calling(name, path string, callers int, slice time.Duration, coalesce bool) contender {
	return contender{name: name, open: func(ctx context.Context, b *bench) (runner, error) {
		source := sourceOf(b.sink.url + path)
		var sender tracking.Sender = source
		end := func() {}
		if coalesce {
			coalesced, closeSource := delivery.Coalesce(source, delivery.CoalesceOptions{})
			sender, end = coalesced, func() { _ = closeSource(ctx) }
		}
		rt, err := newRuntimeOf(sender)
		if err != nil {
			return runner{}, err
		}
		inputs := make([]runtime.Input, callers)
		for i := range inputs {
			inputs[i] = runtime.JSON([]byte(strings.Replace(string(orderEvent()), `"u-42"`, fmt.Sprintf(`"u-%d"`, i), 1)))
		}
		return runner{
			run: func(ctx context.Context) (sample, error) {
				return callsOf(ctx, callers, slice, func(ctx context.Context, caller int) error {
					_, err := rt.Invoke(ctx, "segment_track", inputs[caller])
					return err
				})
			},
			close: func() {
				closed(ctx, rt)()
				end()
			},
		}, nil
	}}
}

// callsOf measures how many calls a second there are, and their latency.
func callsOf(ctx context.Context, callers int, slice time.Duration, call func(ctx context.Context,
	caller int) error,
) (sample, error) {
	begin := time.Now()
	took, err := drive(ctx, callers, slice, call)
	seconds := time.Since(begin).Seconds()
	return sample{value: float64(len(took)) / seconds, p99: took.micros(0.99), sent: len(took)}, err
}

// durable measures how many events a second a store acknowledges, each in a call of its own.
func durable(set settings) group {
	slice := time.Second
	if set.quick {
		slice /= 4
	}
	const calls = "one event a call, callers: 1024"
	return group{
		name: "delivery/durable", rounds: 7,
		contenders: []contender{
			keeping("durable", slice, throughSender), keeping("durable Invoke", slice, throughInvoke),
			appending("append", slice),
		},
		lines: []line{
			{
				name: "delivery/durable", goal: atLeast(150_000, count), unit: "events/s", ours: "durable", more: true,
				against: "acknowledged by Store.Source, " + calls,
			},
			{
				name: "delivery/durable/append", goal: none(percent), unit: "events/s", ours: "durable", theirs: []string{"append"},
				more: true,
				against: "the same bytes appended to a file, synced before they are acknowledged, callers that come together " +
					"sharing a sync",
			},
			{
				name: "delivery/durable/invoke", goal: none(count), unit: "events/s", ours: "durable Invoke", more: true,
				against: "acknowledged by Invoke of segment_track, " + calls,
			},
		},
	}
}

// keepWith returns a function that has a stored source keep an event of a caller.
type keepWith func(ctx context.Context, source tracking.Sender) (keep func(ctx context.Context,
	caller int) error, end func(), err error)

// throughSender calls the source itself, as a runtime does.
func throughSender(_ context.Context, source tracking.Sender) (func(context.Context, int) error, func(), error) {
	messages, err := eventsOf(storing)
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context, caller int) error {
		_, err := source.Send(ctx, nil, tracking.Call{Messages: messages[caller : caller+1]})
		return err
	}, func() {}, nil
}

// throughInvoke is the whole way of an event.
func throughInvoke(ctx context.Context, source tracking.Sender) (func(context.Context, int) error, func(), error) {
	rt, err := newRuntimeOf(source)
	if err != nil {
		return nil, nil, err
	}
	var inputs []runtime.Input
	for _, e := range makeEvents(storing) {
		inputs = append(inputs, runtime.JSON([]byte(strings.Replace(e.json(timeLayout), `"type":"track",`, "", 1))))
	}
	return func(ctx context.Context, caller int) error {
		_, err := rt.Invoke(ctx, "segment_track", inputs[caller])
		return err
	}, closed(ctx, rt), nil
}

// eventsOf are messages of some 500 bytes.
func eventsOf(n int) ([]tracking.Message, error) {
	var messages []tracking.Message
	for _, e := range makeEvents(n) {
		fields, err := rawjson.ParseObject([]byte(e.json(timeLayout)), rawjson.Limits{})
		if err != nil {
			return nil, err
		}
		messages = append(messages, tracking.NewMessage("", fields))
	}
	return messages, nil
}

// keeping stores events in a new file in each run. Nobody takes them from there, and when the store
// is closed the file is read to count them.
func keeping(name string, slice time.Duration, with keepWith) contender {
	return contender{name: name, open: func(context.Context, *bench) (runner, error) {
		return runner{run: func(ctx context.Context) (s sample, err error) {
			err = inFolder(func(folder string) error {
				path := filepath.Join(folder, "bench.store")
				store, err := openStore(path)
				if err != nil {
					return err
				}
				keep, end, err := with(ctx, store.Source(sourceName, sourceOf(nobody)))
				if err != nil {
					return err
				}
				if s, err = callsOf(ctx, storing, slice, keep); err != nil {
					return err
				}
				end()
				s.kept, s.sent = s.sent, 0
				s.waiting, err = leave(ctx, store, path)
				return err
			})
			return s, err
		}}, nil
	}}
}

func openStore(path string) (*delivery.Store, error) {
	return delivery.Open(path, delivery.StoreOptions{MaxEvents: -1, MaxBytes: -1, Rate: -1})
}

// leave closes a store and counts what waits in its file, as the next process that opens it would.
func leave(ctx context.Context, store *delivery.Store, path string) (waiting int, err error) {
	now, cancel := context.WithCancel(ctx)
	cancel()
	left, err := store.Close(now)
	if err != nil {
		return 0, err
	}
	if store, err = openStore(path); err != nil {
		return 0, err
	}
	for _, stats := range store.Stats() {
		waiting += stats.Waiting
	}
	_, err = store.Close(now)
	if waiting != left {
		err = errors.Join(err, fmt.Errorf("the store said that %d events were left, the file has %d", left, waiting))
	}
	return waiting, err
}

// inFolder does something with a folder that is removed afterwards.
func inFolder(do func(folder string) error) error {
	folder, err := os.MkdirTemp("", "segment-blocks-bench-")
	if err != nil {
		return err
	}
	return errors.Join(do(folder), os.RemoveAll(folder))
}

// fromDisk measures how fast what has been stored leaves, where nothing limits it.
func fromDisk(set settings) group {
	events := 100_000
	if set.quick {
		events = 10_000
	}
	return group{
		name: "delivery/durable/sent", rounds: 5, contenders: []contender{sendingStored("from disk", events)},
		lines: []line{{
			name: "delivery/durable/sent", goal: none(count), unit: "events/s", ours: "from disk", more: true,
			against: "read from the store, sent to the sink and taken out of the store, without a limit of the rate",
		}},
	}
}

func sendingStored(name string, events int) contender {
	return contender{name: name, open: func(ctx context.Context, b *bench) (runner, error) {
		folder, err := os.MkdirTemp("", "segment-blocks-bench-")
		if err != nil {
			return runner{}, err
		}
		messages, err := eventsOf(events)
		if err != nil {
			return runner{}, err
		}
		path := filepath.Join(folder, "bench.store")
		return runner{
			prepare: func() error {
				store, err := openStore(path)
				if err != nil {
					return err
				}
				source := store.Source(sourceName, sourceOf(nobody))
				for at := 0; at < events; at += eachInvocation {
					call := tracking.Call{Messages: messages[at:min(at+eachInvocation, events)]}
					if _, err := source.Send(ctx, nil, call); err != nil {
						return err
					}
				}
				waiting, err := leave(ctx, store, path)
				if err == nil && waiting != events {
					err = fmt.Errorf("%d of %d events are in the store", waiting, events)
				}
				return err
			},
			run: func(ctx context.Context) (sample, error) {
				store, err := openStore(path)
				if err != nil {
					return sample{}, err
				}
				return rateOf(events, func() error {
					store.Source(sourceName, sourceOf(b.sink.url))
					left, err := store.Close(ctx) // waits until nothing is left
					if err == nil && left > 0 {
						err = fmt.Errorf("%d events were left", left)
					}
					return err
				})
			},
			close: func() { _ = os.RemoveAll(folder) },
		}, nil
	}}
}
