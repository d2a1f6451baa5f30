package workflow

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aacflow/segment-blocks/rawjson"
)

// export is a workflow as AACFlow, and other forks of Sim, export it.
type export struct {
	at     string // JSON Pointer of the state in the file
	state  rawjson.Object
	blocks []exportBlock
	byID   map[string]*exportBlock
	edges  []exportEdge
}

// exportBlock is a block on AACFlow's canvas: a node here, a container of one, or a condition.
type exportBlock struct {
	ID, Type, Name string
	Enabled        *bool
	SubBlocks      map[string]struct{ Value json.RawMessage }
	Data           struct{ ParentID string }
	Retry          struct {
		Enabled            bool
		MaxTries           int
		WaitBetweenTriesMs int
	}

	at       string
	node     string // its name as references have it
	children []*exportBlock
}

type exportEdge struct{ Source, Target, SourceHandle string }

// findExport returns the export in a file, or nil where it is none.
func findExport(raw json.RawMessage) *export {
	at, state := "", rawjson.OpenObject(raw)
	for _, name := range []string{"data", "state"} {
		if inner, ok := state.Get(name); ok {
			at, state = at+"/"+name, rawjson.OpenObject(inner)
		}
	}
	blocks, has := state.Get("blocks")
	edges, edged := state.Get("edges")
	if !has || !edged {
		return nil
	}
	e := &export{at: at, state: state, byID: map[string]*exportBlock{}}
	for _, m := range rawjson.OpenObject(blocks) {
		b := exportBlock{}
		if json.Unmarshal(m.Value, &b) != nil {
			b = exportBlock{Type: "of no readable form"}
		}
		b.ID, b.at = m.Name, rawjson.Pointer(at+"/blocks", m.Name)
		e.blocks = append(e.blocks, b)
	}
	for i := range e.blocks {
		e.byID[e.blocks[i].ID] = &e.blocks[i]
	}
	_ = json.Unmarshal(edges, &e.edges) // one that cannot be read leads nowhere
	return e
}

func (b *exportBlock) isStart() bool { return b.Type == "start_trigger" || b.Type == "starter" }

func (b *exportBlock) isContainer() bool { return b.Type == "loop" || b.Type == "parallel" }

// value returns what a field of the block's form holds, nil for nothing.
func (b *exportBlock) value(field string) json.RawMessage {
	value := b.SubBlocks[field].Value
	if string(value) == "null" || string(value) == `""` {
		return nil
	}
	return value
}

// text returns the text that a field holds, or "".
func (b *exportBlock) text(field string) string {
	text, _ := rawjson.Text(b.value(field))
	return text
}

// readExport makes nodes of the blocks that the start leads to. Blocks that cannot run here are all
// named.
func (p *parser) readExport(e *export) []draft {
	metadata, _ := e.state.Get("metadata")
	p.graph.Name = rawjson.OpenObject(metadata).Text("name")
	if p.graph.Name == "" {
		p.graph.Name = "workflow"
	}
	reached := e.reached()
	if len(reached) == 0 {
		p.fault(e.at+"/blocks", "has no start block to begin at")
	}
	heads := map[string]string{"parallel": loopHead}
	taken := map[string]bool{startHead: true, loopHead: true}
	for _, b := range reached {
		name := strings.ToLower(strings.NewReplacer(" ", "", ".", "").Replace(b.Name))
		b.node = identifier(name, taken)
		if b.isStart() {
			b.node = startHead
		}
		if parent := e.byID[b.Data.ParentID]; parent != nil {
			parent.children = append(parent.children, b)
		}
		heads[name] = b.node
	}
	for _, b := range reached {
		if b.isContainer() && len(b.children) == 1 {
			heads[b.node] = b.children[0].node // <loop1.results> is what its block returned
		}
	}
	x := &exportReader{parser: p, export: e, heads: heads, ends: map[string][]string{}}
	var drafts []draft
	for _, b := range reached {
		drafts = append(drafts, x.read(b)...)
	}
	for i := range drafts {
		drafts[i].needs, drafts[i].begins = x.needs(drafts[i].id)
	}
	return drafts
}

// reached returns the blocks that the start leads to, those inside containers included, in the order
// of the file. Blocks that are switched off lead nowhere.
func (e *export) reached() []*exportBlock {
	seen := map[string]bool{}
	var queue []string
	for i := range e.blocks {
		if e.blocks[i].isStart() {
			queue = append(queue, e.blocks[i].ID)
		}
	}
	for len(queue) > 0 {
		b := e.byID[queue[0]]
		queue = queue[1:]
		if b == nil || seen[b.ID] || b.Enabled != nil && !*b.Enabled {
			continue
		}
		seen[b.ID] = true
		for _, edge := range e.edges {
			if edge.Source == b.ID {
				queue = append(queue, edge.Target)
			}
		}
	}
	var reached []*exportBlock
	for i := range e.blocks {
		if seen[e.blocks[i].ID] {
			reached = append(reached, &e.blocks[i])
		}
	}
	return reached
}

