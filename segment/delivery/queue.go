package delivery

import (
	"context"
	"slices"
	"time"

	"github.com/aacflow/segment-blocks/segment/tracking"
)

// queue holds the calls of one write key that gather for a request. The lock of its [Coalescer] guards it.
//
// The order of a person's messages is kept by the ids in them: a call waits while one that shares an id with it is under way, or waits
// before it. In one request they go together, in order. Ids are kept as hashes; where two collide, a call waits in vain, for one request.
type queue struct {
	owner  *Coalescer
	key    queueKey
	source tracking.Source

	waiting  []*entry // in the order in which they came
	large    int      // how many of them go by themselves
	ids      map[uint64]holds
	underWay int // shared requests
	due      bool
	armed    bool
	timer    *time.Timer
	latency  time.Duration // of requests, smoothed
}

// holds counts the calls with an id.
type holds struct{ waiting, underWay int32 }

// batch is a request, or what is made of it.
type batch struct {
	queue           *queue
	entries         []*entry
	counted         bool // takes a place among the shared requests
	waiting         int  // calls that still want to know
	messages, bytes int
	ctx             context.Context
	cancel          context.CancelFunc
}

func newQueue(owner *Coalescer, key queueKey, source tracking.Source) *queue {
	return &queue{owner: owner, key: key, source: source, ids: map[uint64]holds{}}
}

// free tells whether no call before e has a person in common with it.
func (q *queue) free(e *entry) bool {
	for _, id := range e.ids {
		if _, held := q.ids[id]; held {
			return false
		}
	}
	return true
}

// wait appends a call and sees to it that it will leave: when the call before it with the same person has ended, or by the clock.
func (q *queue) wait(e *entry) {
	if q.free(e) {
		q.arm()
	}
	for _, id := range e.ids {
		h := q.ids[id]
		h.waiting++
		q.ids[id] = h
	}
	if e.large {
		q.large++
	}
	q.waiting = append(q.waiting, e)
}

// remove takes a waiting call out.
func (q *queue) remove(e *entry) {
	if i := slices.Index(q.waiting, e); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
		if e.large {
			q.large--
		}
		q.unhold(e)
	}
}

// unhold forgets the ids of a call that no longer waits.
func (q *queue) unhold(e *entry) {
	for _, id := range e.ids {
		h := q.ids[id]
		h.waiting--
		q.keep(id, h)
	}
}

func (q *queue) keep(id uint64, h holds) {
	if h == (holds{}) {
		delete(q.ids, id)
	} else {
		q.ids[id] = h
	}
}

// arm starts the clock at the end of which what waits leaves without company.
func (q *queue) arm() {
	if q.armed || q.due {
		return
	}
	q.armed = true
	window := max(minWindow, q.latency/windowShare)
	if q.timer == nil {
		q.timer = time.AfterFunc(window, q.expire)
	} else {
		q.timer.Reset(window)
	}
}

func (q *queue) expire() {
	defer caught(q.owner.logger, q.source, func(*PanicError) {})
	q.owner.mu.Lock()
	defer q.owner.mu.Unlock()
	q.armed, q.due = false, true
	q.owner.start(q.advance())
}

