package workflow

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

//go:embed workflow.schema.json
var fileSchema []byte

// Schema returns the JSON Schema of a workflow file, for editors. It must not be changed.
func Schema() json.RawMessage { return fileSchema }

// Parse reads a workflow file: YAML, JSON, or an export of AACFlow. It does not look at blocks; see
// [Check]. The same bytes give the same graph. The error is a *[FileError].
func Parse(file string, data []byte) (*Graph, error) {
	p := parse(file, data)
	if err := p.err(); err != nil {
		return nil, err
	}
	return p.graph, nil
}

// parser makes a graph of a file, as far as it goes, and collects what is wrong.
type parser struct {
	*source
	graph  *Graph
	broken map[string]bool // ids of nodes that could not be read at all
}

func parse(file string, data []byte) *parser {
	s, raw := open(file, data)
	sum := sha256.Sum256(data)
	g := &Graph{Digest: hex.EncodeToString(sum[:]), index: map[string]int{}}
	p := &parser{source: s, graph: g, broken: map[string]bool{}}
	if raw == nil {
		return p
	}
	var drafts []draft
	if e := findExport(raw); e != nil {
		drafts = p.readExport(e)
	} else {
		drafts = p.readFile(raw)
	}
	p.build(drafts)
	return p
}

// draft is a node as a file has it, its texts not yet read.
type draft struct {
	id, at string
	node   Node
	needs  []string // NODE, or NODE.error
	begins bool     // at the start: it waits for what it needs, and runs whatever comes of that
}

// nodeFile is a node in a file.
type nodeFile struct {
	Block       string          `json:"block"`
	With        json.RawMessage `json:"with"`
	Needs       []string        `json:"needs"`
	Join        string          `json:"join"`
	When        string          `json:"when"`
	ForEach     json.RawMessage `json:"forEach"`
	Concurrency int             `json:"concurrency"`
	Timeout     string          `json:"timeout"`
	OnError     OnError         `json:"onError"`
	Retry       struct {
		Attempts int    `json:"attempts"`
		Wait     string `json:"wait"`
		MaxWait  string `json:"maxWait"`
	} `json:"retry"`
}

// readFile reads a file of our own format. What breaks the schema is left out, so that the rest can
// be looked at as well.
func (p *parser) readFile(raw json.RawMessage) []draft {
	schema, err := schemas.Compile("https://blocks.invalid/workflow", fileSchema)
	if err != nil {
		p.fault("", "the schema of workflow files is faulty: %s", err)
		return nil
	}
	root := rawjson.OpenObject(raw)
	wrong := map[string]bool{}
	for _, v := range schema.Validate(context.Background(), root) {
		parts := strings.SplitN(v.Path, "/", 5)
		wrong[strings.Join(parts[:min(len(parts), 4)], "/")] = true
		if v.Code == "unknown_parameter" {
			p.faultAtKey(v.Path, "%s %s", keyOf(v.Path), strings.Replace(v.Message, "parameter", "key", 1))
		} else {
			p.fault(v.Path, "%s", strings.TrimSpace(keyOf(v.Path)+" "+v.Message))
		}
	}
	if !wrong["/name"] {
		p.graph.Name = root.Text("name")
	}
	if start, ok := root.Get("start"); ok {
		p.graph.Start = rawjson.OpenObject(start)
	}
	nodes, _ := root.Get("nodes")
	var drafts []draft
	for _, m := range rawjson.OpenObject(nodes) {
		at := rawjson.Pointer("/nodes", m.Name)
		if wrong[at] {
			p.broken[m.Name] = true
			continue
		}
		members := slices.DeleteFunc(rawjson.OpenObject(m.Value), func(member rawjson.Member) bool {
			return wrong[rawjson.Pointer(at, member.Name)]
		})
		drafts = append(drafts, p.readNode(m.Name, at, members.JSON()))
	}
	return drafts
}

func (p *parser) readNode(id, at string, raw json.RawMessage) draft {
	f := nodeFile{Concurrency: 1, OnError: Fail}
	if err := json.Unmarshal(raw, &f); err != nil { // such as a number with more digits than Go takes
		p.fault(at, "cannot be read: %s", err)
	}
	d := draft{id: id, at: at, needs: f.Needs, node: Node{
		ID: id, at: at, With: f.With, When: f.When, ForEach: f.ForEach, Concurrency: f.Concurrency,
		OnError: f.OnError, Any: f.Join == "any", Timeout: p.duration(at+"/timeout", f.Timeout, 0),
		Retry: Retry{
			Attempts: max(1, f.Retry.Attempts), Wait: p.duration(at+"/retry/wait", f.Retry.Wait, time.Second),
			MaxWait: p.duration(at+"/retry/maxWait", f.Retry.MaxWait, time.Minute),
		},
	}}
	d.node.Block, d.node.Major = schemas.CutMajor(f.Block)
	if d.node.With == nil {
		d.node.With = json.RawMessage("{}")
	}
	if d.node.Block == "" && d.node.ForEach != nil && !p.isFaulty(at) {
		p.fault(at+"/forEach", "forEach needs a block to run")
	}
	return d
}

// isFaulty reports whether something is wrong already with what is at or below a place.
func (p *parser) isFaulty(at string) bool {
	return slices.ContainsFunc(p.faults, func(f Fault) bool { return f.Path == at || strings.HasPrefix(f.Path, at+"/") })
}

