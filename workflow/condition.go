package workflow

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"

	"github.com/aacflow/segment-blocks/rawjson"
)

// condition is a compiled expression. It sees start and the outputs of nodes by their ids; a node
// that did not run is nil. What it may use of memory is bounded, and so is its length.
type condition struct {
	program *vm.Program
	names   []string // start and the nodes that it mentions
}

// compileCondition compiles an expression for names of the types given. Functions that tell the
// time or that depend on the order of a map are not to be had: a graph must mean the same each
// time.
func compileCondition(text string, env types.Map) (*condition, error) {
	// expr bounds the memory of a run by itself: a range or a repeat beyond it ends as an error.
	seen := &mentions{env: env}
	options := []expr.Option{expr.Env(env), expr.AsBool(), expr.Patch(seen)}
	// The results of a run must depend on its input alone, or a resume would decide otherwise.
	for _, name := range []string{"now", "timezone", "keys", "values", "toPairs"} {
		options = append(options, expr.DisableBuiltin(name))
	}
	program, err := expr.Compile(text, options...)
	if err != nil {
		return nil, plainError(err)
	}
	return &condition{program, seen.names}, nil
}

// plainError leaves out the picture of the place that expr draws below its messages.
func plainError(err error) error {
	var where *file.Error
	if errors.As(err, &where) {
		return fmt.Errorf("%s, at character %d", where.Message, where.Column+1)
	}
	return err
}

// mentions collects the names that an expression uses. It changes nothing.
type mentions struct {
	env   types.Map
	names []string
}

// Visit implements ast.Visitor.
func (m *mentions) Visit(node *ast.Node) {
	name := ""
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		name = n.Value
	case *ast.MemberNode: // $env["big-order"], for an id that is no identifier
		if of, ok := n.Node.(*ast.IdentifierNode); ok && of.Value == "$env" {
			if id, ok := n.Property.(*ast.StringNode); ok {
				name = id.Value
			}
		}
	}
	if _, known := m.env[name]; known && !slices.Contains(m.names, name) {
		m.names = append(m.names, name)
	}
}

// holds evaluates a condition.
func (c scope) holds(when *condition) (bool, error) {
	env := map[string]any{}
	for _, name := range when.names {
		switch name {
		case startHead:
			env[name] = decode(c.start().JSON())
		case loopHead:
			env[name] = decode(c.item().JSON())
		default:
			env[name] = decode(c.node(name).value())
		}
	}
	result, err := expr.Run(when.program, env)
	if err != nil {
		// The types of outputs are not known when it is compiled, so expr converts at the end.
		if err = plainError(err); strings.HasPrefix(err.Error(), "invalid operation: bool(") {
			return false, errors.New("the condition must be true or false")
		}
		return false, err
	}
	return result == true, nil
}

// value is what a condition sees of a node: its output, with the error in it if there is one.
func (state *NodeState) value() json.RawMessage {
	if state.Error == nil {
		return state.Output
	}
	return append(rawjson.OpenObject(state.Output), rawjson.Member{Name: "error", Value: state.Error}).JSON()
}

// decode makes Go values of checked JSON: a whole number is an int where it fits, else a number is
// a float64.
func decode(raw json.RawMessage) any {
	switch rawjson.KindOf(raw) {
	case rawjson.ObjectKind:
		m := map[string]any{}
		for _, member := range rawjson.OpenObject(raw) {
			m[member.Name] = decode(member.Value)
		}
		return m
	case rawjson.ArrayKind:
		list := []any{}
		for element := range rawjson.Elements(raw) {
			list = append(list, decode(element))
		}
		return list
	case rawjson.StringKind:
		text, _ := rawjson.Text(raw)
		return text
	case rawjson.BooleanKind:
		return strings.TrimSpace(string(raw)) == "true"
	case rawjson.NumberKind:
		text := strings.TrimSpace(string(raw))
		// As a float64, an id of 17 digits would equal its neighbour.
		if whole, err := strconv.Atoi(text); err == nil {
			return whole
		}
		number, _ := strconv.ParseFloat(text, 64)
		return number
	}
	return nil
}

// conditionTypes returns the names that a condition may use, as far as it does: start with its
// members, loop inside one, and nodes. The members of a node are those that fieldsOf returns, nil
// for any.
func conditionTypes(g *Graph, text string, fieldsOf func(n *Node) []string) types.Map {
	env, start := types.Map{}, types.Map{}
	for _, m := range g.root().Start {
		start[m.Name] = types.Any
	}
	env[startHead] = start
	if g.around != nil {
		env[loopHead] = types.Map{"index": types.Any, "currentItem": types.Any}
	}
	for _, name := range wordsOf(text) {
		n := g.sees(name)
		if n == nil || env[name] != nil {
			continue
		}
		env[name] = types.Any
		if fieldsOf == nil {
			continue
		}
		if names := fieldsOf(n); names != nil {
			members := types.Map{"error": types.Any}
			for _, field := range names {
				members[field] = types.Any
			}
			env[name] = members
		}
	}
	return env
}

// wordsOf returns all that may be the id of a node in a text. A dash may be part of it or not.
func wordsOf(text string) []string {
	isWord := func(r rune) bool {
		return r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	words := strings.FieldsFunc(text, func(r rune) bool { return !isWord(r) })
	return append(words, strings.FieldsFunc(text, func(r rune) bool { return !isWord(r) && r != '-' })...)
}
