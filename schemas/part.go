package schemas

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas/internal/plan"
)

// A part is as much of a schema as jsonschema judges in one go. The elements of an array are a part
// of their own, and are judged one by one: jsonschema builds a tree of errors for all that it is
// given, which for a long list of faulty elements would take hundreds of times the memory of the
// list.
type part struct {
	raw      json.RawMessage // without the schemas of the elements
	compiled *jsonschema.Schema
	decoder  *plan.Plan // of the same
	plan     *plan.Plan // of the schema with the elements
	arrays   []elements
}

// elements are those of the array that a JSON Pointer leads to inside a value.
type elements struct {
	at   string
	part *part
}

// newPart compiles a schema that stands alone.
func newPart(url string, raw json.RawMessage) (*part, error) {
	compiled, err := compile(url, raw)
	if err != nil {
		return nil, err
	}
	p := &part{raw: raw, compiled: compiled, plan: plan.New(compiled)}
	if !dependsOnItsPlace(raw) {
		if err := p.takeElements(url); err != nil {
			return nil, err
		}
	}
	p.decoder = plan.New(p.compiled)
	return p, nil
}

// dependsOnItsPlace reports whether a schema may have keywords that look beyond the schema they
// stand in.
func dependsOnItsPlace(raw json.RawMessage) bool {
	for _, keyword := range []string{`"$ref"`, `"$dynamicRef"`, `"unevaluatedItems"`} {
		if bytes.Contains(raw, []byte(keyword)) {
			return true
		}
	}
	return false
}

// takeElements makes parts of the elements of all arrays that properties lead to, and compiles what
// is left.
func (p *part) takeElements(url string) (err error) {
	var without func(raw json.RawMessage, at string) json.RawMessage
	without = func(raw json.RawMessage, at string) json.RawMessage {
		obj := rawjson.OpenObject(raw)
		if obj == nil {
			return raw
		}
		_, prefixed := obj.Get("prefixItems")
		if items, ok := obj.Get("items"); ok && !prefixed && err == nil {
			each := elements{at: at}
			each.part, err = newPart(url, items)
			p.arrays = append(p.arrays, each)
			obj = obj.Without("items")
		}
		if properties, ok := obj.Get("properties"); ok {
			known := rawjson.OpenObject(properties)
			for i, member := range known {
				known[i].Value = without(member.Value, rawjson.Pointer(at, member.Name))
			}
			obj = obj.Set("properties", known.JSON())
		}
		return obj.JSON()
	}
	rest := without(p.raw, "")
	if err == nil && len(p.arrays) > 0 {
		p.raw = rest
		p.compiled, err = compile(url, rest)
	}
	return err
}

// judge asks jsonschema about a value. It panics on a number whose exponent is too large to reckon
// with, which is a reason to refuse the input and none to end the program.
func (p *part) judge(value json.RawMessage) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("must hold no number that is too large to be judged")
		}
	}()
	return p.compiled.Validate(p.decoder.Decode(value))
}
