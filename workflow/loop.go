package workflow

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// Loop is the progress of a node's iterations. They start in order. With a concurrency of 4,
// iteration 7 starts only when iterations 0 to 3 have ended without a failure, or with one if the
// node goes on after errors. So the iterations that start before a failure stops the loop do not
// depend on which one ends first.
type Loop struct {
	Items   []json.RawMessage `json:"items,omitempty"`
	Results []json.RawMessage `json:"results,omitempty"`
	Count   int               `json:"count"`
	// Next is the next iteration to start; Open are the running ones.
	Next int   `json:"next"`
	Open []int `json:"open,omitempty"`
	// Bodies are the states of running iterations that have a body.
	Bodies map[int]*State `json:"bodies,omitempty"`
	// Fixed has the values of references that are the same for all iterations.
	Fixed map[string]json.RawMessage `json:"fixed,omitempty"`
	// Queued tells that the node is in State.Ready.
	Queued bool `json:"queued,omitempty"`
	// Failed counts failures, FirstFailed is the lowest iteration that failed.
	Failed      int `json:"failed,omitempty"`
	FirstFailed int `json:"firstFailed,omitempty"`
}

// itemsOf returns the elements of the list to loop over.
func itemsOf(list json.RawMessage) ([]json.RawMessage, error) {
	list = unquoted(list)
	if count, err := strconv.Atoi(string(list)); err == nil && count >= 0 && count <= maxIterations {
		items := make([]json.RawMessage, count)
		for i := range items {
			items[i] = json.RawMessage(strconv.Itoa(i))
		}
		return items, nil
	}
	if kind := rawjson.KindOf(list); kind != rawjson.ArrayKind {
		return nil, fmt.Errorf("forEach must be a list, or a number of iterations up to %d: %s", maxIterations,
			schemas.Excerpt(list))
	}
	items := rawjson.OpenArray(list)
	if len(items) > maxIterations {
		return nil, fmt.Errorf("forEach must have at most %d elements, it has %d", maxIterations, len(items))
	}
	return items, nil
}

// unquoted returns the JSON that a text holds, as hosts hold lists and objects; or else the value
// as it is.
func unquoted(raw json.RawMessage) json.RawMessage {
	if text, ok := rawjson.Text(raw); ok && rawjson.Check([]byte(text), rawjson.Limits{}) == nil {
		return json.RawMessage(text)
	}
	return raw
}

// maxIterations bounds a loop, because the results of all iterations are kept in memory.
const maxIterations = 1_000_000

func (l *Loop) mayStart(n *Node) bool {
	limit := l.Next
	// Open is short: it has at most as many as run at once.
	for _, i := range l.Open {
		limit = min(limit, i)
	}
	if l.Failed > 0 && n.OnError != Continue {
		limit = min(limit, l.FirstFailed)
	}
	return l.Next < min(l.Count, limit+n.Concurrency)
}

func (l *Loop) start() int {
	i := l.Next
	l.Next++
	l.Open = append(l.Open, i)
	return i
}

func (l *Loop) end(iteration int, outcome Outcome) {
	l.Open = slices.DeleteFunc(l.Open, func(i int) bool { return i == iteration })
	if outcome.Error == nil {
		l.Results[iteration] = outcome.Output
		return
	}
	if l.Failed == 0 || iteration < l.FirstFailed {
		l.FirstFailed = iteration
	}
	l.Failed++
}

// outcome returns the outcome of a body that has ended: the outputs of its nodes by id or, if
// listed, a list of the outputs of its blocks.
func (g *Graph) outcome(s *State, listed bool) (o Outcome) {
	outputs, list := rawjson.Object{}, []json.RawMessage{}
	for i, n := range g.Nodes {
		// Skipped nodes have no output, and are left out.
		if output := s.Nodes[i].Output; output != nil {
			outputs = append(outputs, rawjson.Member{Name: n.ID, Value: output})
			if n.Block != "" {
				list = append(list, output)
			}
		}
	}
	// The message names the node. The loop will add the iteration.
	if i := g.Failed(s); i >= 0 {
		o.Error = within(g.Nodes[i].ID, s.Nodes[i].Error)
	} else if o.Output = outputs.JSON(); listed {
		o.Output = arrayOf(list)
	}
	return o
}

// within adds to the message of an error where it comes from.
func within(where string, raw json.RawMessage) json.RawMessage {
	e := rawjson.OpenObject(raw)
	return e.Set("message", rawjson.Quote(where+": "+e.Text("message"))).JSON()
}

func arrayOf(elements []json.RawMessage) json.RawMessage {
	for i := range elements {
		elements[i] = orNull(elements[i])
	}
	return rawjson.AppendArray(nil, elements)
}
