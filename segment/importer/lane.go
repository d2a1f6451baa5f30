package importer

import (
	"context"
	"time"
)

// lane sends the events of some people, in order. Its fields are guarded by the engine's lock.
type lane struct {
	building *batch   // is being filled; nil for none
	ready    []*batch // in order; the first may be under way
	// most is how many events a batch may have. It begins small and grows while nothing is refused: saying what is wrong with a
	// message takes the longer the more others are around it.
	most int
}

// fewEvents is where lane.most begins, and what it falls back to.
const fewEvents = 50

// learn adapts the size of the batches that follow to how many messages of one were refused. The caller holds the lock.
func (l *lane) learn(refused, all, most int) {
	switch {
	case refused == 0:
		l.most = min(2*l.most, most)
	case refused*50 > all:
		l.most = max(l.most/4, min(fewEvents, most))
	}
}

// batch is the input of one invocation.
type batch struct {
	first *mark  // before which all of the batch is settled; guarded by the engine's lock
	body  []byte // what segment_batch takes, but for its end
	items []item
	since time.Time
}

// item is one message of a batch.
type item struct {
	mark
	start, end int // in the body
	skip       int // behind the opening brace: what was put in front of the message
	origin     string
	id         uint64 // the hash of a messageId that was given, 0 for none
}

// flush makes what has been gathered ready to be sent. The caller holds the lock.
func (l *lane) flush() {
	if l.building != nil {
		l.ready = append(l.ready, l.building)
		l.building = nil
	}
}

// oldest returns the place of the oldest event that is not settled. The caller holds the lock.
func (l *lane) oldest() (mark, bool) {
	switch {
	case len(l.ready) > 0:
		return *l.ready[0].first, true
	case l.building != nil:
		return *l.building.first, true
	}
	return mark{}, false
}

// add puts an event into the lane's batch, and waits where the lane has enough to do. It returns false when the import has been halted.
func (e *engine) add(l *lane, ev *event) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	size := len(ev.message.rest) + len(ev.message.front) + 70 // and a messageId
	if b := l.building; b != nil {
		full := len(b.items) >= l.most || len(b.body)+len(b.items)*addedBytes+size+addedBytes > maxBatchBytes
		if full {
			for !e.halted && len(l.ready) >= maxQueued {
				e.changed.Wait()
			}
			l.flush()
			e.changed.Broadcast()
		}
	}
	if e.halted {
		return false
	}
	if l.building == nil {
		l.building = e.newBatch(ev.before)
	}
	b := l.building
	if len(b.items) > 0 {
		b.body = append(b.body, ',')
	}
	it := item{mark: mark{e.next.seq, ev.before}, start: len(b.body), origin: ev.origin, id: e.meet(ev)}
	b.body, it.skip = ev.message.appendTo(b.body, e.options.Key, ev.origin)
	it.end = len(b.body)
	b.items = append(b.items, it)
	e.next = mark{e.next.seq + 1, ev.after}
	return true
}

// newBatch returns an empty batch that begins at the next event, which stands at a place. The caller holds the lock.
func (e *engine) newBatch(at Position) *batch {
	b := &batch{}
	if n := len(e.spare); n > 0 {
		b, e.spare = e.spare[n-1], e.spare[:n-1]
	}
	b.first, b.since = &mark{e.next.seq, at}, time.Now()
	b.body, b.items = append(b.body[:0], batchOpen...), b.items[:0]
	return b
}

// flushIdle sends what has been waiting in lanes that have nothing else to do: input may come slowly.
func (e *engine) flushIdle() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range e.lanes {
		if l.building != nil && len(l.ready) == 0 && time.Since(l.building.since) >= idle {
			l.flush()
			e.changed.Broadcast()
		}
	}
}

// work sends the batches of a lane until there will be no more, or the import is halted.
func (e *engine) work(sending, waiting context.Context, l *lane) {
	for b := e.take(l); b != nil; b = e.take(l) {
		if e.limiter != nil && e.limiter.WaitN(waiting, len(b.items)) != nil {
			return // it has been halted
		}
		all := len(b.items)
		refused, err := e.send(sending, waiting, b)
		if err != nil {
			e.halt(err)
			return
		}
		e.done(l, refused, all)
	}
}

// take returns the oldest batch of a lane, which stays there until it is done.
func (e *engine) take(l *lane) *batch {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(l.ready) == 0 && !e.ended && !e.halted {
		e.changed.Wait()
	}
	if e.halted || len(l.ready) == 0 {
		return nil
	}
	return l.ready[0]
}

// done takes the batch off its lane that is settled. Some of all its events were refused.
func (e *engine) done(l *lane, refused, all int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	const keep = maxBatchBytes * 2
	b := l.ready[0]
	l.learn(refused, all, e.most)
	if cap(b.body) <= keep {
		e.spare = append(e.spare, b)
	}
	l.ready = append(l.ready[:0], l.ready[1:]...)
	e.changed.Broadcast()
}
