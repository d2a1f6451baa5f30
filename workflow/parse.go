package workflow

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/rawjson/yamljson"
	"github.com/aacflow/segment-blocks/schemas"
)

//go:embed workflow.schema.json
var fileSchema []byte

// Schema returns the JSON Schema of a workflow file, for editors. It must not be changed.
func Schema() json.RawMessage { return fileSchema }

// Parse reads a workflow file: YAML, JSON, or an export of AACFlow. It does not look at the blocks;
// [Check] does. The same bytes give the same graph. The error is a *[FileError].
func Parse(file string, data []byte) (*Graph, error) {
	p := parse(file, data)
	if err := p.err(); err != nil {
		return nil, err
	}
	return p.graph, nil
}

// parser makes a graph from a file as far as it can, and collects what is wrong.
type parser struct {
	*yamljson.File
	name   string         // of the file
	nearly *regexp.Regexp // matches references, and what only looks like one
	graph  *Graph
	broken map[string]bool // ids of nodes that could not be read at all
	// In a file of our own format, wrong has the places that break the schema, and above the places
	// around them.
	wrong, above map[string]bool
}

func parse(file string, data []byte) *parser {
	// The digest ties a run to its file: in another file, the same nodes would mean something else.
	sum := sha256.Sum256(data)
	g := &Graph{Digest: hex.EncodeToString(sum[:])}
	p := &parser{
		File: open(data), name: file, graph: g, nearly: regexp.MustCompile(`<([A-Za-z_][\w-]*)[.[][^<>]*>`),
		broken: map[string]bool{}, wrong: map[string]bool{}, above: map[string]bool{},
	}
	if p.JSON == nil {
		return p
	}
	// Both kinds of file become the same nodes, so nothing after this line knows of AACFlow.
	if e := p.findExport(); e != nil {
		g.Nodes = e.readExport()
	} else {
		g.Nodes = p.readFile()
	}
	p.place(g)
	p.link(g)
	return p
}

// readFile reads a file of our own format. It leaves out what breaks the schema, so that the rest
// can be checked as well.
func (p *parser) readFile() []*Node {
	schema, err := schemas.Compile("https://blocks.invalid/workflow", fileSchema)
	if err != nil {
		p.Fault("", "the schema of workflow files is faulty: %s", err)
		return nil
	}
	root := rawjson.OpenObject(p.JSON)
	for _, v := range schema.Validate(context.Background(), root) {
		// A missing member is reported at the object that lacks it, an unknown one at its name.
		p.wrong[v.Path] = true
		for at := v.Path; at != ""; {
			at = at[:strings.LastIndexByte(at, '/')]
			p.above[at] = true
		}
		if v.Code == "unknown_parameter" {
			p.FaultAtKey(v.Path, "%s %s", keyOf(v.Path), strings.Replace(v.Message, "parameter", "key", 1))
		} else {
			p.Fault(v.Path, "%s", strings.TrimSpace(keyOf(v.Path)+" "+v.Message))
		}
	}
	// What is wrong keeps its zero value. Its fault has been reported, so nothing will run with it.
	if !p.wrong["/name"] {
		p.graph.Name = root.Text("name")
	}
	if start, ok := root.Get("start"); ok {
		p.graph.Start = rawjson.OpenObject(start)
	}
	nodes, _ := root.Get("nodes")
	return p.readNodes(nodes, "/nodes")
}

// readNodes reads the nodes of a file, or of a body.
func (p *parser) readNodes(raw json.RawMessage, at string) (nodes []*Node) {
	for _, m := range rawjson.OpenObject(raw) {
		at := rawjson.Pointer(at, m.Name)
		if p.wrong[at] {
			p.broken[m.Name] = true
			continue
		}
		// Only the keys that break the schema are left out, so that the faults of the others are
		// found at the same time. The nodes of a body are read one by one, so a body stays.
		members := slices.DeleteFunc(rawjson.OpenObject(m.Value), func(member rawjson.Member) bool {
			at := rawjson.Pointer(at, member.Name)
			return p.wrong[at] || p.above[at] && member.Name != "nodes"
		})
		nodes = append(nodes, p.readNode(m.Name, at, members))
	}
	return nodes
}

