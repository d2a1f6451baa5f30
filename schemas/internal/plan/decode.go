package plan

import (
	"encoding/json"
	"regexp"

	"github.com/aacflow/segment-blocks/rawjson"
)

// maxUnknown is how many members that no schema names Decode keeps: enough to report them.
const maxUnknown = 1000

// depth says how far the schemas of a plan look into an object or array. Free-form properties may
// have many megabytes, and jsonschema only asks whether they are an object: decoding them would
// take many times their size in memory.
type depth struct {
	objects, arrays bool   // at more than the type and the number of elements
	elements        int    // this many elements show whether there are too few or too many
	members         uint64 // inside these members, by the index of the name in Plan.names
	allMembers      bool
}

// unknownDepth is the depth of schemas that may look anywhere.
func unknownDepth() depth { return depth{objects: true, arrays: true, allMembers: true} }

// look finds out how far a plan looks. It needs the depths of the plans below.
func (p *Plan) look() {
	p.depth = depth{objects: p.others != nil, arrays: p.items != nil, allMembers: p.others != nil}
	p.schema.look(&p.depth)
	for i, m := range p.members {
		if m != nil && (m.depth.objects || m.depth.arrays) {
			p.depth.members |= 1 << i
		}
	}
}

func (n *node) look(d *depth) {
	if n.unsure || n.literals != nil && n.literals.others {
		*d = unknownDepth()
	}
	if o := n.object; o != nil {
		d.objects = true
		d.allMembers = d.allMembers || o.additional
		for _, m := range o.members {
			if below := m.schema.depth; below.objects || below.arrays || below.elements > 0 {
				d.members |= 1 << m.name
			}
		}
	}
	if a := n.array; a != nil {
		d.arrays = d.arrays || a.items != nil
		d.elements = max(d.elements, a.fewest+1, a.most+1)
	}
	n.each(func(sub *node) { sub.look(d) })
}

// Decode decodes, for jsonschema, as much of a checked value as the schemas look at. It omits the
// rest, or leaves an empty object or array in its place.
func (p *Plan) Decode(value json.RawMessage) any {
	if rawjson.KindOf(value) != rawjson.ObjectKind || p.depth.allMembers {
		return decode(value, p.depth)
	}
	object, unknown := map[string]any{}, 0
	for _, m := range rawjson.OpenObject(value) {
		switch i := p.find(m.Name); {
		case i < 0 && unknown < maxUnknown:
			unknown++
			object[m.Name] = nil
		case i < 0:
		case p.depth.members&(1<<i) != 0:
			object[m.Name] = decode(m.Value, unknownDepth())
		case p.members[i] != nil:
			object[m.Name] = decode(m.Value, p.members[i].depth)
		default:
			object[m.Name] = decode(m.Value, depth{})
		}
	}
	return object
}

// decode keeps numbers as written, because jsonschema calculates with all of their digits.
func decode(value json.RawMessage, d depth) any {
	switch kind := rawjson.KindOf(value); {
	case kind == rawjson.ObjectKind && !d.objects:
		return map[string]any{}
	case kind == rawjson.ArrayKind && !d.arrays:
		list := []any{}
		for range rawjson.Elements(value) {
			if len(list) == d.elements {
				break
			}
			list = append(list, nil)
		}
		return list
	}
	return rawjson.Decode(value, bounded)
}

var hugeExponent = regexp.MustCompile(`[eE]([+-]?)0*[1-9]\d{3,}$`)

// bounded makes 1000 of larger exponents. jsonschema would write out all digits of 1e999999, which
// takes 65 ms, and panic at one digit more. Lists may hold very many such numbers, and no sensible
// bound lies between the two.
func bounded(n json.Number) any {
	return json.Number(hugeExponent.ReplaceAllString(n.String(), "e${1}1000"))
}
