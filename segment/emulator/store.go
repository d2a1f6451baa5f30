package emulator

import (
	"errors"
	"hash/maphash"
	"time"
)

// A ring keeps the newest items, bounded by count and by bytes, and counts the
// ones it forgot. It is not safe for concurrent use.
type ring[T any] struct {
	items     []*T // oldest first; good until the next add
	max       int
	bytes     int
	maxBytes  int
	size      func(*T) int // bytes that an item takes, its overhead included
	forgotten uint64
}

func (r *ring[T]) add(item *T) {
	r.items = append(r.items, item)
	r.bytes += r.size(item)
	for len(r.items) > r.max || r.bytes > r.maxBytes && len(r.items) > 1 {
		r.bytes -= r.size(r.items[0])
		r.items[0] = nil // let it go
		r.items = r.items[1:]
		r.forgotten++
	}
}

// pick returns the items that match, oldest first or newest first. A limit of 0 is
// none.
func (r *ring[T]) pick(match func(*T) bool, limit int, newest bool) []T {
	out := []T{}
	for i := range r.items {
		if newest {
			i = len(r.items) - 1 - i
		}
		if limit > 0 && len(out) == limit {
			break
		}
		if match(r.items[i]) {
			out = append(out, *r.items[i])
		}
	}
	return out
}

// A memory remembers messageIds for a time. It keeps hashes, so that a client that
// sends long ids cannot fill it: a million take up to 40 MB, where a linked list such
// as an LRU's would take three times as much. It is not safe for concurrent use.
type memory struct {
	window time.Duration
	seed   maphash.Seed
	// When each id was remembered, in milliseconds. New ids go into recent. When it
	// holds half of what may be remembered, or its first id is over the window, it
	// becomes older, whose ids are forgotten, and recent begins anew.
	recent, older map[uint64]int64
	since         int64 // when recent began
}

// knows reports whether the id was remembered less than the window ago.
func (m *memory) knows(messageID string, now time.Time) bool {
	id := maphash.String(m.seed, messageID)
	at, ok := m.recent[id]
	if !ok {
		at, ok = m.older[id]
	}
	return ok && !m.over(at, now)
}

func (m *memory) over(at int64, now time.Time) bool { return now.Sub(time.UnixMilli(at)) >= m.window }

func (m *memory) remember(messageID string, now time.Time) {
	if m.recent == nil || len(m.recent) == maxRemembered/2 || m.over(m.since, now) {
		m.recent, m.older, m.since = map[uint64]int64{}, m.recent, now.UnixMilli()
	}
	m.recent[maphash.String(m.seed, messageID)] = now.UnixMilli()
}

// commit stores what a request brought, all of it or nothing, and records the
// request. When the log cannot be written it changes the answer to say so.
func (e *Emulator) commit(c *call) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lastRequest++
	c.record.Seq = e.lastRequest
	e.dropDuplicates(c)
	if err := e.writeLog(c.events); err != nil {
		refused := refusal{500, "storage_error", "", "could not be written to the log, nothing was stored"}
		if errors.Is(err, ErrClosed) {
			refused = refusal{503, "unavailable", "", "the emulator is closed, nothing was stored"}
		}
		c.events, c.discards, c.record.Duplicates = nil, nil, 0
		c.answer, c.record.Status = refused.answer(), refused.status
	}
	for _, ev := range c.events {
		e.store(ev, c.now)
	}
	for _, d := range c.discards {
		e.lastDiscard++
		d.Seq, d.Request = e.lastDiscard, c.record.Seq
		e.discards.add(d)
		e.stats.ByCode[d.Code()]++
	}
	c.record.Stored = len(c.events)
	c.record.Discarded = len(c.discards) - c.record.Duplicates
	e.requests.add(c.record)
	e.stats.Requests++
	e.stats.Duplicates += uint64(c.record.Duplicates)
	e.stats.Discarded += uint64(c.record.Discarded)
	if c.record.Status < 200 || c.record.Status > 299 {
		e.stats.Refused++
	}
	if len(c.events) > 0 {
		close(e.changed)
		e.changed = make(chan struct{})
	}
}

// dropDuplicates makes discards of the events whose messageId is known, and numbers
// the others.
func (e *Emulator) dropDuplicates(c *call) {
	fresh, inThisRequest := c.events[:0], map[string]bool{}
	for _, ev := range c.events {
		if !ev.Minted && e.cfg.dedup > 0 && (inThisRequest[ev.MessageID] || e.memory.knows(ev.MessageID, c.now)) {
			c.record.Duplicates++
			c.discard(Discard{
				Index: ev.Index, Source: ev.Source, MessageID: ev.MessageID, Message: ev.Message, Problems: []Problem{{
					"duplicate", c.pointer(ev.Index) + "/messageId", "was already stored: " + quoted(ev.MessageID),
				}},
			})
			continue
		}
		inThisRequest[ev.MessageID] = true
		ev.Seq, ev.Request = e.lastEvent+uint64(len(fresh))+1, c.record.Seq
		fresh = append(fresh, ev)
	}
	c.events = fresh
}

// store takes an event whose number is known.
func (e *Emulator) store(ev *Event, at time.Time) {
	e.lastEvent = ev.Seq
	e.stats.Stored++
	e.stats.ByType[ev.Type]++
	if !ev.Minted && e.cfg.dedup > 0 {
		e.memory.remember(ev.MessageID, at)
	}
	e.events.add(ev)
}