func (p *parser) readNode(id, at string, members rawjson.Object) *Node {
	// The defaults, which the schema of files documents.
	n := &Node{
		ID: id, at: at, With: json.RawMessage("{}"), Concurrency: 1, OnError: Fail,
		Retry: Retry{1, Duration{time.Second}, Duration{time.Minute}},
	}
	if err := json.Unmarshal(members.Without("nodes").JSON(), n); err != nil {
		p.Fault(at, "cannot be read: %s", err) // for example, a number with more digits than Go takes
	}
	for key, d := range map[string]Duration{
		"/timeout": n.Timeout, "/retry/wait": n.Retry.Wait, "/retry/maxWait": n.Retry.MaxWait,
	} {
		if d.Duration > maxRetrying {
			p.Fault(at+key, "must be a time of at most %s, such as 30s", maxRetrying)
		}
	}
	body, hasBody := members.Get("nodes")
	if hasBody {
		n.Body = &Graph{Nodes: p.readNodes(body, at+"/nodes")}
	}
	_, hasWith := members.Get("with")
	switch {
	case p.above[at]: // the missing key may be the one that is wrong
	case hasBody && (n.ForEach == nil || n.Block != "" || hasWith):
		p.Fault(at+"/nodes", "nodes are the body of a loop: they need forEach, and stand in place of block and with")
	case !hasBody && n.Block == "" && n.ForEach != nil:
		p.Fault(at+"/forEach", "forEach needs a block to run")
	}
	return n
}

// maxRetrying is how long after its first try a task may be tried again. Segment recognizes a
// repeated message for 24 hours.
const maxRetrying = 23 * time.Hour

// keyOf returns the last token of a JSON Pointer.
func keyOf(pointer string) string {
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(pointer[strings.LastIndexByte(pointer, '/')+1:])
}

// place indexes the nodes of a graph and of the bodies in it, and checks their ids.
func (p *parser) place(g *Graph) {
	g.index, g.inside = map[string]int{}, map[string]int{}
	for i, n := range g.Nodes {
		// Such a node could run, but nothing could refer to it.
		if slices.Contains([]string{startHead, loopHead, "parallel", "variable"}, n.ID) {
			p.FaultAtKey(n.at, "%q cannot be the id of a node: references give it a meaning of its own", n.ID)
		}
		// In there, <loop> would mean two things.
		if g.around != nil && n.ForEach != nil {
			p.Fault(n.at+"/forEach", "a loop cannot be inside another")
		}
		// Branches of two conditions in an export may get the same id.
		if _, taken := g.index[n.ID]; taken {
			p.FaultAtKey(n.at, "%q is the id of another node already", n.ID)
		}
		g.index[n.ID] = i
	}
	for i, n := range g.Nodes { // after those of the graph itself
		if n.Body == nil {
			continue
		}
		n.Body.around, n.Body.Start = g, g.Start
		p.place(n.Body)
		for _, inner := range n.Body.Nodes {
			// Ids are unique in the whole file, because invocation ids are made from them.
			if p.graph.Node(inner.ID) != nil {
				p.FaultAtKey(inner.at, "%q is the id of another node already", inner.ID)
			}
			g.inside[inner.ID] = i
		}
	}
}

// link finds what the nodes of a graph need. It returns which nodes of the graph around it they
// mention, and whether they mention the errors of those.
func (p *parser) link(g *Graph) (outside map[int]bool) {
	outside = map[int]bool{}
	for _, n := range g.Nodes {
		p.linkNode(g, n, outside)
	}
	for i, n := range g.Nodes {
		for _, need := range n.Needs {
			g.Nodes[need.place].next = append(g.Nodes[need.place].next, i)
		}
	}
	p.findCycles(g)
	p.checkBranches(g)
	return outside
}

