package importer

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

const tick = 250 * time.Millisecond

// Run imports until every event is accepted or rejected, and returns what was done, by earlier runs
// too. It may be called once. An import that an earlier run has finished returns that run's counts
// and sends nothing.
//
// The error is an *[InputError], a *[DeliveryError] or a *[PanicError], or it wraps [ErrCut], the
// error of ctx, or that of reading or writing a file. When Run returns an error, nothing is in
// flight any more and the state is written, so that another run can go on.
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
	// The end of ctx stops new invocations at once. Those in flight have the time of Grace, because
	// what is cut off may have arrived, and would be sent again.
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
	select { // a read of standard input cannot be stopped: it ends with the process
	case <-read:
	case <-time.After(time.Second):
	}
	return im.finish()
}

// guard runs f. A panic in it ends the import like any other failure.
func (im *Import) guard(f func()) {
	defer func() {
		if p := recover(); p != nil {
			im.halt(&PanicError{p, debug.Stack()})
		}
	}()
	f()
}

// hurry has idle partitions send what they have gathered, however little, and those who wait see
// that the import is halted, if it is.
func (im *Import) hurry() {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.hurried++
	im.changed.Broadcast()
}

func (im *Import) halted() bool { return im.halting.Err() != nil }

// watch keeps the state current until ctx ends, when everything is sent or nothing new may be.
func (im *Import) watch(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		im.hurry() // input may come slowly
		// The state is written less often than progress is told, because each time waits for the
		// disk.
		if n%2 == 0 {
			if err := im.checkpoint(); err != nil {
				im.halt(err)
				return
			}
		}
		im.tellProgress()
	}
}

// finish writes down where everything stands. It does so also after a failure or a panic: what is
// not written is sent again.
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

// tellProgress returns the counts so far. It calls the function of the options without the lock,
// which that function may take long with.
func (im *Import) tellProgress() Counts {
	im.mu.Lock()
	p := Progress{Counts: im.soFar(), Read: im.reader.read.Load()}
	im.mu.Unlock()
	for _, in := range im.inputs {
		p.Size += in.size // -1 for standard input, which is imported alone
	}
	if im.options.Progress != nil {
		im.options.Progress(p)
	}
	return p.Counts
}

// soFar returns what has been done, by earlier runs too. The caller holds the lock.
func (im *Import) soFar() Counts {
	c := im.counts
	c.Seconds += time.Since(im.started).Seconds()
	return c
}

// readAll gives every event to its partition. When the files are through, or cannot be read any
// further, the import ends when all that has been read is sent.
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

// The most that is read ahead of an event that is in flight, so that memory stays flat while one
// request is retried and others pass it: events, and bytes of rejects.
const (
	maxPending     = 100_000
	maxHeldRejects = 4 << 20
	rememberedIDs  = 100_000
)

// pending is an event that is not settled: it, or one before it, is neither accepted nor rejected.
// The import's lock guards it.
//
// Partitions get ahead of one another, so events are done in an order of their own. Import.pending
// has them in the order of the files. What is counted for good, written to the file of rejects or
// remembered for the next run is taken off its front, so it is never more than what a single
// position in the files can tell: all before that, and nothing behind.
type pending struct {
	at      position
	origin  origin
	derived bool
	id      uint64 // a hash of the messageId that the event brings, 0 for none
	done    bool   // it is accepted or rejected
	reject  *reject
}

// event returns a pending event by its number in all files. The caller holds the lock.
func (im *Import) event(seq int64) *pending {
	return &im.pending[int64(len(im.pending))-im.counts.Events+seq]
}

// add takes in an event, and gives it to the partition of its person unless it is faulty. It waits
// where enough has been read. It returns false when the import is halted.
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
	// The same person is always in the same partition, which sends one batch at a time: this keeps
	// the order of the person's events.
	of := maphash.String(im.seed, e.person) % uint64(len(im.partitions))
	im.gather(&im.partitions[of], seq, e.json)
	return !im.halted()
}

// reject keeps an event as a reject until all before it is settled: the file of rejects is in the
// order of the lines, and has nothing in it that the next run would find again. The caller holds
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
	for ; im.front < len(im.pending) && im.pending[im.front].done; im.front++ {
		switch e := &im.pending[im.front]; {
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
	// What is settled is taken off when it is half of all, so that each event is moved about once.
	if im.front >= (len(im.pending)+1)/2 {
		im.pending = slices.Delete(im.pending, 0, im.front)
		im.front = 0
	}
	im.changed.Broadcast()
}

// meet remembers the messageId of an accepted event. It counts an event whose id an earlier one has
// had, and tells of the first. What is remembered is a hash and a place, and not the id, so that a
// hundred thousand of them take a few megabytes. The caller holds the lock.
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
		Message: "is that of " + where + " too, and the receiver keeps one of them",
	})
}

// checkpoint writes the rejects and the state, in this order: a kill between the two leaves rejects
// that the next run cuts off and finds again, and loses none. Where the rejects cannot be written
// the state keeps its position, and only says how much was accepted behind that.
func (im *Import) checkpoint() error {
	next, accepted, err := im.now()
	if err == nil && next.RejectsBytes > im.written.RejectsBytes {
		// The state must not speak of rejects that a loss of power would take away. This goes
		// without the lock, because the disk may be slow and nothing else need wait for it.
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

// now writes the rejects that are settled, and returns the state after them, how many events have
// been accepted, and whether rejects could not be written. Only what is settled counts for good:
// the next run sends the others again, and counts them then.
func (im *Import) now() (s state, accepted int64, err error) {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.settle()
	s = state{
		Plan: im.plan, Position: im.next, RejectsBytes: im.rejects.size, RejectsFile: im.options.RejectsPath,
		Counts: im.soFar(), Done: im.ended && im.readErr == nil && im.front == len(im.pending) && !im.halted(),
	}
	if im.front < len(im.pending) {
		s.Position = im.pending[im.front].at
	}
	s.Counts.Events -= int64(len(im.pending) - im.front)
	s.Counts.Rejected = im.rejects.count
	s.Counts.Accepted = s.Counts.Events - s.Counts.Rejected
	return s, im.counts.Accepted, im.rejects.failed
}
