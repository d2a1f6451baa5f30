package workflow

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aacflow/segment-blocks/rawjson"
)

// export is a workflow that AACFlow or another fork of Sim has exported.
type export struct {
	*parser
	at     string // JSON Pointer of the state in the file
	state  rawjson.Object
	blocks []*exportBlock
	byID   map[string]*exportBlock
	// to has the edges to each block, targets the blocks that the edges from a block lead to, and
	// handled the blocks whose error leads to a block that is reached.
	to      map[string][]exportEdge
	targets map[string][]string
	handled map[string]bool
	// heads maps the names in references to the ids of nodes.
	heads map[string]string
}

// exportBlock is a block on AACFlow's canvas: a node here, a loop with a body, or a condition.
type exportBlock struct {
	ID, Type, Name string
	// Enabled is nil in exports of older releases, which means true.
	Enabled   *bool
	SubBlocks rawjson.Object
	Data      struct{ ParentID string }
	Retry     struct {
		Enabled            bool
		MaxTries           int
		WaitBetweenTriesMs int
	}

	at       string
	node     string // its id as a node, made from its name; "" if the start does not lead to it
	children []*exportBlock
	read     bool
}

type exportEdge struct{ Source, Target, SourceHandle string }

// findExport returns the export in a file, or nil if the file is none.
func (p *parser) findExport() *export {
	// The state may be in one of two envelopes, or bare. The innermost object has blocks and edges.
	at, state := "", rawjson.OpenObject(p.JSON)
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
	e := &export{
		parser: p, at: at, state: state, byID: map[string]*exportBlock{},
		to: map[string][]exportEdge{}, targets: map[string][]string{}, handled: map[string]bool{},
	}
	for _, m := range rawjson.OpenObject(blocks) {
		b := &exportBlock{}
		// An unreadable block is kept, so that it is named among those that cannot run here.
		if json.Unmarshal(m.Value, b) != nil {
			b = &exportBlock{Type: "of no readable form"}
		}
		b.ID, b.at = m.Name, rawjson.Pointer(at+"/blocks", m.Name)
		e.blocks, e.byID[b.ID] = append(e.blocks, b), b
	}
	var list []exportEdge
	_ = json.Unmarshal(edges, &list) // one that cannot be read leads nowhere
	for _, edge := range list {
		e.to[edge.Target] = append(e.to[edge.Target], edge)
		e.targets[edge.Source] = append(e.targets[edge.Source], edge.Target)
	}
	return e
}

func (b *exportBlock) isStart() bool { return b.Type == "start_trigger" || b.Type == "starter" }

// value returns the value of a field in the block's form, or nil if it is empty.
func (b *exportBlock) value(field string) json.RawMessage {
	sub, _ := b.SubBlocks.Get(field)
	value, _ := rawjson.OpenObject(sub).Get("value")
	if string(value) == "null" || string(value) == `""` {
		return nil
	}
	return value
}

// text returns the text of a field, or "".
func (b *exportBlock) text(field string) string {
	text, _ := rawjson.Text(b.value(field))
	return text
}

// list returns the list that a field holds, as JSON or as text.
func (b *exportBlock) list(field string) []json.RawMessage {
	// Which of the two depends on the widget of the form.
	return rawjson.OpenArray(unquoted(b.value(field)))
}

// readExport makes nodes of the blocks that the start leads to. It names all blocks that cannot run
// here.
func (e *export) readExport() (nodes []*Node) {
	e.graph.Name = cmp.Or(e.state.Object("metadata").Text("name"), "workflow")
	// AACFlow runs only what the start leads to. Other blocks may be drafts that cannot run.
	reached := e.reached()
	if len(reached) == 0 {
		e.Fault(e.at+"/blocks", "has no start block to begin at")
	}
	e.heads = map[string]string{"parallel": loopHead}
	taken := map[string]int{startHead: 1, loopHead: 1, "parallel": 1, "variable": 1}
	for _, b := range reached {
		name := plainName(b.Name)
		if b.node = startHead; !b.isStart() {
			b.node = identifier(name, taken)
		}
		if name != loopHead && name != "parallel" { // <loop.index> never means a block called Loop
			e.heads[name] = b.node
		}
		// The export lists the blocks inside a container beside all others. Here they are nodes of
		// its body.
		if parent := e.byID[b.Data.ParentID]; parent != nil {
			parent.children = append(parent.children, b)
		}
		for _, edge := range e.to[b.ID] {
			e.handled[edge.Source] = e.handled[edge.Source] || edge.SourceHandle == "error"
		}
	}
	for _, b := range reached {
		b.SubBlocks = rawjson.OpenObject(e.renamed(b.SubBlocks.JSON()))
	}
	for _, b := range reached {
		if e.byID[b.Data.ParentID] == nil {
			nodes = append(nodes, e.read(b)...)
		}
	}
	for _, b := range reached {
		if parent := e.byID[b.Data.ParentID]; !b.read && !e.broken[parent.node] {
			e.Fault(b.at, "the block %q cannot run here: it is inside %q, which is no loop or parallel that runs",
				b.Name, parent.Name)
		}
	}
	return nodes
}

