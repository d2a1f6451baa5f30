package workflow

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
)

// resolved resolves a template that has no variables in it.
func (c scope) resolved(template json.RawMessage) (json.RawMessage, error) {
	values, err := c.valuesFor(template)
	if err != nil {
		return nil, err
	}
	return Task{With: template, Values: values}.Input(nil)
}

// valuesFor returns the values of all references in a template, by their text: not those of
// variables and, outside of a loop, not those into the loop. The error joins what is wrong with all
// references that lead nowhere.
func (c scope) valuesFor(template json.RawMessage) (map[string]json.RawMessage, error) {
	values := map[string]json.RawMessage{}
	var wrong []string
	referencesIn(template, func(_ string, ref reference, _ bool) {
		if _, known := values[ref.text]; known || ref.variable != "" || ref.head == loopHead && c.loop == nil {
			return
		}
		// What does not change from one iteration to the next was looked up when the loop began.
		// Inside of a body it does change, with each node that ends.
		if c.loop != nil && c.around == nil {
			if fixed, known := c.loop.Fixed[ref.text]; known {
				values[ref.text] = fixed
				return
			}
		}
		value, err := ref.lookUp(c.valueOf(ref))
		if err == nil {
			values[ref.text] = value
		} else if !slices.Contains(wrong, err.Error()) {
			wrong = append(wrong, err.Error())
		}
	})
	if len(wrong) > 0 {
		return nil, errors.New(strings.Join(wrong, "; "))
	}
	return values, nil
}

// valueOf returns what the head of a reference stands for: the start, an iteration of the loop, or
// what has come of a node. It is nothing for a node that did not run, and for one that failed
// unless the reference asks for its error.
func (c scope) valueOf(ref reference) rawjson.Object {
	switch ref.head {
	case startHead:
		return c.start()
	case loopHead:
		return c.item()
	}
	state := c.node(ref.head)
	if ref.isError() {
		return rawjson.Object{{Name: "error", Value: orNull(state.Error)}}
	}
	return rawjson.OpenObject(state.Output)
}

// start returns the input of the run.
func (c scope) start() rawjson.Object {
	if c.around != nil {
		return c.around.start()
	}
	return c.state.Start
}

// item returns what <loop> stands for.
func (c scope) item() rawjson.Object {
	return rawjson.Object{
		{Name: "index", Value: json.RawMessage(strconv.Itoa(c.iteration))},
		{Name: "currentItem", Value: c.loop.Items[c.iteration]},
	}
}

// node returns the state of a node that the parser has found here or around.
func (c scope) node(id string) *NodeState {
	if i, here := c.graph.index[id]; here {
		return &c.state.Nodes[i]
	}
	return c.around.node(id)
}

func orNull(raw json.RawMessage) json.RawMessage {
	if raw == nil {
		return json.RawMessage("null")
	}
	return raw
}
