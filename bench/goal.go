package main

import (
	"fmt"
	"math"
	"strconv"
)

// goal is what a line is to reach. The zero value is none.
type goal struct {
	bound float64
	sense sense
	style style
}

type sense uint8

const (
	noGoal sense = iota
	mostGoal
	leastGoal
)

// style is how a ratio is written.
type style uint8

const (
	times    style = iota // 1.23 ×
	fraction              // 1/18.2
	percent               // 41 %
	count                 // 0
	exact                 // 0.998 ×
)

func atMost(bound float64, s style) goal  { return goal{bound, mostGoal, s} }
func atLeast(bound float64, s style) goal { return goal{bound, leastGoal, s} }

// none is for lines that are there to be known.
func none(s style) goal { return goal{style: s} }

func (g goal) met(measured float64) bool {
	if g.sense == mostGoal {
		return measured <= g.bound
	}
	return measured >= g.bound
}

func (g goal) verdict(measured float64) string {
	switch {
	case g.sense == noGoal:
		return ""
	case g.met(measured):
		return "met"
	}
	return "missed"
}

func (g goal) String() string {
	switch g.sense {
	case mostGoal:
		return "at most " + g.style.write(g.bound)
	case leastGoal:
		return "at least " + g.style.write(g.bound)
	}
	return "no goal"
}

func (s style) write(v float64) string {
	switch s {
	case fraction:
		return "1/" + digits(1/v)
	case percent:
		return fmt.Sprintf("%.0f %%", 100*v)
	case count:
		return digits(v)
	case exact:
		return fmt.Sprintf("%.3f ×", v)
	}
	return digits(v) + " ×"
}

// digits writes three digits or so, and thousands apart.
func digits(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100:
		return grouped(int(math.Round(v)))
	case a >= 10:
		return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
	}
	return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
}

// grouped writes a number with commas between the thousands.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