// advance takes what may leave now out of what waits, as batches that have departed.
func (q *queue) advance() (departed []*batch) {
	if len(q.waiting) == 0 {
		q.due = q.owner.closed
		return nil
	}
	if !q.room() && q.large == 0 {
		q.arm()
		return nil
	}
	var (
		current *batch
		ready   bool                // one stays for want of room only
		passed  map[uint64]struct{} // ids of calls that must stay
		stay    = q.waiting[:0]
		all     = q.waiting
	)
	leave := func(b *batch) {
		q.depart(b)
		departed = append(departed, b)
	}
	for _, e := range all {
		switch {
		case q.blocked(e, passed):
		case e.large && !sharesID(current, e):
			q.taken(e)
			leave(&batch{queue: q, entries: []*entry{e}})
			continue
		case e.large:
		default:
			if current != nil && !current.fits(e) {
				leave(current)
				current = nil
				if q.blocked(e, passed) {
					break
				}
			}
			if current == nil && q.room() {
				current = &batch{queue: q, counted: true}
			}
			if current != nil {
				q.taken(e)
				current.add(e)
				continue
			}
			ready = true
		}
		if passed == nil {
			passed = map[uint64]struct{}{}
		}
		for _, id := range e.ids {
			passed[id] = struct{}{}
		}
		stay = append(stay, e)
	}
	if current != nil {
		leave(current)
	}
	clear(all[len(stay):])
	q.waiting = stay
	q.due = q.due && len(stay) > 0 && q.underWay >= q.owner.most || q.owner.closed
	if ready {
		q.arm()
	} else if q.armed && len(stay) == 0 {
		q.armed = !q.timer.Stop() // where it is too late for that it will find nothing
	}
	return departed
}

// taken moves the holds of a call that leaves from waiting to under way.
func (q *queue) taken(e *entry) {
	if e.large {
		q.large--
	}
	q.unhold(e)
}

func (q *queue) room() bool {
	return q.underWay < q.eager() || q.due && q.underWay < q.owner.most
}

// eager is how many requests may be under way for another to leave at once.
func (q *queue) eager() int {
	return min(max(minEager, int(q.latency/time.Millisecond)), maxEager, q.owner.most)
}

// blocked tells whether a call must let another pass first that is under way, or that stays.
func (q *queue) blocked(e *entry, passed map[uint64]struct{}) bool {
	for _, id := range e.ids {
		if q.ids[id].underWay > 0 {
			return true
		}
		if _, stays := passed[id]; stays {
			return true
		}
	}
	return false
}

func sharesID(b *batch, e *entry) bool {
	if b == nil {
		return false
	}
	for _, other := range b.entries {
		for _, id := range other.ids {
			if slices.Contains(e.ids, id) {
				return true
			}
		}
	}
	return false
}

func (b *batch) add(e *entry) {
	b.entries = append(b.entries, e)
	b.messages += len(e.messages)
	b.bytes += e.bytes
}

func (b *batch) fits(e *entry) bool {
	return b.bytes+e.bytes+envelope <= tracking.MaxBodyBytes && b.messages+len(e.messages) <= tracking.MaxBatchMessages
}

// depart marks a batch as under way.
func (q *queue) depart(b *batch) {
	b.waiting = len(b.entries)
	first := b.entries[0].ctx
	if len(b.entries) > 1 {
		first = context.WithoutCancel(first) // its values, such as a trace, are as good as those of another
	}
	b.ctx, b.cancel = context.WithCancel(first)
	for _, e := range b.entries {
		e.state, e.batch = underWay, b
		for _, id := range e.ids {
			h := q.ids[id]
			h.underWay++
			q.ids[id] = h
		}
	}
	if b.counted {
		q.underWay++
	}
	q.owner.batches[b] = struct{}{}
}

// arrive ends a batch. Its calls have their outcomes.
func (q *queue) arrive(b *batch) {
	b.cancel()
	for _, e := range b.entries {
		for _, id := range e.ids {
			h := q.ids[id]
			h.underWay--
			q.keep(id, h)
		}
		q.settle(e)
	}
	if b.counted {
		q.underWay--
	}
	delete(q.owner.batches, b)
}

func (q *queue) settle(e *entry) {
	if e.state != settled {
		e.state = settled
		close(e.done)
	}
}

// observe learns how long a request takes that needed one attempt.
func (q *queue) observe(took time.Duration) {
	if q.latency == 0 {
		q.latency = took
	}
	q.latency += (took - q.latency) / 8
}

// retire drops the queue of a key that a call brought along once it has nothing to do.
func (q *queue) retire() {
	if q.key.key != q.owner.source.WriteKey && len(q.waiting) == 0 && len(q.ids) == 0 && q.underWay == 0 {
		delete(q.owner.queues, q.key)
	}
}
