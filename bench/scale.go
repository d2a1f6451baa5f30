package main

import (
	"context"
	"fmt"
	"strings"
)

const scaleEvents, scaleCallers = "scale/events/", "scale/callers/"

// scale measures how cost grows: the cost of an event with the number of events in an invocation,
// and the cost of a call with the number of callers.
func scale(set settings) []group {
	events, callers := group{name: "scale/events", rounds: 5}, group{name: "scale/callers", rounds: 5}
	for _, n := range []int{1, 10, 100, 1_000, 10_000, 50_000} {
		all := max(n, set.scaled(min(2_000*n, 100_000)))
		l := load{usual(), all / n * n, max(n, min(all, 20_000)) / n * n, n, inFlight}
		c := invoking(fmt.Sprintf("%s events", grouped(n)), l, rawInput)
		events.contenders = append(events.contenders, c)
		note := fmt.Sprintf("CPU time per event, events in an invocation: %d", n)
		events.lines = append(events.lines, cpuMicros().of(fmt.Sprint(scaleEvents, n), goal{}, note, c.name))
	}
	for _, n := range []int{1, 2, 4, 16, 64, 256, 1024} {
		c := contender{
			name: fmt.Sprintf("%s callers", grouped(n)),
			open: func(_ context.Context, p place) (runner, error) {
				rt, err := newRuntime(sourceOf(p.Sink))
				return invokingTrack(rt, n, max(set.scaled(4_000), 4*n)), err
			},
		}
		callers.contenders = append(callers.contenders, c)
		note := fmt.Sprintf("CPU time per call, callers: %d", n)
		callers.lines = append(callers.lines, cpuMicros().of(fmt.Sprint(scaleCallers, n), goal{}, note, c.name))
	}
	return []group{events, callers}
}

// rows calls row with each result of a part of scale, and the number that the part varies.
func rows(results []result, part string, row func(n float64, r result)) {
	for _, r := range results {
		var n float64
		if rest, ok := strings.CutPrefix(r.name, part); ok {
			_, _ = fmt.Sscan(rest, &n)
			row(n, r)
		}
	}
}
