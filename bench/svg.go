package main

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"math"
	"os"
)

// The colours are readable on white and on black, so the picture needs no background.
const (
	inkColour  = "#7d8590"
	gridColour = "#7d859040"
	blue       = "#3b82f6"
	orange     = "#e0782f"
)

// panel is a chart whose axes are both logarithmic.
type panel struct {
	title, x, y   string
	left, top     float64
	width, height float64
	xLow, xHigh   float64
	yLow, yHigh   float64
	ticks         []tick
	curves        []curve
}

// tick is a mark on the x axis, with a second line below its text.
type tick struct {
	at          float64
	text, below string
}

type curve struct {
	name, colour string
	xs, ys       []float64
}

// draw writes a picture of two panels into a file.
func draw(path string, results []result) error {
	left := panel{
		title: "Cost of an event, by events in an invocation", x: "events in an invocation", y: "µs per event",
		left: 70, top: 50, width: 330, height: 230, xLow: 1,
		curves: []curve{{name: "time", colour: blue}, {name: "CPU of the sender", colour: orange}},
	}
	rows(results, scaleEvents, func(n float64, r result) {
		left.xHigh = n
		left.add(0, n, 1e6*r.seen.Wall/float64(r.seen.Units))
		left.add(1, n, r.value)
		left.ticks = append(left.ticks, tick{at: n, text: short(n)})
	})
	right := panel{
		title: "Latency of a call, by number of callers", x: "callers, and calls per second", y: "µs per call",
		left: 490, top: 50, width: 330, height: 230, xLow: 1,
		curves: []curve{{name: "p99", colour: orange}, {name: "p50", colour: blue}},
	}
	rows(results, scaleCallers, func(n float64, r result) {
		right.xHigh = n
		right.add(0, n, r.seen.P99)
		right.add(1, n, r.seen.P50)
		right.ticks = append(right.ticks,
			tick{at: n, text: short(n), below: short(float64(r.seen.Units) / r.seen.Wall)})
	})
	if len(left.ticks) == 0 || len(right.ticks) == 0 {
		return errors.New("-svg: no line of scale was measured")
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 850 345" font-family="system-ui,`+
		` sans-serif" font-size="11" fill="%s">`+"\n", inkColour)
	out.WriteString("<title>How cost grows</title>\n")
	left.draw(&out)
	right.draw(&out)
	out.WriteString("</svg>\n")
	return os.WriteFile(path, out.Bytes(), 0o644) //nolint:gosec // everybody may read the picture
}

func (p *panel) add(curve int, x, y float64) {
	c := &p.curves[curve]
	c.xs, c.ys = append(c.xs, x), append(c.ys, y)
	if p.yLow == 0 || y < p.yLow {
		p.yLow = y
	}
	p.yHigh = max(p.yHigh, y)
}

func (p *panel) draw(out *bytes.Buffer) {
	p.yLow, p.yHigh = math.Pow(10, math.Floor(math.Log10(p.yLow))), math.Pow(10, math.Ceil(math.Log10(p.yHigh)))
	bottom := p.top + p.height
	text := func(x, y float64, anchor, style, s string) {
		fmt.Fprintf(out, `<text x="%.1f" y="%.1f" text-anchor="%s"%s>%s</text>`+"\n", x, y, anchor, style,
			html.EscapeString(s))
	}
	rule := func(x1, y1, x2, y2 float64) {
		fmt.Fprintf(out, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>`+"\n", x1, y1, x2, y2, gridColour)
	}
	text(p.left, p.top-28, "start", ` font-size="13" font-weight="600"`, p.title)
	text(p.left-60, p.top-10, "start", "", p.y)
	for y := p.yLow; y <= p.yHigh*1.01; y *= 10 {
		rule(p.left, p.yAt(y), p.left+p.width, p.yAt(y))
		text(p.left-8, p.yAt(y)+4, "end", "", short(y))
	}
	for _, t := range p.ticks {
		rule(p.xAt(t.at), p.top, p.xAt(t.at), bottom)
		text(p.xAt(t.at), bottom+16, "middle", "", t.text)
		text(p.xAt(t.at), bottom+30, "middle", ` font-size="10"`, t.below)
	}
	text(p.left+p.width/2, bottom+48, "middle", "", p.x)
	legend := p.left + p.width
	for i := len(p.curves) - 1; i >= 0; i-- {
		c := p.curves[i]
		text(legend, p.top-10, "end", fmt.Sprintf(` fill="%s" font-weight="600"`, c.colour), c.name)
		legend -= float64(len(c.name))*6.5 + 16
		fmt.Fprintf(out, `<polyline fill="none" stroke="%s" stroke-width="2" points="`, c.colour)
		for j := range c.xs {
			fmt.Fprintf(out, "%.1f,%.1f ", p.xAt(c.xs[j]), p.yAt(c.ys[j]))
		}
		out.WriteString(`"/>` + "\n")
	}
}

func (p *panel) xAt(x float64) float64 {
	if p.xHigh <= p.xLow {
		return p.left
	}
	return p.left + p.width*math.Log(x/p.xLow)/math.Log(p.xHigh/p.xLow)
}

func (p *panel) yAt(y float64) float64 {
	if p.yHigh <= p.yLow {
		return p.top + p.height
	}
	return p.top + p.height*(1-math.Log(y/p.yLow)/math.Log(p.yHigh/p.yLow))
}

// short writes a number in a few characters: 21k, 1M.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return digits(v/1e6) + "M"
	case v >= 1e4, v == 1e3:
		return fmt.Sprintf("%.0fk", v/1e3)
	case v >= 1e3 && v != math.Trunc(v):
		return fmt.Sprintf("%.1fk", v/1e3)
	case v >= 1e3:
		return grouped(int(v))
	}
	return fmt.Sprintf("%.3g", v)
}
