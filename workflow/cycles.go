package workflow

import (
	"slices"
	"strings"
)

// findCycles refuses nodes that need themselves, and the nodes that need those, which can never
// run.
func (p *parser) findCycles(g *Graph) {
	waits := make([]int, len(g.Nodes))
	for i, n := range g.Nodes {
		waits[i] = len(n.Needs)
	}
	// Kahn's algorithm leaves exactly the nodes in cycles that have been reported, and those that
	// need them.
	for _, i := range g.order() {
		waits[i] = 0
	}
	// A node that is left has a need that is left too.
	unmet := func(i int) int {
		k := slices.IndexFunc(g.Nodes[i].Needs, func(need Need) bool { return waits[need.place] > 0 })
		return g.Nodes[i].Needs[k].place
	}
	told := map[int]bool{} // the nodes in cycles
	for i, n := range g.Nodes {
		// A file of thousands of nodes may have as many faults, of which only the first are shown.
		if waits[i] == 0 || told[i] || len(p.Faults) > maxFaults {
			continue
		}
		at := i
		for range g.Nodes { // after that many steps it is inside a cycle
			at = unmet(at)
		}
		cycle := []int{at}
		for next := unmet(at); next != at; next = unmet(next) {
			cycle = append(cycle, next)
		}
		if !told[at] {
			p.tellCycle(g, cycle, told)
		}
		if told[i] {
			continue
		}
		for at = i; !told[at]; {
			at = unmet(at)
		}
		p.FaultAtKey(n.at, "%s can never run: it needs %s, which needs itself", n.ID, g.Nodes[at].ID)
	}
}

func (p *parser) tellCycle(g *Graph, cycle []int, told map[int]bool) {
	// The message begins at the node that comes first in the file, so a cycle has the same message
	// wherever the search began.
	first := slices.Index(cycle, slices.Min(cycle))
	cycle = slices.Concat(cycle[first:], cycle[:first+1])
	var names []string
	for _, i := range cycle {
		names = append(names, g.Nodes[i].ID)
		told[i] = true
	}
	// The message must fit into a line.
	if most := 20; len(names) > most {
		names = append(names[:most], "…", names[0])
	}
	p.FaultAtKey(g.Nodes[cycle[0]].at, "needs itself: %s", strings.Join(names, " needs "))
}

// checkBranches refuses branches that lead nowhere, and nodes that can never run.
func (p *parser) checkBranches(g *Graph) {
	handled := map[int]bool{}
	for _, n := range g.Nodes {
		for _, need := range n.Needs {
			of := g.Nodes[need.place]
			if need.Failed && of.OnError != Branch {
				p.Fault(n.at+"/needs", "%s can never run: %s.error needs onError: branch at %s", n.ID, of.ID, of.ID)
			}
			handled[need.place] = handled[need.place] || need.Failed
		}
		// No other condition that never holds can be recognized.
		if strings.TrimSpace(n.When) == "false" {
			p.Fault(n.at+"/when", "%s can never run: its condition is false", n.ID)
		}
	}
	for i, n := range g.Nodes {
		if n.OnError == Branch && !handled[i] {
			p.Fault(n.at+"/onError", "onError: branch at %s leads nowhere: no node needs %s.error", n.ID, n.ID)
		}
	}
}
