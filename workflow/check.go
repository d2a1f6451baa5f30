package workflow

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
)

// Conventions returns the conventions for a runtime that a graph invokes: AACFlow's, without
// references. The graph has resolved its own, so what still looks like a reference is data.
func Conventions() schemas.Conventions {
	c := schemas.AACFlow()
	c.References = false
	return c
}

// CheckOptions say what to check a file against.
type CheckOptions struct {
	// Registry has the blocks.
	Registry *registry.Registry
	// Runtime validates the inputs as when the graph runs, with the receiver's limits. If it is
	// nil, only references are checked against the schemas.
	Runtime *runtime.Runtime
	// Variables are the names that the graph may use as {{NAME}}.
	Variables []string
	// Input is the input of a run that is about to begin, or nil.
	Input json.RawMessage
}

// Check is like [Parse], and checks the blocks as well: that they exist, that they have the
// parameters and outputs that the graph uses, that the types fit, and that they accept the inputs
// as far as those are known. It sends nothing. The error is a *[FileError] with all faults, or says
// that Input does not fit the graph.
func Check(ctx context.Context, file string, data []byte, o CheckOptions) (*Graph, error) {
	// The faults of both are listed together, so that one round of edits mends the file.
	p := parse(file, data) //nolint:contextcheck // it only reads the file
	c := &checker{parser: p, CheckOptions: o, start: p.graph.Start}
	// If the inputs of the run are known, they are checked in place of the defaults.
	if state, err := p.graph.Begin(o.Input); err == nil {
		c.start = state.Start
	} else if len(p.Faults) == 0 {
		return nil, err
	}
	c.checkNodes(ctx, p.graph)
	if err := p.err(); err != nil {
		return nil, err
	}
	return p.graph, nil
}

type checker struct {
	*parser
	CheckOptions
	start rawjson.Object
}

func (c *checker) checkNodes(ctx context.Context, g *Graph) {
	for _, n := range g.Nodes {
		c.checkNode(ctx, g, n)
		if n.Body != nil {
			c.checkNodes(ctx, n.Body)
		}
	}
}

func (c *checker) checkNode(ctx context.Context, g *Graph, n *Node) {
	if n.condition != nil {
		// The parser has compiled it without the blocks. Now the names of outputs can be checked as
		// well.
		if _, err := compileCondition(g, n.When, c.outputNames); err != nil {
			c.Fault(n.at+"/when", "%s", err)
		}
	}
	var input []schemas.Field
	if n.Block != "" {
		block, err := c.Registry.Find(n.Block)
		if err != nil {
			id, _ := schemas.CutMajor(n.Block)
			c.Fault(n.at+"/block", "%s %s", id, err)
			return
		}
		input = block.Manifest().Input.Fields()
	}
	s := sampler{checker: c, graph: g, node: n, input: input}
	sample := s.sample(n.With, n.at+"/with")
	if n.ForEach != nil {
		s.sample(n.ForEach, n.at+"/forEach")
	}
	if n.Block != "" && c.Runtime != nil && sample != nil {
		c.validate(ctx, n, sample, s.unknown)
	}
}

// validate has the runtime check a sample of a node's input. What it says about values that are not
// known yet does not count.
func (c *checker) validate(ctx context.Context, n *Node, sample json.RawMessage, unknown []string) {
	var e *runtime.Error
	err := c.Runtime.Validate(ctx, n.Block, runtime.JSON(sample))
	if !errors.As(err, &e) {
		return
	}
	// For example, a source that does not fit the block.
	if len(e.Violations) == 0 {
		c.FaultAtKey(n.at, "%s: %s", n.ID, e.Error())
	}
	for _, v := range e.Violations {
		// The violations of an example say nothing about the value that it stands for.
		if slices.ContainsFunc(unknown, func(at string) bool { return strings.HasPrefix(v.Path+"/", at+"/") }) {
			continue
		}
		// What is wrong with an unknown parameter is its name, not its value.
		at := c.Fault
		if v.Code == "unknown_parameter" {
			at = c.FaultAtKey
		}
		subject := strings.TrimSuffix(n.Block+" "+strings.TrimPrefix(v.Path, "/"), " ")
		at(n.at+"/with"+v.Path, "%s %s", subject, v.Message)
	}
}