func (p *parser) duration(at, text string, otherwise time.Duration) time.Duration {
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil || d > maxRetrying {
		p.fault(at, "must be a time of at most %s, such as 30s: %q", maxRetrying, text)
	}
	return d
}

// maxRetrying is how long after its first try a task may be tried again. Segment knows a repeated
// message for 24 hours.
const maxRetrying = 23 * time.Hour

// keyOf returns the last token of a JSON Pointer.
func keyOf(pointer string) string { return pointer[strings.LastIndexByte(pointer, '/')+1:] }

// build joins the nodes to a graph.
func (p *parser) build(drafts []draft) {
	g := p.graph
	for i := range drafts {
		if slices.Contains([]string{startHead, loopHead, "parallel", "variable"}, drafts[i].id) {
			p.faultAtKey(drafts[i].at, "%q cannot be the id of a node: references give it a meaning of its own", drafts[i].id)
		}
		g.index[drafts[i].id] = i
		g.Nodes = append(g.Nodes, &drafts[i].node)
	}
	for i := range drafts {
		p.link(&drafts[i])
	}
	for i, n := range g.Nodes {
		for _, need := range n.Needs {
			g.Nodes[need.Node].next = append(g.Nodes[need.Node].next, i)
		}
	}
	p.findCycles()
	p.checkBranches()
}

// link finds the nodes that a node needs.
func (p *parser) link(d *draft) {
	n := &d.node
	for k, text := range d.needs {
		id, failed := strings.CutSuffix(text, ".error")
		at := fmt.Sprintf("%s/needs/%d", d.at, k)
		j, known := p.graph.index[id]
		switch {
		case p.broken[id]:
		case !known:
			p.fault(at, "no node has this id: %q%s", id, p.suggest(id))
		case slices.Contains(n.Needs, Need{Node: j, Failed: failed, Implied: d.begins}):
			p.fault(at, "is listed twice: %q", text)
		default:
			n.Needs = append(n.Needs, Need{Node: j, Failed: failed, Implied: d.begins})
		}
	}
	mentioned := map[int]bool{} // and whether for its error
	p.checkReferences(n, n.With, d.at+"/with", mentioned)
	p.checkReferences(n, n.ForEach, d.at+"/forEach", mentioned)
	if n.When != "" {
		var err error
		if n.condition, err = compileCondition(n.When, conditionTypes(p.graph, n.When, nil)); err != nil {
			p.fault(d.at+"/when", "%s", err)
		} else {
			for _, name := range n.condition.names {
				if j, ok := p.graph.index[name]; ok && !mentioned[j] {
					mentioned[j] = false
				}
			}
		}
	}
	explicit := len(n.Needs)
	for _, j := range slices.Sorted(maps.Keys(mentioned)) {
		if !slices.ContainsFunc(n.Needs[:explicit], func(need Need) bool { return need.Node == j }) {
			failed := mentioned[j] && p.graph.Nodes[j].OnError == Branch
			n.Needs = append(n.Needs, Need{Node: j, Failed: failed, Implied: true})
		}
	}
}

// checkReferences notes the nodes that the references of a template lead to, and refuses those that
// lead to none.
func (p *parser) checkReferences(n *Node, template json.RawMessage, at string, mentioned map[int]bool) {
	referencesIn(template, func(pointer string, ref reference, _ bool) {
		where := at + pointer
		switch j, known := p.graph.index[ref.head]; {
		case ref.variable != "":
			if n.Block == "" || strings.HasSuffix(at, "/forEach") {
				p.fault(where, "%s: a variable may stand only in the input of a block", ref.text)
			}
		case ref.head == startHead:
			if _, ok := p.graph.Start.Get(ref.steps[0].name); !ok {
				p.fault(where, "%s is no input%s; start has %s", ref.text,
					schemas.DidYouMean(ref.steps[0].name, memberNames(p.graph.Start)), namesOf(p.graph.Start))
			}
		case ref.head == loopHead:
			if n.ForEach == nil || strings.HasSuffix(at, "/forEach") {
				p.fault(where, "%s: there is no loop here; a loop is made by forEach", ref.text)
			} else if name := ref.steps[0].name; name != "index" && name != "currentItem" {
				p.fault(where, "%s leads nowhere: <loop> has index, currentItem", ref.text)
			}
		case known:
			mentioned[j] = mentioned[j] || ref.isError()
		case !p.broken[ref.head]:
			p.fault(where, "%s names no node%s; there are %s", ref.text, p.suggest(ref.head), p.known())
		}
	})
}

// suggest names the node that was probably meant. Of very many faults the later ones go without.
func (p *parser) suggest(id string) string {
	if len(p.faults) > maxFaults {
		return ""
	}
	return schemas.DidYouMean(id, p.ids())
}

// known lists what references may lead to. Of very many faults the later ones go without.
func (p *parser) known() string {
	if len(p.faults) > maxFaults {
		return "others"
	}
	return listed(append([]string{startHead}, p.ids()...))
}

func (p *parser) ids() []string {
	var ids []string
	for _, n := range p.graph.Nodes {
		if n.ID != startHead {
			ids = append(ids, n.ID)
		}
	}
	return ids
}
