package delivery

import (
	"context"
	"slices"
	"time"

	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// queue holds the calls of one write key that wait for a request. The lock of
// its [coalescer] guards it.
//
// It keeps the order of a person's messages by the ids in them: a call waits
// while another with the same id is in flight or waits before it, unless both
// go in one request. It keeps hashes of the ids; if two ids have the same hash,
// a call only waits longer than it must.
type queue struct {
	owner  *coalescer
	key    queueKey
	source tracking.Source

	waiting        []*pendingCall // in the order of their arrival
	people         counts         // of the waiting calls
	inFlightPeople counts
	inFlight       int  // requests
	due            bool // calls have waited long enough
	timer          *time.Timer
	latency        time.Duration // of requests, smoothed
}

// counts counts the calls that have the id of a person.
type counts map[uint64]int

func (c counts) add(people []uint64, n int) {
	for _, id := range people {
		if c[id] += n; c[id] == 0 {
			delete(c, id)
		}
	}
}

func (c counts) has(people []uint64) bool {
	return slices.ContainsFunc(people, func(id uint64) bool { return c[id] > 0 })
}

// request is a request that calls share, with those that replace it after a
// refusal.
type request struct {
	queue   *queue
	calls   []*pendingCall
	waiting int // calls without an outcome
	ctx     context.Context
	cancel  context.CancelFunc
}

// add appends a call. It leaves at once if it can.
func (q *queue) add(p *pendingCall) {
	free := !q.people.has(p.people) && !q.inFlightPeople.has(p.people)
	q.people.add(p.people, 1)
	q.waiting = append(q.waiting, p)
	if free { // otherwise it leaves after the calls before it
		q.advance()
	}
}

// remove takes out a waiting call.
func (q *queue) remove(p *pendingCall) {
	if i := slices.Index(q.waiting, p); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
		q.people.add(p.people, -1)
	}
}

// room tells whether another request may leave.
func (q *queue) room() bool {
	eager := min(max(minEager, int(q.latency/time.Millisecond)), maxEager)
	return q.inFlight < q.owner.most && (q.due || q.owner.closed || q.inFlight < eager)
}

// advance sends the calls that may leave now, and sets the timer for the
// others.
func (q *queue) advance() {
	for q.room() {
		calls := q.take()
		if len(calls) == 0 {
			q.due = false
			return
		}
		q.send(calls)
	}
	q.due = q.due && len(q.waiting) > 0 && q.inFlight >= q.owner.most
	if len(q.waiting) == 0 || q.due || q.timer != nil {
		return
	}
	q.timer = time.AfterFunc(max(minWindow, q.latency/windowShare), func() {
		q.owner.mu.Lock()
		defer q.owner.mu.Unlock()
		q.timer, q.due = nil, true
		q.advance()
	})
}

// take takes the calls of one request out of the waiting ones.
func (q *queue) take() (calls []*pendingCall) {
	kept, passed, full := q.waiting[:0], counts{}, false
	bytes, messages := envelope, 0
	for i, p := range q.waiting {
		if full {
			kept = append(kept, q.waiting[i:]...)
			break
		}
		fits := bytes+p.bytes <= tracking.MaxBodyBytes && messages+len(p.messages) <= tracking.MaxBatchMessages
		switch {
		case passed.has(p.people) || q.inFlightPeople.has(p.people):
			passed.add(p.people, 1)
			kept = append(kept, p)
		case len(calls) == 0, fits && !p.large:
			calls = append(calls, p)
			bytes, messages, full = bytes+p.bytes, messages+len(p.messages), p.large
		default: // it starts the next request
			passed.add(p.people, 1)
			kept, full = append(kept, p), !p.large
		}
	}
	clear(q.waiting[len(kept):])
	q.waiting = kept
	return calls
}

// send sends a request in a goroutine of its own.
func (q *queue) send(calls []*pendingCall) {
	ctx := calls[0].ctx
	if len(calls) > 1 {
		ctx = context.WithoutCancel(ctx) // with the values of one call, such as its trace
		ctx = retry.OnAttempt(ctx, nil)  // but no call may see the messages of the others
	}
	r := &request{queue: q, calls: calls, waiting: len(calls)}
	r.ctx, r.cancel = context.WithCancel(ctx)
	for _, p := range calls {
		p.request = r
		q.people.add(p.people, -1)
		q.inFlightPeople.add(p.people, 1)
	}
	q.inFlight++
	q.owner.busy.Go(r.run)
}

// run sends the request, gives its calls their outcomes, and lets the next
// calls leave.
func (r *request) run() {
	q, c := r.queue, r.queue.owner
	began := time.Now()
	smooth := r.deliver()
	c.mu.Lock()
	defer c.mu.Unlock()
	if smooth && !r.calls[0].large {
		if q.latency == 0 {
			q.latency = time.Since(began)
		}
		q.latency += (time.Since(began) - q.latency) / 8
	}
	r.cancel()
	for _, p := range r.calls {
		q.inFlightPeople.add(p.people, -1)
	}
	q.inFlight--
	q.advance()
	if q.inFlight == 0 && len(q.waiting) == 0 && q.key.key != c.WriteKey {
		delete(c.queues, q.key) // its key came with a call
	}
}

// deliver sends the request. A panic, such as in the transport of the client,
// fails the calls that have no outcome yet.
func (r *request) deliver() (smooth bool) {
	c := r.queue.owner
	defer caught(c.logger, r.queue.source, func(err error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, p := range r.calls {
			p.fail(err)
		}
	})
	return r.post(r.calls)
}

// post sends the messages of calls as one request. If the receiver refuses it,
// post sends each half of the calls by itself. It tells whether the first
// attempt was accepted.
func (r *request) post(calls []*pendingCall) (smooth bool) {
	var messages []tracking.Prepared
	for _, p := range calls {
		messages = append(messages, p.messages...)
	}
	report, err := r.queue.key.client.Send(r.ctx, &tracking.Batch{Source: r.queue.source, Messages: messages})
	split := len(calls) > 1 && tracking.Refusal(err) != nil
	if split && r.ctx.Err() != nil {
		// Nobody can tell any more which call is to blame, and most are not.
		err = canceled(report.Endpoint, report.Attempts, r.ctx.Err())
		split = false
	}
	r.record(calls, report, err, !split)
	if split {
		half := len(calls) / 2
		r.post(calls[:half])
		r.post(calls[half:])
	}
	return err == nil && report.Attempts == 1
}

// record notes in the calls what became of their messages. The final one
// settles them.
func (r *request) record(calls []*pendingCall, report tracking.Report, err error, final bool) {
	c := r.queue.owner
	c.mu.Lock()
	defer c.mu.Unlock()
	outcomes := report.Messages
	for _, p := range calls {
		own := outcomes[:len(p.messages)]
		outcomes = outcomes[len(p.messages):]
		if p.settled {
			continue // its caller has left
		}
		p.record(own, report, len(calls) > 1)
		if final {
			p.settle(err)
		}
	}
}
