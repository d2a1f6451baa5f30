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
		fmt.Fprintf(&b, "  n%d[\"%s\"]\n", i, label)
	}
	for i, n := range g.Nodes {
		for _, need := range n.Needs {
			arrow := "-->"
			switch {
			case need.Failed:
				arrow = "-. failed .->"
			case n.When != "":
				arrow = fmt.Sprintf("-- \"%s\" -->", html.EscapeString(text.Clip(text.OneLine(n.When), 60)))
			}
			fmt.Fprintf(&b, "  n%d %s n%d\n", need.Node, arrow, i)
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
	if n.ForEach != nil {
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

// SVG draws the graph from left to right: each node in the column behind the last one that it needs.
func (g *Graph) SVG() string {
	column := make([]int, len(g.Nodes))
	row := make([]int, len(g.Nodes))
	var height []int // of each column, in nodes
	for _, i := range g.order() {
		for _, need := range g.Nodes[i].Needs {
			column[i] = max(column[i], column[need.Node]+1)
		}
		for len(height) <= column[i] {
			height = append(height, 0)
		}
		row[i] = height[column[i]]
		height[column[i]]++
	}
	tallest := 0
	for _, h := range height {
		tallest = max(tallest, h)
	}
	at := func(i int) (x, y int) {
		above := (tallest - height[column[i]]) * (boxHeight + gapDown) / 2
		return margin + column[i]*(boxWidth+gapAcross), margin + above + row[i]*(boxHeight+gapDown)
	}
	var b strings.Builder
	width := 2*margin + len(height)*(boxWidth+gapAcross) - gapAcross
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" font-family="system-ui, `+
		`sans-serif" font-size="13">`+"\n", width, 2*margin+tallest*(boxHeight+gapDown)-gapDown, width)
	fmt.Fprintf(&b, "<title>%s</title>\n", html.EscapeString(text.Escape(g.Name)))
	for i, n := range g.Nodes {
		x2, y2 := at(i)
		for _, need := range n.Needs {
			x1, y1 := at(need.Node)
			writeEdge(&b, x1+boxWidth, y1+boxHeight/2, x2, y2+boxHeight/2, need.Failed)
		}
	}
	for i, n := range g.Nodes {
		x, y := at(i)
		writeBox(&b, n, x, y)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func writeEdge(b *strings.Builder, x1, y1, x2, y2 int, failed bool) {
	bend, dashes := (x2-x1)/2, ""
	if failed {
		dashes = ` stroke-dasharray="5 4"`
	}
	fmt.Fprintf(b, `<path d="M%d %dC%d %d %d %d %d %d" fill="none" stroke="#64748b"%s/>`+"\n",
		x1, y1, x1+bend, y1, x2-bend, y2, x2-6, y2, dashes)
	fmt.Fprintf(b, `<path d="M%d %dl-7 -4v8z" fill="#64748b"/>`+"\n", x2, y2)
}

func writeBox(b *strings.Builder, n *Node, x, y int) {
	fmt.Fprintf(b, `<g><rect x="%d" y="%d" width="%d" height="%d" rx="8" fill="#f8fafc" stroke="#334155"/>`,
		x, y, boxWidth, boxHeight)
	id, does, _ := strings.Cut(n.label(), "\n")
	middle := x + boxWidth/2
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle" font-weight="600" fill="#0f172a">%s</text>`,
		middle, y+19, html.EscapeString(text.Clip(id, 24)))
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle" font-size="11" fill="#475569">%s</text>`,
		middle, y+36, html.EscapeString(text.Clip(does, 30)))
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
