// Package emulator is a local server that speaks Segment's Tracking API, for
// development and for tests: point a client at it and see what it really sent,
// what Segment would have dropped, and how the client behaves when the server
// does not.
//
//	srv, err := emulator.Start()
//	if err != nil {
//		return err
//	}
//	defer srv.Close(ctx)
//
//	client := newClient(srv.URL) // instead of https://api.segment.io
//	client.Track("u-42", "Order Completed")
//
//	events, err := srv.Wait(ctx, 1) // no sleeping
//
// # What it answers
//
// Segment answers 200 {"success":true} to nearly everything and decides later
// what to drop. In the default mode, [Segment], the emulator answers the same
// way and keeps what would have been dropped, with Segment's own discard code,
// as a [Discard]. In mode [Strict] it answers an honest 4xx with that code
// instead and stores nothing of the request. Every answer of the tracking and
// the query API is JSON; the pixel endpoint answers its GIF and the stream is
// server-sent events.
//
// # What it keeps
//
// Each accepted message becomes an [Event], holding the message exactly as it
// was sent: it is never decoded and encoded again, so numbers keep their digits
// and members their order. One thing is taken out, always: the write key. Views
// and files carry its fingerprint, the first eight hex digits of its SHA-256
// (see [Fingerprint]).
//
// Events, discards and requests are read with the methods of [Emulator], or over
// HTTP under /emulator/v1/ (see [Emulator.Handler]).
//
// # When things go wrong
//
// [Emulator.Script] makes the next requests fail in ways a laptop's network
// never does: a 429 with Retry-After, a 503 that had stored the events anyway, a
// connection cut before or after the events were stored.
//
// The package shares no code with the module's senders: a limit of Segment's that
// is misread once must not be misread on both sides.
package emulator

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"sync"

	"github.com/aacflow/segment-blocks/serve/guard"
)

// ErrClosed is what Wait returns when the emulator is closed under it.
var ErrClosed = errors.New("emulator: closed")

// An Emulator takes what clients send and keeps it. Make one with New, or with
// Start when it should listen too. All methods are safe for concurrent use.
type Emulator struct {
	cfg     config
	streams guard.Streams

	stopping chan struct{} // closed by stop: streams and delays end
	stopOnce sync.Once

	mu      sync.Mutex
	closed  bool
	log     *logFile
	changed chan struct{} // closed, and replaced, when events are stored
	kept

	// Numbers of the newest of each, which Clear leaves alone.
	lastEvent, lastDiscard, lastRequest uint64
}

// kept is what an emulator keeps until Clear.
type kept struct {
	faults   []Fault // not yet used up
	events   ring[Event]
	discards ring[Discard]
	requests ring[Request]
	memory   memory
	stats    Stats
}

func newKept(cfg *config) kept {
	return kept{
		events:   ring[Event]{max: cfg.capacity, maxBytes: maxEventBytes, size: (*Event).size},
		discards: ring[Discard]{max: maxRecords, maxBytes: maxRecordBytes, size: (*Discard).size},
		requests: ring[Request]{max: maxRecords, maxBytes: maxRecordBytes, size: (*Request).size},
		memory:   memory{window: cfg.dedup, seed: maphash.MakeSeed()},
		stats:    Stats{Mode: cfg.mode, ByType: map[string]uint64{}, ByCode: map[string]uint64{}},
	}
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
	e := &Emulator{cfg: cfg, stopping: make(chan struct{}), changed: make(chan struct{}), kept: newKept(&cfg)}
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
	e.lastRequest = max(e.lastRequest, ev.Request)
	e.store(&ev, ev.ReceivedAt)
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
	return e.events.pick(f.match, f.Limit, f.Newest)
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
	return e.discards.pick(f.match, f.Limit, f.Newest)
}

// Requests returns the kept requests, oldest first. The newest thousand are
// kept, fewer when they come to more than 16 MiB. A request is there before it is
// answered.
func (e *Emulator) Requests() []Request {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.requests.pick(func(*Request) bool { return true }, 0, false)
}

// Stats returns the counts.
func (e *Emulator) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.stats
	s.ByType, s.ByCode = maps.Clone(s.ByType), maps.Clone(s.ByCode)
	s.Kept, s.Forgotten, s.LastSeq = len(e.events.items), e.events.forgotten, e.lastEvent
	s.Streams, s.Faults = e.streams.Len(), len(e.faults)
	return s
}

// Clear forgets all events, discards, requests, counts, remembered messageIds
// and scripted faults, and empties the file of LogTo, failing only on that.
// Numbers are not used again.
func (e *Emulator) Clear() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	if err := e.log.cut(0); err != nil {
		return fmt.Errorf("emulator: %w", err)
	}
	e.kept = newKept(&e.cfg)
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
