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

// gather puts a message into the last batch of a partition, or a new one. It waits while enough is
// queued, so that a slow receiver slows the reading down. The caller holds the lock.
func (im *Import) gather(p *partition, seq int64, message []byte) {
	var b *batch
	if n := len(p.queue); n > 0 {
		b = p.queue[n-1]
	}
	if b == nil || len(b.items) == im.most || len(b.body)+len(message)+(len(b.items)+1)*addedBytes > maxBatchBytes {
		for len(p.queue) >= maxQueued && !im.halted() {
			im.changed.Wait()
		}
		// Most batches become full, so growing costs more than unused room.
		b = &batch{body: append(make([]byte, 0, maxBatchBytes), inputBegins...)}
		p.queue = append(p.queue, b)
		im.changed.Broadcast()
	}
	begin := len(b.body)
	b.body = append(append(b.body, message...), ',')
	b.items = append(b.items, item{seq, begin, len(b.body) - 1})
}

// work sends the batches of a partition until there are no more, or the import is halted.
func (im *Import) work(ctx context.Context, p *partition) {
	for b := im.nextBatch(p); b != nil; b = im.nextBatch(p) {
		if err := im.send(ctx, b, b.items); err != nil {
			im.halt(err)
			return
		}
	}
}

// nextBatch waits for the next batch of a partition. It returns nil after the last one, or when the
// import is halted.
func (im *Import) nextBatch(p *partition) *batch {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.settle() // the previous batch is done
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

// send invokes the block until all items are accepted or rejected. A refused event does not keep
// others from being sent. The error is a *[DeliveryError], or says why the import is halted.
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
			// An error lists only so many violations. Smaller pieces list them all, with fewer
			// invocations than sending the rest over and over.
			pieces += failed.UnlistedViolations / 50
		case refusal == nil:
			return im.deliveryError(items, err, false)
		case len(items) > 1:
			// Pieces are sent in order, and pieces of those, until the events to blame are found.
			// With eight, more is settled early than with two, in case the import is stopped.
			pieces = 8
		case im.refused.Add(1) >= maxRefusedInRow:
			return im.deliveryError(items, err, true)
		default: // sent alone
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

// deliveryError names the first and last line of a failed invocation.
func (im *Import) deliveryError(items []item, err error, source bool) *DeliveryError {
	im.mu.Lock()
	defer im.mu.Unlock()
	first, last := im.event(items[0].seq).at, im.event(items[len(items)-1].seq).at
	return &DeliveryError{im.inputs[first.File].path, first.Line, last.Line, source, err}
}

// record counts an invocation, and passes on its warnings.
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
			continue // meet warns of those, with lines
		}
		var about position
		if i, path, ok := indexIn(w.Path); ok && i < len(items) {
			about, w.Path = im.event(items[i].seq).at, path
		}
		im.warn(about, w)
	}
}

// reasonsOf groups violations by item. It returns none if one is about no item: then the fault lies
// elsewhere, and rejecting items does not help. If not all violations are listed, the last item may
// have more of them, and is left for the next invocation.
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

// drop rejects the items that there are reasons against, and returns the others.
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
		if im.event(it.seq).derived { // the corrected message has other contents, and another id
			message = rawjson.OpenObject(message).Without("messageId").JSON()
		}
		im.reject(it.seq, against, message, nil)
	}
	return kept
}
