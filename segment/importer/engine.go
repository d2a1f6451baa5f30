package importer

import (
	"cmp"
	"context"
	"errors"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aacflow/segment-blocks/schemas"
)

const (
	maxHeldRejects = 4 << 20 // bytes of rejects in memory, where they can be written
	tick           = 250 * time.Millisecond
)

// mark is a position in the files, and how many events are before it.
type mark struct {
	seq int64
	at  position
}

// Run imports until every event is accepted or rejected, and returns what was done, by earlier runs
// too. It may be called once. An import that an earlier run has finished returns that run's counts
// and sends nothing.
//
// The error is an *[InputError], a *[DeliveryError] or a *[PanicError], or it wraps [ErrCut], the
// error of ctx, or that of reading or writing a file. When Run returns an error, nothing is in
// flight any more and the state is written, so that another run can go on.
func (im *Import) Run(ctx context.Context) (Counts, error) {
	im.started = time.Now()
	release, err := im.lock()
	if err != nil {
		return Counts{}, err
	}
	defer release()
	finished, err := im.begin(ctx)
	if finished || err != nil {
		im.reader.close()
		return im.counts, err
	}
	im.tellProgress()
	// The end of ctx stops new invocations at once. Those in flight have the time of Grace, because
	// what is cut off may have arrived, and would be sent again.
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	im.halting, im.halt = context.WithCancelCause(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, func() { im.halt(ctx.Err()) })()
	defer context.AfterFunc(im.halting, im.wake)() //nolint:contextcheck // it is ctx's, and outlives it

	read, sent := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(read)
		im.guard(func() { im.readAll(ctx) })
	}()
	var workers sync.WaitGroup
	for _, p := range im.partitions {
		workers.Go(func() { im.guard(func() { im.work(sending, p) }) })
	}
	go func() {
		workers.Wait()
		close(sent)
	}()
	im.guard(func() { im.watch(sent) })
	defer time.AfterFunc(im.options.Grace, cancel).Stop()
	<-sent
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

// wake lets those who wait for a change see that the import is halted. It takes the lock so that
// nobody is between looking and waiting.
func (im *Import) wake() {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.changed.Broadcast()
}

func (im *Import) halted() bool { return im.halting.Err() != nil }

// watch keeps the state current until everything is sent, or nothing new may be.
func (im *Import) watch(sent <-chan struct{}) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-sent:
			return
		case <-im.halting.Done():
			return
		case <-ticker.C:
		}
		im.flushIdle()
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

// finish writes down where everything stands.
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
	return im.tellProgress().Counts, err
}

// tellProgress calls the function of the options without the lock, which that function may take
// long with.
func (im *Import) tellProgress() Progress {
	im.mu.Lock()
	p := im.progress()
	im.mu.Unlock()
	if im.options.Progress != nil {
		im.options.Progress(p)
	}
	return p
}

// readAll gives every event to its partition.
func (im *Import) readAll(ctx context.Context) {
	defer im.reader.close()
	for {
		e, err := im.reader.next(ctx)
		switch {
		case err != nil:
			im.end(err)
			return
		case e.faults != nil && !im.rejectLine(&e), e.faults == nil && !im.add(&e):
			return
		}
	}
}

// end makes the import end when all that has been read is sent, because the files are through or
// cannot be read any further.
func (im *Import) end(err error) {
	var input *InputError
	if errors.As(err, &input) {
		im.halt(err)
		return
	}
	im.mu.Lock()
	defer im.mu.Unlock()
	if !errors.Is(err, io.EOF) {
		im.readErr = err
	}
	im.ended, im.next.at = true, im.reader.at
	im.flush()
}

// flush makes ready what the partitions have gathered. The caller holds the lock.
func (im *Import) flush() {
	for _, p := range im.partitions {
		p.flush()
	}
	im.changed.Broadcast()
}

