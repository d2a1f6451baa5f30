package workflow

import (
	_ "embed"
	"fmt"
	"html"
	"slices"
	"strings"
	"text/template"

	"github.com/aacflow/segment-blocks/internal/text"
)

// Mermaid returns the graph as a Mermaid flowchart. A dotted edge leads on when a node has failed.
func (g *Graph) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	for i, n := range g.Nodes {
		label := strings.ReplaceAll(html.EscapeString(n.label()), "\n", "<br/>")
		// Nodes get our own names, because an id such as end is a word of Mermaid.
		fmt.Fprintf(&b, "  n%d[\"%s\"]\n", i, label)
	}
	for i, n := range g.Nodes {
		for _, need := range n.Needs {
			arrow := "-->"
			switch {
			case need.Failed:
				arrow = "-. failed .->"
			// The condition is at each edge, because a box has no room for it.
			case n.When != "":
				arrow = fmt.Sprintf("-- \"%s\" -->", html.EscapeString(text.Clip(text.OneLine(n.When), 60)))
			}
			fmt.Fprintf(&b, "  n%d %s n%d\n", need.place, arrow, i)
		}
	}
	return b.String()
}

// label returns the id of a node and, below it, what the node does.
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

// Sizes of a drawing, in its own units. The template repeats the size of a box.
const (
	boxWidth, boxHeight = 190, 46
	gapAcross, gapDown  = 60, 24
	margin              = 20
)

//go:embed graph.svg.tmpl
var svgTemplate string

// SVG returns the graph as a drawing from left to right. Each node is in the column after the last
// node that it needs.
func (g *Graph) SVG() string {
	type edge struct {
		Path   string
		Failed bool
	}
	type box struct {
		point
		ID, Does, When string
	}
	drawing := struct {
		Name          string
		Width, Height int
		Edges         []edge
		Boxes         []box
	}{Name: text.Escape(g.Name)}
	boxes, bends, heights := g.layout()
	tallest := slices.Max(append(heights, 0))
	drawing.Width = 2*margin + len(heights)*(boxWidth+gapAcross) - gapAcross
	drawing.Height = 2*margin + tallest*(boxHeight+gapDown) - gapDown
	at := func(c cell) point {
		// Short columns are centered.
		above := (tallest - heights[c.column]) * (boxHeight + gapDown) / 2
		return point{margin + c.column*(boxWidth+gapAcross), margin + above + c.row*(boxHeight+gapDown)}
	}
	for i, n := range g.Nodes {
		id, does, _ := strings.Cut(n.label(), "\n")
		drawing.Boxes = append(drawing.Boxes, box{
			at(boxes[i]), text.Clip(id, 24), text.Clip(does, 30), text.Escape(n.When),
		})
		for _, need := range n.Needs {
			points := []point{at(boxes[need.place])}
			for _, c := range append(bends[[2]int{need.place, i}], boxes[i]) {
				points = append(points, at(c))
			}
			drawing.Edges = append(drawing.Edges, edge{line(points), need.Failed})
		}
	}
	var b strings.Builder
	_ = template.Must(template.New("").Parse(svgTemplate)).Execute(&b, drawing) // of texts and numbers
	return b.String()
}

// point is a place in a drawing, and cell a place in its grid.
type (
	point struct{ X, Y int }
	cell  struct{ column, row int }
)

// layout finds a cell for each node, and the cells that each edge passes through, by the positions
// of its two nodes. It also returns the heights of the columns.
func (g *Graph) layout() (boxes []cell, bends map[[2]int][]cell, heights []int) {
	// An edge over several columns takes a cell in each, so that it passes between the boxes. That
	// is quadratic, so large graphs, which nobody looks at, do without.
	const most = 200
	boxes, bends = make([]cell, len(g.Nodes)), map[[2]int][]cell{}
	take := func(column int) cell {
		if len(heights) == column {
			heights = append(heights, 0)
		}
		heights[column]++
		return cell{column, heights[column] - 1}
	}
	for _, i := range g.order() {
		column := 0
		for _, need := range g.Nodes[i].Needs {
			column = max(column, boxes[need.place].column+1)
		}
		boxes[i] = take(column)
		for _, need := range g.Nodes[i].Needs {
			edge := [2]int{need.place, i}
			for c := boxes[need.place].column + 1; c < column && len(g.Nodes) <= most; c++ {
				bends[edge] = append(bends[edge], take(c))
			}
		}
	}
	return boxes, bends, heights
}

// line returns the path of an edge through its cells, which are as wide as boxes.
func line(points []point) string {
	const half, arrow = boxHeight / 2, 6
	from := point{points[0].X + boxWidth, points[0].Y + half}
	path := fmt.Sprintf("M%d %d", from.X, from.Y)
	for k, to := range points[1:] {
		// Both control points are half-way, so that the curve leaves and arrives level.
		end := point{to.X, to.Y + half}
		last := k == len(points)-2
		if last {
			end.X -= arrow
		}
		middle := (from.X + end.X) / 2
		path += fmt.Sprintf("C%d %d %d %d %d %d", middle, from.Y, middle, end.Y, end.X, end.Y)
		if from = (point{to.X + boxWidth, end.Y}); !last {
			path += fmt.Sprintf("H%d", from.X)
		}
	}
	return path
}

// order returns the positions of the nodes, each after those that it needs.
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
