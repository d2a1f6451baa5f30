package tracking

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/go-resty/resty/v2"

	"github.com/aacflow/segment-blocks/rawjson"
)

const libraryName = "segment-blocks"

// Client delivers messages. One serves any number of sources and goroutines; no goroutine of its own outlives a call.
type Client struct {
	http        *resty.Client
	userAgent   []string
	library     json.RawMessage
	bareContext json.RawMessage
	now         func() time.Time
	oneByOne    bool
	targets     targets
	buffers     buffers
	compressor  compressor
	pauses      pauses
}

// Option sets up a [Client].
type Option func(*options)

type options struct {
	version string
	now     func() time.Time

	oneByOne bool
}

// WithVersion sets the version that the User-Agent header and context.library carry. Default "dev".
func WithVersion(version string) Option { return func(o *options) { o.version = version } }

// WithOneByOne sends the requests of a batch one after the other, in the order of their first messages, whatever
// [Source.InFlight] says. The requests are the same. It is for previews, which should not differ from run to run.
func WithOneByOne() Option { return func(o *options) { o.oneByOne = true } }

// NewClient makes a Client that sends through http; nil stands for a resty client with its defaults that follows no redirect.
//
// http stays the caller's: its transport, proxies, TLS settings, request hooks and time limits apply, and nothing in it is changed.
// Its retries do not apply, as this package has its own rules, nor its response hooks, nor its debug log, which would
// show the write key. It should not follow redirects (resty.NoRedirectPolicy): net/http turns a redirected POST into an empty GET.
// That is recognised and reported as a failure, but the receiver sees the GET. Credentials set on it replace the source's.
// Set http up before: later changes to its settings may not take effect here.
func NewClient(http *resty.Client, opts ...Option) *Client {
	o := options{version: "dev", now: time.Now}
	for _, opt := range opts {
		opt(&o)
	}
	if http == nil {
		http = resty.New().SetRedirectPolicy(resty.NoRedirectPolicy())
	}
	// The clone shares the transport and all else by reference, so only the retries differ. resty would count them on top
	// of ours and post the body's remains the second time.
	http = http.Clone().SetRetryCount(0)
	version := headerSafe(o.version)
	library := rawjson.Object{
		{Name: "name", Value: rawjson.Quote(libraryName)},
		{Name: "version", Value: rawjson.Quote(version)},
	}.JSON()
	return &Client{
		http:        http,
		userAgent:   []string{libraryName + "/" + version},
		library:     library,
		bareContext: rawjson.Object{{Name: "library", Value: library}}.JSON(),
		now:         o.now,
		oneByOne:    o.oneByOne,
	}
}

// headerSafe keeps what may stand in a User-Agent product version.
func headerSafe(version string) string {
	version = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, version)
	if version == "" {
		return "dev"
	}
	return version
}

// SendOptions go with one message.
type SendOptions struct {
	// InvocationID names this call for good (run, node, iteration, …). The messageId is derived from it, so that calling
	// again with the same id does not double the event. Empty: the messageId is random.
	InvocationID string
	// Time is when it happened, for a message without a timestamp. Zero: now.
	Time time.Time
}

// BatchOptions go with a batch.
type BatchOptions struct {
	// InvocationID and Time are as in [SendOptions]. The messageIds are derived from the id and each message's type and place.
	InvocationID string
	Time         time.Time
	// Context and Integrations are objects laid under each message's own: members of objects are joined at every depth,
	// and where both have a value the message's stands. Segment only says that it merges them; doing it here makes the
	// outcome plain and the limits exact. Empty or null for none.
	Context, Integrations json.RawMessage
}

// Send delivers one message to the path of its type, and returns when it has been accepted or given up.
//
// The report is whole with an error too, which then is an [*Error]. Send retries as the source's [RetryPolicy] says, and
// waits with every other call to the same source while that is rate limited. Calling again with the same
// InvocationID, or with a messageId in the message, is safe.
func (c *Client) Send(ctx context.Context, source Source, m Message, opts SendOptions) (Report, error) {
	d, report, err := c.planOne(ctx, source, m, opts)
	if err != nil {
		return report, err
	}
	return d.run(ctx)
}

// SendBatch delivers messages to the batch path, in as many requests as the limits take. It returns when all are
// accepted, or one request has been given up and those under way are done.
//
// All messages are checked first; when one is no good nothing is sent and the error lists the
// problems. Messages that share a userId, anonymousId or previousId, directly or through other
// messages of the batch, are sent in their order; others may go at the same time, [Source.InFlight]
// requests at once. When a request fails for good, no new one is begun: the report says of each
// message what became of it. Calling again with the same InvocationID and messages is safe.
func (c *Client) SendBatch(ctx context.Context, source Source, messages []Message, opts BatchOptions) (Report, error) {
	d, report, err := c.planBatch(ctx, source, messages, opts)
	if err != nil {
		return report, err
	}
	defer d.ready.release(c) // each body is a copy
	return d.run(ctx)
}

func (c *Client) planOne(ctx context.Context, source Source, m Message, opts SendOptions) (*delivery, Report, error) {
	t, err := c.target(source)
	if err != nil {
		return nil, unsent(1), err
	}
	p := c.preparer(t, opts.InvocationID, opts.Time)
	p.opening = aloneOpening
	ready, err := p.prepare(ctx, []Message{m})
	if err != nil {
		return nil, ready.report, err
	}
	return c.deliverOne(t, ready, m.typ.Path()), ready.report, nil
}

func (c *Client) planBatch(
	ctx context.Context, source Source, messages []Message, opts BatchOptions,
) (*delivery, Report, error) {
	t, err := c.target(source)
	if err != nil {
		return nil, unsent(len(messages)), err
	}
	ready, err := c.prepareBatch(ctx, t, messages, opts, c.buffers.lend)
	if err != nil {
		return nil, ready.report, err
	}
	return c.deliver(t, ready, BatchPath, ready.lanes(t.InFlight)), ready.report, nil
}

// prepareBatch writes the messages into buffers that lend returns.
func (c *Client) prepareBatch(
	ctx context.Context, t *target, messages []Message, opts BatchOptions, lend func(size int) []byte,
) (*prepared, error) {
	p := c.preparer(t, opts.InvocationID, opts.Time)
	p.lend = lend
	p.defaults(opts.Context, opts.Integrations)
	return p.prepare(ctx, messages)
}

func unsent(n int) Report {
	r := Report{Messages: make([]Outcome, n)}
	for i := range r.Messages {
		r.Messages[i] = Outcome{Index: i, Status: Unsent, Request: -1}
	}
	return r
}
