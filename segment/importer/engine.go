package importer

import (
	"context"
	"errors"
	"io"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

const tick = 250 * time.Millisecond

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
	im.halting, im.halt = context.WithCancelCause(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, func() { im.halt(ctx.Err()) })()
	defer context.AfterFunc(im.halting, im.hurry)() //nolint:contextcheck // it is ctx's, and outlives it

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

// hurry has idle partitions send what they have gathered, however little, and those who wait see
// that the import is halted, if it is.
func (im *Import) hurry() {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.hurried++
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

// readAll gives every event to its partition.
func (im *Import) readAll(ctx context.Context) {
	defer im.reader.close()
	for {
		e, err := im.reader.next(ctx)
		if err != nil {
			im.end(err)
			return
		}
		if !im.add(&e) {
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
	im.ended, im.next = true, im.reader.at
	im.changed.Broadcast()
}
