package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"sync"
	"time"

	"github.com/aacflow/segment-blocks/runtime"
)

// queue collects events into batches as Segment's libraries do. It sends the batches one after
// another, in the order in which they were filled, while further events are queued.
type queue struct {
	ctx      context.Context
	runtime  *runtime.Runtime
	log      *log.Logger
	size     int
	interval time.Duration

	mu      sync.Mutex
	changed *sync.Cond
	pending []json.RawMessage // queued, not yet a batch
	// ready holds the batches to be sent. It has no bound, since the harness measures when events are
	// queued.
	ready  [][]json.RawMessage
	timer  *time.Timer
	closed bool
	sent   int
	failed []error
}

func newQueue(ctx context.Context, rt *runtime.Runtime, stderr io.Writer) *queue {
	q := &queue{ctx: ctx, runtime: rt, log: log.New(stderr, "", 0)}
	q.changed = sync.NewCond(&q.mu)
	return q
}

// play queues the sequences of an input, each after its delay, sends what is left and waits for it.
// It returns how many batches were accepted.
func (q *queue) play(in input) (batches int, err error) {
	var sending sync.WaitGroup
	sending.Go(q.send)
	for i, sequence := range in.Sequences {
		select {
		case <-time.After(time.Duration(sequence.DelayMS * float64(time.Millisecond))):
		case <-q.ctx.Done():
		}
		if q.ctx.Err() != nil {
			break
		}
		for j, event := range sequence.Events {
			q.add(fmt.Sprintf("sequence %d, event %d", i, j), event)
		}
	}
	q.mu.Lock()
	q.flush()
	q.closed = true
	q.changed.Signal()
	q.mu.Unlock()
	sending.Wait()
	if q.ctx.Err() != nil {
		q.failed = append(q.failed, errors.New("interrupted"))
	}
	var texts []string
	for _, err := range q.failed {
		texts = append(texts, err.Error())
	}
	if len(texts) > 0 {
		err = errors.New(strings.Join(texts, "; "))
	}
	return q.sent, err
}

// add queues an event, unless Segment would drop it.
func (q *queue) add(name string, event json.RawMessage) {
	invalid := q.runtime.Validate(q.ctx, "segment_batch", batchOf(event))
	q.mu.Lock()
	defer q.mu.Unlock()
	if invalid != nil {
		q.failed = append(q.failed, notQueued(name, invalid))
		return
	}
	q.log.Printf("%s queued", name)
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

// notQueued says what is wrong with an event, in terms of the event and not of the batch.
func notQueued(name string, err error) error {
	var e *runtime.Error
	if !errors.As(err, &e) || len(e.Violations) == 0 {
		return fmt.Errorf("%s: %w", name, err)
	}
	var why []string
	for _, v := range e.Violations {
		why = append(why, strings.TrimSpace(strings.TrimPrefix(v.Path, "/batch/0")+" "+v.Message))
	}
	return fmt.Errorf("%s was not queued: %s", name, strings.Join(why, "; "))
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

// send sends the batches until the queue is closed and empty.
func (q *queue) send() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for len(q.ready) == 0 {
			if q.closed {
				return
			}
			q.changed.Wait()
		}
		batch := q.ready[0]
		q.ready = q.ready[1:]
		q.mu.Unlock()
		res, err := q.runtime.Invoke(q.ctx, "segment_batch", batchOf(batch...))
		q.mu.Lock()
		if err != nil {
			q.failed = append(q.failed, err)
			q.log.Printf("a batch of %d events failed", len(batch))
			continue
		}
		q.sent += res.Receipt.Requests
		q.log.Printf("a batch of %d events was accepted; attempts: %d", len(batch), res.Receipt.Attempts)
	}
}

// batchOf makes the input of segment_batch from events as they were written.
func batchOf(events ...json.RawMessage) runtime.JSON {
	var b bytes.Buffer
	b.WriteString(`{"batch":[`)
	for i, event := range events {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(event)
	}
	b.WriteString("]}")
	return b.Bytes()
}
