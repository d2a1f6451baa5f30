package importer

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
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
	maxQueued      = 2 // batches of a partition, beside the one in flight
	// maxRefusedInRow is how many events the receiver may refuse in a row, each sent alone, before
	// it seems to refuse the source.
	maxRefusedInRow = 100
)

// partition sends the events of some people, in order: it has one invocation in flight at a time,
// because two at once may overtake each other, also by a retry. The import's lock guards the queue,
// of which the last batch is being filled.
type partition struct{ queue []*batch }

// batch is the events of one invocation.
type batch struct {
	items []item
	body  []byte // the input of segment_batch, without its end
}

// item is one event of a batch: its number, and where its message stands in the body.
type item struct {
	seq        int64
	begin, end int
}

const (
	inputBegins = `{"batch":[`
	inputEnds   = `]}`
)

// input is that of segment_batch for some of the items, or all.
func (b *batch) input(items []item) runtime.JSON {
	body := b.body
	if len(items) < len(b.items) {
		body = []byte(inputBegins)
		for _, it := range items {
			body = append(append(body, b.body[it.begin:it.end]...), ',')
		}
	}
	return append(body[:len(body)-1], inputEnds...)
}

// gather puts a message into the batch that is being filled, and waits where enough is queued, so
// that a slow receiver slows the reading down. The caller holds the lock.
func (im *Import) gather(p *partition, seq int64, message []byte) {
	var b *batch
	if n := len(p.queue); n > 0 {
		b = p.queue[n-1]
	}
	if b == nil || len(b.items) == im.most || len(b.body)+len(message)+(len(b.items)+1)*addedBytes > maxBatchBytes {
		for len(p.queue) >= maxQueued && !im.halted() {
			im.changed.Wait()
		}
		// Most batches become full, and growing to that would cost more than the room.
		b = &batch{body: append(make([]byte, 0, maxBatchBytes), inputBegins...)}
		p.queue = append(p.queue, b)
		im.changed.Broadcast()
	}
	begin := len(b.body)
	b.body = append(append(b.body, message...), ',')
	b.items = append(b.items, item{seq, begin, len(b.body) - 1})
}

// work sends the batches of a partition until there will be no more, or the import is halted.
func (im *Import) work(ctx context.Context, p *partition) {
	for b := im.nextBatch(p); b != nil; b = im.nextBatch(p) {
		if err := im.send(ctx, b, b.items); err != nil {
			im.halt(err)
			return
		}
	}
}

// nextBatch waits for the batch that a partition is to send next, and returns nil when there will
// be no more.
func (im *Import) nextBatch(p *partition) *batch {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.settle() // what was in the batch before
	for since := im.hurried; ; im.changed.Wait() {
		switch n := len(p.queue); {
		case im.halted() || n == 0 && im.ended:
			return nil
		case n > 1 || n == 1 && (im.ended || im.hurried > since):
			b := p.queue[0]
			p.queue = slices.Delete(p.queue, 0, 1)
			im.changed.Broadcast()
			return b
		}
	}
}

// send invokes the block until all items of a batch are accepted or rejected. A refused event keeps
// no other from being sent. The error is a *[DeliveryError], or why the import is halted.
//
//nolint:contextcheck // ctx outlives halting
func (im *Import) send(ctx context.Context, b *batch, items []item) error {
	if im.limiter.WaitN(im.halting, len(items)) != nil {
		return context.Cause(im.halting)
	}
	for len(items) > 0 {
		receipt, err := im.options.Invoke(ctx, b.input(items))
		im.record(items, receipt, err == nil)
		if err == nil {
			return nil
		}
		failed, pieces := runtime.ErrorOf(err), 1
		bad := reasonsOf(failed, len(items))
		switch refusal := tracking.Refusal(err); {
		case len(bad) > 0:
			// Where not all that is wrong is listed it is found sooner in smaller pieces, of which
			// each lists all, than by asking over and over.
			pieces += failed.UnlistedViolations / 50
		case refusal == nil:
			return im.deliveryError(items, err, false)
		case len(items) > 1:
			// Its pieces are sent, in order, and pieces of those, until the events to blame are
			// found. They have the messageIds that they had. Eight find the first one sooner than
			// two, so that a stop in between finds something settled.
			pieces = 8
		case im.refused.Add(1) >= maxRefusedInRow:
			return im.deliveryError(items, err, true)
		default: // it was sent alone, so the refusal is about it
			bad[0] = fault(string(refusal.Code), "was refused by the receiver: %s", refusal)
		}
		if items = im.drop(b, items, bad); pieces > 1 {
			for piece := range slices.Chunk(items, 1+len(items)/pieces) {
				if err := im.send(ctx, b, piece); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return nil
}

// deliveryError names the lines that an invocation was about, among which the cause may be.
func (im *Import) deliveryError(items []item, err error, source bool) *DeliveryError {
	im.mu.Lock()
	defer im.mu.Unlock()
	first, last := im.event(items[0].seq).at, im.event(items[len(items)-1].seq).at
	return &DeliveryError{im.inputs[first.File].path, first.Line, last.Line, source, err}
}

// record counts an invocation, and tells the first warning of each kind.
func (im *Import) record(items []item, r *runtime.Receipt, accepted bool) {
	im.mu.Lock()
	defer im.mu.Unlock()
	if accepted {
		im.refused.Store(0)
		im.counts.Accepted += int64(len(items))
		for _, it := range items {
			im.event(it.seq).done = true
		}
	}
	if r == nil {
		return
	}
	im.counts.Requests += int64(r.Requests)
	im.counts.Attempts += int64(r.Attempts)
	im.counts.Bytes += r.Bytes
	for _, w := range r.Warnings {
		if w.Code == tracking.WarnDuplicateID {
			continue // meet tells of those, with lines
		}
		var about position
		if i, path, ok := indexIn(w.Path); ok && i < len(items) {
			about, w.Path = im.event(items[i].seq).at, path
		}
		im.warn(about, w)
	}
}

// warn tells of the first warning of a kind. The position is the zero value for one that is about
// no event. The caller holds the lock.
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

// drop makes rejects of the items that reasons speak against, and returns the others.
func (im *Import) drop(b *batch, items []item, reasons map[int][]schemas.Violation) []item {
	im.mu.Lock()
	defer im.mu.Unlock()
	kept := make([]item, 0, len(items)-len(reasons))
	for i, it := range items {
		against, ok := reasons[i]
		if !ok {
			kept = append(kept, it)
			continue
		}
		message := b.body[it.begin:it.end]
		if im.event(it.seq).derived { // once it is mended it is another message, with an id of its own
			message = rawjson.OpenObject(message).Without("messageId").JSON()
		}
		im.reject(it.seq, against, message, nil)
	}
	return kept
}
