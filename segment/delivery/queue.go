package delivery

import (
	"context"
	"slices"
	"time"

	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// queue holds the calls of one write key that gather for a request. The lock of
// its [coalescer] guards it.
//
// It keeps the order of a person's messages by the ids in them: a call waits
// while one that shares an id with it is in flight, or waits before it. In one
// request they go together, in order. Ids are kept as hashes; where two
// collide, a call waits in vain, for one request.
type queue struct {
	owner  *coalescer
	key    queueKey
	source tracking.Source

	waiting        []*pendingCall // in the order in which they came
	people         counts         // of those that wait
	inFlightPeople counts
	inFlight       int  // requests
	due            bool // calls have waited for company long enough
	timer          *time.Timer
	latency        time.Duration // of requests, smoothed
}

// counts has how many calls have a person's id.
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

// request is what calls share, or what is made of it after a refusal.
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
	if free { // else the end of what holds it back lets it leave
		q.advance()
	}
}

// remove takes a call that waits out.
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

// advance sends what may leave now, and starts the clock for what waits for
// company.
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

// take takes the calls of one request out of those that wait.
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
		default: // the first of the next request
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
		ctx = context.WithoutCancel(ctx) // its values, such as a trace, are as good as those of another
		ctx = retry.OnAttempt(ctx, nil)  // but what goes over the wire is not for one of them to see
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

// run sends the request, gives its calls their outcomes and lets the next ones
// leave.
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
		delete(c.queues, q.key) // that of a key that a call brought along
	}
}

// deliver sends the request. A panic, such as one in a client's transport,
// fails the calls that have no outcome by then.
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

// post sends the messages of calls as one request, and those of each half again
// where the receiver refuses them together. It tells whether the first attempt
// went through.
func (r *request) post(calls []*pendingCall) (smooth bool) {
	var messages []tracking.Prepared
	for _, p := range calls {
		messages = append(messages, p.messages...)
	}
	report, err := r.queue.key.client.Send(r.ctx, &tracking.Batch{Source: r.queue.source, Messages: messages})
	split := len(calls) > 1 && tracking.Refusal(err) != nil
	if split && r.ctx.Err() != nil {
		// Which it was will not be known any more, and most are not to blame.
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

// record notes in calls what became of their messages.
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
