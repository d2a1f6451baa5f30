package tracking

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/aacflow/segment-blocks/internal/isotime"
)

// delivery is a call under way: its lanes run side by side, the requests of a lane one after the other.
type delivery struct {
	client *Client
	target *target
	ready  *prepared
	path   string
	lanes  [][]*parcel

	mu      sync.Mutex    // guards what follows, and ready.report
	failure *Error        // the first for good
	panic   any           // of a lane's goroutine
	failed  chan struct{} // nil where there is one request only

	// The room for a message that goes alone: most calls are that.
	alone      parcel
	aloneLane  [1]*parcel
	aloneLanes [1][]*parcel
}

// parcel is one request of a delivery.
type parcel struct {
	number   int
	messages chunk
}

func (c *Client) deliver(t *target, ready *prepared, path string, lanes []lane) *delivery {
	d := &delivery{client: c, target: t, ready: ready, path: path, failed: make(chan struct{})}
	var all []*parcel
	for _, l := range lanes {
		parcels := make([]*parcel, len(l))
		for i, messages := range l {
			parcels[i] = &parcel{messages: messages}
		}
		d.lanes = append(d.lanes, parcels)
		all = append(all, parcels...)
	}
	slices.SortFunc(all, func(a, b *parcel) int { return cmp.Compare(a.messages[0], b.messages[0]) })
	for n, p := range all {
		p.number = n
	}
	if c.oneByOne {
		d.lanes = [][]*parcel{all}
	}
	return d
}

// deliverOne is deliver for a message that goes alone.
func (c *Client) deliverOne(t *target, ready *prepared, path string) *delivery {
	d := &delivery{client: c, target: t, ready: ready, path: path}
	d.alone.messages = chunk{0}
	d.aloneLane[0] = &d.alone
	d.lanes = d.aloneLanes[:]
	d.aloneLanes[0] = d.aloneLane[:]
	return d
}

func (d *delivery) run(ctx context.Context) (Report, error) {
	var lanes sync.WaitGroup
	for _, l := range d.lanes[1:] {
		lanes.Go(func() {
			defer d.catch()
			d.runLane(ctx, l)
		})
	}
	func() {
		defer lanes.Wait()         // also when this lane panics
		d.runLane(ctx, d.lanes[0]) // a lone message starts no goroutine
	}()
	if d.panic != nil {
		panic(d.panic)
	}
	report := d.ready.report
	if d.failure == nil {
		return report, nil
	}
	d.failure.Accepted, d.failure.Unconfirmed, d.failure.Total = report.Accepted, report.unconfirmed(), len(report.Messages)
	if report.Attempts == 0 && d.failure.ending == "" {
		d.failure.ending = "nothing was sent"
	}
	return report, d.failure
}

// catch keeps the panic of a lane, such as one in the caller's transport, for the goroutine of the caller, who may recover it.
func (d *delivery) catch() {
	if p := recover(); p != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.panic = &panicError{p, debug.Stack()}
	}
}

// panicError is a panic in another goroutine than the caller's, which it is brought to.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return fmt.Sprint(p.value) }

// Stack returns where it happened.
func (p *panicError) Stack() []byte { return p.stack }

func (d *delivery) runLane(ctx context.Context, l []*parcel) {
	for _, p := range l {
		select {
		case <-d.failed:
			return
		default:
		}
		s := &shipment{
			client: d.client, target: d.target, path: d.path, failed: d.failed,
			body: d.body(p.messages), messages: len(p.messages),
		}
		status, err := s.deliver(ctx)
		d.record(p, s, status, err)
		if s.written {
			d.client.buffers.giveBack(s.body)
		}
		if status != Accepted {
			return
		}
	}
}

func (d *delivery) record(p *parcel, s *shipment, status Status, err *Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := &d.ready.report
	if s.attempts > 0 {
		r.Requests++
	}
	r.Attempts += s.attempts
	r.Bytes += s.attempts * len(s.body)
	for _, i := range p.messages {
		r.Messages[i].Status = status
		if s.attempts > 0 {
			r.Messages[i].Request = p.number
		}
	}
	if status == Accepted {
		r.Accepted += len(p.messages)
	}
	if err != nil && d.failure == nil {
		d.failure = err
		if d.failed != nil {
			close(d.failed)
		}
	}
}

// body writes what is posted, with room for sentAt. Bodies are made when their turn comes, so that a large batch is
// not in memory twice. A message that goes alone has been written as a body.
func (d *delivery) body(messages chunk) []byte {
	if d.path != BatchPath {
		return d.ready.messages[0].item
	}
	size := batchBytes + len(messages)
	for _, i := range messages {
		size += len(d.ready.messages[i].item)
	}
	buf := d.client.buffers.lend(size)
	buf = append(buf, sentAtMember...)
	buf = append(buf, batchOpen...)
	for n, i := range messages {
		if n > 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, d.ready.messages[i].item...)
	}
	return append(buf, batchClose...)
}

// stamp writes the time of an attempt into a body.
func stamp(body []byte, now time.Time) {
	isotime.Append(body[sentAtOffset:sentAtOffset:sentAtOffset+isotime.Size], now)
}

// next returns the body for another attempt. The transport may still be reading the one before, so that is not touched.
func (s *shipment) next() []byte {
	if s.attempts > 0 {
		s.body = bytes.Clone(s.body)
	}
	stamp(s.body, s.client.now())
	return s.body
}
