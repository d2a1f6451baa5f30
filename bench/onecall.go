package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aacflow/segment-blocks/runtime"
)

// oneCall measures how long one invocation takes, through HTTP to the sink, with several callers at
// once.
func oneCall(set settings) []group {
	var groups []group
	for _, c := range []struct {
		name    string
		callers int
		delay   time.Duration
		most    float64
		slice   time.Duration
		rounds  int
	}{
		{"call/1", 1, 0, 1.30, 100 * time.Millisecond, 41},
		{"call/16", 16, 0, 1.35, 150 * time.Millisecond, 31},
		{"call/256", 256, 0, 1.25, 400 * time.Millisecond, 21},
		{"call/1/2ms", 1, 2 * time.Millisecond, 1.05, 200 * time.Millisecond, 25},
	} {
		if set.quick {
			c.slice /= 4
		}
		upstream, path := "the sink", ""
		if c.delay > 0 {
			upstream, path = fmt.Sprintf("the sink, which takes %s to answer", c.delay), slow(c.delay)
		}
		mine, bare := c.name+" Invoke", c.name+" net/http"
		groups = append(groups, group{
			name: c.name, rounds: c.rounds,
			contenders: []contender{invoking(mine, path, c.callers, c.slice), posting(bare, path, c.callers, c.slice)},
			lines: []line{{
				name: c.name, goal: atMost(c.most, times), unit: "µs (median)", ours: mine, theirs: []string{bare},
				against: fmt.Sprintf("bare net/http posting the same bytes to %s, callers: %d", upstream, c.callers),
			}},
		})
	}
	return groups
}

func invoking(name, path string, callers int, slice time.Duration) contender {
	return contender{name: name, open: func(ctx context.Context, b *bench) (runner, error) {
		rt, err := newRuntime(b.sink.url + path)
		if err != nil {
			return runner{}, err
		}
		input := runtime.JSON(orderEvent())
		return runner{
			run: func(ctx context.Context) (sample, error) {
				took, err := drive(ctx, callers, slice, func(ctx context.Context, _ int) error {
					_, err := rt.Invoke(ctx, "segment_track", input)
					return err
				})
				return sample{value: took.micros(0.5), sent: len(took)}, err
			},
			close: closed(ctx, rt),
		}, nil
	}}
}

func posting(name, path string, callers int, slice time.Duration) contender {
	return contender{name: name, open: func(ctx context.Context, b *bench) (runner, error) {
		requests, err := wire(ctx, "segment_track", runtime.JSON(orderEvent()))
		if err != nil {
			return runner{}, err
		}
		client := newBare(b.sink.url + path)
		return runner{
			run: func(ctx context.Context) (sample, error) {
				took, err := drive(ctx, callers, slice, func(ctx context.Context,
					_ int,
				) error {
					return client.post(ctx, requests[0])
				})
				return sample{value: took.micros(0.5), sent: len(took), distinct: 1}, err
			},
			close: client.client.CloseIdleConnections,
		}, nil
	}}
}

// latencies are how long calls took, sorted.
type latencies []time.Duration

// micros returns the latency that a share of the calls kept, in microseconds.
func (l latencies) micros(share float64) float64 {
	if len(l) == 0 {
		return 0
	}
	return float64(l[int(share*float64(len(l)-1))].Nanoseconds()) / 1000
}

// drive makes calls for a time from so many callers, each of which makes the next when one is done.
func drive(ctx context.Context, callers int, d time.Duration, call func(ctx context.Context,
	caller int) error,
) (latencies, error) {
	took := make([]latencies, callers)
	errs := make([]error, callers)
	end := time.Now().Add(d)
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			own := make(latencies, 0, 1024)
			for begin := time.Now(); begin.Before(end); {
				if errs[i] = call(ctx, i); errs[i] != nil {
					break
				}
				now := time.Now()
				own = append(own, now.Sub(begin))
				begin = now
			}
			took[i] = own
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	all := slices.Concat(took...)
	slices.Sort(all)
	return all, nil
}
