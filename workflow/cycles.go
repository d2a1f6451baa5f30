package workflow

import (
	"slices"
	"strings"
)

// findCycles refuses nodes that need themselves, and the nodes behind them, which can never run.
func (p *parser) findCycles(g *Graph) {
	waits := make([]int, len(g.Nodes))
	for i, n := range g.Nodes {
		waits[i] = len(n.Needs)
	}
	// Kahn's algorithm leaves over exactly the nodes in cycles and those behind them.
	for _, i := range g.order() {
		waits[i] = 0
	}
	inCycle := map[int]bool{}
	for i := range g.Nodes {
		// A file of thousands of nodes may have as many faults, and only the first are shown.
		if waits[i] > 0 && !inCycle[i] && len(p.faults) <= maxFaults {
			p.reportCycle(g, i, waits, inCycle)
		}
	}
}

// reportCycle follows needs that cannot be met from a node until it comes back to one.
func (p *parser) reportCycle(g *Graph, from int, waits []int, inCycle map[int]bool) {
	seen, path := map[int]int{}, []int{}
	for i := from; ; {
		if inCycle[i] {
			p.faultAtKey(g.Nodes[from].at, "%s can never run: it needs %s, which needs itself", g.Nodes[from].ID, g.Nodes[i].ID)
			return
		}
		if start, been := seen[i]; been {
			path = path[start:]
			break
		}
		seen[i] = len(path)
		path = append(path, i)
		// There is one: a node whose needs are all met would not be left over.
		k := slices.IndexFunc(g.Nodes[i].Needs, func(need Need) bool { return waits[need.place] > 0 })
		i = g.Nodes[i].Needs[k].place
	}
	// It begins at the node that comes first in the file, wherever the search has begun, so that the
	// same cycle is always told in the same words.
	first := slices.Index(path, slices.Min(path))
	path = append(path[first:], path[:first]...)
	var names []string
	for _, i := range append(path, path[0]) {
		names = append(names, g.Nodes[i].ID)
		inCycle[i] = true
	}
	// The message is a line for a person.
	if most := 20; len(names) > most {
		names = append(names[:most], "…", names[0])
	}
	p.faultAtKey(g.Nodes[path[0]].at, "needs itself: %s", strings.Join(names, " needs "))
	if !inCycle[from] {
		p.faultAtKey(g.Nodes[from].at, "%s can never run: it needs %s, which needs itself", g.Nodes[from].ID, names[0])
	}
}

// checkBranches refuses branches that lead nowhere, and nodes that could never run.
func (p *parser) checkBranches(g *Graph) {
	handled := map[int]bool{}
	for _, n := range g.Nodes {
		for _, need := range n.Needs {
			of := g.Nodes[need.place]
			if need.Failed && of.OnError != Branch {
				p.fault(n.at+"/needs", "%s can never run: %s.error needs onError: branch at %s", n.ID, of.ID, of.ID)
			}
			handled[need.place] = handled[need.place] || need.Failed
		}
		// Other conditions that never hold cannot be told from those that sometimes do.
		if strings.TrimSpace(n.When) == "false" {
			p.fault(n.at+"/when", "%s can never run: its condition is false", n.ID)
		}
	}
	for i, n := range g.Nodes {
		if n.OnError == Branch && !handled[i] {
			p.fault(n.at+"/onError", "onError: branch at %s leads nowhere: no node needs %s.error", n.ID, n.ID)
		}
	}
}
