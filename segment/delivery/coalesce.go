package delivery

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"github.com/aacflow/segment-blocks/segment/tracking"
)

// CoalesceOptions are the options of [Coalesce]. The zero value has the
// defaults.
type CoalesceOptions struct {
	// MaxInFlight is how many requests of one write key may be in flight at
	// once; further calls wait. Default: 64, also for negative values.
	MaxInFlight int
	// Logger gets panics, with their stacks. Default: nothing is logged.
	Logger *slog.Logger
}

const (
	defaultMaxInFlight = 64
	// While fewer requests than this are in flight, a call leaves without
	// waiting for others. Two requests keep a fast receiver busy while the
	// answer to one is on its way back. One more is allowed for each
	// millisecond that requests take, because waiting for a slow receiver costs
	// more than a request.
	minEager, maxEager = 2, 16
	// A call waits for others for a millisecond at most, or for the 20th part
	// of what requests take if that is longer: little beside a slow request,
	// and a fast one ends before that.
	minWindow   = time.Millisecond
	windowShare = 20
	// Larger calls are not shared.
	maxSharedMessages = 100
	maxSharedBytes    = 64 << 10
	// envelope is more than a body has around its messages.
	envelope = 64
	// closeGrace is how long the close function waits for requests that it has
	// canceled.
	closeGrace = 5 * time.Second
)

// coalescer is a source whose concurrent calls share requests.
type coalescer struct {
	tracking.Source
	most   int
	logger *slog.Logger
	seed   maphash.Seed

	mu     sync.Mutex
	queues map[queueKey]*queue
	calls  map[*pendingCall]struct{} // without an outcome
	closed bool
	busy   sync.WaitGroup // calls without an outcome, and requests
}

// queueKey tells apart what may share requests. Each client has a transport of
// its own.
type queueKey struct {
	client *tracking.Client
	key    tracking.WriteKey
}

// Coalesce returns a source whose concurrent calls share requests to source,
// and a function that closes it. It starts no goroutines until it is used.
//
// A lone call is sent at once. While two requests are in flight, further calls
// wait. They leave together, as one request to the batch path, when one of the
// two ends, or after a millisecond (or the 20th part of what requests take, if
// that is longer), so that a slow receiver does not hold them up. Requests keep
// the limits of a batch. Each write key has its own requests. A call of more
// than 100 messages or 64 KiB is not shared: it is sent as by
// [tracking.Client.Send].
//
// Each call gets its own outcome. If the receiver refuses the contents of a
// request (400, 413, 422, or a 2xx that says that it did not take all), each
// half of its calls is sent again by itself, and halves of these, until only
// the call that is to blame fails. Messages keep their messageIds, so none
// counts twice. A request is retried by the policy of the source. The error of
// a call is a [*tracking.Error], unless the transport of the client panicked.
//
// The report tells what happened to the messages of the call. Requests and
// Attempts count the requests that carried them, which other calls may count,
// too. Bytes are the bytes of the messages times attempts, without the rest of
// the shared bodies.
//
// If the context of a call ends before its messages have left, they are unsent.
// If it ends later, the call returns at once, its messages are unconfirmed, and
// the request continues for the other calls, if there are any.
//
// The close function refuses further calls with [tracking.Closed], and waits
// for those in progress, which leave at once. If its context ends first, calls
// that have not left fail as unsent, requests in flight are canceled, and the
// error says how many messages were left. No goroutine outlives it, unless a
// transport ignores the context of its request for 5 seconds. Closing twice is
// harmless.
func Coalesce(
	source tracking.Source, options CoalesceOptions,
) (sender tracking.Sender, closeSource func(context.Context) error) {
	if options.MaxInFlight <= 0 {
		options.MaxInFlight = defaultMaxInFlight
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	c := &coalescer{
		Source: source, most: options.MaxInFlight, logger: options.Logger, seed: maphash.MakeSeed(),
		queues: map[queueKey]*queue{}, calls: map[*pendingCall]struct{}{},
	}
	return c, c.close
}

// Describe returns what [tracking.Source.Describe] does, with [Coalesced].
func (c *coalescer) Describe() (endpoint, region, way, fingerprint string) {
	endpoint, region, _, fingerprint = c.Source.Describe()
	return endpoint, region, Coalesced, fingerprint
}

// Send sends the messages of a call and returns when they have been accepted or
// have failed: see [Coalesce].
func (c *coalescer) Send(
	ctx context.Context, client *tracking.Client, call tracking.Call,
) (tracking.Report, error) {
	call.Alone = false
	batch, err := client.Prepare(ctx, c.Source, call)
	report := batch.Report()
	report.Delivery = Coalesced
	if err != nil {
		return report, err
	}
	p := c.newCall(ctx, batch.Messages, report)
	if c.join(queueKey{client, batch.Source.WriteKey}, batch.Source, p) {
		select {
		case <-p.done:
		case <-ctx.Done():
			c.leave(p)
		}
	}
	return p.outcome()
}

// join puts a call into its queue. It returns false if the source is closed.
func (c *coalescer) join(key queueKey, source tracking.Source, p *pendingCall) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		p.err = closedError("nothing was sent: the source has been closed")
		return false
	}
	q := c.queues[key]
	if q == nil {
		q = &queue{owner: c, key: key, source: source, people: counts{}, inFlightPeople: counts{}}
		c.queues[key] = q
	}
	p.queue = q
	c.calls[p] = struct{}{}
	c.busy.Add(1)
	q.add(p)
	return true
}

// leave gives a call whose context has ended its outcome, unless it has one.
func (c *coalescer) leave(p *pendingCall) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.request == nil {
		p.queue.remove(p)
		p.settle(canceled(p.report.Endpoint, 0, p.ctx.Err()))
		return
	}
	p.fail(canceled(p.report.Endpoint, 1, p.ctx.Err()))
}

// close is the function that [Coalesce] returns.
func (c *coalescer) close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	for _, q := range c.queues {
		q.advance()
	}
	c.mu.Unlock()
	drained := make(chan struct{})
	go func() {
		c.busy.Wait()
		close(drained)
	}()
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
	}
	err := c.abandon(ctx.Err())
	select {
	case <-drained:
	case <-time.After(closeGrace):
		err = errors.Join(err, errors.New("close source: the transport does not end its canceled requests"))
	}
	return err
}

// abandon fails the waiting calls and cancels the requests in flight. The error
// says how many messages they have.
func (c *coalescer) abandon(cause error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	unsent, canceled := 0, 0
	for p := range c.calls {
		if p.request != nil {
			canceled += len(p.messages)
			p.request.cancel()
			continue
		}
		unsent += len(p.messages)
		p.queue.remove(p)
		p.settle(closedError("nothing was sent: the source was closed first"))
	}
	if unsent+canceled == 0 {
		return nil
	}
	return fmt.Errorf("close source: %d messages were not sent and %d more may not have been accepted: %w",
		unsent, canceled, cause)
}

func closedError(text string) *tracking.Error {
	return &tracking.Error{Code: tracking.Closed, Err: errors.New(text)}
}
