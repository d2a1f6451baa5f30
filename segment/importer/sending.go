package importer

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// maxRefusedInRow is how many events the receiver may refuse one after the other, each sent by itself, before it seems to refuse the source.
const maxRefusedInRow = 100

// errHalted ends what is under way when something else has gone wrong, which is what counts.
var errHalted = errors.New("halted")

// send invokes the block until all of a batch is accepted or rejected, and returns how many were rejected. What is refused keeps nothing
// else from being sent. The error is a *[DeliveryError], but for errHalted.
func (e *engine) send(ctx, waiting context.Context, b *batch) (refused int, err error) {
	all := len(b.items)
	for len(b.items) > 0 {
		receipt, err := e.options.Invoke(ctx, append(b.body, batchClose...))
		e.record(b, receipt, err == nil)
		if err == nil {
			break
		}
		if bad := reasonsOf(runtime.ErrorOf(err), len(b.items)); len(bad) > 0 {
			e.refuse(b, bad)
			continue
		}
		failure, ok := refusal(err)
		if !ok {
			return 0, e.deliveryError(b, err, false)
		}
		if len(b.items) > 1 {
			within, err := e.narrow(ctx, waiting, b)
			return all - len(b.items) + within, err
		}
		if e.oneMoreRefused() {
			return 0, e.deliveryError(b, err, true)
		}
		reason := Reason{Code: string(failure.Code), Message: "was refused by the receiver: " + failure.Error()}
		e.refuse(b, map[int][]Reason{0: {reason}})
	}
	return all - len(b.items), nil
}

// narrow sends the halves of a batch that the receiver refuses, in order, and so on, until the
// events are found that are to blame. What is before the half being sent is settled, so that a stop
// in between loses none of it. What was accepted and comes again has the same messageId.
func (e *engine) narrow(ctx, waiting context.Context, b *batch) (refused int, err error) {
	half := len(b.items) / 2
	for _, part := range []*batch{b.part(0, half), b.part(half, len(b.items))} {
		if !e.reach(part) {
			return refused, errHalted
		}
		if e.limiter != nil && e.limiter.WaitN(waiting, len(part.items)) != nil {
			return refused, errHalted
		}
		n, err := e.send(ctx, waiting, part)
		refused += n
		if err != nil {
			return refused, err
		}
	}
	return refused, nil
}

// reach notes that all before a part of a batch is settled. It returns false when the import has
// been halted.
func (e *engine) reach(part *batch) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	*part.first = part.items[0].mark
	return !e.halted
}

// part returns a batch of some of the items.
func (b *batch) part(from, to int) *batch {
	start, end := b.items[from].start, b.items[to-1].end
	p := &batch{first: b.first, since: b.since, body: append([]byte(batchOpen), b.body[start:end]...)}
	for _, it := range b.items[from:to] {
		it.start += len(batchOpen) - start
		it.end += len(batchOpen) - start
		p.items = append(p.items, it)
	}
	return p
}

// refusal returns the error of a receiver that finds fault with what is in the request, and would
// again: by a status, or in the body of a 2xx.
func refusal(err error) (*tracking.Error, bool) {
	var e *tracking.Error
	if !errors.As(err, &e) || e.Code != runtime.Rejected && e.Code != runtime.TooLarge {
		return nil, false
	}
	status := runtime.ErrorOf(err).Status
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return e, true
	}
	return e, status >= 200 && status < 300
}

// oneMoreRefused counts the events that were refused since one was accepted, and tells whether there are too many.
func (e *engine) oneMoreRefused() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.inRow++
	return e.inRow >= maxRefusedInRow
}

func (e *engine) deliveryError(b *batch, err error, source bool) *DeliveryError {
	first, last := b.items[0], b.items[len(b.items)-1]
	return &DeliveryError{File: e.options.Inputs[first.at.File].Path, First: first.at.Line, Last: last.at.Line, Source: source, Err: err}
}

func (e *engine) record(b *batch, r *runtime.Receipt, accepted bool) {
	if r == nil {
		return
	}
	e.warn(b, r.Warnings)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.counts.Requests += int64(r.Requests)
	e.counts.Attempts += int64(r.Attempts)
	e.counts.Bytes += r.Bytes
	if accepted {
		e.counts.Accepted += int64(len(b.items))
		e.inRow = 0
	}
}

// reasonsOf sorts violations by the message that they are about. It returns nothing where one is
// about none: the fault then lies elsewhere, and rejecting the messages would not mend it. Where
// not all are listed, the last message may have more of them, and is left for the next invocation.
func reasonsOf(refused *runtime.Error, messages int) map[int][]Reason {
	out := map[int][]Reason{}
	last := 0
	for _, v := range refused.Violations {
		i, path, ok := placeOf(v.Path)
		if !ok || i >= messages {
			return nil
		}
		out[i] = append(out[i], Reason{path, v.Code, v.Message})
		last = i
	}
	if refused.UnlistedViolations > 0 && len(out) > 1 {
		delete(out, last)
	}
	return out
}

// placeOf takes the number of a message off a path such as /batch/12/event.
func placeOf(path string) (index int, rest string, ok bool) {
	path, ok = strings.CutPrefix(path, "/batch/")
	if !ok {
		return 0, "", false
	}
	number, rest, more := strings.Cut(path, "/")
	if more {
		rest = "/" + rest
	}
	index, err := strconv.Atoi(number)
	return index, rest, err == nil && index >= 0
}

// refuse takes the refused messages out of a batch.
func (e *engine) refuse(b *batch, refused map[int][]Reason) {
	e.mu.Lock()
	defer e.mu.Unlock()
	body, items := []byte(batchOpen), make([]item, 0, len(b.items)-len(refused))
	for i, it := range b.items {
		if reasons, bad := refused[i]; bad {
			e.twins.forget(it)
			object := append([]byte{'{'}, b.body[it.start+1+it.skip:it.end]...)
			e.hold(it.mark, it.origin, reasons, object, nil)
			continue
		}
		if len(items) > 0 {
			body = append(body, ',')
		}
		start := len(body)
		body = append(body, b.body[it.start:it.end]...)
		it.start, it.end = start, len(body)
		items = append(items, it)
	}
	b.body, b.items = body, items
}

// warn tells of the first warning of each kind.
func (e *engine) warn(b *batch, list []runtime.Warning) {
	if e.options.Warned == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range list {
		if e.warned[w.Code] || w.Code == tracking.WarnDuplicateID { // which meet has told, with numbers of lines
			continue
		}
		e.warned[w.Code] = true
		i, path, ok := placeOf(w.Path)
		if ok && i < len(b.items) {
			w.Path = path
			e.options.Warned(e.options.Inputs[b.items[i].at.File].Path, b.items[i].at.Line, w)
			continue
		}
		e.options.Warned("", 0, w)
	}
}
