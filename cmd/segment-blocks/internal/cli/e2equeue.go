package cli

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/runtime"
)

// queue collects events into batches as Segment's libraries do. Batches go out one after another, in the order in which they were
// filled, while further events are queued.
type queue struct {
	ctx      context.Context
	runtime  *runtime.Runtime
	size     int
	interval time.Duration
	log      func(format string, args ...any)

	sent sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond
	pending []json.RawMessage   // queued, not yet a batch
	ready   [][]json.RawMessage // batches to be sent; as many as there are, since the harness measures when events are queued
	timer   *time.Timer
	closed  bool
	count   int
	errors  []string
}

func newQueue(ctx context.Context, rt *runtime.Runtime, size int, interval time.Duration, log func(string, ...any)) *queue {
	q := &queue{ctx: ctx, runtime: rt, size: size, interval: interval, log: log}
	q.changed = sync.NewCond(&q.mu)
	q.sent.Go(func() {
		for batch, ok := q.next(); ok; batch, ok = q.next() {
			q.send(batch)
		}
	})
	return q
}

// next waits for a batch to send. It returns false when there will be none any more.
func (q *queue) next() ([]json.RawMessage, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.ready) == 0 {
		if q.closed {
			return nil, false
		}
		q.changed.Wait()
	}
	batch := q.ready[0]
	q.ready = q.ready[1:]
	return batch, true
}

// play queues the sequences of an input, each after its delay, sends what is left and waits for it.
func (q *queue) play(input e2eInput) {
	for i, sequence := range input.Sequences {
		if !wait(q.ctx, time.Duration(sequence.DelayMS*float64(time.Millisecond))) {
			break
		}
		for j, event := range sequence.Events {
			if err := q.runtime.Validate(q.ctx, "segment_batch", batchOf([]json.RawMessage{event})); err != nil {
				q.fail(sequenceError(i, j, err))
				continue
			}
			q.log("sequence %d, event %d queued", i, j)
			q.add(event)
		}
	}
	q.mu.Lock()
	q.flush()
	q.closed = true
	q.changed.Signal()
	q.mu.Unlock()
	q.sent.Wait()
	if err := q.ctx.Err(); err != nil {
		q.fail("interrupted")
	}
}

func (q *queue) result() e2eOutput {
	q.mu.Lock()
	defer q.mu.Unlock()
	return e2eOutput{Success: len(q.errors) == 0, SentBatches: q.count, Error: strings.Join(q.errors, "; ")}
}

func (q *queue) add(event json.RawMessage) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pending = append(q.pending, event)
	switch len(q.pending) {
	case q.size:
		q.flush()
	case 1:
		q.timer = time.AfterFunc(q.interval, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.flush()
		})
	}
}

// flush makes a batch of what is pending. The caller holds the lock.
func (q *queue) flush() {
	if q.timer != nil {
		q.timer.Stop()
	}
	if len(q.pending) > 0 {
		q.ready = append(q.ready, q.pending)
		q.pending = nil
		q.changed.Signal()
	}
}

func (q *queue) send(batch []json.RawMessage) {
	res, err := q.runtime.Invoke(q.ctx, "segment_batch", batchOf(batch))
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil {
		q.errors = append(q.errors, err.Error())
		q.log("a batch of %s failed", console.Count(len(batch), "event"))
		return
	}
	q.count += res.Receipt.Requests
	q.log("a batch of %s was accepted, %s", console.Count(len(batch), "event"), console.Count(res.Receipt.Attempts, "attempt"))
}

func (q *queue) fail(text string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.errors = append(q.errors, text)
	q.log("%s", text)
}

// batchOf makes the input of segment_batch of events as they were written.
func batchOf(events []json.RawMessage) runtime.JSON {
	var b strings.Builder
	b.WriteString(`{"batch":[`)
	for i, event := range events {
		if i > 0 {
			b.WriteString(",")
		}
		b.Write(event)
	}
	b.WriteString("]}")
	return runtime.JSON(b.String())
}
