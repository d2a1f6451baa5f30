package importer

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// rememberedIDs is how many given messageIds are remembered at least, the latest ones: a repeat that is farther away is not noticed.
const rememberedIDs = 100_000

// twins finds messageIds that are given to two events. It remembers hashes, in two generations, so that it takes constant memory.
type twins struct {
	seed        maphash.Seed
	young, old  map[uint64]place
	seqs        []int64 // of the repeats that are not settled, ascending
	settled     int64   // how many repeats are
	warned      bool
	generations int // how many ids one holds
}

// place is where an id was given first.
type place struct {
	file int
	line int64
}

func newTwins() twins {
	return twins{seed: maphash.MakeSeed(), generations: rememberedIDs}
}

// givenID returns the text of a messageId that a message brings, nil where it is none that a receiver would look at.
func givenID(value []byte) []byte {
	if len(value) < 2 || value[0] != '"' {
		return nil
	}
	if bytes.IndexByte(value, '\\') >= 0 { // the same id may be written with escapes and without
		text, ok := rawjson.Text(value)
		if !ok {
			return nil
		}
		return []byte(text)
	}
	return value[1 : len(value)-1]
}

// see returns the hash of an id, and where it was given before.
func (t *twins) see(id []byte, at place) (hash uint64, before place, repeated bool) {
	hash = maphash.Bytes(t.seed, id)
	before, repeated = t.young[hash]
	if !repeated {
		before, repeated = t.old[hash]
	}
	if repeated {
		return hash, before, true
	}
	if t.young == nil || len(t.young) >= t.generations {
		t.old, t.young = t.young, map[uint64]place{}
	}
	t.young[hash] = at
	return hash, place{}, false
}

// forget takes back what a message said that is not sent after all.
func (t *twins) forget(it item) {
	if it.id == 0 {
		return
	}
	for _, m := range []map[uint64]place{t.young, t.old} {
		if m[it.id] == (place{it.at.File, it.at.Line}) {
			delete(m, it.id)
		}
	}
	if i, found := slices.BinarySearch(t.seqs, it.seq); found {
		t.seqs = slices.Delete(t.seqs, i, i+1)
	}
}

// settle counts the repeats before a place, which is done with.
func (t *twins) settle(seq int64) {
	n, _ := slices.BinarySearch(t.seqs, seq)
	t.settled += int64(n)
	t.seqs = slices.Delete(t.seqs, 0, n)
}

// meet looks whether an id that an event brings was given before, and tells of the first time. The caller holds the lock.
func (e *engine) meet(ev *event) uint64 {
	if len(ev.message.id) == 0 {
		return 0
	}
	hash, before, repeated := e.twins.see(ev.message.id, place{ev.before.File, ev.line})
	if !repeated {
		return hash
	}
	e.twins.seqs = append(e.twins.seqs, e.next.seq)
	if !e.twins.warned && e.options.Warned != nil {
		e.twins.warned = true
		where := fmt.Sprintf("line %d", before.line)
		if before.file != ev.before.File {
			where += " of " + e.options.Inputs[before.file].Path
		}
		e.options.Warned(e.options.Inputs[ev.before.File].Path, ev.line, runtime.Warning{
			Path: "/messageId", Code: tracking.WarnDuplicateID, Message: "is that of " + where + " too, and the receiver keeps one of them",
		})
	}
	return hash
}
