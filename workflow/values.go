package workflow

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
)

// resolved resolves a template without variables.
func (c scope) resolved(template json.RawMessage) (json.RawMessage, error) {
	values, err := c.valuesFor(template)
	if err != nil {
		return nil, err
	}
	return Task{With: template, Values: values}.Input(nil)
}

// valuesFor returns the values of the references in a template, by their text. It leaves out
// variables and, outside a loop, references to the loop. The error names all references that lead
// nowhere.
func (c scope) valuesFor(template json.RawMessage) (map[string]json.RawMessage, error) {
	values := map[string]json.RawMessage{}
	var wrong []string
	referencesIn(template, func(_ string, ref reference, _ bool) {
		if _, known := values[ref.text]; known || ref.variable != "" || ref.head == loopHead && c.loop == nil {
			return
		}
		// The values that are the same for all iterations were looked up when the loop began. In a
		// body there are none: more values are known each time that a node ends.
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
// the output of a node. If the node did not run, it is nil. If the reference leads into the error
// of a node, it is an object with that error.
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

// item returns the value of <loop>.
func (c scope) item() rawjson.Object {
	return rawjson.Object{
		{Name: "index", Value: json.RawMessage(strconv.Itoa(c.iteration))},
		{Name: "currentItem", Value: c.loop.Items[c.iteration]},
	}
}

// node returns the state of a node of this graph, or of the one around it. The parser has made sure
// that it exists.
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
