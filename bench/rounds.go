package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// bench is one run of the program.
type bench struct {
	settings
	sink      *sink
	report    *report
	miscounts []error
}

// measure runs a group and prints its lines.
func (b *bench) measure(ctx context.Context, g group) (err error) {
	workers := map[string]*process{}
	defer func() {
		for _, w := range workers {
			err = errors.Join(err, w.stop())
		}
	}()
	why := map[string]string{}
	for _, c := range g.contenders {
		w, err := start(ctx, workerArgument, c.name)
		if err != nil {
			return err
		}
		workers[c.name] = w
		var o opened
		if err := w.call(place{b.sink.url, b.sink.tls, b.quick, b.node, b.profiles}, &o); err != nil {
			return fmt.Errorf("open %s: %w", c.name, err)
		}
		if o.Skipped != "" {
			why[c.name] = o.Skipped
		}
	}
	samples := map[string][]sample{}
	first := -1 // this round only warms up, and the sink looks at every messageId in it
	if g.rounds == 1 {
		first = 0 // a round takes minutes, so there is no warm-up
	}
	for round := first; round < b.roundsOf(g); round++ {
		for i := range g.contenders {
			c := g.contenders[(i+max(round, 0))%len(g.contenders)]
			if why[c.name] != "" || c.rounds > 0 && round >= c.rounds {
				continue
			}
			s, err := b.once(ctx, c, workers[c.name], round < 0)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if round >= 0 {
				samples[c.name] = append(samples[c.name], s)
			}
		}
	}
	for _, l := range g.lines {
		if reason := reasonToSkip(l, why); reason != "" {
			b.report.skip(l, reason)
			continue
		}
		b.report.line(resultOf(l, samples))
	}
	b.report.deliveries()
	return nil
}

func (b *bench) roundsOf(g group) int {
	switch {
	case b.rounds > 0:
		return b.rounds
	case b.quick:
		return 1
	}
	return g.rounds
}

func reasonToSkip(l line, why map[string]string) string {
	for _, name := range l.contenders() {
		if why[name] != "" {
			return why[name]
		}
	}
	return ""
}

// once runs a contender, and compares what it claims to have sent with what the sink has counted.
func (b *bench) once(ctx context.Context, c contender, worker *process, verify bool) (s sample, err error) {
	if err := ctx.Err(); err != nil {
		return s, err
	}
	verify = verify && !c.many
	if _, err := b.sink.ask(sinkQuestion{Reset: true, Verify: verify}); err != nil {
		return s, err
	}
	if err := worker.call(place{}, &s); err != nil {
		return s, err
	}
	got, err := b.sink.ask(sinkQuestion{})
	if err != nil {
		return s, err
	}
	if s.Distinct == 0 {
		s.Distinct = s.Sent
	}
	wrong := func(what string, args ...any) {
		b.miscounts = append(b.miscounts, fmt.Errorf(c.name+": "+what, args...))
	}
	switch {
	case got.Error != "":
		wrong("%s", got.Error)
	case got.Events != s.Sent:
		wrong("sent %s events, the sink counted %s", grouped(s.Sent), grouped(got.Events))
	case verify && got.Distinct != s.Distinct:
		wrong("must have sent %s different messageIds, the sink counted %s", grouped(s.Distinct), grouped(got.Distinct))
	case s.Stored != s.Found:
		wrong("%s events were acknowledged, %s are in the file", grouped(s.Stored), grouped(s.Found))
	}
	b.report.ran(c.name, s, got, verify)
	return s, nil
}

// result is the measurement of a line.
type result struct {
	line
	value     float64 // the median
	low, high float64 // the middle half of the rounds lies between them
	rounds    int
	busy      bool
	ours      float64 // medians of the two sides
	theirs    float64
	worst     string // the contender that was the worst of the line's in the last round
	seen      sample // its run with the median CPU time, for information
}

// verdict returns busy if other programs kept the machine busy and the result misses its goal. That
// applies to latencies, and to CPU times that are not the ratio of two equally slowed sides.
func (r result) verdict() string {
	v := r.goal.verdict(r.low, r.high)
	latency := strings.HasPrefix(r.metric.unit, "µs p")
	slowed := strings.Contains(r.metric.unit, "CPU") && (r.how == alone || r.how == added)
	if r.busy && v != "" && v != met && (latency || slowed) {
		return busy
	}
	return v
}

func resultOf(l line, samples map[string][]sample) result {
	r := result{line: l, rounds: len(samples[l.of[0]])}
	for _, name := range l.contenders() {
		r.rounds = min(r.rounds, len(samples[name]))
	}
	var values, ours, theirs []float64
	for i := range r.rounds {
		in := func(name string) float64 { return l.metric.in(samples[name][i]) }
		r.worst = slices.MaxFunc(l.of, func(a, b string) int { return cmp.Compare(in(a), in(b)) })
		our, their := in(r.worst), 0.0
		if len(l.against) > 0 {
			their = in(slices.MinFunc(l.against, func(a, b string) int { return cmp.Compare(in(a), in(b)) }))
		}
		values, ours, theirs = append(values, l.value(our, their)), append(ours, our), append(theirs, their)
	}
	r.value, r.low, r.high = quantile(values, 0.5), quantile(values, 0.25), quantile(values, 0.75)
	r.ours, r.theirs = quantile(ours, 0.5), quantile(theirs, 0.5)
	if r.rounds > 0 {
		seen := slices.SortedFunc(slices.Values(samples[r.worst]), func(a, b sample) int {
			return cmp.Compare(a.CPU, b.CPU)
		})
		r.seen = seen[len(seen)/2]
	}
	return r
}

// quantile returns the value below which a share of the values lies. It interpolates between two
// values, and returns 0 if there are none.
func quantile(values []float64, share float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	at := share * float64(len(sorted)-1)
	below := int(at)
	if below+1 == len(sorted) {
		return sorted[below]
	}
	return sorted[below] + (at-float64(below))*(sorted[below+1]-sorted[below])
}
