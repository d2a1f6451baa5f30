package main

import (
	"context"
	"regexp"
)

// sections are all groups there are, in the order in which they run. A new section is a file with a
// function that returns its groups, and a line here.
func sections(set settings) []group {
	var all []group
	for _, section := range []func(settings) []group{validation, oneCall, batch, deliveryModes, imports, scale} {
		all = append(all, section(set)...)
	}
	return all
}

// group is what is measured together: in every round each of its contenders runs once, in an order
// that rotates.
type group struct {
	name       string
	rounds     int
	contenders []contender
	lines      []line
	// table measures by itself, for what is no comparison. Such a group has neither contenders nor
	// lines.
	table func(ctx context.Context, b *bench) error
}

// contender is one of the sides that lines compare.
type contender struct {
	name string
	// rounds is how many rounds it takes part in, 0 for all: some are too slow for more than a few.
	rounds int
	// open makes it ready, and is called only when a line is wanted that needs it. A skipped error
	// takes its lines out.
	open func(ctx context.Context, b *bench) (runner, error)
}

// runner is a contender that is ready.
type runner struct {
	prepare func() error // before each run, not timed; may be nil
	run     func(ctx context.Context) (sample, error)
	close   func() // may be nil
	// many tells that it sends more messageIds than the sink should keep, so they are never looked
	// at.
	many bool
}

// sample is what one run has measured.
type sample struct {
	value float64 // in the unit of the line
	cpu   float64 // of this process, in microseconds an event; 0 where it is not of interest
	sent  int     // events that the sink must have counted by now; 0 where nothing is sent
	// distinct is how many different messageIds they have. 0: as many as events.
	distinct int
	// p99 is the latency that all but one of a hundred calls kept, in microseconds, where it is of
	// interest.
	p99 float64
	// kept events have been acknowledged by a store, and waiting are in it.
	kept, waiting int
}

// skipped is why a contender cannot run here.
type skipped string

func (s skipped) Error() string { return string(s) }

// line is a comparison.
type line struct {
	name string
	goal goal
	unit string // of the values of its contenders
	// of is what of a sample counts. nil: its value.
	of   func(sample) float64
	ours string
	// theirs are what ours is compared with: the best of them in each round. None: the value of
	// ours is itself what counts.
	theirs []string
	// more tells that larger values are the better ones.
	more bool
	// against says in words what theirs are.
	against string
}

// value is what of a sample counts for the line.
func (l line) value(s sample) float64 {
	if l.of == nil {
		return s.value
	}
	return l.of(s)
}

// wanted returns the groups with those of their lines that match, and only the contenders that
// these need.
func wanted(groups []group, only *regexp.Regexp) []group {
	var out []group
	for _, g := range groups {
		if g.table != nil {
			if only.MatchString(g.name) {
				out = append(out, g)
			}
			continue
		}
		needed := map[string]bool{}
		var lines []line
		for _, l := range g.lines {
			if !only.MatchString(l.name) {
				continue
			}
			lines = append(lines, l)
			needed[l.ours] = true
			for _, name := range l.theirs {
				needed[name] = true
			}
		}
		var contenders []contender
		for _, c := range g.contenders {
			if needed[c.name] {
				contenders = append(contenders, c)
			}
		}
		if g.lines, g.contenders = lines, contenders; len(lines) > 0 {
			out = append(out, g)
		}
	}
	return out
}
