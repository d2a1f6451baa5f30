package delivery

import (
	"context"
	"errors"
	"hash/maphash"
	"net/http"
	"slices"

	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// envelope is more than a body has around its messages.
const envelope = 64

// entry is a call on its way. All but its outcome is guarded by the lock of the [Coalescer]; the outcome is read once done is closed.
type entry struct {
	ctx      context.Context
	messages []tracking.Prepared
	ids      []uint64 // of the people in them, hashed, each once
	bytes    int      // in a body, commas included
	large    bool     // goes by itself
	done     chan struct{}

	queue *queue
	state state
	batch *batch
	sent  bool // its caller has gone while it was under way

	outcomes                  []tracking.Outcome // of its messages; the indexes are those of the request
	first                     int                // the place of its first message among them
	requests, attempts, wrote int
	err                       error
}

type state uint8

const (
	waiting state = iota
	underWay
	settled
)

func (c *Coalescer) newEntry(ctx context.Context, messages []tracking.Prepared) *entry {
	e := &entry{ctx: ctx, messages: messages, done: make(chan struct{})}
	for _, m := range messages {
		e.bytes += len(m.JSON()) + 1
		for _, id := range m.UserIDs() {
			if hash := maphash.Bytes(c.seed, id); len(messages) > maxSharedMessages || !slices.Contains(e.ids, hash) {
				e.ids = append(e.ids, hash)
			}
		}
	}
	if len(messages) > maxSharedMessages {
		slices.Sort(e.ids)
		e.ids = slices.Compact(e.ids)
	}
	e.large = len(messages) > maxSharedMessages || e.bytes > maxSharedBytes
	return e
}

// ship delivers the messages of calls as one request, and those of each half again where the receiver refuses them together. It tells
// whether the first attempt went through.
func (c *Coalescer) ship(b *batch, entries []*entry) (smooth bool) {
	var messages []tracking.Prepared
	if len(entries) == 1 {
		messages = entries[0].messages
	} else {
		for _, e := range entries {
			messages = append(messages, e.messages...)
		}
	}
	report, err := b.queue.key.client.Send(b.ctx, &tracking.Batch{Source: b.queue.source, Messages: messages})
	for i, n := 0, 0; i < len(entries); i++ {
		e := entries[i]
		e.first, e.outcomes = n, report.Messages[n:n+len(e.messages)]
		e.requests += report.Requests
		e.attempts += report.Attempts
		if len(entries) == 1 {
			e.wrote += report.Bytes
		} else {
			e.wrote += e.bytes * report.Attempts
		}
		n += len(e.messages)
	}
	if len(entries) > 1 && onesFault(err) {
		if b.ctx.Err() == nil {
			half := len(entries) / 2
			c.ship(b, entries[:half])
			c.ship(b, entries[half:])
			return false
		}
		// Which it was will not be known any more, and most are not to blame.
		err = canceled(report, b.ctx.Err())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range entries {
		e.err = err
		if !e.sent {
			b.waiting--
		}
		b.queue.settle(e)
	}
	if b.waiting == 0 { // those whose messages are still to be sent have gone
		b.cancel()
	}
	return err == nil && report.Attempts == 1
}

// onesFault tells whether a request may have been refused for one of its messages. Other answers are about the source, and every message
// would get them.
func onesFault(err error) bool {
	var e *retry.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case retry.TooLarge:
		return true
	case retry.Rejected:
		return e.Status == http.StatusBadRequest || e.Status == http.StatusUnprocessableEntity || e.Status >= 200 && e.Status < 300
	}
	return false
}

// fail settles a call whose outcome is not known. The lock is held.
func (e *entry) fail(err error) {
	e.err, e.requests, e.attempts = err, max(1, e.requests), max(1, e.attempts)
	e.outcomes = make([]tracking.Outcome, len(e.messages))
	for i := range e.outcomes {
		e.outcomes[i].Status = tracking.Unconfirmed
	}
	e.queue.settle(e)
}

// report completes the report of a call that has its outcome, and makes the error its own.
func (e *entry) report(report tracking.Report) (tracking.Report, error) {
	report.Requests, report.Attempts, report.Bytes = e.requests, e.attempts, e.wrote
	unconfirmed := 0
	for i, o := range e.outcomes {
		m := &report.Messages[i]
		m.Status = o.Status
		switch {
		case o.Request < 0:
		case e.large:
			m.Request = o.Request
		default:
			m.Request = e.requests - 1 // the last of those that carried it
		}
		switch o.Status {
		case tracking.Accepted:
			report.Accepted++
		case tracking.Unconfirmed:
			unconfirmed++
		}
	}
	var failed *tracking.Error
	if errors.As(e.err, &failed) {
		own := *failed // the others have it too
		if own.Code == retry.Canceled && e.ctx.Err() == nil {
			own.Err = canceled(report, errors.New("the source was closed before it ended")).Err
		}
		own.Accepted, own.Unconfirmed, own.Total = report.Accepted, unconfirmed, len(report.Messages)
		return report, &own
	}
	return report, e.err
}

// abandoned is what a call gets whose context has ended before its outcome was there.
func (e *entry) abandoned(ctx context.Context, report tracking.Report) (tracking.Report, error) {
	if !e.sent {
		return report, interrupted(ctx, report)
	}
	report.Requests, report.Attempts, report.Bytes = 1, 1, e.bytes
	for i := range report.Messages {
		report.Messages[i].Status, report.Messages[i].Request = tracking.Unconfirmed, 0
	}
	err := interrupted(ctx, report)
	err.Unconfirmed = len(report.Messages)
	return report, err
}
