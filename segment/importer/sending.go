package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

const (
	// maxBatchBytes makes most invocations one request, with room for what is added to a message: a
	// timestamp, a library and a comma.
	maxBatchBytes  = tracking.MaxBodyBytes - 5000
	addedBytes     = 130
	maxBatchEvents = tracking.MaxBatchMessages
	maxReady       = 2 // batches of a partition that wait
	// fewEvents is how many events the first batches of a partition have.
	fewEvents = 50
	// maxRefusedInRow is how many events the receiver may refuse in a row, each sent alone, before
	// it seems to refuse the source.
	maxRefusedInRow = 100
	rememberedIDs   = 100_000
)

// errHalted ends an invocation's work when something else has failed, which is what counts.
var errHalted = errors.New("halted")

// partition sends the events of some people, in order. The import's lock guards its fields.
type partition struct {
	building *batch   // is being filled; nil for none
	ready    []*batch // in order; the first may be in flight
	// most is how many events a batch may have. It begins small and grows while none is refused,
	// because to tell what is wrong with a message takes longer with more messages around it.
	most int
	last int // how many events the last full batch had
}

// batch is the events of one invocation.
type batch struct {
	first mark // the first event that is not settled; the import's lock guards it
	items []item
	bytes int
}

// item is one event of a batch.
type item struct {
	mark
	message
	idHash    uint64 // of a messageId that the event brings, 0 for none
	duplicate bool   // an earlier event has that id too
}

// flush makes ready what has been gathered, however little. The caller holds the lock.
func (p *partition) flush() {
	if p.building != nil {
		p.ready = append(p.ready, p.building)
		p.building = nil
	}
}

// oldest returns the batch with the oldest event that is not settled, nil for none. The caller
// holds the lock.
func (p *partition) oldest() *batch {
	if len(p.ready) > 0 {
		return p.ready[0]
	}
	return p.building
}

// add puts an event into the batch of its person's partition, and waits where enough is ready. It
// returns false when the import is halted.
func (im *Import) add(e *event) bool {
	im.mu.Lock()
	defer im.mu.Unlock()
	// The same person is always in the same partition, which sends one batch at a time: this keeps
	// the order of the person's events.
	p := im.partitions[maphash.String(im.seed, e.person)%uint64(len(im.partitions))]
	size := len(e.json) + addedBytes
	if b := p.building; b != nil && (len(b.items) >= p.most || b.bytes+size > maxBatchBytes) {
		for len(p.ready) >= maxReady && !im.halted() {
			im.changed.Wait()
		}
		p.last = len(b.items)
		p.flush()
		im.changed.Broadcast()
	}
	if im.halted() {
		return false
	}
	it := item{mark: mark{im.next.seq, e.before}, message: e.message}
	it.json = bytes.Clone(e.json)
	im.meet(&it)
	if p.building == nil {
		p.building = &batch{first: it.mark, items: make([]item, 0, p.last)}
	}
	p.building.items = append(p.building.items, it)
	p.building.bytes += size
	im.next = mark{im.next.seq + 1, e.after}
	return true
}

// flushIdle makes ready what the partitions without anything in flight have gathered: input may
// come slowly.
func (im *Import) flushIdle() {
	im.mu.Lock()
	defer im.mu.Unlock()
	for _, p := range im.partitions {
		if len(p.ready) == 0 {
			p.flush()
			im.changed.Broadcast()
		}
	}
}

// work sends the batches of a partition until there will be no more, or the import is halted. A
// batch stays in the partition until all of it is settled.
func (im *Import) work(ctx context.Context, p *partition) {
	for {
		im.mu.Lock()
		for len(p.ready) == 0 && !im.ended && !im.halted() {
			im.changed.Wait()
		}
		var b *batch
		if len(p.ready) > 0 && !im.halted() {
			b = p.ready[0]
		}
		im.mu.Unlock()
		if b == nil {
			return
		}
		rejected, err := im.send(ctx, b, b.items)
		if err != nil {
			im.halt(err)
			return
		}
		im.mu.Lock()
		// More than one in fifty refused makes smaller batches, and none makes larger ones.
		switch {
		case rejected == 0:
			p.most = min(2*p.most, im.most)
		case rejected*50 > len(b.items):
			p.most = max(p.most/4, min(fewEvents, im.most))
		}
		p.ready = slices.Delete(p.ready, 0, 1)
		im.changed.Broadcast()
		im.mu.Unlock()
	}
}

// send invokes the block until all items of a batch are accepted or rejected, and returns how many
// are rejected. A refused event keeps no other from being sent. The error is a *[DeliveryError], or
// errHalted.
func (im *Import) send(ctx context.Context, b *batch, items []item) (rejected int, err error) {
	im.mu.Lock()
	b.first = items[0].mark // all before is settled, and a stop loses none of it
	im.mu.Unlock()
	if im.limiter.WaitN(im.halting, len(items)) != nil { //nolint:contextcheck // ctx outlives halting
		return 0, errHalted
	}
	for len(items) > 0 {
		receipt, err := im.options.Invoke(ctx, bodyOf(items))
		im.record(items, receipt, err == nil)
		if err == nil {
			break
		}
		bad := reasonsOf(runtime.ErrorOf(err), len(items))
		if len(bad) == 0 {
			refusal := tracking.Refusal(err)
			switch {
			case refusal == nil:
				return rejected, im.deliveryError(items, err, false)
			case len(items) > 1: // its halves, in order, and so on until the events to blame are found
				half := len(items) / 2
				n, err := im.send(ctx, b, items[:half])
				rejected += n
				if err == nil {
					n, err = im.send(ctx, b, items[half:]) // what is sent again has the same messageIds
					rejected += n
				}
				return rejected, err
			case im.refusedOneMore():
				return rejected, im.deliveryError(items, err, true)
			}
			text := "was refused by the receiver: " + refusal.Error()
			// It was sent alone, so the refusal is about it.
			bad[0] = []schemas.Violation{{Code: string(refusal.Code), Message: text}}
		}
		items = im.reject(items, bad)
		rejected += len(bad)
	}
	return rejected, nil
}

