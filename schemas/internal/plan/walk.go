package plan

import (
	"bytes"
	"encoding/json"
	"math/bits"
	"slices"

	"github.com/aacflow/segment-blocks/internal/jsonscan"
	"github.com/aacflow/segment-blocks/rawjson"
)

// Opened is an object that Open has accepted, open as far as blocks look into it. Its values share
// memory with what was scanned.
type Opened struct {
	// Object holds the members.
	Object rawjson.Object
	// Lists holds, by name, the members that are lists of objects whose own members the schema
	// knows: each with the objects in it.
	Lists map[string][]rawjson.Object
	// Blank tells that something in it, at any depth that the schema knows, is null or an empty
	// text, which hosts may take for absent.
	Blank bool

	list    []rawjson.Object // what has been read of the list at hand
	members rawjson.Object   // those of its elements, one element behind the other
}

// beginElement makes room for an element's members, and returns where they begin. A new slice when
// the last one is full costs less than to copy a large one. The elements share one slice, so that a
// batch of a thousand messages does not make a thousand: that is most of what a batch would
// allocate.
func (o *Opened) beginElement() int {
	const usual = 16 // members of an element
	if cap(o.members)-len(o.members) < usual {
		o.members = make(rawjson.Object, 0, min(1024, max(4*usual, 2*cap(o.members))))
	}
	return len(o.members)
}

// endElement adds to the list the element whose members begin at from. Expected is how many such
// elements there may be in all.
func (o *Opened) endElement(from, expected int) {
	if o.list == nil {
		o.list = make([]rawjson.Object, 0, min(1024, 1+expected))
	}
	o.list = append(o.list, o.members[from:len(o.members):len(o.members)])
}

// endList keeps the list that has been read as a member's, if all its elements are objects that
// have been opened.
func (o *Opened) endList(name string, elements int) {
	if len(o.list) == elements && elements > 0 {
		if o.Lists == nil {
			o.Lists = map[string][]rawjson.Object{}
		}
		o.Lists[name] = o.list
	}
	o.list = nil
}

// walk judges JSON while it checks its syntax. After any verdict but yes its scanner stands
// anywhere, so the walk is over: jsonschema starts anew.
//
// A walk lives on the stack. It must not be handed to an interface or kept by a closure.
type walk struct {
	jsonscan.Scanner
	data    []byte
	checked bool    // the JSON has been checked before
	blank   bool    // a value that a schema knows is an empty text or null
	opened  *Opened // nil where nobody wants the members
	level   int     // of the objects and arrays that the walk is in
	name    string  // of the root's member that it is in
	listed  bool    // that member is a list
}

// newWalk returns a walk at the first byte of data.
func newWalk(data []byte, limits rawjson.Limits) walk {
	limits = limits.WithDefaults()
	return walk{Scanner: jsonscan.New(data, limits.MaxBytes, limits.MaxDepth), data: data}
}

// root judges the whole document.
func (w *walk) root(p *Plan) bool { return w.Peek() == '{' && w.value(p) == yes && w.End() }

// judgeAgain judges a value that has been scanned before, for a schema that applies under a
// condition. It may be faulty in no other way than by its schema. Texts, numbers and literals are
// judged where they are, without a walk. It reads a copy of objects and arrays: with the value
// itself the compiler would move every walk to the heap.
func (p *Plan) judgeAgain(value json.RawMessage) verdict {
	switch c := value[0]; {
	case p.words != nil && c != '"':
		return no
	case p.words != nil && bytes.IndexByte(value, '\\') < 0:
		return verdictOf(slices.Contains(p.words, view(value[1:len(value)-1])))
	case c == '"':
		body := value[1 : len(value)-1]
		return p.schema.judge(p, &subject{kind: isString, text: view(body), escaped: bytes.IndexByte(body, '\\') >= 0})
	case p.plain && c == '{':
		return p.schema.kinds.admit(isObject)
	case p.plain && c == '[':
		return p.schema.kinds.admit(isArray)
	case c != '{' && c != '[':
		return p.schema.judge(p, &subject{kind: kindOf(value), text: view(value)})
	}
	again := bytes.Clone(value)
	w := walk{Scanner: jsonscan.Trusting(again), data: again, checked: true}
	return w.value(p)
}

// kindOf tells the kind of a number or literal, whose syntax has been checked. A number in digits
// alone is an integer for sure; 1.0 and 1e3 are, too, but that takes arithmetic.
func kindOf(scalar []byte) kinds {
	switch scalar[0] {
	case 'n':
		return isNull
	case 't', 'f':
		return isBoolean
	}
	for _, c := range scalar {
		if c != '-' && c-'0' > 9 {
			return isNumber
		}
	}
	return isInteger
}