func (p *parser) linkNode(g *Graph, n *Node, outside map[int]bool) {
	// A node and its error may both be listed, but each only once.
	listed, given, needed := n.Needs, map[Need]bool{}, map[int]bool{}
	n.Needs = []Need{}
	for k, need := range listed {
		at := fmt.Sprintf("%s/needs/%d", n.at, k)
		place, known := g.index[need.Node]
		switch need.place = place; {
		// The node exists, and its own fault has been reported.
		case p.broken[need.Node]:
		case !known:
			p.Fault(at, "no node has this id: %q%s", need.Node, p.suggest(g, need.Node))
		case given[need]:
			p.Fault(at, "is listed twice: %q", need.Node)
		default:
			given[need], needed[place] = true, true
			n.Needs = append(n.Needs, need)
		}
	}
	mentioned := map[int]bool{} // and whether for its error
	if n.Body != nil {
		// What a body mentions of the graph around it, the whole loop needs. So all iterations see
		// the same values.
		mentioned = p.link(n.Body)
	}
	mention := func(id string, isError bool) {
		if j, here := g.index[id]; here {
			mentioned[j] = mentioned[j] || isError
		} else if j, around := g.around.index[id]; around {
			outside[j] = outside[j] || isError
		}
	}
	p.checkReferences(g, n, n.With, n.at+"/with", mention)
	p.checkReferences(g, n, n.ForEach, n.at+"/forEach", mention)
	// A list without references can be checked now, others when the loop begins.
	if _, err := itemsOf(n.ForEach); err != nil && n.ForEach != nil && !hasReferences(n.ForEach) {
		p.Fault(n.at+"/forEach", "%s", err)
	}
	if n.When != "" {
		var err error
		// All members of a node pass here. Check knows what the blocks return.
		if n.condition, err = compileCondition(g, n.When, func(*Node) []string { return nil }); err != nil {
			p.Fault(n.at+"/when", "%s", err)
		} else {
			for _, name := range n.condition.names {
				if name != startHead && name != loopHead {
					mention(name, false)
				}
			}
		}
	}
	// In order, so that the same file gives the same graph each time.
	for _, j := range slices.Sorted(maps.Keys(mentioned)) {
		if !needed[j] {
			// A reference to the error of a node with branches counts as an edge from its error.
			failed := mentioned[j] && g.Nodes[j].OnError == Branch
			n.Needs = append(n.Needs, Need{g.Nodes[j].ID, failed, true, j})
		}
	}
}

// checkReferences calls mention with the nodes that the references of a template lead to, and
// refuses references that lead nowhere.
func (p *parser) checkReferences(
	g *Graph, n *Node, template json.RawMessage, at string, mention func(id string, isError bool),
) {
	isList := strings.HasSuffix(at, "/forEach")
	referencesIn(template, func(pointer string, ref reference, _ bool) {
		where := at + pointer
		switch inLoop := g.around != nil || n.ForEach != nil && !isList; {
		case ref.variable != "":
			// Only the input of a block is resolved where the variables are known. Anywhere else,
			// the scheduler would write their values into states and histories.
			if n.Block == "" || isList {
				p.Fault(where, "%s: a variable may stand only in the input of a block", ref.text)
			}
		case ref.head == startHead:
			if _, ok := p.graph.Start.Get(ref.steps[0].name); !ok {
				p.Fault(where, "%s is no input%s; start has %s", ref.text,
					schemas.DidYouMean(ref.steps[0].name, memberNames(p.graph.Start)), namesOf(p.graph.Start))
			}
		case ref.head == loopHead && !inLoop:
			p.Fault(where, "%s: there is no loop here; a loop is made by forEach", ref.text)
		case ref.head == loopHead:
			if name := ref.steps[0].name; name != "index" && name != "currentItem" {
				p.Fault(where, "%s leads nowhere: <loop> has index, currentItem", ref.text)
			}
		case g.sees(ref.head) != nil:
			mention(ref.head, ref.isError())
		case p.graph.Node(ref.head) != nil:
			p.Fault(where, "%s is inside a loop, and only nodes there see it: refer to the results of the loop",
				ref.text)
		case !p.broken[ref.head]:
			p.Fault(where, "%s names no node%s; there are %s", ref.text, p.suggest(g, ref.head), p.known(g))
		}
	})
	// What only looks like a reference would be sent as it is.
	rawjson.Texts(template, func(pointer, text string) bool {
		for _, found := range p.nearly.FindAllStringSubmatch(text, -1) {
			_, _, _, is := schemas.CutReference(found[0])
			if head := found[1]; !is && (head == startHead || head == loopHead || g.sees(head) != nil) {
				p.Fault(at+pointer, "%s is no reference: names have letters, digits, _ and -, and a place in a list "+
					"is a number, as in [0]", found[0])
			}
		}
		return true
	})
}

// suggest names the node that was probably meant. After very many faults it saves the effort.
func (p *parser) suggest(g *Graph, id string) string {
	if len(p.Faults) > maxFaults {
		return ""
	}
	return schemas.DidYouMean(id, g.ids())
}

// known lists what references can lead to. After very many faults it saves the effort.
func (p *parser) known(g *Graph) string {
	if len(p.Faults) > maxFaults {
		return "others"
	}
	return listed(append([]string{startHead}, g.ids()...))
}

// ids returns the ids of the nodes that the graph sees.
func (g *Graph) ids() (ids []string) {
	for _, n := range g.Nodes {
		if n.ID != startHead {
			ids = append(ids, n.ID)
		}
	}
	if g.around != nil {
		ids = append(ids, g.around.ids()...)
	}
	return ids
}
