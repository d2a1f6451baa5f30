package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/delivery"
)

// calls measures what an invocation of segment_track adds to posting the same bytes. It measures
// CPU time with a receiver that answers at once, and latency with a receiver that answers late.
func calls(set settings) []group {
	var groups []group
	for _, c := range []struct{ callers, calls int }{{1, 2_000}, {16, 6_000}, {256, 10_000}} {
		name := fmt.Sprintf("call/%d", c.callers)
		g, sides := callGroup(set, name, c.callers, c.calls, 0)
		g.rounds = 9
		note := fmt.Sprintf("CPU time that Invoke adds to a call with net/http alone, callers: %d", c.callers)
		g.lines = []line{cpuMicros().of(name, atMost(12), note, sides[0]).over(added, sides[1])}
		groups = append(groups, g)
	}
	for _, c := range []struct {
		delay          time.Duration
		callers, calls int // how many of each
		rounds         int
	}{
		{2 * time.Millisecond, 1, 100, 9},
		{2 * time.Millisecond, 64, 60, 31},
		{2 * time.Millisecond, 256, 15, 9},
		{50 * time.Millisecond, 1, 10, 5},
		{50 * time.Millisecond, 64, 10, 5},
		{50 * time.Millisecond, 256, 8, 5},
	} {
		name := fmt.Sprintf("call/%s/%d", c.delay, c.callers)
		g, sides := callGroup(set, name, c.callers, c.callers*c.calls, c.delay)
		g.rounds = c.rounds
		note := fmt.Sprintf("Invoke against net/http alone, the receiver takes %s, callers: %d", c.delay, c.callers)
		g.lines = []line{
			p50().of(name+"/p50", goal{}, note, sides[0]).over(added, sides[1]),
			p99().of(name+"/p99", goal{}, note, sides[0]).over(added, sides[1]),
		}
		if c.rounds > 9 {
			g.lines[1].how, g.lines[1].goal = ratio, atMost(1.05)
		}
		groups = append(groups, g)
	}
	groups = append(groups, callParts(set))
	return append(groups, coalesced(set)...)
}

// coalesced compares calls that share requests with calls that have one request each.
func coalesced(set settings) []group {
	var groups []group
	for _, callers := range []int{1, 256} {
		n := set.scaled(2_000 + 40*callers)
		mine, direct := fmt.Sprintf("coalesced %d", callers), fmt.Sprintf("direct %d", callers)
		groups = append(groups, group{name: mine, rounds: 9, contenders: []contender{
			{name: direct, open: func(_ context.Context, p place) (runner, error) {
				rt, err := newRuntime(sourceOf(p.Sink))
				return invokingTrack(rt, callers, n), err
			}},
			{name: mine, open: func(_ context.Context, p place) (runner, error) {
				source, _ := delivery.Coalesce(sourceOf(p.Sink), delivery.CoalesceOptions{})
				rt, err := newRuntime(source)
				return invokingTrack(rt, callers, n), err
			}},
		}, lines: []line{
			cpuMicros().of(fmt.Sprintf("coalesced/%d", callers), goal{},
				fmt.Sprintf("a call to a coalesced source over one to a direct source, callers: %d", callers), mine).
				over(ratio, direct),
		}})
	}
	return groups
}

// callGroup returns a group in which Invoke and net/http alone make the same calls, and the names
// of the two contenders.
func callGroup(set settings, name string, callers, n int, delay time.Duration) (group, []string) {
	if n = set.scaled(n); n < callers {
		n = callers
	}
	to := func(p place) string {
		if delay == 0 {
			return p.Sink
		}
		return after(p.Sink, delay)
	}
	sides := []string{name + " Invoke", name + " net/http"}
	return group{name: name, contenders: []contender{
		{name: sides[0], open: func(_ context.Context, p place) (runner, error) {
			rt, err := newRuntime(sourceOf(to(p)))
			return invokingTrack(rt, callers, n), err
		}},
		{name: sides[1], open: posting(callers, n, func(p place) send { return bare(to(p)) })},
	}}, sides
}

// trackInputs returns n inputs of segment_track, each for another user.
func trackInputs(n int) (inputs []runtime.Input) {
	for _, e := range makeEvents(n, large()) {
		inputs = append(inputs, runtime.JSON(e.call()))
	}
	return inputs
}

// invokingTrack returns a runner that makes n calls, each for another user.
func invokingTrack(rt *runtime.Runtime, callers, n int, options ...runtime.InvokeOption) runner {
	inputs := trackInputs(callers)
	return driving(callers, n, n, func(ctx context.Context, i int) error {
		_, err := rt.Invoke(ctx, "segment_track", inputs[i%len(inputs)], options...)
		return err
	})
}

// manySources measures a call in a runtime with many sources.
func manySources(set settings) []group {
	n := set.scaled(3_000)
	with := func(name string, sources int) contender {
		return contender{name: name, open: func(_ context.Context, p place) (runner, error) {
			var options []runtime.Option
			for i := range sources {
				options = append(options, runtime.Source(fmt.Sprintf("s%d", i), sourceOf(p.Sink)))
			}
			rt, err := newRuntime(sourceOf(p.Sink), options...)
			return invokingTrack(rt, 1, n, runtime.ToSource(fmt.Sprintf("s%d", sources-1))), err
		}}
	}
	return []group{{
		name: "sources", rounds: 9, contenders: []contender{with("one source", 1), with("10,000 sources", 10_000)},
		lines: []line{cpuMicros().of("sources/10000", atMost(1.1),
			"a call to the last of 10,000 sources, over one to the only source", "10,000 sources",
		).over(ratio, "one source")},
	}}
}
