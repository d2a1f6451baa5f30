package schemas

import (
	"slices"
	"sync"

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

	list  []rawjson.Object // the one that is being read
	from  int              // where in the arena's last chunk the element begins that is being read
	arena *arena
	home  *sync.Pool // of arenas
}

// Release gives the memory of the lists back for other scans. Neither they nor their objects may be used after. Not to call it does no harm.
func (o *Opened) Release() {
	if o.arena == nil {
		return
	}
	o.arena.clear()
	o.home.Put(o.arena)
	o.arena, o.Lists = nil, nil
}

// arena holds the members of all elements in chunks, so that not each element is allocated by itself.
type arena struct {
	chunks []rawjson.Object
	used   int // chunks that have been begun
}

// chunkMembers is how many members there are room for in all chunks but the first ones, which are smaller.
const chunkMembers = 1024

// room returns the chunk to append an element to.
func (a *arena) room() *rawjson.Object {
	if a.used > 0 {
		if last := &a.chunks[a.used-1]; cap(*last)-len(*last) >= 16 {
			return last
		}
	}
	if a.used == len(a.chunks) {
		a.chunks = append(a.chunks, make(rawjson.Object, 0, min(chunkMembers, 32<<a.used)))
	}
	a.used++
	return &a.chunks[a.used-1]
}

// clear lets go of everything that the members refer to. Of a very large scan it does not keep the chunks either.
func (a *arena) clear() {
	const most = 64
	for i := range a.chunks[:a.used] {
		clear(a.chunks[i])
		a.chunks[i] = a.chunks[i][:0]
	}
	if len(a.chunks) > most {
		a.chunks = slices.Clip(a.chunks[:most])
	}
	a.used = 0
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
		room := &o.arena.chunks[o.arena.used-1]
		*room = append(*room, m)
		return
	}
	o.Object = append(o.Object, m)
}

func (o *Opened) beginElement() {
	if o.arena == nil {
		var ok bool
		if o.arena, ok = o.home.Get().(*arena); !ok {
			o.arena = &arena{}
		}
	}
	o.from = len(*o.arena.room())
}

func (o *Opened) endElement() {
	room := o.arena.chunks[o.arena.used-1]
	o.list = append(o.list, room[o.from:len(room):len(room)])
}

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
