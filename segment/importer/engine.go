package importer

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/tracking"
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

func (im *Import) halted() bool { return im.halting.Err() != nil }

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

// soFar returns the counts of all runs. The caller holds the lock.
func (im *Import) soFar() Counts {
	c := im.counts
	c.Seconds += time.Since(im.started).Seconds()
	return c
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

// maxPending and maxHeldRejects limit how far the reader may be ahead of an event in flight, in
// events and in bytes of rejects. So memory stays flat while one request is retried and others pass
// it.
const (
	maxPending     = 100_000
	maxHeldRejects = 4 << 20
	rememberedIDs  = 100_000
)

// pending is an event that is not settled: it, or one before it, is neither accepted nor rejected.
// The import's lock guards it.
//
// Partitions get ahead of one another, so events are done in any order. Import.pending has them in
// the order of the files, and settle takes them off its front. Only then are they counted for good,
// written to the file of rejects, and behind the position in the state. So one position in the
// files says everything: what is before it is done, and what is behind it will be sent.
type pending struct {
	at      position
	origin  origin
	derived bool
	done    bool   // it is accepted or rejected
	id      uint64 // a hash of the messageId that the event brings, 0 for none
	reject  *reject
}

// event returns a pending event by its number in all files. The caller holds the lock.
func (im *Import) event(seq int64) *pending {
	return &im.pending[int64(len(im.pending))-im.counts.Events+seq]
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

// reject keeps an event as a reject until all events before it are settled: the file of rejects is
// in the order of the lines, and holds nothing that the next run would find again. The caller holds
// the lock.
func (im *Import) reject(seq int64, reasons []schemas.Violation, object, text []byte) {
	e := im.event(seq)
	e.done, e.reject = true, newReject(im.inputs[e.at.File].path, e.at, e.origin, reasons, object, text)
	im.heldBytes += len(e.reject.line)
	im.counts.Rejected++
}

// settle takes off the events that are done, up to the first one that is not, and writes the
// rejects among them. The caller holds the lock.
func (im *Import) settle() {
	for ; len(im.pending) > 0 && im.pending[0].done; im.pending = im.pending[1:] {
		switch e := &im.pending[0]; {
		case e.reject != nil:
			if im.options.Rejected != nil && !im.halted() {
				im.options.Rejected(im.inputs[e.at.File].path, e.at.Line, e.reject.reasons)
			}
			if err := im.rejects.write(e.reject.line); err != nil {
				im.halt(err)
			}
			im.heldBytes -= len(e.reject.line)
			e.reject = nil
		case e.id != 0:
			im.meet(e)
		}
	}
	im.changed.Broadcast()
}

// meet remembers the messageId of an accepted event. It counts an event that has the id of an
// earlier one, and warns of the first. It remembers a hash in place of the id, so that 100,000 of
// them take a few megabytes. The caller holds the lock.
func (im *Import) meet(e *pending) {
	before, known, _ := im.ids.PeekOrAdd(e.id, e.at)
	if !known || before == e.at {
		return
	}
	im.counts.Duplicates++
	where := fmt.Sprintf("line %d", before.Line)
	if before.File != e.at.File {
		where += " of " + im.inputs[before.File].path
	}
	im.warn(e.at, schemas.Violation{
		Path: "/messageId", Code: tracking.WarnDuplicateID,
		Message: "is the same as in " + where + ", and the receiver keeps only one of the two events",
	})
}

// checkpoint writes the rejects and then the state. After a kill between the two, the next run cuts
// those rejects off and finds them again. If the rejects cannot be written, the state keeps its
// position, and only says how many events were accepted behind it.
func (im *Import) checkpoint() error {
	next, accepted, err := im.now()
	if err == nil && next.RejectsBytes > im.written.RejectsBytes {
		// The state must not count rejects that a loss of power would take away. Syncing needs no
		// lock, and nothing else should wait for a slow disk.
		if err = im.rejects.unwritable(im.rejects.file.Sync()); err != nil {
			im.mu.Lock()
			im.rejects.failed = err
			im.mu.Unlock()
		}
	}
	if err == nil {
		im.written = next
	}
	im.written.Ahead = max(0, accepted-im.written.Counts.Accepted)
	if im.options.StatePath == "" {
		return err
	}
	return errors.Join(err, im.written.write(im.options.StatePath))
}

// now settles what is done, and returns the state that follows, how many events have been accepted,
// and why rejects could not be written. The state counts settled events only: the next run sends
// the others again, and counts them then.
func (im *Import) now() (s state, accepted int64, err error) {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.settle()
	s = state{
		Plan: im.plan, Position: im.next, RejectsBytes: im.rejects.size, RejectsFile: im.options.RejectsPath,
		Counts: im.soFar(), Done: im.ended && im.readErr == nil && len(im.pending) == 0 && !im.halted(),
	}
	if len(im.pending) > 0 {
		s.Position = im.pending[0].at
	}
	s.Counts.Events -= int64(len(im.pending))
	s.Counts.Rejected = im.rejects.count
	s.Counts.Accepted = s.Counts.Events - s.Counts.Rejected
	return s, im.counts.Accepted, im.rejects.failed
}