// bodyOf writes the input of segment_batch. The messages have been checked, so they are copied.
func bodyOf(items []item) runtime.JSON {
	size := len(`{"batch":[]}`)
	for _, it := range items {
		size += len(it.json) + 1
	}
	body := append(make([]byte, 0, size), `{"batch":[`...)
	for _, it := range items {
		body = append(append(body, it.json...), ',')
	}
	return append(bytes.TrimSuffix(body, []byte(",")), `]}`...)
}

// refusedOneMore counts the events that were refused since one was accepted, and tells whether
// there are too many.
func (im *Import) refusedOneMore() bool {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.inRow++
	return im.inRow >= maxRefusedInRow
}

// deliveryError names the lines that an invocation was about, among which the cause may be.
func (im *Import) deliveryError(items []item, err error, source bool) *DeliveryError {
	first, last := items[0].at, items[len(items)-1].at
	return &DeliveryError{im.inputs[first.File].path, first.Line, last.Line, source, err}
}

// record counts an invocation, and tells the first warning of each kind.
func (im *Import) record(items []item, r *runtime.Receipt, accepted bool) {
	im.mu.Lock()
	defer im.mu.Unlock()
	if accepted {
		im.inRow = 0
		im.counts.Accepted += int64(len(items))
		for _, it := range items {
			if it.duplicate {
				im.duplicates = append(im.duplicates, it.seq)
			}
		}
	}
	if r == nil {
		return
	}
	im.counts.Requests += int64(r.Requests)
	im.counts.Attempts += int64(r.Attempts)
	im.counts.Bytes += r.Bytes
	for _, w := range r.Warnings {
		if im.warned[w.Code] || w.Code == tracking.WarnDuplicateID { // meet tells of those, with lines
			continue
		}
		if i, path, ok := indexIn(w.Path); ok && i < len(items) {
			w.Path = path
			im.warn(im.inputs[items[i].at.File].path, items[i].at.Line, w)
		} else {
			im.warn("", 0, w)
		}
	}
}

// warn tells of a warning, and keeps others of its kind from being told. The caller holds the lock.
func (im *Import) warn(file string, line int64, w schemas.Violation) {
	im.warned[w.Code] = true
	if im.options.Warned != nil {
		im.options.Warned(file, line, w)
	}
}

// reasonsOf sorts violations by the item that they are about. It returns none where one is about no
// item: the fault then lies elsewhere, and rejecting items would not mend it. Where not all
// violations are listed, the last item may have more of them, and is left for the next invocation.
func reasonsOf(refused *runtime.Error, items int) map[int][]schemas.Violation {
	out := map[int][]schemas.Violation{}
	last := 0
	for _, v := range refused.Violations {
		i, path, ok := indexIn(v.Path)
		if !ok || i >= items {
			return map[int][]schemas.Violation{}
		}
		v.Path = path
		out[i] = append(out[i], v)
		last = i
	}
	if refused.UnlistedViolations > 0 && len(out) > 1 {
		delete(out, last)
	}
	return out
}

// indexIn takes the index of an item off a path such as /batch/12/event.
func indexIn(path string) (index int, rest string, ok bool) {
	path, ok = strings.CutPrefix(path, "/batch/")
	number, rest, more := strings.Cut(path, "/")
	if more {
		rest = "/" + rest
	}
	index, err := strconv.Atoi(number)
	return index, rest, ok && err == nil && index >= 0
}

// reject keeps the items that reasons speak against as rejects, and returns the others.
func (im *Import) reject(items []item, reasons map[int][]schemas.Violation) []item {
	im.mu.Lock()
	defer im.mu.Unlock()
	kept := make([]item, 0, len(items)-len(reasons))
	for i, it := range items {
		if against, ok := reasons[i]; ok {
			if before, _ := im.ids.Peek(it.idHash); before == it.at { // it gives its id to nobody
				im.ids.Remove(it.idHash)
			}
			im.hold(it.mark, it.origin, against, it.given(), nil)
		} else {
			kept = append(kept, it)
		}
	}
	return kept
}

// meet tells of the first messageId that an earlier event has too. The caller holds the lock.
func (im *Import) meet(it *item) {
	if it.id == "" {
		return
	}
	it.idHash = maphash.String(im.seed, it.id)
	before, ok, _ := im.ids.PeekOrAdd(it.idHash, it.at)
	it.duplicate = ok
	if !ok || im.warned[tracking.WarnDuplicateID] {
		return
	}
	where := fmt.Sprintf("line %d", before.Line)
	if before.File != it.at.File {
		where += " of " + im.inputs[before.File].path
	}
	im.warn(im.inputs[it.at.File].path, it.at.Line, schemas.Violation{
		Path: "/messageId", Code: tracking.WarnDuplicateID,
		Message: "is that of " + where + " too, and the receiver keeps one of them",
	})
}