// outputs returns the members of a node's output, as far as they are known.
func (c *checker) outputs(n *Node) (fields []schemas.Field) {
	object := func(name string, members []schemas.Field) schemas.Field {
		return schemas.Field{Name: name, Kinds: []rawjson.Kind{rawjson.ObjectKind}, Fields: members}
	}
	switch {
	case n.Body != nil && !n.Listed:
		for _, inner := range n.Body.Nodes {
			fields = append(fields, object(inner.ID, c.outputs(inner)))
		}
	case n.Block == "" && n.Body == nil:
		for _, m := range rawjson.OpenObject(n.With) {
			fields = append(fields, schemas.Field{Name: m.Name})
		}
	case n.Block != "":
		block, err := c.Registry.Find(n.Block)
		if err != nil {
			return nil
		}
		if fields = block.Manifest().Output.Fields(); n.Under != "" {
			fields = []schemas.Field{object(n.Under, fields)}
		}
	}
	if n.ForEach != nil {
		return []schemas.Field{{Name: "results", Kinds: []rawjson.Kind{rawjson.ArrayKind}, Fields: fields}}
	}
	return fields
}

func (c *checker) outputNames(n *Node) []string { return fieldNames(c.outputs(n)) }

func fieldNames(fields []schemas.Field) (names []string) {
	for _, f := range fields {
		names = append(names, f.Name)
	}
	return names
}

// kindsOf follows a reference into the output of a node, and returns the JSON types that its value
// may have; none means that they are not known. The error says that it leads nowhere.
func (c *checker) kindsOf(n *Node, ref reference) ([]rawjson.Kind, error) {
	fields, kinds, at := c.outputs(n), []rawjson.Kind{rawjson.ObjectKind}, "<"+n.ID
	// The members of an error depend on the block and the receiver.
	if ref.isError() || len(fields) == 0 {
		return nil, nil
	}
	for i, s := range ref.steps {
		if s.name == "" {
			if len(kinds) > 0 && !slices.Contains(kinds, rawjson.ArrayKind) {
				return nil, fmt.Errorf("%s leads nowhere: %s> is no list, it is %s", ref.text, at,
					schemas.KindWords(kinds))
			}
			kinds, at = nil, fmt.Sprintf("%s[%d]", at, s.place)
			continue
		}
		if len(kinds) > 0 && !slices.Contains(kinds, rawjson.ObjectKind) {
			return nil, fmt.Errorf("%s leads nowhere: %s> has no members, it is %s", ref.text, at,
				schemas.KindWords(kinds))
		}
		// An output that lists no members may have any.
		f := schemas.Find(fields, s.name)
		if f == nil && (i == 0 || len(fields) > 0) {
			names := fieldNames(fields)
			return nil, fmt.Errorf("%s leads nowhere%s; %s> has %s", ref.text, schemas.DidYouMean(s.name, names), at,
				listed(names))
		}
		if f == nil {
			return nil, nil
		}
		fields, kinds, at = f.Fields, f.Kinds, at+"."+s.name
	}
	return kinds, nil
}

// sampler makes a sample of a node's input, which a block can check: with the values of start, and
// with examples for what is not known before the graph runs.
type sampler struct {
	*checker
	graph   *Graph
	node    *Node
	input   []schemas.Field
	unknown []string // JSON Pointers of the texts whose values are not known
}

