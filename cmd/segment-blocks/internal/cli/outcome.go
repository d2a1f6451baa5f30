package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/delivery"
)

// outcome is what became of the messages that a run has stored.
type outcome struct {
	accepted, waiting int
	dead              []delivery.StoredMessage
	others            int // messages stored before, that this run has made dead letters of
}

// drain gives a durable source time to send what is stored, and says what is left. The
// interrupt that ends ctx ends it. The error says that messages of this run, which began at the
// time, were refused.
func (p *Program) drain(
	ctx context.Context, t *target, r *runtime.Receipt, began time.Time, most time.Duration,
) (*outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	d := t.deliveries
	lastError := d.lastError(ctx)
	var f *outcome
	var reading error
	left, err := d.close(ctx, func() {
		f, reading = outcomeOf(d.stores[d.paths[t.source]], t.source, r.MessageIDs, began)
	})
	t.deliveries = nil
	if lastError != "" {
		p.Warn("%s", lastError)
	}
	if f != nil && f.others > 0 {
		p.Warn("%s in this run; segment-blocks queue list says why", messages(f.others,
			"that was stored before became a dead letter", "that were stored before became dead letters"))
	}
	p.sayLeft(left)
	switch {
	case err != nil:
		return nil, console.Failed("%w", err)
	case reading != nil:
		return nil, console.Failed("%w", reading)
	}
	return f, f.refusal()
}

// outcomeOf looks for messages in a store that sends nothing any more. What is neither waiting
// nor dead has been accepted.
func outcomeOf(store *delivery.Store, source string, ids []string, began time.Time) (*outcome, error) {
	f := &outcome{}
	open := map[string]bool{}
	for _, id := range ids {
		open[id] = true
	}
	for l, err := range store.Dead(source) {
		switch {
		case err != nil:
			return nil, err
		case l.DiedAt.Before(began.Truncate(time.Millisecond)): // of an earlier run, maybe of the same invocation
		case open[l.MessageID]:
			delete(open, l.MessageID)
			f.dead = append(f.dead, l)
		default:
			f.others++
		}
	}
	for l, err := range store.Waiting(source) {
		if err != nil {
			return nil, err
		}
		if open[l.MessageID] {
			delete(open, l.MessageID)
			f.waiting++
		}
	}
	f.accepted = len(open)
	return f, nil
}

// refusal is the error for messages that became dead letters, nil where none did.
func (f *outcome) refusal() error {
	if len(f.dead) == 0 {
		return nil
	}
	const most = 3
	exit, code := console.ExitRejected, runtime.Rejected
	if f.accepted > 0 {
		exit, code = console.ExitPartial, runtime.PartialFailure
	}
	total := len(f.dead) + f.accepted + f.waiting
	text := fmt.Sprintf("the receiver refused %d of %s, kept as a dead letter (segment-blocks queue list)",
		len(f.dead), console.Count(total, "message"))
	for i, l := range f.dead {
		if i == most {
			text += fmt.Sprintf("; and %d more", len(f.dead)-most)
			break
		}
		text += fmt.Sprintf("; %s: %s", l.MessageID, l.Reason)
	}
	return console.Fail(exit, string(code), text, nil)
}
