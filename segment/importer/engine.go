package importer

import (
	"context"
	"errors"
	"hash/maphash"
	"io"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// engine joins one reader to the lanes.
type engine struct {
	options Options
	reader  *reader
	limiter *rate.Limiter // nil for no limit
	most    int           // events of an invocation
	rejects *rejects      // belongs to run's goroutine
	wake    chan struct{} // asks run to write rejects
	base    Counts        // of earlier runs
	started time.Time
	written State // what the file of the state says

	mu      sync.Mutex
	changed sync.Cond
	lanes   []*lane
	next    mark // what is read next
	held    []reject
	heldLen int
	ended   bool // there is nothing more to read
	halted  bool // nothing new is to be sent
	failure error
	spare   []*batch // to be used again
	counts  Counts   // of this run: accepted, requests, attempts, bytes
	refused int64    // rejects found in this run
	warned  map[string]bool
	inRow   int // events that the receiver refused since it accepted one
	twins   twins
}

// mark is a place in the files, and how many events are before it.
type mark struct {
	seq int64
	at  Position
}

func (e *engine) run(ctx context.Context) (_ Counts, err error) {
	e.started = time.Now()
	size := int64(0)
	if e.options.State != nil {
		size = e.options.State.RejectsBytes
	}
	if err := e.begin(size); err != nil {
		return e.progress().Counts, err
	}
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	waiting, stopWaiting := context.WithCancel(sending)
	defer stopWaiting()
	stop := context.AfterFunc(ctx, func() { e.halt(ctx.Err()) })
	defer stop()

	read := make(chan struct{})
	go func() {
		defer close(read)
		e.guard(e.readAll)
	}()
	sent := make(chan struct{})
	var workers sync.WaitGroup
	for _, l := range e.lanes {
		workers.Go(func() { e.guard(func() { e.work(sending, waiting, l) }) })
	}
	go func() {
		workers.Wait()
		close(sent)
	}()
	if err := e.watch(sent); err != nil {
		e.halt(err)
	}
	stopWaiting()
	grace := time.AfterFunc(e.options.Grace, cancel)
	defer grace.Stop()
	<-sent
	e.await(read)
	return e.finish()
}

// guard runs f. A panic of it ends the import like any other failure.
func (e *engine) guard(f func()) {
	defer func() {
		if p := recover(); p != nil {
			e.halt(&PanicError{p, debug.Stack()})
		}
	}()
	f()
}

// begin opens the file of rejects, so that one which cannot be written is known before anything is sent, and writes the first state, so that
// rejects never stand without one.
func (e *engine) begin(rejectsBytes int64) error {
	var err error
	if e.rejects, err = openRejects(e.options.RejectsPath, rejectsBytes); err != nil {
		return err
	}
	if e.options.State != nil {
		e.written = *e.options.State
	}
	if e.options.StatePath != "" && e.options.State == nil {
		e.written = State{Plan: e.options.Plan, Position: e.next.at, RejectsFile: e.options.RejectsPath}
		if err = e.written.write(e.options.StatePath); err != nil {
			return errors.Join(err, e.rejects.close())
		}
	}
	return nil
}

// await waits for the reader to end. One that waits for standard input cannot be stopped: it ends with the process.
func (e *engine) await(read <-chan struct{}) {
	select {
	case <-read:
	case <-time.After(time.Second):
	}
}

// watch keeps the state current until everything is sent, or nothing more is to be.
func (e *engine) watch(sent <-chan struct{}) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-sent:
			return nil
		case <-e.wake:
			if _, _, err := e.settle(); err != nil {
				return err
			}
			continue
		case <-ticker.C:
		}
		if e.isHalted() {
			return nil
		}
		e.flushIdle()
		if time.Since(last) >= checkpointEvery {
			last = time.Now()
			if err := e.checkpoint(); err != nil {
				return err
			}
		}
		if e.options.Progress != nil {
			e.options.Progress(e.progress())
		}
	}
}

// finish writes down where everything stands.
func (e *engine) finish() (Counts, error) {
	err := e.checkpoint()
	if err != nil && e.rejects.failed != nil { // what was accepted behind the last state comes again, and is to be counted so
		e.written.Ahead = max(0, e.acceptedNow()-(e.written.Counts.Accepted-e.base.Accepted))
		if e.options.StatePath != "" {
			_ = e.written.write(e.options.StatePath) // the last one holds as well
		}
	}
	err = errors.Join(err, e.rejects.close())
	e.mu.Lock()
	failure := e.failure
	e.refused = e.rejects.count // what was found ahead of the rest is found again
	e.mu.Unlock()
	p := e.progress()
	if e.options.Progress != nil {
		e.options.Progress(p)
	}
	switch {
	case failure != nil && (err == nil || errors.Is(failure, e.rejects.failed)): // which is said once
		return p.Counts, failure
	case failure != nil:
		return p.Counts, errors.Join(failure, err)
	case err == nil && e.options.StatePath != "":
		e.written.Done, e.written.Ahead = true, 0
		err = e.written.write(e.options.StatePath)
	}
	return p.Counts, err
}