// sample returns the sample of a template, or nil if there can be none.
func (s *sampler) sample(template json.RawMessage, at string) json.RawMessage {
	// Only a reference that is a whole text keeps its type. In a longer text it becomes text.
	whole := map[string]bool{}
	referencesIn(template, func(pointer string, _ reference, all bool) { whole[pointer] = all })
	// The same code resolves samples and the inputs of tasks, so both join texts in the same way.
	r := resolver{value: func(pointer string, ref reference) (json.RawMessage, error) {
		field := s.field(pointer)
		kinds, known := s.kindsAndValue(ref, at+pointer)
		if known != nil {
			return known, nil
		}
		s.unknown = append(s.unknown, pointer)
		if whole[pointer] && field != nil && s.node.Block != "" && !overlap(kinds, field) {
			s.Fault(at+pointer, "%s is %s, and %s of %s must be %s", ref.text, schemas.KindWords(kinds), field.Name,
				s.node.Block, schemas.KindWords(field.Kinds))
		}
		return exampleOf(field), nil
	}}
	sample, err := r.resolve(template)
	if err != nil { // the values of start make it too large
		s.Fault(at, "%s", err)
		return nil
	}
	return sample
}

// kindsAndValue returns what is known of the value of a reference: its types, or the value itself.
func (s *sampler) kindsAndValue(ref reference, at string) ([]rawjson.Kind, json.RawMessage) {
	of := s.graph.sees(ref.head)
	switch {
	case ref.variable != "":
		if !slices.Contains(s.Variables, ref.variable) {
			s.Fault(at, "%s: the workflow may not use this variable, allow it with --env %s", ref.text, ref.variable)
		}
		return []rawjson.Kind{rawjson.StringKind}, nil
	case ref.head == startHead:
		value, err := ref.lookUp(s.start)
		_, given := s.start.Get(ref.steps[0].name) // otherwise the parser has reported it
		if err != nil && given && s.node.When == "" {
			s.Fault(at, "%s", err)
		}
		// A blank default means that the run will give a value, and a node with a condition may
		// exist to keep the default out. So neither is checked.
		if blank := string(value) == "null" || string(value) == `""`; err == nil && !blank && s.node.When == "" {
			return nil, value
		}
	case of != nil:
		kinds, err := s.kindsOf(of, ref)
		if err != nil {
			s.Fault(at, "%s", err)
		}
		return kinds, nil
	case ref.head == loopHead && ref.steps[0].name == "index":
		return []rawjson.Kind{rawjson.NumberKind}, nil
	}
	return nil, nil
}

// field returns the parameter that a JSON Pointer leads to, or nil.
func (s *sampler) field(pointer string) *schemas.Field {
	fields := s.input
	var f *schemas.Field
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		// The fields of a block do not say what an element of a list must be.
		if _, err := strconv.Atoi(token); err == nil {
			f = nil
			continue // a place in a list
		}
		if f = schemas.Find(fields, token); f == nil {
			return nil
		}
		fields = f.Fields
	}
	return f
}

// overlap reports whether a parameter may accept a value of one of the types.
func overlap(kinds []rawjson.Kind, f *schemas.Field) bool {
	if len(kinds) == 0 || len(f.Kinds) == 0 {
		return true
	}
	return slices.ContainsFunc(kinds, func(k rawjson.Kind) bool {
		switch k {
		case rawjson.NullKind:
			return false
		case rawjson.StringKind:
			return f.Type == "json" || slices.Contains(f.Kinds, k) // a text may hold JSON
		// Only the value shows whether a number is whole.
		case rawjson.NumberKind, "integer":
			return slices.Contains(f.Kinds, rawjson.NumberKind) || slices.Contains(f.Kinds, "integer")
		}
		return slices.Contains(f.Kinds, k)
	})
}

// exampleOf returns a value that a parameter may have.
func exampleOf(f *schemas.Field) json.RawMessage {
	if f == nil {
		return rawjson.Quote("example")
	}
	if f.Example != nil {
		return f.Example
	}
	kind := rawjson.StringKind
	if len(f.Kinds) > 0 {
		kind = f.Kinds[0]
	}
	return json.RawMessage(cmp.Or(map[rawjson.Kind]string{
		rawjson.ObjectKind: "{}", rawjson.ArrayKind: "[]", rawjson.BooleanKind: "true", rawjson.NumberKind: "1",
		"integer": "1",
	}[kind], `"example"`))
}
