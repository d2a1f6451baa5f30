package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aacflow/segment-blocks/runtime"
)

// queue collects events into batches as Segment's libraries do. It sends the batches one after
// another, in the order in which they were filled, while further events are queued.
type queue struct {
	runtime  *runtime.Runtime
	log      *log.Logger
	size     int
	interval time.Duration

	// Only the goroutine that plays the sequences uses these. The goroutine that sends only
	// receives from ready.
	pending  []json.RawMessage // queued, not yet a batch
	due      <-chan time.Time  // when the oldest of them has waited long enough
	ready    chan []json.RawMessage
	problems []string
}

// play queues the sequences of an input, each after its delay, sends what is left and waits for it.
// It returns how many batches were accepted.
func (q *queue) play(ctx context.Context, in input) (batches int, err error) {
	total := 0
	for _, sequence := range in.Sequences {
		total += len(sequence.Events)
	}
	// There is room for every batch, so that a slow receiver does not delay the queueing of events,
	// which the harness measures.
	q.ready = make(chan []json.RawMessage, total)
	var failed []string
	var sending sync.WaitGroup
	sending.Go(func() { batches, failed = q.send(ctx) })
	for i, sequence := range in.Sequences {
		q.wait(ctx, time.Duration(sequence.DelayMS*float64(time.Millisecond)))
		if ctx.Err() != nil {
			break
		}
		for j, event := range sequence.Events {
			q.add(ctx, fmt.Sprintf("sequence %d, event %d", i, j), event)
		}
	}
	q.flush()
	close(q.ready)
	sending.Wait()
	problems := slices.Concat(q.problems, failed)
	if ctx.Err() != nil {
		problems = append(problems, "interrupted")
	}
	if len(problems) > 0 {
		err = errors.New(strings.Join(problems, "; "))
	}
	return batches, err
}

// wait lets a sequence's delay pass, and flushes the queue when its oldest event is due.
func (q *queue) wait(ctx context.Context, delay time.Duration) {
	over := time.After(delay)
	for {
		select {
		case <-q.due:
			q.flush()
		case <-over:
			return
		case <-ctx.Done():
			return
		}
	}
}

// add queues an event, unless Segment would drop it.
func (q *queue) add(ctx context.Context, name string, event json.RawMessage) {
	if err := q.runtime.Validate(ctx, "segment_batch", batchOf(event)); err != nil {
		q.problems = append(q.problems, notQueued(name, err))
		return
	}
	q.log.Printf("%s queued", name)
	q.pending = append(q.pending, event)
	switch len(q.pending) {
	case q.size:
		q.flush()
	case 1:
		q.due = time.After(q.interval)
	}
}

// notQueued describes a fault of an event in terms of the event, not of the batch.
func notQueued(name string, err error) string {
	e := runtime.ErrorOf(err)
	if len(e.Violations) == 0 {
		return name + ": " + err.Error()
	}
	var why []string
	for _, v := range e.Violations {
		why = append(why, strings.TrimSpace(strings.TrimPrefix(v.Path, "/batch/0")+" "+v.Message))
	}
	return name + " was not queued: " + strings.Join(why, "; ")
}

// flush makes a batch of what is pending.
func (q *queue) flush() {
	q.due = nil
	if len(q.pending) > 0 {
		q.ready <- q.pending
		q.pending = nil
	}
}

// send sends the batches until the queue is closed and empty. It returns how many requests were
// accepted, and the errors of the batches that were not.
func (q *queue) send(ctx context.Context) (accepted int, failed []string) {
	for batch := range q.ready {
		res, err := q.runtime.Invoke(ctx, "segment_batch", batchOf(batch...))
		if err != nil {
			failed = append(failed, err.Error())
			q.log.Printf("a batch of %d events failed", len(batch))
			continue
		}
		accepted += res.Receipt.Requests
		q.log.Printf("a batch of %d events was accepted; attempts: %d", len(batch), res.Receipt.Attempts)
	}
	return accepted, failed
}

// batchOf makes the input of segment_batch. Numbers in the events keep their digits.
func batchOf(events ...json.RawMessage) runtime.JSON {
	raw, _ := json.Marshal(map[string][]json.RawMessage{"batch": events}) // the events are valid JSON
	return runtime.JSON(raw)
}