// halt makes everything come to an end, because of err. The first one counts.
func (e *engine) halt(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failure == nil {
		e.failure = err
	}
	e.halted = true
	e.changed.Broadcast()
}

func (e *engine) isHalted() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.halted
}

// readAll gives every event to its lane.
func (e *engine) readAll() {
	seed := maphash.MakeSeed()
	defer func() { _ = e.reader.close() }()
	for {
		ev, err := e.reader.next()
		switch {
		case errors.Is(err, io.EOF):
			e.end(nil)
			return
		case err != nil:
			e.end(err)
			return
		case ev.faults != nil:
			object, text := ev.whole()
			if !e.reject(ev, object, text) {
				return
			}
		case !e.add(e.lanes[maphash.Bytes(seed, ev.message.person)%uint64(len(e.lanes))], &ev):
			return
		}
	}
}

// end makes the import come to its end when all that has been read is sent, because the files are through or cannot be read any further.
func (e *engine) end(err error) {
	var input *InputError
	if errors.As(err, &input) {
		e.halt(err)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failure == nil {
		e.failure = err
	}
	e.ended, e.next.at = true, e.reader.at
	for _, l := range e.lanes {
		l.flush()
	}
	e.changed.Broadcast()
}

// reject keeps a line that is no message. It returns false when the import has been halted.
func (e *engine) reject(ev event, object, text []byte) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for !e.halted && e.heldLen > maxHeldRejects {
		for _, l := range e.lanes {
			l.flush()
		}
		e.ask()
		e.changed.Broadcast()
		e.changed.Wait()
	}
	if e.halted {
		return false
	}
	e.hold(mark{e.next.seq, ev.before}, ev.origin, ev.faults, object, text)
	e.next = mark{e.next.seq + 1, ev.after}
	return true
}

// hold keeps a reject until it is its turn to be written. The caller holds the lock.
func (e *engine) hold(of mark, origin string, reasons []Reason, object, text []byte) {
	name, line := e.options.Inputs[of.at.File].Path, of.at.Line
	r := newReject(of.seq, name, line, origin, reasons, object, text)
	e.held = append(e.held, r)
	e.heldLen += len(r.json)
	e.refused++
	if e.heldLen > wakeHeldRejects && len(e.held)%256 == 0 {
		e.ask()
	}
	if e.options.Refused != nil {
		e.options.Refused(name, line, reasons)
	}
}

func (e *engine) ask() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// low returns the place before which everything is settled. The caller holds the lock.
func (e *engine) low() mark {
	low := e.next
	for _, l := range e.lanes {
		if first, ok := l.oldest(); ok && first.seq < low.seq {
			low = first
		}
	}
	return low
}

// settle writes the rejects before the low mark. It returns the mark, and how many repeated
// messageIds are before it.
func (e *engine) settle() (_ mark, repeats int64, _ error) {
	e.mu.Lock()
	low := e.low()
	e.twins.settle(low.seq)
	var ready, kept []reject
	for _, r := range e.held {
		if r.seq < low.seq {
			ready = append(ready, r)
			e.heldLen -= len(r.json)
		} else {
			kept = append(kept, r)
		}
	}
	e.held, repeats = kept, e.twins.settled
	e.changed.Broadcast()
	e.mu.Unlock()
	return low, repeats, e.rejects.write(ready)
}

// checkpoint writes down how far everything is settled.
func (e *engine) checkpoint() error {
	low, repeats, err := e.settle()
	if err != nil {
		return err
	}
	if e.options.StatePath == "" {
		return nil
	}
	if err := e.rejects.sync(); err != nil {
		return err
	}
	s := State{
		Plan: e.options.Plan, Position: low.at, RejectsBytes: e.rejects.size, RejectsFile: e.options.RejectsPath, Counts: e.progress().Counts,
	}
	s.Counts.Events = low.seq
	s.Counts.Duplicates = e.base.Duplicates + repeats
	s.Counts.Rejected = e.base.Rejected + e.rejects.count
	s.Counts.Accepted = low.seq - s.Counts.Rejected
	s.Cut = e.isCut()
	s.Ahead = max(0, e.acceptedNow()-(s.Counts.Accepted-e.base.Accepted))
	e.written = s
	return s.write(e.options.StatePath)
}

// isCut tells whether a packed file ended too early.
func (e *engine) isCut() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	var cut *CutError
	return errors.As(e.failure, &cut)
}

func (e *engine) acceptedNow() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.counts.Accepted
}

// progress returns what has been done so far, over all runs.
func (e *engine) progress() Progress {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := Progress{Counts: e.base, Read: e.reader.read.Load()}
	p.Events = e.next.seq
	p.Accepted += e.counts.Accepted
	p.Rejected += e.refused
	p.Duplicates += e.twins.settled + int64(len(e.twins.seqs))
	p.Requests += e.counts.Requests
	p.Attempts += e.counts.Attempts
	p.Bytes += e.counts.Bytes
	p.Seconds += time.Since(e.started).Seconds()
	for _, in := range e.options.Inputs {
		if in.Size < 0 || p.Size < 0 {
			p.Size = -1
			continue
		}
		p.Size += in.Size
	}
	return p
}
