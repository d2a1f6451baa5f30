package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/workflow"
)

// printWorkflow prints how far a run has come.
func (p *Program) printWorkflow(res *workflow.Result, format string, dryRun bool) error {
	switch format {
	case ndjson:
		return p.printLine(res)
	case "json", "yaml":
		return p.Print(format, res)
	}
	verb := ""
	if dryRun {
		verb = " as a dry run, nothing was sent"
	}
	w, style := p.Stdout, p.Style(p.Stdout)
	console.Writef(w, "%s %s%s, run %s\n", res.Graph.Name, paintStatus(style, res.Status), verb, res.Run)
	var rows [][]string
	for i, n := range res.Graph.Nodes {
		rows = append(rows, []string{n.ID, string(res.State.Nodes[i].Status), describeNode(res.State.Nodes[i])})
	}
	console.WriteTable(w, rows)
	return nil
}

// printLine prints a document as one line, on a terminal as well.
func (p *Program) printLine(value any) error {
	line, err := json.Marshal(value)
	if err != nil {
		return console.Failed("cannot print the result: %w", err)
	}
	console.Writeln(p.Stdout, string(line))
	return nil
}

func paintStatus(style console.Style, status workflow.Status) string {
	switch status {
	case workflow.Succeeded:
		return style.Good(string(status))
	case workflow.Failed, workflow.Canceled:
		return style.Bad(string(status))
	}
	return string(status)
}

// describeNode says what came of a node, in a few words.
func describeNode(state workflow.NodeState) string {
	var r struct {
		Accepted int               `json:"accepted"`
		Preview  []json.RawMessage `json:"preview"`
	}
	_ = json.Unmarshal(state.Receipt, &r) // it is what the runtime has written, or nothing
	switch {
	case state.Error != nil:
		return rawjson.OpenObject(state.Error).Text("message")
	case state.Loop != nil:
		return console.Count(state.Loop.Count, "iteration")
	case len(r.Preview) > 0:
		return console.Count(len(r.Preview), "request") + " would be sent"
	case r.Accepted > 0:
		return console.Count(r.Accepted, "message") + " accepted"
	}
	return ""
}

// nodes shows what the nodes of a run do: as lines of JSON on stdout, or as a list on the terminal
// that is stderr.
type nodes struct {
	program *Program
	graph   *workflow.Graph
	format  string
	live    bool
	drawn   int               // lines of the list that are on the screen
	states  map[string]string // of nodes that have begun
}

func (p *Program) newNodes(g *workflow.Graph, format string) *nodes {
	live := format != ndjson && console.IsTerminal(p.Stderr) && p.Variable("TERM") != "dumb"
	return &nodes{program: p, graph: g, format: format, live: live, states: map[string]string{}}
}

func (n *nodes) observe(e workflow.Event) {
	if n.format == ndjson {
		_ = n.program.printLine(e) // stdout remembers its own errors
		return
	}
	if !n.live {
		return
	}
	switch {
	case e.Status == workflow.Running && e.Attempt > 1:
		n.states[e.Node] = fmt.Sprintf("attempt %d is next", e.Attempt)
	case e.Iteration != nil:
		n.states[e.Node] = fmt.Sprintf("iteration %d", *e.Iteration)
	default:
		n.states[e.Node] = string(e.Status)
	}
	n.draw()
}

// draw writes the list over the one before. A long list is cut to the nodes that run.
func (n *nodes) draw() {
	const most = 20
	w, style := n.program.Stderr, n.program.Style(n.program.Stderr)
	n.end()
	for _, node := range n.graph.Nodes {
		state := cmp.Or(n.states[node.ID], string(workflow.Pending))
		ended := []workflow.Status{workflow.Pending, workflow.Succeeded, workflow.Failed, workflow.Skipped}
		idle := slices.Contains(ended, workflow.Status(state))
		if n.drawn == most || len(n.graph.Nodes) > most && idle {
			continue
		}
		console.Writef(w, "  %-24s %s\n", node.ID, paintStatus(style, workflow.Status(state)))
		n.drawn++
	}
}

// end takes the list away.
func (n *nodes) end() {
	if n.drawn > 0 {
		console.Writef(n.program.Stderr, "\x1b[%dA\x1b[J", n.drawn)
	}
	n.drawn = 0
}