// reached returns the blocks that the start leads to, also inside containers, in the order of the
// file. A disabled block leads nowhere.
func (e *export) reached() (reached []*exportBlock) {
	var queue []string
	seen := map[string]bool{}
	for _, b := range e.blocks {
		if b.isStart() {
			queue = append(queue, b.ID)
		}
	}
	for ; len(queue) > 0; queue = queue[1:] {
		b := e.byID[queue[0]]
		if b != nil && !seen[b.ID] && (b.Enabled == nil || *b.Enabled) {
			seen[b.ID] = true
			queue = append(queue, e.targets[b.ID]...)
		}
	}
	for _, b := range e.blocks {
		if seen[b.ID] {
			reached = append(reached, b)
		}
	}
	return reached
}

// identifier makes the id of a node from a name. Taken counts the names that begin alike.
func identifier(name string, taken map[string]int) string {
	id := inID(name)
	if id == "" || id[0] == '-' || '0' <= id[0] && id[0] <= '9' {
		id = "_" + id
	}
	// An id may have 64 characters. The last 14 are for a number, or for the branch of a condition.
	id = id[:min(len(id), 50)]
	unique := id
	for taken[unique] > 0 {
		taken[id]++
		unique = id + "_" + strconv.Itoa(taken[id])
	}
	taken[unique] = 1
	return unique
}

// inID replaces what an id cannot have.
func inID(name string) string {
	return regexp.MustCompile(`[^A-Za-z0-9_-]`).ReplaceAllString(name, "_")
}

// read makes the nodes of a block: one, or one for each branch of a condition.
func (e *export) read(b *exportBlock) []*Node {
	b.read = true
	switch b.Type {
	case "start_trigger", "starter":
		e.graph.Start = e.startOf(b)
		return nil
	case "condition":
		return e.condition(b)
	case "loop", "parallel":
		n := e.node(b, e.loop(b))
		n.Body = &Graph{}
		for _, child := range b.children {
			n.Body.Nodes = append(n.Body.Nodes, e.read(child)...)
		}
		return []*Node{n}
	case "response":
		return []*Node{e.node(b, e.response(b))}
	case "segment":
		return []*Node{e.node(b, e.native(b))}
	case "mcp":
		return []*Node{e.node(b, e.mcp(b))}
	}
	e.Fault(b.at, "the block %q cannot run here, as its type is %q; those that can are start, segment, mcp, "+
		"condition, loop, parallel and response", b.Name, b.Type)
	// References to it are not reported as well.
	e.broken[b.node] = true
	return nil
}

// node adds to a node what all blocks have.
func (e *export) node(b *exportBlock, n Node) *Node {
	// A block of AACFlow runs once all edges to it are decided and at least one is taken: join any.
	// An edge from the start is enough by itself.
	n.ID, n.at, n.Join, n.OnError, n.Concurrency = b.node, b.at, Any, Fail, max(1, n.Concurrency)
	n.Retry = Retry{Attempts: 1}
	// AACFlow waits the same time before each try. It repeats a block after any error. Here, only
	// retryable errors are worth a repeat.
	if b.Retry.Enabled {
		wait := Duration{time.Duration(b.Retry.WaitBetweenTriesMs) * time.Millisecond}
		n.Retry = Retry{max(1, b.Retry.MaxTries), wait, wait}
	}
	// Only an edge from the error of a block shows that the workflow handles its failure.
	if e.handled[b.ID] {
		n.OnError = Branch
	}
	n.Needs = e.needs(b)
	return &n
}

