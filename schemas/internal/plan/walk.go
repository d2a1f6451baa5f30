package plan

import (
	"bytes"
	"encoding/json"
	"math"
	"math/bits"
	"strconv"

	"github.com/aacflow/segment-blocks/rawjson"
)

// walk judges JSON while it checks its syntax. After any verdict but yes its scanner stands
// anywhere.
type walk struct {
	rawjson.Scanner
	data    []byte
	opened  *Opened // nil where nobody wants the members
	keep    keeping // what becomes of the value that comes next
	name    string  // of the member whose value that is, where it is kept
	checked bool    // the JSON has been checked before
	blank   bool    // a value that a schema knows is an empty text or null
}

// newWalk returns a walk at the first byte of data.
func newWalk(data []byte, limits rawjson.Limits, opened *Opened) walk {
	w := walk{Scanner: rawjson.NewScanner(data, limits), data: data, opened: opened}
	if opened != nil {
		w.keep = keepRoot
	}
	return w
}

// judgeAgain judges a value that has been scanned before. It may be faulty in no other way than by
// its schema. It reads a copy: with the value itself the compiler would move every walk to the
// heap.
func (p *Plan) judgeAgain(value json.RawMessage) verdict {
	if p.plain {
		return p.schema.kinds.admit(kindOf(value))
	}
	w := newWalk(bytes.Clone(value), rawjson.Limits{MaxBytes: math.MaxInt, MaxDepth: math.MaxInt}, nil)
	w.checked = true
	return w.value(p)
}

// value judges the value that comes next. What is to become of it is in keep.
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
	case 't', 'f':
		if !w.Literal() {
			return unsure
		}
		s.kind, s.isTrue = isBoolean, c == 't'
	case 'n':
		if !w.Literal() {
			return unsure
		}
		s.kind, w.blank = isNull, true
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		number, ok := w.Number()
		if !ok {
			return unsure
		}
		s.kind, s.float = isNumber, math.NaN()
		if p.plain {
			break
		}
		if f, err := strconv.ParseFloat(view(number), 64); err == nil {
			s.float = f
		}
		if isWhole(view(number)) {
			s.kind = isInteger
		}
	default:
		return unsure
	}
	return p.schema.judge(p, &s)
}

func kindOf(value json.RawMessage) kinds {
	switch rawjson.KindOf(value) {
	case rawjson.NullKind:
		return isNull
	case rawjson.BooleanKind:
		return isBoolean
	case rawjson.NumberKind:
		return isNumber
	case rawjson.StringKind:
		return isString
	case rawjson.ArrayKind:
		return isArray
	case rawjson.ObjectKind:
		return isObject
	}
	return 0
}

// isWhole reports whether a number is written without a fraction or exponent.
func isWhole(number string) bool {
	for i := range len(number) {
		if c := number[i]; c != '-' && c-'0' > 9 {
			return false
		}
	}
	return true
}

// find returns the number of a name, or -1.
func (p *Plan) find(name string) int {
	for candidates := p.lengths[min(len(name), len(p.lengths)-1)]; candidates != 0; candidates &= candidates - 1 {
		if i := bits.TrailingZeros64(candidates); p.names[i] == name {
			return i
		}
	}
	return -1
}

func (w *walk) object(p *Plan) verdict {
	keep := w.keep
	if keep == keepList {
		keep = keepNothing
	}
	if p.plain && keep != keepRoot {
		if !w.Skip() {
			return unsure
		}
		return p.schema.kinds.admit(isObject)
	}
	var usual [24]json.RawMessage
	s := subject{kind: isObject, members: usual[:]}
	if len(p.names) > len(usual) {
		s.members = make([]json.RawMessage, len(p.names))
	}
	from := 0
	if keep == keepElement {
		from = w.opened.beginElement()
	}
	if !w.Enter() {
		return unsure
	}
	var unknown rawjson.Names
	for first := true; ; first = false {
		more, ok := w.More('}', first)
		if !ok {
			return unsure
		}
		if !more {
			v := p.schema.judge(p, &s)
			if keep == keepElement {
				w.opened.endElement(from)
			}
			return v
		}
		name, plain, ok := w.Name()
		if !ok || !plain {
			return unsure
		}
		s.count++
		i, schema, known := p.find(view(name)), p.others, ""
		switch {
		case i < 0 && !w.checked && !unknown.Add(name), i >= 0 && s.present&(1<<i) != 0:
			return unsure // it may be there twice
		case i < 0:
			s.more = true
			if keep != keepNothing {
				known = string(name)
			}
		default:
			s.present |= 1 << i
			schema, known = p.members[i], p.names[i]
		}
		w.Peek()
		start := w.Pos()
		w.keep, w.name = keep.inside(), known
		if !w.next(schema) {
			return unsure
		}
		value := w.data[start:w.Pos():w.Pos()]
		if i >= 0 {
			s.members[i] = value
		}
		if keep != keepNothing {
			w.opened.add(keep, known, value)
		}
	}
}

// members judges an object that is open already, its values checked.
func (w *walk) members(p *Plan, obj rawjson.Object) verdict {
	s := subject{kind: isObject, members: make([]json.RawMessage, len(p.names)), count: len(obj)}
	for _, m := range obj {
		i, schema := p.find(m.Name), p.others
		switch {
		case i < 0:
			s.more = true
		case s.present&(1<<i) != 0:
			return unsure
		default:
			s.present |= 1 << i
			s.members[i], schema = m.Value, p.members[i]
		}
		if schema != nil && schema.judgeAgain(m.Value) != yes {
			return unsure
		}
	}
	return p.schema.judge(p, &s)
}

// next moves past a value, and judges it where there is a schema for it.
func (w *walk) next(schema *Plan) bool {
	if schema == nil {
		return w.Skip()
	}
	return w.value(schema) == yes
}

func (w *walk) array(p *Plan) verdict {
	keep, name := w.keep, w.name
	if p.plain {
		if !w.Skip() {
			return unsure
		}
		return p.schema.kinds.admit(isArray)
	}
	s := subject{kind: isArray}
	start := w.Pos()
	if !w.Enter() {
		return unsure
	}
	for first := true; ; first = false {
		more, ok := w.More(']', first)
		if !ok {
			return unsure
		}
		if !more {
			if keep == keepList {
				w.opened.endList(name, s.count)
			}
			s.array = w.data[start:w.Pos()]
			return p.schema.judge(p, &s)
		}
		s.count++
		w.keep = keepNothing
		if keep == keepList {
			w.keep = keepElement
		}
		if !w.next(p.items) {
			return unsure
		}
	}
}
