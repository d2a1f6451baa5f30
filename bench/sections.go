package main

import (
	"context"
	"regexp"
	"slices"
)

// sections returns all groups, in the order in which they run. To add a section, write a function
// that returns its groups in a new file, and add a line here.
func sections(set settings) []group {
	var all []group
	for _, section := range []func(settings) []group{
		validation, calls, batches, serving, durable, deadLetters, manySources, largeInputs, imports, scale,
	} {
		all = append(all, section(set)...)
	}
	return all
}

// group is a set of contenders that are measured together. In every round, each of them runs once,
// in an order that rotates.
type group struct {
	name       string
	rounds     int
	contenders []contender
	lines      []line
}

// contender is one of the sides that lines compare. It runs in a process of its own.
type contender struct {
	name string
	// rounds is the number of rounds that it takes part in, 0 for all. Slow contenders take part in
	// few.
	rounds int
	// many means that it sends too many messageIds for the sink to keep, so the sink never looks at
	// them.
	many bool
	// open makes it ready, in its process. If the error is skipped, its lines are not measured.
	open func(ctx context.Context, p place) (runner, error)
}

// line is one measurement of a contender, alone or in comparison with others.
type line struct {
	name   string
	goal   goal
	metric metric
	// of are the contenders, of which the worst counts. Mostly, there is only one.
	of []string
	// against are the contenders to compare with, of which the best in each round counts.
	against []string
	how     comparison
	// note describes the measurement and the comparison.
	note string
}

// comparison says how the values of the two sides in a round are combined.
type comparison uint8

const (
	alone   comparison = iota
	ratio              // of ours to theirs
	cheaper            // of theirs to ours
	added              // ours less theirs
)

// of returns a line that measures contenders by this metric.
func (m metric) of(name string, g goal, note string, of ...string) line {
	return line{name: name, goal: g, metric: m, of: of, note: note}
}

// over returns the line as a comparison with other contenders.
func (l line) over(how comparison, others ...string) line {
	l.how, l.against = how, others
	return l
}

func (l line) contenders() []string { return slices.Concat(l.of, l.against) }

// value returns the value of the line in one round.
func (l line) value(ours, theirs float64) float64 {
	switch l.how {
	case ratio:
		return ours / theirs
	case cheaper:
		return theirs / ours
	case added:
		return ours - theirs
	}
	return ours
}

func (l line) unit() string {
	switch l.how {
	case ratio:
		return "×"
	case cheaper:
		return "× cheaper"
	}
	return l.metric.unit
}

// metric is the part of a sample that a line measures.
type metric struct {
	unit string
	in   func(s sample) float64
}

// perUnit returns a metric that divides the cost of a whole run by its events or calls.
func perUnit(unit string, of func(s sample) float64) metric {
	return metric{unit, func(s sample) float64 { return of(s) / float64(max(1, s.Units)) }}
}

func cpuMillion() metric {
	return perUnit("CPU-s/million", func(s sample) float64 { return s.CPU * 1e6 })
}
func cpuMicros() metric { return perUnit("µs CPU", func(s sample) float64 { return s.CPU * 1e6 }) }
func cpuWhole() metric  { return metric{"CPU-s", func(s sample) float64 { return s.CPU }} }

func kilobytes() metric {
	return perUnit("KB", func(s sample) float64 { return s.Allocated / 1e3 })
}

func written() metric   { return perUnit("B", func(s sample) float64 { return s.Written }) }
func megabytes() metric { return metric{"MB peak", func(s sample) float64 { return s.Peak / 1e6 }} }
func p50() metric       { return metric{"µs p50", func(s sample) float64 { return s.P50 }} }
func p99() metric       { return metric{"µs p99", func(s sample) float64 { return s.P99 }} }

// find returns the contender with a name. A contender may take part in several groups.
func find(name string, quick bool) (contender, bool) {
	for _, g := range sections(settings{quick: quick, large: true}) {
		for _, c := range g.contenders {
			if c.name == name {
				return c, true
			}
		}
	}
	return contender{}, false
}

// wanted returns the groups with only the lines that match, and only the contenders that these
// lines need.
func wanted(groups []group, only *regexp.Regexp) []group {
	var out []group
	for _, g := range groups {
		needed := map[string]bool{}
		g.lines = slices.DeleteFunc(g.lines, func(l line) bool { return !only.MatchString(l.name) })
		for _, l := range g.lines {
			for _, name := range l.contenders() {
				needed[name] = true
			}
		}
		g.contenders = slices.DeleteFunc(g.contenders, func(c contender) bool { return !needed[c.name] })
		if len(g.lines) > 0 {
			out = append(out, g)
		}
	}
	return out
}
