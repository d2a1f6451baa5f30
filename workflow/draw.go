package workflow

import (
	"fmt"
	"html"
	"strings"

	"github.com/aacflow/segment-blocks/internal/text"
)

// Mermaid draws the graph as a flowchart. A dotted edge leads on when a node has failed.
func (g *Graph) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	for i, n := range g.Nodes {
		label := strings.ReplaceAll(html.EscapeString(n.label()), "\n", "<br/>")
		// Nodes get names of ours: an id such as end is a word of Mermaid.
		fmt.Fprintf(&b, "  n%d[\"%s\"]\n", i, label)
	}
	for i, n := range g.Nodes {
		for _, need := range n.Needs {
			arrow := "-->"
			switch {
			case need.Failed:
				arrow = "-. failed .->"
			// The condition stands at each edge, since a box has no room for it.
			case n.When != "":
				arrow = fmt.Sprintf("-- \"%s\" -->", html.EscapeString(text.Clip(text.OneLine(n.When), 60)))
			}
			fmt.Fprintf(&b, "  n%d %s n%d\n", need.place, arrow, i)
		}
	}
	return b.String()
}

// label is the id of a node and, below it, what it does.
func (n *Node) label() string {
	label := n.ID
	if n.Block != "" {
		label += "\n" + n.Block
	}
	switch {
	case n.Body != nil:
		label += "\nfor each: " + strings.Join(n.Body.ids()[:len(n.Body.Nodes)], ", ")
	case n.ForEach != nil:
		label += ", for each"
	}
	return label
}

// Sizes of a drawing, in its own units.
const (
	boxWidth, boxHeight = 190, 46
	gapAcross, gapDown  = 60, 24
	margin              = 20
)

// point is a place in a drawing.
type point struct{ x, y int }

// cell is a place in the grid of a drawing.
type cell struct{ column, row int }

// layout is where the boxes of a drawing are, and the cells that edges go through on the way.
type layout struct {
	boxes   []cell
	through map[[2]int][]cell // by the positions of both nodes
	height  []int             // of each column, in cells
}

// SVG draws the graph from left to right: each node in the column behind the last one that it
// needs.
func (g *Graph) SVG() string {
	l := g.layout()
	tallest := 0
	for _, h := range l.height {
		tallest = max(tallest, h)
	}
	at := func(c cell) point {
		// Short columns stand in the middle.
		above := (tallest - l.height[c.column]) * (boxHeight + gapDown) / 2
		return point{margin + c.column*(boxWidth+gapAcross), margin + above + c.row*(boxHeight+gapDown)}
	}
	var b strings.Builder
	width := 2*margin + len(l.height)*(boxWidth+gapAcross) - gapAcross
	depth := 2*margin + tallest*(boxHeight+gapDown) - gapDown
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" `+
		`font-family="system-ui, sans-serif" font-size="13">`+"\n", width, depth, width, depth)
	fmt.Fprintf(&b, "<title>%s</title>\n", html.EscapeString(text.Escape(g.Name)))
	for i, n := range g.Nodes {
		for _, need := range n.Needs {
			points := []point{at(l.boxes[need.place])}
			for _, c := range l.through[[2]int{need.place, i}] {
				points = append(points, at(c))
			}
			writeEdge(&b, append(points, at(l.boxes[i])), need.Failed)
		}
	}
	for i, n := range g.Nodes {
		writeBox(&b, n, at(l.boxes[i]))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// layout finds a cell for each node and, in graphs that somebody could look at, for each column
// that an edge has to cross.
func (g *Graph) layout() layout {
	// An edge over several columns takes a cell in each, so that it goes between the boxes and not
	// through them. That is quadratic, so large graphs, which nobody looks at, go without.
	const most = 200
	l := layout{boxes: make([]cell, len(g.Nodes)), through: map[[2]int][]cell{}}
	take := func(column int) cell {
		for len(l.height) <= column {
			l.height = append(l.height, 0)
		}
		l.height[column]++
		return cell{column, l.height[column] - 1}
	}
	for _, i := range g.order() {
		column := 0
		for _, need := range g.Nodes[i].Needs {
			column = max(column, l.boxes[need.place].column+1)
		}
		l.boxes[i] = take(column)
		for _, need := range g.Nodes[i].Needs {
			edge := [2]int{need.place, i}
			for c := l.boxes[need.place].column + 1; c < column && len(g.Nodes) <= most; c++ {
				l.through[edge] = append(l.through[edge], take(c))
			}
		}
	}
	return l
}

// writeEdge draws a line from box to box, through the places of boxes that are not there.
func writeEdge(b *strings.Builder, points []point, failed bool) {
	fmt.Fprintf(b, `<path d="M%d %d`, points[0].x+boxWidth, points[0].y+boxHeight/2)
	for k, to := range points[1:] {
		from, y := points[k], to.y+boxHeight/2
		x, end := from.x+boxWidth, to.x
		if k == len(points)-2 {
			end -= 6 // the arrow is there
		}
		// Both control points are half-way, which makes the curve leave and arrive level.
		middle := (x + end) / 2
		fmt.Fprintf(b, "C%d %d %d %d %d %d", middle, from.y+boxHeight/2, middle, y, end, y)
		if k < len(points)-2 {
			fmt.Fprintf(b, "H%d", to.x+boxWidth)
		}
	}
	dashes := ""
	if failed {
		dashes = ` stroke-dasharray="5 4"`
	}
	last := points[len(points)-1]
	fmt.Fprintf(b, `" fill="none" stroke="#64748b"%s/>`+"\n", dashes)
	fmt.Fprintf(b, `<path d="M%d %dl-7 -4v8z" fill="#64748b"/>`+"\n", last.x, last.y+boxHeight/2)
}

func writeBox(b *strings.Builder, n *Node, at point) {
	fmt.Fprintf(b, `<g><rect x="%d" y="%d" width="%d" height="%d" rx="8" fill="#f8fafc" stroke="#334155"/>`,
		at.x, at.y, boxWidth, boxHeight)
	id, does, _ := strings.Cut(n.label(), "\n")
	middle := at.x + boxWidth/2
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle" font-weight="600" fill="#0f172a">%s</text>`,
		middle, at.y+19, html.EscapeString(text.Clip(id, 24)))
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle" font-size="11" fill="#475569">%s</text>`,
		middle, at.y+36, html.EscapeString(text.Clip(does, 30)))
	if n.When != "" {
		fmt.Fprintf(b, "<title>when %s</title>", html.EscapeString(text.Escape(n.When)))
	}
	b.WriteString("</g>\n")
}

// order returns the positions of the nodes so that each comes behind what it needs.
func (g *Graph) order() []int {
	waits := make([]int, len(g.Nodes))
	var order []int
	for i, n := range g.Nodes {
		if waits[i] = len(n.Needs); waits[i] == 0 {
			order = append(order, i)
		}
	}
	for k := 0; k < len(order); k++ {
		for _, j := range g.Nodes[order[k]].next {
			if waits[j]--; waits[j] == 0 {
				order = append(order, j)
			}
		}
	}
	return order
}
