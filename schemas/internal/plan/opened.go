package plan

import "github.com/aacflow/segment-blocks/rawjson"

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

// keeping says what becomes of a value in an Opened.
type keeping uint8

const (
	keepNothing keeping = iota
	keepRoot            // the object itself
	keepList            // a member of it, of interest only where it is a list
	keepElement         // an element of such a list
)

// inside is what becomes of the values inside a value.
func (k keeping) inside() keeping {
	switch k {
	case keepRoot:
		return keepList
	case keepList:
		return keepElement
	}
	return keepNothing
}

func (o *Opened) add(keep keeping, name string, value []byte) {
	m := rawjson.Member{Name: name, Value: value}
	if keep == keepElement {
		o.members = append(o.members, m)
		return
	}
	o.Object = append(o.Object, m)
}

// beginElement makes room for an element's members, and returns where they begin. A new slice when
// the last one is full costs less than to copy a large one.
func (o *Opened) beginElement() int {
	const usual = 16 // members of an element
	if cap(o.members)-len(o.members) < usual {
		o.members = make(rawjson.Object, 0, min(1024, max(4*usual, 2*cap(o.members))))
	}
	return len(o.members)
}

func (o *Opened) endElement(from int) {
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
