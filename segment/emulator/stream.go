package emulator

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// serveStream sends events as they are stored, as server-sent events: id is the
// event's seq, data its JSON. It begins after the Last-Event-ID that a browser
// sends when it connects again, or after ?since=, or else with the next event to
// be stored. A comment every few seconds keeps the connection known to be alive.
//
// A stream reads from the store at its own pace and holds nothing up. One that
// falls behind Capacity is sent an event of type "gap" with the number of events
// it missed, and one that takes nothing for ten seconds is dropped. At most 64 are
// open, 16 of one address; a further one ends the oldest.
func (e *Emulator) serveStream(w http.ResponseWriter, r *http.Request, p params) {
	own, since := e.openStream(r, p)
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.endStream(own)
	}()
	extend(w, 0)
	jsonHeader(w.Header())
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	write := func(text []byte) (good bool) {
		// A writer without deadlines is as slow as its client.
		_ = control.SetWriteDeadline(time.Now().Add(writeTimeout))
		_, err := w.Write(text)
		return err == nil
	}
	good := write([]byte(": connected\n\n"))
	heartbeat := time.NewTicker(e.cfg.heartbeat)
	defer heartbeat.Stop()
	for good {
		events, missed, changed := e.after(since)
		if missed > 0 {
			good = write(fmt.Appendf(nil, "event: gap\ndata: {\"missed\":%d}\n\n", missed))
		}
		// One at a time: together they may be as large as a hundred of the largest.
		var text []byte
		for _, ev := range events {
			text = fmt.Appendf(text[:0], "id: %d\ndata: ", ev.Seq)
			text = append(ev.appendJSON(text), "\n\n"...)
			good = good && write(text)
			since = ev.Seq
		}
		if len(events) > 0 {
			continue
		}
		if control.Flush() != nil {
			return
		}
		select {
		case <-changed:
		case <-heartbeat.C:
			good = write([]byte(": alive\n\n"))
		case <-own.ended:
			write([]byte(": ended, as a newer stream needs the place\n\n"))
			return
		case <-r.Context().Done():
			return
		case <-e.stopping:
			return
		}
	}
}

// after returns the next hundred events after seq, how many before them are
// forgotten, and a channel that closes when more are stored.
func (e *Emulator) after(seq uint64) (events []*Event, missed uint64, changed <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
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

// An openStream is one that is being served.
type openStream struct {
	client string        // its address
	ended  chan struct{} // closed when another takes its place
}

// openStream makes room for a stream, and returns the number of the event that it
// begins after. A client that has as many as it may have loses its oldest, and when
// there are as many as there can be, the oldest of all goes: whoever asks can always
// look.
func (e *Emulator) openStream(r *http.Request, p params) (own *openStream, since uint64) {
	since, resume := p.since, p.Has("since")
	if last, err := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 63); err == nil {
		since, resume = last, true
	}
	client, _, _ := net.SplitHostPort(r.RemoteAddr) // "" on what is no TCP connection
	own = &openStream{client, make(chan struct{})}
	e.mu.Lock()
	defer e.mu.Unlock()
	theirs := slices.DeleteFunc(slices.Clone(e.streams), func(s *openStream) bool { return s.client != client })
	switch {
	case len(theirs) == maxClientStreams:
		e.endStream(theirs[0])
	case len(e.streams) == maxStreams:
		e.endStream(e.streams[0])
	}
	e.streams = append(e.streams, own)
	switch {
	case !resume:
		since = e.lastEvent
	case since > e.lastEvent:
		// The number is from an earlier run: everything is new to this client.
		since = 0
	}
	return own, since
}

// endStream ends a stream. The caller holds the lock.
func (e *Emulator) endStream(s *openStream) {
	if i := slices.Index(e.streams, s); i >= 0 {
		e.streams = slices.Delete(e.streams, i, i+1)
		close(s.ended)
	}
}
