package main

import (
	"math"
	"strconv"
)

// goal is the value that a line should reach. The zero value means that there is no goal.
type goal struct {
	bound float64
	sense sense
}

type sense uint8

const (
	noGoal sense = iota
	mostGoal
	leastGoal
)

func atMost(bound float64) goal  { return goal{bound, mostGoal} }
func atLeast(bound float64) goal { return goal{bound, leastGoal} }

// The verdicts.
const (
	met    = "met"
	missed = "missed"
	near   = "close" // some of the middle half of the rounds met the goal, and some did not
	busy   = "busy"  // not met, but other programs kept the machine busy
)

// verdict judges the middle half of the rounds, so that noise alone does not change it.
func (g goal) verdict(low, high float64) string {
	if g.sense == noGoal {
		return ""
	}
	meets := func(v float64) bool {
		return g.sense == mostGoal && v <= g.bound || g.sense == leastGoal && v >= g.bound
	}
	switch {
	case meets(low) && meets(high):
		return met
	case meets(low) || meets(high):
		return near
	}
	return missed
}

func (g goal) String() string {
	switch g.sense {
	case mostGoal:
		return "at most " + digits(g.bound)
	case leastGoal:
		return "at least " + digits(g.bound)
	}
	return "no goal"
}

// digits writes a number with about three significant digits, and commas between the thousands.
func digits(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100:
		return grouped(int(math.Round(v)))
	case a >= 10:
		return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
	case a >= 0.1:
		return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

// grouped writes a number with commas between the thousands.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
