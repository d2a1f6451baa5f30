package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"slices"
)

// bench is one run of the program.
type bench struct {
	settings
	sink      *sink
	report    *report
	miscounts []error
}

// measure runs a group and prints its lines.
func (b *bench) measure(ctx context.Context, g group) error {
	if g.table != nil {
		return g.table(ctx, b)
	}
	ready, why, err := b.open(ctx, g)
	defer func() {
		for _, r := range ready {
			if r.close != nil {
				r.close()
			}
		}
	}()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(g.lines, func(l line) bool { return reasonToSkip(l, why) == "" }) {
		for _, l := range g.lines {
			b.report.skip(l, reasonToSkip(l, why))
		}
		return nil
	}
	samples := map[string][]sample{}
	for round := -1; round < b.roundsOf(g); round++ { // the first only warms up, and has every messageId looked at
		for i := range g.contenders {
			c := g.contenders[(i+max(round, 0))%len(g.contenders)]
			r, ok := ready[c.name]
			if !ok || c.rounds > 0 && round >= c.rounds {
				continue
			}
			s, err := b.once(ctx, c.name, r, round < 0)
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
		return min(g.rounds, 2)
	}
	return g.rounds
}

func (b *bench) open(ctx context.Context, g group) (ready map[string]runner, why map[string]string, err error) {
	ready, why = map[string]runner{}, map[string]string{}
	for _, c := range g.contenders {
		r, err := c.open(ctx, b)
		var missing skipped
		switch {
		case errors.As(err, &missing):
			why[c.name] = missing.Error()
		case err != nil:
			return ready, why, fmt.Errorf("%s: %w", c.name, err)
		default:
			ready[c.name] = r
		}
	}
	return ready, why, nil
}

func reasonToSkip(l line, why map[string]string) string {
	for _, name := range append([]string{l.ours}, l.theirs...) {
		if why[name] != "" {
			return why[name]
		}
	}
	return ""
}

// once runs a contender and compares what it says to have sent with what the sink has got.
func (b *bench) once(ctx context.Context, name string, r runner, verify bool) (s sample, err error) {
	if err := ctx.Err(); err != nil {
		return s, err
	}
	if r.prepare != nil {
		if err := r.prepare(); err != nil {
			return s, fmt.Errorf("prepare: %w", err)
		}
	}
	verify = verify && !r.many
	if err := b.sink.reset(ctx, verify); err != nil {
		return s, err
	}
	runtime.GC()
	// What is measured gets a context that nobody can cancel: watching one has a price, and it is
	// not what is compared.
	pprof.Do(context.WithoutCancel(ctx), pprof.Labels("contender", name),
		func(ctx context.Context) { s, err = r.run(ctx) })
	if err != nil {
		return s, err
	}
	if s.kept != s.waiting {
		b.miscounts = append(b.miscounts,
			fmt.Errorf("%s had %s events acknowledged, %s wait in the store", name, grouped(s.kept), grouped(s.waiting)))
	}
	b.report.kept(name, s)
	if s.sent == 0 {
		return s, nil
	}
	got, err := b.sink.counts(ctx)
	if err != nil {
		return s, err
	}
	if s.distinct == 0 {
		s.distinct = s.sent
	}
	switch {
	case got.Events != s.sent:
		b.miscounts = append(b.miscounts,
			fmt.Errorf("%s sent %s events, the sink counted %s", name, grouped(s.sent), grouped(got.Events)))
	case verify && got.Distinct != s.distinct:
		b.miscounts = append(b.miscounts,
			fmt.Errorf("%s must have sent %s different messageIds, the sink counted %s", name, grouped(s.distinct),
				grouped(got.Distinct)))
	}
	b.report.delivered(name, s, got, verify)
	return s, nil
}

// result is a line, measured.
type result struct {
	line
	measured  float64 // the median
	low, high float64 // the middle half of the rounds lies between them
	rounds    int
	ours      sample // medians
	theirs    float64
}

func resultOf(l line, samples map[string][]sample) result {
	rounds := len(samples[l.ours])
	for _, name := range l.theirs {
		rounds = min(rounds, len(samples[name]))
	}
	var ratios, theirs, ours, cpu []float64
	for i := range rounds {
		our := samples[l.ours][i]
		ratio := l.value(our)
		ours, cpu = append(ours, ratio), append(cpu, our.cpu)
		if len(l.theirs) > 0 {
			best := l.best(samples, i)
			theirs = append(theirs, best)
			ratio /= best
		}
		ratios = append(ratios, ratio)
	}
	return result{
		line: l, rounds: rounds,
		measured: quantile(ratios, 0.5), low: quantile(ratios, 0.25), high: quantile(ratios, 0.75),
		ours: sample{value: quantile(ours, 0.5), cpu: quantile(cpu, 0.5)}, theirs: quantile(theirs, 0.5),
	}
}

// best is the best of what ours is compared with in one round.
func (l line) best(samples map[string][]sample, round int) float64 {
	var values []float64
	for _, name := range l.theirs {
		values = append(values, l.value(samples[name][round]))
	}
	if l.more {
		return slices.Max(values)
	}
	return slices.Min(values)
}

// quantile returns the value below which a share of the values lies, between two values where it
// falls between them; 0 of none.
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
