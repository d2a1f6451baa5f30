package emulator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"
)

// ErrClosed is what Wait returns when the emulator is closed under it.
var ErrClosed = errors.New("emulator: closed")

// An Emulator takes what clients send and keeps it. Make one with New, or with
// Start when it should listen too. All methods are safe for concurrent use.
type Emulator struct {
	cfg    config
	faults faultQueue

	stopping chan struct{} // closed by stop: streams and delays end
	stopOnce sync.Once

	mu       sync.Mutex
	closed   bool
	log      *logFile
	events   ring[Event]
	discards ring[Discard]
	requests ring[Request]
	memory   *memory
	changed  chan struct{} // closed, and replaced, when events are stored
	streams  []*openStream // oldest first

	// Numbers of the newest of each, which Clear leaves alone.
	lastEvent, lastDiscard, lastRequest uint64
	stats                               Stats
}

// Stats counts what happened since the start or the last Clear. Events loaded
// from a file count as stored.
type Stats struct {
	Mode      AnswerMode `json:"mode"`
	Requests  uint64     `json:"requests"`  // to the tracking API, preflights not counted
	Refused   uint64     `json:"refused"`   // of those, answered with something other than 2xx, or cut
	Stored    uint64     `json:"stored"`    // events
	Kept      int        `json:"kept"`      // events still in memory
	Forgotten uint64     `json:"forgotten"` // events stored, but over Capacity or 64 MiB since
	// Duplicates counts messages whose messageId was already stored; Discarded
	// counts the other discards.
	Duplicates uint64 `json:"duplicates"`
	Discarded  uint64 `json:"discarded"`
	// ByType counts stored events by type, ByCode discards by their first code.
	ByType map[string]uint64 `json:"byType"`
	ByCode map[string]uint64 `json:"byCode"`
	// Streams are open now; Faults are scripted and not yet used up.
	Streams int `json:"streams"`
	Faults  int `json:"faults"`
	// LastSeq is the Seq of the newest event. Clear does not reset it.
	LastSeq uint64 `json:"lastSeq"`
}

// New returns an emulator that does not listen: serve its Handler, or call
// Serve. It fails on an option out of range, naming each, and on a LogTo file
// that cannot be used. Close it to end streams and release the file.
func New(opts ...Option) (*Emulator, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	e := &Emulator{
		cfg:      cfg,
		stopping: make(chan struct{}),
		events:   ring[Event]{max: cfg.capacity, maxBytes: maxEventBytes, size: (*Event).size},
		discards: ring[Discard]{max: maxRecords, maxBytes: maxRecordBytes, size: (*Discard).size},
		requests: ring[Request]{max: maxRecords, maxBytes: maxRecordBytes, size: (*Request).size},
		memory:   newMemory(cfg.dedup),
		changed:  make(chan struct{}),
	}
	e.resetStats()
	if cfg.logPath != "" {
		if e.log, err = openLog(cfg.logPath, e.load); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// load takes an event from the file. Lines are in order, but a file stitched
// together by hand may not be: sequence numbers must only ever grow.
func (e *Emulator) load(ev Event) {
	ev.Seq = max(ev.Seq, e.lastEvent+1)
	e.lastEvent = ev.Seq
	e.lastRequest = max(e.lastRequest, ev.Request)
	e.stats.Stored++
	e.stats.ByType[ev.Type]++
	if !ev.Minted {
		e.memory.remember(ev.MessageID, ev.ReceivedAt)
	}
	e.events.add(ev)
}

// Close ends streams, delays and Wait, refuses further requests and closes the
// file of LogTo, waiting until it is on disk. A second Close does nothing.
func (e *Emulator) Close() error {
	e.stop()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	return e.log.close()
}

func (e *Emulator) stop() { e.stopOnce.Do(func() { close(e.stopping) }) }

// Events returns the kept events that match, oldest first unless the filter
// says otherwise.
func (e *Emulator) Events(f Filter) []Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := []Event{}
	for ev := range e.events.each(f.Newest) {
		if f.Limit > 0 && len(out) == f.Limit {
			break
		}
		if f.match(ev) {
			out = append(out, *ev)
		}
	}
	return out
}

// Event returns the newest kept event with the messageId, and whether there is
// one.
func (e *Emulator) Event(messageID string) (Event, bool) {
	found := e.Events(Filter{MessageID: messageID, Limit: 1, Newest: true})
	if messageID == "" || len(found) == 0 {
		return Event{}, false
	}
	return found[0], true
}

// Discards returns the kept discards that match, oldest first unless the filter
// says otherwise. The newest thousand are kept, fewer when they come to more than
// 16 MiB.
func (e *Emulator) Discards(f DiscardFilter) []Discard {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := []Discard{}
	for d := range e.discards.each(f.Newest) {
		if f.Limit > 0 && len(out) == f.Limit {
			break
		}
		if f.match(d) {
			out = append(out, *d)
		}
	}
	return out
}

// Requests returns the kept requests, oldest first. The newest thousand are
// kept, fewer when they come to more than 16 MiB. A request is there before it is
// answered.
func (e *Emulator) Requests() []Request {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Request{}, e.requests.kept()...)
}

