package emulator

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/aacflow/segment-blocks/serve/guard"
)

// serveStream sends events as they are stored, as server-sent events: id is the
// event's seq, data its JSON. It begins after the Last-Event-ID that a browser
// sends when it connects again, or after ?since=, or else with the next event to
// be stored.
//
// A stream reads from the store at its own pace and holds nothing up. One that
// falls behind Capacity is sent an event of type "gap" with the number of events
// it missed, and one that takes nothing for ten seconds is dropped.
func (e *Emulator) serveStream(w http.ResponseWriter, r *http.Request, _ params) {
	closeStream, full := e.streams.Open(r)
	if full != nil {
		w.Header().Set("Retry-After", strconv.Itoa(int(full.RetryAfter.Seconds())))
		refusal{full.Status, full.Code, "", full.Detail}.answer().write(w)
		return
	}
	defer closeStream()
	since, _ := guard.StreamAfter(r, "since", e.Stats().LastSeq) // readParams has checked it
	jsonHeader(w.Header())
	guard.Stream(w, r, e.stopping, func(chunk []byte) ([]byte, <-chan struct{}, bool) {
		events, missed, changed := e.after(since)
		chunk = guard.AppendGap(chunk, missed)
		for _, ev := range events {
			chunk = fmt.Appendf(chunk, "id: %d\ndata: ", ev.Seq)
			chunk = append(ev.appendJSON(chunk), "\n\n"...)
			since, changed = ev.Seq, nil
			if len(chunk) > maxChunk {
				break
			}
		}
		return chunk, changed, false
	})
}

// after returns the next events after seq, how many before them are forgotten, and
// a channel that closes when more are stored. A seq that is not reached yet is from
// an earlier run: everything is new to its client.
func (e *Emulator) after(seq uint64) (events []*Event, missed uint64, changed <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if seq > e.lastEvent {
		seq = 0
	}
	kept := e.events.items
	start, _ := slices.BinarySearchFunc(kept, seq+1, func(ev *Event, seq uint64) int {
		return cmp.Compare(ev.Seq, seq)
	})
	events = slices.Clone(kept[start:min(start+100, len(kept))])
	if len(events) > 0 && start == 0 && e.events.forgotten > 0 {
		missed = events[0].Seq - seq - 1
	}
	return events, missed, e.changed
}
