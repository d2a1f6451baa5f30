package schemas

import (
	"github.com/aacflow/segment-blocks/rawjson"
)

// Opened is an object that [Schema.Scan] has accepted, open as far as blocks look into it. Its values share memory with what was scanned.
type Opened struct {
	// Object holds the members.
	Object rawjson.Object
	// Lists holds, by name, the members that are lists of objects whose own members the schema knows: each with the objects in it.
	Lists map[string][]rawjson.Object
	// Blank tells that something in it, at any depth that the schema knows, is null or an empty text, which hosts may take for absent.
	Blank bool

	list []rawjson.Object // the one that is being read
	room rawjson.Object   // holds the members of its elements, so that not each is allocated by itself
	from int              // where in room the element begins that is being read
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
		o.room = append(o.room, m)
		return
	}
	o.Object = append(o.Object, m)
}

func (o *Opened) beginElement() {
	if cap(o.room)-len(o.room) < 16 {
		o.room = make(rawjson.Object, 0, min(1024, 32+2*cap(o.room))) // the elements so far keep theirs
	}
	o.from = len(o.room)
}

func (o *Opened) endElement() { o.list = append(o.list, o.room[o.from:len(o.room):len(o.room)]) }

// endList keeps the list that has been read as a member's, if all its elements are objects that have been opened.
func (o *Opened) endList(name string, elements int) {
	if len(o.list) == elements && elements > 0 {
		if o.Lists == nil {
			o.Lists = map[string][]rawjson.Object{}
		}
		o.Lists[name] = o.list
	}
	o.list = nil
}
