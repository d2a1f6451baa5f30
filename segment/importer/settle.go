package importer

import (
	"errors"
	"fmt"
	"time"

	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

func (im *Import) halted() bool { return im.halting.Err() != nil }

// event returns a pending event by its number in all files. The caller holds the lock.
func (im *Import) event(seq int64) *pending {
	return &im.pending[int64(len(im.pending))-im.counts.Events+seq]
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

// soFar returns the counts of all runs. The caller holds the lock.
func (im *Import) soFar() Counts {
	c := im.counts
	c.Seconds += time.Since(im.started).Seconds()
	return c
}

// warn passes on the first warning of a kind. The position is the zero value for one that is not
// about an event. The caller holds the lock.
func (im *Import) warn(about position, w schemas.Violation) {
	if im.warned[w.Code] || im.options.Warned == nil {
		return
	}
	im.warned[w.Code] = true
	file := ""
	if about.Line > 0 {
		file = im.inputs[about.File].path
	}
	im.options.Warned(file, about.Line, w)
}
