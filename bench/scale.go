package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/aacflow/segment-blocks/runtime"
)

// scale measures how cost grows: of a batch with its events, and of calls with their callers.
func scale(settings) []group {
	return []group{{name: "scale", table: func(ctx context.Context, b *bench) error {
		var g growth
		for _, n := range b.eventCounts() {
			row, err := b.scaleEvents(ctx, n)
			if err != nil {
				return fmt.Errorf("%s events: %w", grouped(n), err)
			}
			g.Events = append(g.Events, row)
			b.report.events(row, len(g.Events) == 1)
		}
		for _, n := range b.callerCounts() {
			row, err := b.scaleCallers(ctx, n)
			if err != nil {
				return fmt.Errorf("%d callers: %w", n, err)
			}
			g.Callers = append(g.Callers, row)
			b.report.callers(row, len(g.Callers) == 1)
		}
		b.report.deliveries()
		if b.svg == "" {
			return nil
		}
		return os.WriteFile(b.svg, g.draw(), 0o644) //nolint:gosec // a picture for everybody
	}}}
}

// growth is what scale has measured.
type growth struct {
	Events  []eventsRow
	Callers []callersRow
}

// eventsRow is what each event costs where there are so many.
type eventsRow struct {
	Events    int     `json:"events"`
	Wall      float64 `json:"microsPerEvent"`
	CPU       float64 `json:"cpuMicrosPerEvent"`
	PerSecond float64 `json:"eventsPerSecond"`
}

// callersRow is how calls go where there are so many callers.
type callersRow struct {
	Callers   int     `json:"callers"`
	PerSecond float64 `json:"callsPerSecond"`
	P50       float64 `json:"p50Micros"`
	P99       float64 `json:"p99Micros"`
}

func (b *bench) eventCounts() []int {
	if b.quick {
		return []int{1, 100, 10_000}
	}
	return []int{1, 10, 100, 1_000, 10_000, 100_000, 1_000_000}
}

func (b *bench) callerCounts() []int {
	if b.quick {
		return []int{1, 64}
	}
	return []int{1, 2, 4, 16, 64, 256, 1024}
}

// times is how often something is measured of which the median counts.
func (b *bench) times() int {
	switch {
	case b.rounds > 0:
		return b.rounds
	case b.quick:
		return 1
	}
	return 5
}

// scaleEvents sends n events: in one invocation or, where they are more than one should take, in
// several, two at a time.
func (b *bench) scaleEvents(ctx context.Context, n int) (eventsRow, error) {
	rt, err := newRuntime(b.sink.url)
	if err != nil {
		return eventsRow{}, err
	}
	defer closed(ctx, rt)()
	each := min(n, 5_000)
	docs := documents(makeEvents(min(n, 20_000)), each, timeLayout)
	again := max(1, 10_000/n) // so often that there is something to measure
	if n == 1 {
		again = 2_000
	}
	name := fmt.Sprintf("scale %s events", grouped(n))
	r := runner{run: func(ctx context.Context) (sample, error) {
		return rateOf(again*n, func() error {
			for range again {
				err := inParallel(inFlight, n/each, func(i int) error {
					_, err := rt.Invoke(ctx, "segment_batch", runtime.JSON(docs[i%len(docs)]))
					return err
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}}
	var rates, cpu []float64
	for i := -1; i < b.times(); i++ {
		verify := i < 0 && n <= 100_000 // a million of messageIds are too many to keep
		s, err := b.once(ctx, name, r, verify)
		if err != nil {
			return eventsRow{}, err
		}
		if i >= 0 {
			rates, cpu = append(rates, s.value), append(cpu, s.cpu)
		}
	}
	rate := quantile(rates, 0.5)
	return eventsRow{Events: n, Wall: 1e6 / rate, CPU: quantile(cpu, 0.5), PerSecond: rate}, nil
}

func (b *bench) scaleCallers(ctx context.Context, callers int) (callersRow, error) {
	rt, err := newRuntime(b.sink.url)
	if err != nil {
		return callersRow{}, err
	}
	defer closed(ctx, rt)()
	slice := 500 * time.Millisecond
	if b.quick {
		slice = 50 * time.Millisecond
	}
	input := runtime.JSON(orderEvent())
	var took latencies
	var seconds float64
	r := runner{run: func(ctx context.Context) (sample, error) {
		begin := time.Now()
		var err error
		took, err = drive(ctx, callers, slice, func(ctx context.Context, _ int) error {
			_, err := rt.Invoke(ctx, "segment_track", input)
			return err
		})
		seconds = time.Since(begin).Seconds()
		return sample{value: took.micros(0.5), sent: len(took)}, err
	}}
	var rate, p50, p99 []float64
	for i := -1; i < b.times(); i++ {
		if _, err := b.once(ctx, fmt.Sprintf("scale %d callers", callers), r, i < 0); err != nil {
			return callersRow{}, err
		}
		if i >= 0 {
			rate, p50, p99 = append(rate, float64(len(took))/seconds), append(p50, took.micros(0.5)), append(p99,
				took.micros(0.99))
		}
	}
	return callersRow{
		Callers: callers, PerSecond: quantile(rate, 0.5), P50: quantile(p50, 0.5),
		P99: quantile(p99, 0.5),
	}, nil
}

func (r *report) events(row eventsRow, first bool) {
	if r.asJSON {
		r.object("scale", row)
		return
	}
	if first {
		r.print("\n%12s  %12s  %12s  %12s\n", "events", "µs an event", "CPU µs", "events/s")
	}
	r.print("%12s  %12s  %12s  %12s\n", grouped(row.Events), digits(row.Wall), digits(row.CPU), digits(row.PerSecond))
}

func (r *report) callers(row callersRow, first bool) {
	if r.asJSON {
		r.object("scale", row)
		return
	}
	if first {
		r.print("\n%12s  %12s  %12s  %12s\n", "callers", "p50 µs", "p99 µs", "calls/s")
	}
	r.print("%12s  %12s  %12s  %12s\n", grouped(row.Callers), digits(row.P50), digits(row.P99), digits(row.PerSecond))
}
