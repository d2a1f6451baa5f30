package delivery

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"

	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// pendingCall is a call in progress. The lock of the [coalescer] guards it
// until done is closed. Then it has its outcome and no longer changes.
type pendingCall struct {
	ctx      context.Context //nolint:containedctx // of the call
	messages []tracking.Prepared
	people   []uint64 // hashes of the ids in its messages, each once
	bytes    int      // in a body, with commas
	large    bool     // too large to be shared

	queue   *queue
	request *request // nil until it leaves
	done    chan struct{}
	settled bool

	report tracking.Report
	err    error
}

func (c *coalescer) newCall(ctx context.Context, messages []tracking.Prepared, report tracking.Report) *pendingCall {
	p := &pendingCall{ctx: ctx, messages: messages, report: report, done: make(chan struct{})}
	for _, m := range messages {
		p.bytes += len(m.JSON()) + 1
		for _, id := range m.UserIDs() {
			p.people = append(p.people, maphash.Bytes(c.seed, id))
		}
	}
	slices.Sort(p.people)
	p.people = slices.Compact(p.people)
	p.large = len(messages) > maxSharedMessages || p.bytes > maxSharedBytes
	return p
}

// settle gives the call its outcome, unless it has one. When the last call of a
// request has its outcome, the request is canceled, because nobody waits for
// it. The caller holds the lock.
func (p *pendingCall) settle(err error) {
	if p.settled {
		return
	}
	p.settled, p.err = true, err
	close(p.done)
	delete(p.queue.owner.calls, p)
	p.queue.owner.busy.Done()
	if p.request != nil {
		if p.request.waiting--; p.request.waiting == 0 {
			p.request.cancel()
		}
	}
}

// record notes what a request did with the messages of the call. The caller
// holds the lock.
func (p *pendingCall) record(outcomes []tracking.Outcome, request tracking.Report, shared bool) {
	p.report.Requests += request.Requests
	p.report.Attempts += request.Attempts
	if shared {
		request.Bytes = p.bytes * request.Attempts
	}
	p.report.Bytes += request.Bytes
	for i, o := range outcomes {
		m := &p.report.Messages[i]
		m.Status = o.Status
		switch {
		case o.Request < 0:
		case p.large:
			m.Request = o.Request
		default:
			m.Request = p.report.Requests - 1 // the last one that carried it
		}
	}
}

// fail settles a call that is in flight and whose outcome is not known. The
// caller holds the lock.
func (p *pendingCall) fail(err error) {
	if p.settled {
		return
	}
	r := &p.report
	r.Requests, r.Attempts, r.Bytes = max(1, r.Requests), max(1, r.Attempts), max(p.bytes, r.Bytes)
	for i := range r.Messages {
		r.Messages[i].Status = tracking.Unconfirmed
	}
	p.settle(err)
}

// outcome returns the report of a settled call, and a copy of its error with
// the counts of the call: other calls may have the same error.
func (p *pendingCall) outcome() (tracking.Report, error) {
	p.report.Accepted = p.report.Count(tracking.Accepted)
	failed, ok := errors.AsType[*tracking.Error](p.err)
	if !ok {
		return p.report, p.err
	}
	own := *failed
	if own.Code == retry.Canceled && p.ctx.Err() == nil {
		closed := errors.New("the source was closed before it ended")
		own.Err = canceled(p.report.Endpoint, p.report.Attempts, closed).Err
	}
	own.Accepted, own.Unconfirmed = p.report.Accepted, p.report.Count(tracking.Unconfirmed)
	own.Total = len(p.messages)
	return p.report, &own
}
