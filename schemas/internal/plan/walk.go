package plan

import (
	"bytes"
	"encoding/json"
	"math/bits"
	"slices"

	"github.com/aacflow/segment-blocks/internal/jsonscan"
	"github.com/aacflow/segment-blocks/rawjson"
)

// Opened is an object that Open has accepted, opened as far as blocks look into it. Its values
// share memory with the scanned data.
type Opened struct {
	// Object holds the members.
	Object rawjson.Object
	// Lists holds, by the name of the member, the objects of each list of objects whose members the
	// schema knows.
	Lists map[string][]rawjson.Object
	// Blank is true if a value that the schema knows, at any depth, is null or an empty text. Hosts
	// may take such a value for absent.
	Blank bool

	list    []rawjson.Object // the elements of the list that is being read
	members rawjson.Object   // the members of its elements, one element after the other
}

// beginElement makes room for an element's members, and returns where they begin. Elements share a
// slice: one slice for each of a thousand messages would be most of what a batch allocates. When
// the slice is full, a new one costs less than copying it.
func (o *Opened) beginElement() int {
	const usual = 16 // members of an element
	if cap(o.members)-len(o.members) < usual {
		o.members = make(rawjson.Object, 0, min(1024, max(4*usual, 2*cap(o.members))))
	}
	return len(o.members)
}

// endElement adds an element to the list. Its members begin at from. The list may have about
// expected such elements.
func (o *Opened) endElement(from, expected int) {
	if o.list == nil {
		o.list = make([]rawjson.Object, 0, min(1024, 1+expected))
	}
	o.list = append(o.list, o.members[from:len(o.members):len(o.members)])
}

// endList keeps the list under the name of its member, if all elements are objects that have been
// opened.
func (o *Opened) endList(name string, elements int) {
	if len(o.list) == elements && elements > 0 {
		if o.Lists == nil {
			o.Lists = map[string][]rawjson.Object{}
		}
		o.Lists[name] = o.list
	}
	o.list = nil
}

// walk judges JSON while it checks its syntax. After any verdict but yes, the scanner's position
// means nothing and the walk is over: jsonschema starts again from the beginning.
//
// A walk lives on the stack. It must not be handed to an interface or kept by a closure.
type walk struct {
	jsonscan.Scanner
	data    []byte
	checked bool    // the JSON has been checked before
	blank   bool    // a value that a schema knows is an empty text or null
	opened  *Opened // nil if nobody wants the members
	level   int     // how many objects and arrays the walk is in
	name    string  // of the root's member that the walk is in
	listed  bool    // that member is a list
}

// newWalk returns a walk at the first byte of data.
func newWalk(data []byte, limits rawjson.Limits) walk {
	limits = limits.WithDefaults()
	return walk{Scanner: jsonscan.New(data, limits.MaxBytes, limits.MaxDepth), data: data}
}

// root judges the whole document.
func (w *walk) root(p *Plan) bool { return w.Peek() == '{' && w.value(p) == yes && w.End() }

// judgeAgain judges a value that has been scanned before, so its syntax is valid, by a schema that
// applies under a condition. Texts, numbers and literals need no walk. Objects and arrays are
// copied: a walk of the value itself would make the compiler move every walk to the heap.
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

// kindOf returns the kind of a number or literal of valid syntax. A number of digits alone is
// certainly an integer; so are 1.0 and 1e3, but finding that out takes arithmetic.
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

// find returns the index of a name, or -1. Few names of a schema have the same length, so a name is
// mostly compared with one other or none.
func (p *Plan) find(name string) int {
	for candidates := p.lengths[min(len(name), len(p.lengths)-1)]; candidates != 0; candidates &= candidates - 1 {
		if i := bits.TrailingZeros64(candidates); p.names[i] == name {
			return i
		}
	}
	return -1
}

// receiver returns where the members of the next object go, and how many are there already. It
// returns nil if nobody wants them.
func (w *walk) receiver() (into *rawjson.Object, from int) {
	switch {
	case w.opened != nil && w.level == 0:
		return &w.opened.Object, 0
	case w.listed && w.level == 2:
		return &w.opened.members, w.opened.beginElement()
	}
	return nil, 0
}

// object judges an object. It is unsure if a name has escapes, because that may spell any name, or
// if it cannot tell whether a name comes twice. The caller then looks more closely.
func (w *walk) object(p *Plan) verdict {
	if p.plain && (w.opened == nil || w.level != 0) {
		return w.skip(p, isObject)
	}
	into, from := w.receiver()
	// There is room on the stack for the names of most schemas.
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
			return unsure // the name may come twice
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

// skip moves past an object or array of which only the type matters.
func (w *walk) skip(p *Plan, kind kinds) verdict {
	if !w.Skip() {
		return unsure
	}
	return p.schema.kinds.admit(kind)
}

// next moves past a value, and judges it if there is a schema for it.
func (w *walk) next(schema *Plan) bool {
	if schema == nil {
		return w.Skip()
	}
	return w.value(schema) == yes
}

// array judges an array, and each element as it comes.
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
