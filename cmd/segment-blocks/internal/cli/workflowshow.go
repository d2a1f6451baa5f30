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

// ndjson is an output format of workflow run alone.
const ndjson = "ndjson"

// printWorkflow prints how far a run has come.
func (p *Program) printWorkflow(res *workflow.Result, format string, dryRun bool) error {
	if format != "text" {
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
		state := res.State.Nodes[i]
		if state.Status == workflow.Running { // nothing runs it any more
			state.Status = workflow.Pending
		}
		rows = append(rows, []string{n.ID, string(state.Status), describeNode(state)})
	}
	console.WriteTable(w, rows)
	return nil
}

// paintStatus colors the states that end a node, because those are what a person looks for.
func paintStatus(style console.Style, status workflow.Status) string {
	switch status {
	case workflow.Succeeded:
		return style.Good(string(status))
	case workflow.Failed, workflow.Canceled:
		return style.Bad(string(status))
	}
	return string(status)
}

// describeNode says what came of a node, in a few words: why it failed rather than what it sent,
// and of a loop only how long it was, since its iterations may have ended in many ways.
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

// nodes is the list of a run's nodes on the terminal that is stderr, each with what it does.
type nodes struct {
	program *Program
	graph   *workflow.Graph
	drawn   int               // lines of the list that are on the screen
	states  map[string]string // of nodes that have begun
}

// observer returns what shows the events of a run while it goes on, nil where nobody is looking.
func (n *nodes) observer(format string) func(workflow.Event) {
	p := n.program
	switch {
	case format == ndjson:
		return func(e workflow.Event) { _ = p.Print(ndjson, e) } // stdout remembers its own errors
	case console.IsTerminal(p.Stderr) && p.Variable("TERM") != "dumb":
		return n.observe
	}
	return nil
}

// observe draws the list anew after an event, with the latest state of the event's node.
func (n *nodes) observe(e workflow.Event) {
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

// draw writes the list over the one before. A long list is cut to the nodes that run, because a
// terminal cannot go back to lines that have left the screen.
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
