package workflow

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	exprparser "github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"

	"github.com/aacflow/segment-blocks/rawjson"
)

// condition is a compiled expression. It sees start, and the outputs of nodes by their ids; a node
// that did not run is nil. Its length and its memory are bounded.
type condition struct {
	program *vm.Program
	names   []string // start, loop and the nodes that it mentions
}

// compileCondition compiles the condition of a node in the graph. Nodes have the members that
// fieldsOf returns. If it returns nil, any member passes.
func compileCondition(g *Graph, text string, fieldsOf func(n *Node) []string) (*condition, error) {
	tree, err := exprparser.Parse(text)
	if err != nil {
		return nil, plainError(err)
	}
	c, env := &condition{}, types.Map{}
	ast.Find(tree.Node, func(node ast.Node) bool {
		name := nameIn(node)
		if of := typesOf(g, name, fieldsOf); of != nil && env[name] == nil {
			env[name], c.names = of, append(c.names, name)
		}
		return false // there may be more
	})
	// expr bounds the memory of an evaluation: a range or a repeat beyond that is an error.
	options := []expr.Option{expr.Env(env), expr.AsBool()}
	// A condition must depend only on its inputs, or a resumed run could decide differently. So it
	// cannot read the clock, or depend on the order of a map.
	for _, name := range []string{"now", "timezone", "keys", "values", "toPairs"} {
		options = append(options, expr.DisableBuiltin(name))
	}
	if c.program, err = expr.Compile(text, options...); err != nil {
		return nil, plainError(err)
	}
	return c, nil
}

// typesOf returns the type of a name in a condition: start, loop in a body, or a node. It is nil
// for other names.
func typesOf(g *Graph, name string, fieldsOf func(n *Node) []string) types.Type {
	var members []string
	switch n := g.sees(name); {
	case name == startHead:
		members = memberNames(g.Start)
	case name == loopHead && g.around != nil:
		members = []string{"index", "currentItem"}
	case n == nil:
		return nil
	default:
		if members = fieldsOf(n); members == nil {
			return types.Any
		}
		members = append(members, "error")
	}
	of := types.Map{}
	for _, member := range members {
		of[member] = types.Any
	}
	return of
}

// plainError leaves out the drawing of the place that expr adds to its messages.
func plainError(err error) error {
	var where *file.Error
	if errors.As(err, &where) {
		return fmt.Errorf("%s, at character %d", where.Message, where.Column+1)
	}
	return err
}

// nameIn returns the name that a part of an expression is, or "".
func nameIn(node ast.Node) string {
	switch n := node.(type) {
	case *ast.IdentifierNode:
		return n.Value
	case *ast.MemberNode: // $env["big-order"], for an id that is no identifier
		id, isText := n.Property.(*ast.StringNode)
		if isText && nameIn(n.Node) == "$env" {
			return id.Value
		}
	}
	return ""
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
		// The types of outputs are not known at compile time, so expr converts the result in the
		// end.
		if err = plainError(err); strings.HasPrefix(err.Error(), "invalid operation: bool(") {
			return false, errors.New("the condition must be true or false")
		}
		return false, err
	}
	return result == true, nil
}

// value returns what a condition sees of a node: its output, with the error as a member if there is
// one.
func (state *NodeState) value() json.RawMessage {
	if state.Error == nil {
		return state.Output
	}
	return append(rawjson.OpenObject(state.Output), rawjson.Member{Name: "error", Value: state.Error}).JSON()
}

// decode returns the Go value of checked JSON. A whole number that fits is an int, any other number
// a float64.
func decode(raw json.RawMessage) any {
	return rawjson.Decode(raw, func(n json.Number) any {
		// As float64s, neighbouring ids of 17 digits would be equal.
		if whole, err := strconv.Atoi(string(n)); err == nil {
			return whole
		}
		number, _ := n.Float64()
		return number
	})
}
