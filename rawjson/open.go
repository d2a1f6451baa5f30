package rawjson

// opened notes where the members of an object are that is being encoded, and those of the objects in its lists. It notes offsets, since the
// buffer moves as it grows. A nil opened notes nothing.
type opened struct {
	root     []place
	members  []place // of the objects in lists, one behind the other
	elements []int   // where in members those of each object end
	lists    []listed
	current  listed
	inList   bool
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
	cut := func(places []place) Object {
		obj := make(Object, len(places))
		for i, p := range places {
			obj[i] = Member{Name: p.name, Value: buf[p.start:p.end:p.end]}
		}
		return obj
	}
	members := cut(o.members)
	for _, l := range o.lists {
		if !l.good {
			continue
		}
		list := make([]Object, 0, l.to-l.from)
		for i := l.from; i < l.to; i++ {
			from := 0
			if i > 0 {
				from = o.elements[i-1]
			}
			list = append(list, members[from:o.elements[i]:o.elements[i]])
		}
		if lists == nil {
			lists = map[string][]Object{}
		}
		lists[l.name] = list
	}
	return cut(o.root), lists
}