// Stats returns the counts.
func (e *Emulator) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.stats
	s.Mode = e.cfg.mode
	s.ByType, s.ByCode = maps.Clone(s.ByType), maps.Clone(s.ByCode)
	s.Kept, s.Forgotten, s.LastSeq = e.events.len(), e.events.forgotten, e.lastEvent
	s.Streams, s.Faults = len(e.streams), e.faults.len()
	return s
}

func (e *Emulator) resetStats() {
	e.stats = Stats{ByType: map[string]uint64{}, ByCode: map[string]uint64{}}
}

// Clear forgets all events, discards, requests, counts, remembered messageIds
// and scripted faults, and empties the file of LogTo, failing only on that.
// Numbers are not used again.
func (e *Emulator) Clear() error {
	e.faults.clear()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	if err := e.log.clear(); err != nil {
		return err
	}
	e.events.clear()
	e.discards.clear()
	e.requests.clear()
	e.memory.forgetAll()
	e.resetStats()
	return nil
}

// Wait blocks until n events were stored since the start or the last Clear, and
// returns the kept ones, oldest first. When ctx ends first it returns them all
// the same, with an error that says how many there were and wraps the context's.
func (e *Emulator) Wait(ctx context.Context, n int) ([]Event, error) {
	for {
		e.mu.Lock()
		stored, changed := e.stats.Stored, e.changed
		e.mu.Unlock()
		if n <= 0 || stored >= uint64(n) {
			return e.Events(Filter{}), nil
		}
		var err error
		select {
		case <-changed:
			continue
		case <-ctx.Done():
			err = ctx.Err()
		case <-e.stopping:
			err = ErrClosed
		}
		return e.Events(Filter{}), fmt.Errorf("emulator: waited for %d events, have %d: %w", n, stored, err)
	}
}

// commit stores what a request brought, all of it or nothing, and records the
// request. It reports what the file said when it could not be written.
func (e *Emulator) commit(c *call) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lastRequest++
	c.record.Seq = e.lastRequest

	fresh := make([]Event, 0, len(c.events))
	inThisRequest := map[string]bool{}
	for _, ev := range c.events {
		if !ev.Minted && e.cfg.dedup > 0 && (inThisRequest[ev.MessageID] || e.memory.knows(ev.MessageID, c.now)) {
			c.discards = append(c.discards, duplicateOf(ev, c.pointer(ev.Index)))
			c.record.Duplicates++
			continue
		}
		inThisRequest[ev.MessageID] = true
		ev.Seq = e.lastEvent + uint64(len(fresh)) + 1
		ev.Request = c.record.Seq
		fresh = append(fresh, ev)
	}
	err := e.write(fresh)
	if err != nil {
		fresh, c.discards, c.record.Duplicates = nil, nil, 0
		c.answer = refusal{500, CodeStorage, "", "could not be written to the log, nothing was stored"}.answer()
		if errors.Is(err, ErrClosed) {
			c.answer = refusal{503, CodeUnavailable, "", "the emulator is closed, nothing was stored"}.answer()
		}
		c.record.Status = c.answer.status
	}
	for _, ev := range fresh {
		e.events.add(ev)
		e.lastEvent = ev.Seq
		e.stats.Stored++
		e.stats.ByType[ev.Type]++
		if !ev.Minted {
			e.memory.remember(ev.MessageID, c.now)
		}
	}
	for _, d := range c.discards {
		e.lastDiscard++
		d.Seq, d.Request = e.lastDiscard, c.record.Seq
		e.discards.add(d)
		e.stats.ByCode[d.Code()]++
	}
	c.record.Stored = len(fresh)
	c.record.Discarded = len(c.discards) - c.record.Duplicates
	e.requests.add(c.record)
	e.stats.Requests++
	e.stats.Duplicates += uint64(c.record.Duplicates)
	e.stats.Discarded += uint64(c.record.Discarded)
	if c.record.Status < 200 || c.record.Status > 299 {
		e.stats.Refused++
	}
	if len(fresh) > 0 {
		close(e.changed)
		e.changed = make(chan struct{})
	}
	return err
}

func (e *Emulator) write(events []Event) error {
	if e.closed {
		return ErrClosed
	}
	if e.log == nil {
		return nil
	}
	var lines []byte
	for i := range events {
		lines = append(events[i].appendJSON(lines), '\n')
	}
	return e.log.write(lines)
}

func duplicateOf(ev Event, pointer string) Discard {
	return Discard{
		Path: ev.Path, Index: ev.Index, Source: ev.Source, ReceivedAt: ev.ReceivedAt,
		MessageID: ev.MessageID, Message: ev.Message,
		Problems: []Problem{{
			Code: CodeDuplicate, Pointer: pointer + "/messageId",
			Text: "was already stored: " + quoted(ev.MessageID),
		}},
	}
}

// writeTimeout is how long a write to a client may take before it is dropped.
const writeTimeout = 10 * time.Second
