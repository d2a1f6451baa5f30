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

// CoalesceOptions set up [Coalesce]. The zero value is good.
type CoalesceOptions struct {
	// MaxInFlight is how many requests of one write key may be in flight at
	// once. Default 64; negative values are that too. Calls that find no room
	// wait.
	MaxInFlight int
	// Logger gets panics, with their stacks. Default: nothing is logged.
	Logger *slog.Logger
}

const (
	defaultMaxInFlight = 64
	// While fewer requests than this are in flight another leaves without
	// waiting for company: two, which keep a fast receiver busy while the
	// answer to one is on its way back, and one more for each millisecond that
	// requests take, since with a slow receiver waiting costs more than a
	// request.
	minEager, maxEager = 2, 16
	// minWindow and windowShare bound how long a call waits for company: a
	// millisecond, or the 20th part of what a request has been taking where
	// that is longer. With a slow receiver that is next to nothing, with a fast
	// one a request ends before.
	minWindow   = time.Millisecond
	windowShare = 20
	// A call of more is not shared.
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
// and a function that closes it. It has no goroutines until it is used.
//
// A lone call is sent at once. While two requests are in flight, calls
// gather; they leave together, as one request to the batch path, when one of
// the two ends, and after a millisecond (or the 20th part of what requests
// take, if that is longer) at the latest, so that a slow receiver does not hold
// calls up. Requests keep the limits of a batch. Each write key has requests of
// its own. A call of more than 100 messages or 64 KiB is not shared: it is sent
// as [tracking.Client.Send] would.
//
// Each call gets its own outcome. When the receiver refuses a request for what
// is in it (400, 413, 422, or a 2xx that says that it did not take all), its
// calls are sent again apart, half by half, until only the one that is to blame
// fails; the others are not counted twice, as each message keeps its messageId.
// Retries are those of the source's policy, for the request as a whole. The
// error of a call is a [*tracking.Error], unless the client's transport
// panicked.
//
// The report says what happened to the call: its messages, and as Requests and
// Attempts those of the requests that carried them, which other calls may count
// as well. Bytes are the call's own, its messages times attempts, without the
// envelope that it shared.
//
// A call whose context ends before its messages have left is taken out: they
// are unsent. When they have left, the call returns at once, its messages
// unconfirmed, and the request goes on for the others, if there are any.
//
// The close function refuses further calls, as [tracking.Closed], and waits
// for those that are there, which leave without waiting for company. When its
// context ends first, calls that have not left fail as unsent, requests in
// flight are canceled, and the error says how many messages were left. No
// goroutine outlives it, unless a transport ignores its request's context for 5
// seconds. Closing twice is harmless.
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

// Describe is that of [tracking.Source], with [Coalesced].
func (c *coalescer) Describe() (endpoint, region, way, fingerprint string) {
	endpoint, region, _, fingerprint = c.Source.Describe()
	return endpoint, region, Coalesced, fingerprint
}

// Send sends the messages of a call and returns when the receiver has accepted
// them, or they have been given up.
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

// join puts a call into its queue. It returns false where the source is closed.
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
// The last call to leave a request cancels it.
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
		err = errors.Join(err, errors.New("close source: the transport does not end its requests"))
	}
	return err
}

// abandon fails the calls that wait and cancels the requests in flight. The
// error says how many messages there were.
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
		p.settle(closedError("nothing was sent: the source was closed before it could be"))
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
