package rawjson

import "slices"

// opened notes where the members of an object are that is being encoded, and those of the objects in its lists. It notes offsets, since the
// buffer moves as it grows. A nil opened notes nothing.
type opened struct {
	root     []place
	members  []place // of the objects in lists, one behind the other
	elements []int   // where in members those of each object end
	lists    []listed
	current  listed
	inList   bool
	cut      Object // what has been cut from the last buffer
	objs     []Object
}

// reset makes it ready for the next object. It keeps its memory, and nothing that refers to the last one.
func (o *opened) reset() {
	clear(o.root)
	clear(o.members)
	clear(o.cut)
	clear(o.objs)
	*o = opened{root: o.root[:0], members: o.members[:0], elements: o.elements[:0], lists: o.lists[:0], cut: o.cut[:0], objs: o.objs[:0]}
}

type place struct {
	name       string
	start, end int
}

// listed is a list in the root: its objects are elements[from:to]. It is no good where something else is in it.
type listed struct {
	name     string
	from, to int
	good     bool
}

// The levels at which something is noted: the root is 1, a list in it 2, an object in that 3.
const (
	rootLevel    = 1
	listLevel    = 2
	elementLevel = 3
)

func (o *opened) member(depth int, name string, start, end int) {
	switch {
	case o == nil:
	case depth == rootLevel:
		o.root = append(o.root, place{name, start, end})
		if o.current.good && o.current.to > o.current.from {
			o.current.name = name
			o.lists = append(o.lists, o.current)
		}
		o.current = listed{}
	case depth == elementLevel && o.inList:
		o.members = append(o.members, place{name, start, end})
	}
}

func (o *opened) beginList(depth int) {
	if o != nil && depth == listLevel {
		o.inList, o.current = true, listed{from: len(o.elements), to: len(o.elements), good: true}
	}
}

func (o *opened) element(depth int, value any) {
	if o == nil || depth != listLevel {
		return
	}
	m, isMap := value.(map[string]any)
	o.elements = append(o.elements, len(o.members))
	o.current.to = len(o.elements)
	o.current.good = o.current.good && isMap && m != nil
}

func (o *opened) endList(depth int) {
	if o != nil && depth == listLevel {
		o.inList = false
	}
}

// objects cuts what has been noted from the buffer.
func (o *opened) objects(buf []byte) (root Object, lists map[string][]Object) {
	o.cut, o.objs = slices.Grow(o.cut, len(o.root)+len(o.members)), slices.Grow(o.objs, len(o.elements))
	for _, places := range [][]place{o.members, o.root} {
		for _, p := range places {
			o.cut = append(o.cut, Member{Name: p.name, Value: buf[p.start:p.end:p.end]})
		}
	}
	from := 0
	for _, to := range o.elements {
		o.objs = append(o.objs, o.cut[from:to:to])
		from = to
	}
	for _, l := range o.lists {
		if lists == nil {
			lists = map[string][]Object{}
		}
		lists[l.name] = o.objs[l.from:l.to:l.to]
	}
	return o.cut[len(o.members):len(o.cut):len(o.cut)], lists
}