// identifier makes an id of a node of a name.
func identifier(name string, taken map[string]bool) string {
	id := strings.Map(func(r rune) rune {
		if len(wordsOf(string(r))) > 0 || r == '-' {
			return r
		}
		return '_'
	}, name)
	if id == "" || id[0] == '-' || '0' <= id[0] && id[0] <= '9' {
		id = "_" + id
	}
	id = id[:min(len(id), 50)]
	unique := id
	for n := 2; taken[unique]; n++ {
		unique = id + "_" + strconv.Itoa(n)
	}
	taken[unique] = true
	return unique
}

// exportReader makes nodes of blocks.
type exportReader struct {
	*parser
	export *export
	heads  map[string]string   // names in references, and the nodes that they are of
	ends   map[string][]string // by node, the blocks whose edges end at it
}

func (x *exportReader) read(b *exportBlock) []draft {
	x.ends[b.node] = []string{b.ID}
	switch b.Type {
	case "start_trigger", "starter":
		x.graph.Start = x.startOf(b)
		return nil
	case "loop", "parallel":
		if len(b.children) != 1 {
			x.fault(b.at, "the %s %q has %d blocks inside: only loops around one block run here", b.Type, b.Name,
				len(b.children))
		}
		if b.Data.ParentID != "" {
			x.fault(b.at, "the %s %q is inside another: only loops around one block run here", b.Type, b.Name)
		}
		return nil
	case "condition":
		return x.condition(b)
	case "response":
		return []draft{x.draft(b, x.response(b))}
	case "segment":
		return []draft{x.draft(b, x.native(b))}
	case "mcp":
		return []draft{x.draft(b, x.mcp(b))}
	}
	x.fault(b.at, "the block %q cannot run here, as its type is %q; those that can are start, segment, mcp, condition, "+
		"loop, parallel and response", b.Name, b.Type)
	x.broken[b.node] = true
	return nil
}

// draft completes a node with what all blocks have.
func (x *exportReader) draft(b *exportBlock, n Node) draft {
	n.ID, n.at, n.Any, n.OnError, n.Concurrency = b.node, b.at, true, Fail, 1
	n.With = x.renamed(n.With)
	n.Retry = Retry{Attempts: 1, Wait: time.Second, MaxWait: time.Minute}
	if b.Retry.Enabled {
		wait := time.Duration(b.Retry.WaitBetweenTriesMs) * time.Millisecond
		n.Retry = Retry{Attempts: max(1, b.Retry.MaxTries), Wait: wait, MaxWait: wait}
	}
	isError := func(e exportEdge) bool { return e.Source == b.ID && e.SourceHandle == "error" }
	if slices.ContainsFunc(x.export.edges, isError) {
		n.OnError = Branch
	}
	if parent := x.export.byID[b.Data.ParentID]; parent != nil {
		x.ends[b.node] = []string{parent.ID} // what leads to the loop leads to its block
		x.loop(parent, &n)
	}
	return draft{id: n.ID, at: b.at, node: n}
}

// needs returns what the edges that end at a node ask for, and whether one of them is from the start.
func (x *exportReader) needs(node string) (needs []string, begins bool) {
	for _, edge := range x.export.edges {
		source := x.export.byID[edge.Source]
		if !slices.Contains(x.ends[node], edge.Target) || source == nil || source.node == "" {
			continue
		}
		if source.isStart() {
			begins = true
			continue
		}
		need := source.node
		switch {
		case edge.SourceHandle == "error":
			need += ".error"
		case source.Type == "condition":
			need = branchID(source, strings.TrimPrefix(edge.SourceHandle, "condition-"))
		case source.isContainer() && len(source.children) == 1:
			need = source.children[0].node
		}
		if need != node && !slices.Contains(needs, need) {
			needs = append(needs, need)
		}
	}
	return needs, begins
}

// condition makes a node of each branch. It has nothing to do but to be skipped or not.
func (x *exportReader) condition(b *exportBlock) []draft {
	raw := b.value("conditions")
	if text, ok := rawjson.Text(raw); ok && rawjson.Check([]byte(text), rawjson.Limits{}) == nil {
		raw = json.RawMessage(text)
	}
	var drafts []draft
	var before []string // the branches tried first must not hold
	for _, element := range rawjson.OpenArray(raw) {
		branch := rawjson.OpenObject(element)
		expression, err := x.expression(branch.Text("value"), branch.Text("title") == "else")
		if err != nil {
			x.fault(b.at, "the condition %q has an expression that cannot be translated, %s: %s", b.Name, err,
				branch.Text("value"))
			expression = "true"
		}
		d := x.draft(b, Node{With: json.RawMessage("{}")})
		d.id = branchID(b, branch.Text("id"))
		d.node.ID, d.node.When = d.id, strings.Join(append(slices.Clone(before), "("+expression+")"), " and ")
		before = append(before, "not ("+expression+")")
		x.ends[d.id] = x.ends[b.node]
		drafts = append(drafts, d)
	}
	if len(drafts) == 0 {
		x.fault(b.at, "the condition %q has no branches that can be read", b.Name)
	}
	return drafts
}

// branchID returns the id of the node that stands for a branch of a condition.
func branchID(b *exportBlock, branch string) string {
	name := strings.TrimPrefix(strings.TrimPrefix(branch, b.ID), "-")
	return identifier(fmt.Sprintf("%s_%s", b.node, name), map[string]bool{})
}
