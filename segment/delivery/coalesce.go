package delivery

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// CoalesceOptions set up [Coalesce]. The zero value is good.
type CoalesceOptions struct {
	// MaxInFlight is how many shared requests of one write key may be under way at once. Default 64; negative values are that too. Calls
	// that find no room wait.
	MaxInFlight int
	// Logger is told of panics, with their stacks. Default: nothing is logged.
	Logger *slog.Logger
}

const (
	defaultMaxInFlight = 64
	// Where fewer requests than this are under way another leaves without waiting for company: two, which keep a fast receiver busy while the
	// answer to one is on its way back, and one more for each millisecond that requests take, since with a slow one waiting costs more than
	// a request.
	minEager, maxEager = 2, 16
	// minWindow and windowShare bound how long a call waits for company: a millisecond, or the 20th part of what a request has been
	// taking where that is longer. With a slow receiver that is next to nothing, with a fast one a request ends before.
	minWindow   = time.Millisecond
	windowShare = 20
	// A call of more goes by itself.
	maxSharedMessages = 100
	maxSharedBytes    = 64 << 10
	// grace is how long Close waits for requests that it has cancelled.
	grace = 5 * time.Second
)

// Coalescer is a source whose concurrent calls share requests. [Coalesce] makes it. It is a [tracking.Sender], safe for concurrent use.
//
// A call on its own is sent at once. While two requests are under way, calls gather; they leave together, as one request to the batch path, when one of
// the two ends, and after a millisecond (or the 20th part of what requests take, if that is longer) at the latest, so that a slow receiver does
// not hold calls up. Requests keep the limits of a batch. Each write key has requests of its own. A call of more than 100 messages or
// 64 KiB is not shared: it is sent as [tracking.Client.Send] would.
//
// Each call gets its own outcome. When the receiver refuses a request for what is in it (400, 413, 422, or a 2xx that says that it did not take
// all), its calls are sent again apart, half by half, until only the one that is to blame fails; the others are not counted twice, as each message keeps its
// messageId. Retries are those of the source's policy, for the request as a whole.
//
// The report says what happened to the call: its messages, and as Requests and Attempts those of the requests that carried them, which other
// calls may count as well. Bytes are the call's own, its messages times attempts, without the envelope that it shared.
//
// A call whose context ends before its messages have left is taken out: they are unsent. When they have left, the call returns at once, its messages
// unconfirmed, and the request goes on for the others, if there are any.
type Coalescer struct {
	source tracking.Source
	most   int
	logger *slog.Logger
	seed   maphash.Seed

	mu      sync.Mutex
	queues  map[queueKey]*queue
	batches map[*batch]struct{} // under way
	closed  bool
	drained chan struct{} // closed when closed and nothing is left
}

// queueKey tells apart what may share requests. Clients are told apart as each has a transport of its own.
type queueKey struct {
	client *tracking.Client
	key    tracking.WriteKey
}

// Coalesce returns a source whose concurrent calls share requests to source. It has no goroutines until it is used. Close it when no more
// calls come.
func Coalesce(source tracking.Source, options CoalesceOptions) *Coalescer {
	if options.MaxInFlight <= 0 {
		options.MaxInFlight = defaultMaxInFlight
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	return &Coalescer{
		source: source, most: options.MaxInFlight, logger: options.Logger, seed: maphash.MakeSeed(),
		queues: map[queueKey]*queue{}, batches: map[*batch]struct{}{}, drained: make(chan struct{}),
	}
}

// Target returns the source.
func (c *Coalescer) Target() tracking.Source { return c.source }

// Validate reports what is wrong with the source's settings, as [tracking.Source.Validate].
func (c *Coalescer) Validate() error { return c.source.Validate() }

// Secrets lists what must be kept out of texts, as [tracking.Source.Secrets].
func (c *Coalescer) Secrets() []string { return c.source.Secrets() }

// Send sends the messages of a call and returns when the receiver has accepted them, or they have been given up. The error is a
// [*tracking.Error], or a [*PanicError] when the client's transport panicked. After Close its code is [tracking.Closed].
func (c *Coalescer) Send(ctx context.Context, client *tracking.Client, call tracking.Call) (tracking.Report, error) {
	call.Alone = false
	prepared, err := client.Prepare(ctx, c.source, call)
	report := prepared.Report()
	report.Delivery = Coalesced
	if err != nil {
		return report, err
	}
	if ctx.Err() != nil {
		return report, interrupted(ctx, report)
	}
	e := c.newEntry(ctx, prepared.Messages)
	lone, err := c.join(client, prepared.Source, e)
	if err != nil {
		return report, err
	}
	if lone != nil {
		c.send(lone) // in this goroutine: nobody shares it
	}
	select {
	case <-e.done:
	case <-ctx.Done():
		if c.leave(e) {
			return e.abandoned(ctx, report)
		}
	}
	return e.report(report)
}

// interrupted is the error of a call whose context has ended.
func interrupted(ctx context.Context, report tracking.Report) *tracking.Error {
	return canceled(report, ctx.Err())
}

// canceled is the error of a call that was ended.
func canceled(report tracking.Report, err error) *tracking.Error {
	cause := &retry.Error{Code: retry.Canceled, Endpoint: report.Endpoint, Attempts: report.Attempts, Err: err}
	if errors.Is(err, context.DeadlineExceeded) {
		cause.Code = retry.DeadlineExceeded
	}
	return &tracking.Error{Code: cause.Code, Err: cause, Total: len(report.Messages)}
}

// join puts a call into its queue. Where it is to leave at once by itself, join returns the batch, for the caller to send.
func (c *Coalescer) join(client *tracking.Client, source tracking.Source, e *entry) (*batch, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, &tracking.Error{Code: tracking.Closed, Err: errors.New("nothing was sent: the source has been closed"), Total: len(e.messages)}
	}
	key := queueKey{client, source.WriteKey}
	q := c.queues[key]
	if q == nil {
		q = newQueue(c, key, source)
		c.queues[key] = q
	}
	e.queue = q
	if q.free(e) && (e.large || q.underWay < q.eager()) {
		b := &batch{queue: q, entries: []*entry{e}, counted: !e.large}
		q.depart(b)
		return b, nil
	}
	q.wait(e)
	return nil, nil
}

