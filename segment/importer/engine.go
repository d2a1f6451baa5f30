package importer

import (
	"context"
	"errors"
	"hash/maphash"
	"io"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

const tick = 250 * time.Millisecond

// Run imports until every event is accepted or rejected, and returns the counts of all runs. It may
// be called once. If an earlier run has finished the import, Run sends nothing and returns the
// counts of that run.
//
// The error is an *[InputError], a *[DeliveryError] or a *[PanicError], or it wraps [ErrCut], the
// error of ctx, or an error of reading or writing a file. When Run returns, nothing is in flight
// and the state is written, so another run can continue.
func (im *Import) Run(ctx context.Context) (Counts, error) { //nolint:contextcheck // halting outlives ctx
	im.started = time.Now()
	release, err := im.lock()
	if err != nil {
		return Counts{}, err
	}
	defer release()
	im.halting, im.halt = context.WithCancelCause(context.WithoutCancel(ctx))
	finished, err := im.begin(ctx)
	if finished || err != nil {
		if im.reader != nil {
			im.reader.close()
		}
		return im.counts, err
	}
	im.tellProgress()
	// The end of ctx stops new invocations at once. Those in flight have the time of Grace: a
	// request that is cut off may have arrived, and its events would be sent again.
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { im.halt(ctx.Err()) })()
	defer context.AfterFunc(im.halting, im.hurry)() //nolint:contextcheck // it is ctx's, and outlives it

	read := make(chan struct{})
	go func() {
		defer close(read)
		im.guard(func() { im.readAll(ctx) })
	}()
	var workers sync.WaitGroup
	for i := range im.partitions {
		workers.Go(func() { im.guard(func() { im.work(sending, &im.partitions[i]) }) })
	}
	watching, sent := context.WithCancel(im.halting)
	go func() {
		workers.Wait()
		sent()
	}()
	im.guard(func() { im.watch(watching) })
	defer time.AfterFunc(im.options.Grace, cancel).Stop()
	workers.Wait()
	select { // nothing can stop a read of standard input before the process ends
	case <-read:
	case <-time.After(time.Second):
	}
	return im.finish()
}

// guard calls f. A panic in it ends the import like any other failure.
func (im *Import) guard(f func()) {
	defer func() {
		if p := recover(); p != nil {
			im.halt(&PanicError{p, debug.Stack()})
		}
	}()
	f()
}

// hurry has idle partitions send what they have gathered, however little. It also wakes all who
// wait, so that they notice when the import is halted.
func (im *Import) hurry() {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.hurried++
	im.changed.Broadcast()
}

// watch writes the state and tells the progress until ctx ends.
func (im *Import) watch(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		im.hurry()    // input may come slowly
		if n%2 == 0 { // less often, because it waits for the disk
			if err := im.checkpoint(); err != nil {
				im.halt(err)
				return
			}
		}
		im.tellProgress()
	}
}

// finish writes the last state, also after a failure or a panic: what is not written is sent again.
func (im *Import) finish() (Counts, error) {
	var err error
	im.guard(func() { err = im.checkpoint() })
	err = errors.Join(err, im.rejects.close())
	im.mu.Lock()
	failure := im.readErr
	im.counts.Rejected = im.rejects.count // what was found ahead of the settled events is found again
	im.mu.Unlock()
	if im.halted() {
		failure = context.Cause(im.halting)
	}
	if failure != nil && (err == nil || !strings.Contains(err.Error(), failure.Error())) { // it is said once
		err = errors.Join(failure, err)
	}
	return im.tellProgress(), err
}

// tellProgress returns the counts so far. It calls Progress without the lock, because that may take
// long.
func (im *Import) tellProgress() Counts {
	im.mu.Lock()
	p := Progress{Counts: im.soFar(), Read: im.reader.read.Load()}
	im.mu.Unlock()
	for _, in := range im.inputs {
		p.Size += in.size // standard input has -1, and is imported alone
	}
	if im.options.Progress != nil {
		im.options.Progress(p)
	}
	return p.Counts
}

// readAll gives every event to its partition. After the last one, or an error of reading, the
// import still sends what has been read.
func (im *Import) readAll(ctx context.Context) {
	defer im.reader.close()
	e, err := im.reader.next(ctx)
	for ; err == nil; e, err = im.reader.next(ctx) {
		if !im.add(&e) {
			return
		}
	}
	if _, wrong := errors.AsType[*InputError](err); wrong {
		im.halt(err)
		return
	}
	im.mu.Lock()
	defer im.mu.Unlock()
	if !errors.Is(err, io.EOF) {
		im.readErr = err
	}
	im.ended, im.next = true, im.reader.at
	im.changed.Broadcast()
}

// add gives an event to the partition of its person, or rejects it if it is faulty. It waits while
// enough is pending. It returns false when the import is halted.
func (im *Import) add(e *event) bool {
	im.mu.Lock()
	defer im.mu.Unlock()
	full := func() bool { return len(im.pending) >= maxPending || im.heldBytes > maxHeldRejects }
	for full() && !im.halted() {
		im.hurried++             // the oldest event may be among what has been gathered
		if im.settle(); full() { // which wakes all
			im.changed.Wait()
		}
	}
	if im.halted() {
		return false
	}
	seq := im.counts.Events
	im.pending = append(im.pending, pending{at: e.at, origin: e.origin, derived: e.derived})
	im.counts.Events, im.next = seq+1, e.after
	if e.faults != nil {
		object, text := e.whole()
		im.reject(seq, e.faults, object, text)
		return !im.halted()
	}
	if e.id != "" {
		im.event(seq).id = maphash.String(im.seed, e.id)
	}
	of := maphash.String(im.seed, e.person) % uint64(len(im.partitions))
	im.gather(&im.partitions[of], seq, e.json)
	return !im.halted()
}