// needs returns the needs that the edges to a block make. If one edge is from the start, or from
// the loop around the block, the others need only be decided.
func (e *export) needs(b *exportBlock) (needs []Need) {
	begins := false
	for _, edge := range e.to[b.ID] {
		source := e.byID[edge.Source]
		if source == nil || source.node == "" || source.Data.ParentID == b.ID {
			continue // an edge from the end of a body to its loop, which may be drawn or not
		}
		need := Need{Node: source.node}
		switch {
		case source.isStart() || source.ID == b.Data.ParentID:
			begins = true
			continue
		case edge.SourceHandle == "error":
			need.Failed = true
		case source.Type == "condition":
			need.Node = branchID(source, strings.TrimPrefix(edge.SourceHandle, "condition-"))
		}
		if !slices.Contains(needs, need) {
			needs = append(needs, need)
		}
	}
	for i := range needs {
		needs[i].Implied = begins
	}
	return needs
}

// condition makes a node of each branch. The node does nothing; it is skipped, or leads on.
func (e *export) condition(b *exportBlock) (nodes []*Node) {
	// AACFlow takes the first branch that holds. So the condition of each node also says that the
	// branches before it do not hold.
	var before []string
	branches := b.list("conditions")
	if len(branches) > maxNesting {
		e.Fault(b.at, "the condition %q must have at most %d branches, it has %d", b.Name, maxNesting, len(branches))
		branches = branches[:1]
	}
	for _, element := range branches {
		branch := rawjson.OpenObject(element)
		j := javascript{}
		expression, err := j.translate(branch.Text("value"), branch.Text("title") == "else")
		if err != nil {
			e.Fault(b.at, "the condition %q has an expression that cannot be translated, %s: %s", b.Name, err,
				branch.Text("value"))
			expression = "true"
		}
		n := e.node(b, Node{With: json.RawMessage("{}")})
		n.ID = branchID(b, branch.Text("id"))
		n.When = strings.Join(append(slices.Clone(before), "("+expression+")"), " and ")
		before = append(before, "not ("+expression+")")
		nodes = append(nodes, n)
	}
	if len(nodes) == 0 {
		e.Fault(b.at, "the condition %q has no branches that can be read", b.Name)
	}
	return nodes
}

// branchID returns the id of the node of a condition's branch.
func branchID(b *exportBlock, branch string) string {
	id := b.node + "_" + inID(strings.TrimPrefix(strings.TrimPrefix(branch, b.ID), "-"))
	return id[:min(len(id), 64)]
}

// expression returns a reference as an expression. Everything in a node that did not run is nil.
func (r reference) expression() string {
	var b strings.Builder
	// An id with a dash would be read as a subtraction.
	if regexp.MustCompile(`^\w+$`).MatchString(r.head) {
		b.WriteString(r.head)
	} else {
		fmt.Fprintf(&b, "$env[%q]", r.head)
	}
	for _, s := range r.steps {
		if s.name == "" {
			fmt.Fprintf(&b, "?.[%d]", s.place)
		} else {
			fmt.Fprintf(&b, "?.[%q]", s.name)
		}
	}
	return b.String()
}

// renamed replaces the names of blocks in the references of a value with the ids of nodes. The
// parser reports unknown names.
func (e *export) renamed(value json.RawMessage) json.RawMessage {
	// A name may have characters that no id has.
	reference := regexp.MustCompile(`<([^\s<>.[\]][^<>.[\]]*)([.[][^<>]*>)`)
	// the function returns no errors
	renamed, _ := mapTexts(value, "", func(raw json.RawMessage, _ string) (json.RawMessage, error) {
		text, _ := rawjson.Text(raw)
		return rawjson.Quote(reference.ReplaceAllStringFunc(text, func(found string) string {
			parts := reference.FindStringSubmatch(found)
			if node, ok := e.heads[plainName(parts[1])]; ok {
				return "<" + node + parts[2]
			}
			return found
		})), nil
	})
	return renamed
}

// plainName returns the name of a block as references have it: in lower case, without blanks and
// dots.
func plainName(name string) string {
	return strings.ToLower(strings.NewReplacer(" ", "", ".", "").Replace(name))
}
