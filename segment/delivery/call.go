package delivery

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"

	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// pendingCall is a call on its way. The lock of the [coalescer] guards all of
// it until done is closed; then it has its outcome, and does not change any
// more.
type pendingCall struct {
	ctx      context.Context //nolint:containedctx // of the call
	messages []tracking.Prepared
	people   []uint64 // the ids in its messages, hashed, each once
	bytes    int      // in a body, commas included
	large    bool     // not shared

	queue   *queue
	request *request // nil until it leaves
	done    chan struct{}
	settled bool

	endpoint                  string
	outcomes                  []tracking.Outcome // of its messages
	requests, attempts, wrote int
	err                       error
}

func (c *coalescer) newCall(ctx context.Context, messages []tracking.Prepared, endpoint string) *pendingCall {
	p := &pendingCall{ctx: ctx, messages: messages, endpoint: endpoint, done: make(chan struct{})}
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

// settle gives the call its outcome. The last call of a request that settles
// ends it, also where messages of calls that have left are still to be sent.
// The caller holds the lock.
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

// fail settles a call that has left and whose outcome is not known. The caller
// holds the lock.
func (p *pendingCall) fail(err error) {
	if p.settled {
		return
	}
	p.requests, p.attempts, p.wrote = max(1, p.requests), max(1, p.attempts), max(p.bytes, p.wrote)
	p.outcomes = slices.Repeat([]tracking.Outcome{{Status: tracking.Unconfirmed}}, len(p.messages))
	p.settle(err)
}

// report completes the report of a call that has its outcome, and makes the
// error its own.
func (p *pendingCall) report(report tracking.Report) (tracking.Report, error) {
	report.Requests, report.Attempts, report.Bytes = p.requests, p.attempts, p.wrote
	unconfirmed := 0
	for i, o := range p.outcomes {
		m := &report.Messages[i]
		m.Status = o.Status
		switch {
		case o.Request < 0:
		case p.large:
			m.Request = o.Request
		default:
			m.Request = p.requests - 1 // the last of those that carried it
		}
		switch o.Status {
		case tracking.Accepted:
			report.Accepted++
		case tracking.Unconfirmed:
			unconfirmed++
		}
	}
	var failed *tracking.Error
	if errors.As(p.err, &failed) {
		own := *failed // the others have it too
		if own.Code == retry.Canceled && p.ctx.Err() == nil {
			own.Err = canceled(report.Endpoint, report.Attempts, errors.New("the source was closed before it ended")).Err
		}
		own.Accepted, own.Unconfirmed, own.Total = report.Accepted, unconfirmed, len(report.Messages)
		return report, &own
	}
	return report, p.err
}