// rejectLine keeps a line that is no message. It waits where many wait for the events before them,
// so that a file of nothing but faults does not fill the memory while one event in front of them is
// in flight. It returns false when the import is halted.
func (im *Import) rejectLine(e *event) bool {
	im.mu.Lock()
	defer im.mu.Unlock()
	for im.heldBytes > maxHeldRejects && !im.halted() {
		im.flush()
		if im.settle(); im.heldBytes > maxHeldRejects {
			im.changed.Wait()
		}
	}
	if im.halted() {
		return false
	}
	object, text := e.whole()
	im.hold(mark{im.next.seq, e.before}, e.origin, e.faults, object, text)
	im.next = mark{im.next.seq + 1, e.after}
	return true
}

// hold keeps a reject until all before it is settled: the file of rejects is in the order of the
// lines, and has nothing in it that the next run would find again. The caller holds the lock.
func (im *Import) hold(of mark, from origin, reasons []schemas.Violation, object, text []byte) {
	r := newReject(of, im.inputs[of.at.File].path, from.String(), reasons, object, text)
	im.held = append(im.held, r)
	im.heldBytes += len(r.json)
	im.counts.Rejected++
}

// settle finds up to where everything is settled, and writes the rejects before that. The caller
// holds the lock.
func (im *Import) settle() mark {
	low := im.next
	for _, p := range im.partitions {
		if b := p.oldest(); b != nil && b.first.seq < low.seq {
			low = b.first
		}
	}
	// Only what is settled counts for good. The next run sends the others again, and counts them
	// then.
	im.duplicates = slices.DeleteFunc(im.duplicates, func(seq int64) bool {
		if seq < low.seq {
			im.counts.Duplicates++
		}
		return seq < low.seq
	})
	// The reader and the partitions find rejects in an order of their own.
	slices.SortFunc(im.held, func(a, b reject) int { return cmp.Compare(a.seq, b.seq) })
	ready := 0
	for ; ready < len(im.held) && im.held[ready].seq < low.seq; ready++ {
		r := im.held[ready]
		im.heldBytes -= len(r.json)
		if im.options.Rejected != nil && !im.halted() {
			im.options.Rejected(im.inputs[r.at.File].path, r.at.Line, r.reasons)
		}
	}
	if err := im.rejects.write(im.held[:ready]); err != nil {
		im.halt(err)
	}
	im.held = slices.Delete(im.held, 0, ready)
	im.changed.Broadcast()
	return low
}

// checkpoint writes the rejects and the state, in this order: a kill between the two leaves rejects
// that the next run cuts off and finds again, and loses none. Where the rejects cannot be written
// the state keeps its position, and only says how much was accepted behind that.
func (im *Import) checkpoint() error {
	next, accepted, err := im.settled()
	if err == nil && next.RejectsBytes > im.written.RejectsBytes {
		// Without the lock, because the disk may be slow and nothing else need wait for it.
		if err = im.rejects.sync(); err != nil {
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

// settled writes the rejects that are settled, and returns the state after them, how many events
// have been accepted, and whether rejects could not be written.
func (im *Import) settled() (s state, accepted int64, err error) {
	im.mu.Lock()
	defer im.mu.Unlock()
	low := im.settle()
	s = state{
		Plan: im.plan, Position: low.at, RejectsBytes: im.rejects.size, RejectsFile: im.options.RejectsPath,
		Counts: im.progress().Counts,
		Done:   im.ended && im.readErr == nil && low.seq == im.next.seq && !im.halted(),
	}
	s.Counts.Events = low.seq
	s.Counts.Duplicates = im.counts.Duplicates
	s.Counts.Rejected = im.rejects.count
	s.Counts.Accepted = low.seq - s.Counts.Rejected
	return s, im.counts.Accepted, im.rejects.failed
}

// progress returns what has been done so far, by earlier runs too. The caller holds the lock.
func (im *Import) progress() Progress {
	p := Progress{Counts: im.counts, Read: im.reader.read.Load()}
	p.Events = im.next.seq
	p.Duplicates += int64(len(im.duplicates))
	p.Seconds += time.Since(im.started).Seconds()
	for _, in := range im.inputs {
		p.Size += in.size // -1 for standard input, which is imported alone
	}
	return p
}