// value judges the value that comes next, and moves past it.
func (w *walk) value(p *Plan) verdict {
	s := subject{}
	switch c := w.Peek(); c {
	case '{':
		return w.object(p)
	case '[':
		return w.array(p)
	case '"':
		body, plain, ok := w.Text()
		if !ok {
			return unsure
		}
		s.kind, s.text, s.escaped = isString, view(body), !plain
		w.blank = w.blank || len(body) == 0
	default:
		start := w.Pos()
		if !w.Skip() {
			return unsure
		}
		scalar := w.data[start:w.Pos()]
		s.kind, s.text = kindOf(scalar), view(scalar)
		w.blank = w.blank || s.kind == isNull
	}
	return p.schema.judge(p, &s)
}

// find returns the number of a name, or -1. Few names of a schema have the same length, so that a
// name is mostly compared with one other or with none.
func (p *Plan) find(name string) int {
	for candidates := p.lengths[min(len(name), len(p.lengths)-1)]; candidates != 0; candidates &= candidates - 1 {
		if i := bits.TrailingZeros64(candidates); p.names[i] == name {
			return i
		}
	}
	return -1
}

// receiver returns what takes the members of the object that the walk has come to, and how many are
// in it already; nil if nobody asks for them.
func (w *walk) receiver() (into *rawjson.Object, from int) {
	switch {
	case w.opened != nil && w.level == 0:
		return &w.opened.Object, 0
	case w.listed && w.level == 2:
		return &w.opened.members, w.opened.beginElement()
	}
	return nil, 0
}

// object judges an object. It gives up on a name with escapes, which may be any name, and where it
// cannot tell whether a name comes twice: the caller then looks more closely.
func (w *walk) object(p *Plan) verdict {
	if p.plain && (w.opened == nil || w.level != 0) {
		return w.skip(p, isObject)
	}
	into, from := w.receiver()
	// Room on the stack for as many names as most schemas have.
	var usual [24]json.RawMessage
	s := subject{kind: isObject, members: usual[:]}
	if len(p.names) > len(usual) {
		s.members = make([]json.RawMessage, len(p.names))
	}
	begin := w.Pos()
	if !w.Enter() {
		return unsure
	}
	w.level++
	var unknown jsonscan.Names
	for first := true; ; first = false {
		more, ok := w.More('}', first)
		if !ok {
			return unsure
		}
		if !more {
			break
		}
		name, plain, ok := w.Name()
		if !ok || !plain {
			return unsure
		}
		i, schema, known := p.find(view(name)), p.others, ""
		switch {
		case i < 0 && !w.checked && !unknown.Add(name), i >= 0 && s.present&(1<<i) != 0:
			return unsure // it may be there twice
		case i >= 0:
			s.present |= 1 << i
			schema, known = p.members[i], p.names[i]
		case into != nil:
			known = string(name)
			fallthrough
		default:
			s.more = true
		}
		if w.level == 1 {
			w.name = known
		}
		w.Peek()
		start := w.Pos()
		if !w.next(schema) {
			return unsure
		}
		value := w.data[start:w.Pos():w.Pos()]
		if i >= 0 {
			s.members[i] = value
		}
		if into != nil {
			*into = append(*into, rawjson.Member{Name: known, Value: value})
		}
	}
	w.level--
	if w.listed && w.level == 2 {
		w.opened.endElement(from, len(w.data)/(w.Pos()-begin))
	}
	return p.schema.judge(p, &s)
}

// skip moves past an object or array of which nothing is asked but its type.
func (w *walk) skip(p *Plan, kind kinds) verdict {
	if !w.Skip() {
		return unsure
	}
	return p.schema.kinds.admit(kind)
}

// next moves past a value, and judges it where there is a schema for it.
func (w *walk) next(schema *Plan) bool {
	if schema == nil {
		return w.Skip()
	}
	return w.value(schema) == yes
}

// array judges an array, its elements as they come.
func (w *walk) array(p *Plan) verdict {
	if p.plain {
		return w.skip(p, isArray)
	}
	s := subject{kind: isArray}
	start := w.Pos()
	if !w.Enter() {
		return unsure
	}
	list := w.opened != nil && w.level == 1
	w.level, w.listed = w.level+1, w.listed || list
	for first := true; ; first = false {
		more, ok := w.More(']', first)
		if !ok {
			return unsure
		}
		if !more {
			break
		}
		s.count++
		if !w.next(p.items) {
			return unsure
		}
	}
	w.level--
	if list {
		w.opened.endList(w.name, s.count)
		w.listed = false
	}
	s.array = w.data[start:w.Pos()]
	return p.schema.judge(p, &s)
}