// leave takes a call out whose context has ended. It returns false where the outcome is there already.
func (c *Coalescer) leave(e *entry) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e.state {
	case settled:
		return false
	case waiting:
		e.queue.remove(e)
		e.queue.settle(e)
		c.check()
	case underWay:
		e.sent = true
		if e.batch.waiting--; e.batch.waiting == 0 {
			e.batch.cancel()
		}
	}
	return true
}

// start sends batches, each in a goroutine of its own. The caller holds the lock.
func (c *Coalescer) start(batches []*batch) {
	for _, b := range batches {
		go c.send(b)
	}
}

// send brings a batch home, settles its calls and lets the next ones leave.
func (c *Coalescer) send(b *batch) {
	defer caught(c.logger, c.source, func(*PanicError) {})
	began := time.Now()
	smooth := c.tryShip(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	q := b.queue
	if smooth && b.counted {
		q.observe(time.Since(began))
	}
	q.arrive(b)
	c.start(q.advance())
	q.retire()
	c.check()
}

// tryShip is ship, and survives a panic, such as one in a client's transport: it fails the calls
// that have no outcome by then.
func (c *Coalescer) tryShip(b *batch) (smooth bool) {
	defer caught(c.logger, b.queue.source, func(err *PanicError) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, e := range b.entries {
			if e.state != settled {
				e.fail(err)
			}
		}
	})
	return c.ship(b, b.entries)
}

// check closes drained when nothing is left of what came before Close. The caller holds the lock.
func (c *Coalescer) check() {
	if !c.closed || len(c.batches) > 0 {
		return
	}
	for _, q := range c.queues {
		if len(q.waiting) > 0 {
			return
		}
	}
	select {
	case <-c.drained:
	default:
		close(c.drained)
	}
}

// Close refuses further calls and waits for those that are there, which leave without waiting for company. When ctx ends first, calls that
// have not left fail as unsent, requests under way are cancelled, and the error says how many messages were left. No goroutine outlives
// it, unless a transport ignores its request's context for 5 seconds. Closing twice is harmless.
func (c *Coalescer) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	for _, q := range c.queues {
		q.due = true
		c.start(q.advance())
	}
	c.check()
	c.mu.Unlock()
	select {
	case <-c.drained:
		return nil
	case <-ctx.Done():
	}
	unsent, cancelled := c.abandon()
	if unsent+cancelled == 0 {
		return nil
	}
	err := fmt.Errorf("close source: %d messages were not sent and %d more may not have been accepted: %w", unsent, cancelled, ctx.Err())
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-c.drained:
	case <-timer.C:
		err = fmt.Errorf("%w; the transport does not end their requests", err)
	}
	return err
}

// abandon fails what waits and cancels what is under way, and counts the messages of both.
func (c *Coalescer) abandon() (unsent, cancelled int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range c.queues {
		for _, e := range q.waiting {
			unsent += len(e.messages)
			e.err = &tracking.Error{Code: tracking.Closed, Err: errors.New("nothing was sent: the source was closed before it could be")}
			q.unhold(e)
			q.settle(e)
		}
		q.waiting, q.large = nil, 0
	}
	for b := range c.batches {
		for _, e := range b.entries {
			if e.state != settled {
				cancelled += len(e.messages)
			}
		}
		b.cancel()
	}
	c.check()
	return unsent, cancelled
}
