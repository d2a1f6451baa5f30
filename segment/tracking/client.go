// Package tracking speaks Segment's Tracking API. It checks messages, writes them as they go over
// the wire, splits batches, sends and retries them, and reports what became of each.
//
//	event := []byte(`{"userId": "u-42", "event": "Order Completed"}`)
//	fields, err := rawjson.ParseObject(event, rawjson.Limits{})
//	client := tracking.NewClient(nil)
//	source := tracking.Source{WriteKey: key, Region: tracking.EU}
//	report, err := source.Send(ctx, client, tracking.Call{
//		Messages:     []tracking.Message{tracking.NewMessage(tracking.Track, fields)},
//		InvocationID: "run-7/node-3",
//	})
//	// report.Messages[0].Status is tracking.Accepted
//
// [Source.Send] is [Client.Prepare], which checks and writes, and [Client.Send]. What has been
// prepared can be kept in between, and sent with messages of other calls, as package delivery does.
//
// Segment answers 200 to almost anything and later drops what it does not like, without a word. So
// everything that is known to be dropped is refused here before a byte is sent, all problems of all
// messages at once, under the codes that Segment itself uses where it has one. A 2xx confirms
// receipt, not delivery to a destination, hence the word "accepted".
//
// Every message gets its messageId before the first attempt and keeps it in every retry. Segment
// drops a messageId that it has seen in the last 24 hours, so calling again with the same
// invocation id does not double an event.
package tracking

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/go-resty/resty/v2"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime/retry"
)

const libraryName = "segment-blocks"

// Client prepares and sends messages. One serves any number of sources and goroutines; no goroutine
// of its own outlives a call.
type Client struct {
	retry       *retry.Client
	header      http.Header     // of every request
	library     json.RawMessage // context.library
	bareContext json.RawMessage // a context with nothing else in it
	version     string
	oneByOne    bool
}

// Option sets up a [Client].
type Option func(*Client)

// WithVersion sets the version that the User-Agent header and context.library carry. Default "dev".
func WithVersion(version string) Option { return func(c *Client) { c.version = version } }

// WithOneByOne sends the requests of a batch one after the other, in the order of their first
// messages, whatever [Source.InFlight] says. The requests are the same. It is for previews, which
// should not differ from run to run.
func WithOneByOne() Option { return func(c *Client) { c.oneByOne = true } }

// NewClient makes a Client that sends through client, as [retry.New] says. Nil stands for a resty
// client with its defaults that follows no redirect. Credentials set on client replace the
// source's.
func NewClient(client *resty.Client, opts ...Option) *Client {
	if client == nil {
		client = resty.New().SetRedirectPolicy(resty.NoRedirectPolicy())
	}
	c := &Client{retry: retry.New(client)}
	for _, opt := range opts {
		opt(c)
	}
	version := headerSafe(c.version)
	c.header = http.Header{
		"Content-Type": {"application/json"},
		"Accept":       {"application/json"}, // resty would find out the same by a regular expression
		"User-Agent":   {libraryName + "/" + version},
	}
	c.library = rawjson.Object{
		{Name: "name", Value: rawjson.Quote(libraryName)},
		{Name: "version", Value: rawjson.Quote(version)},
	}.JSON()
	c.bareContext = rawjson.Object{{Name: "library", Value: c.library}}.JSON()
	return c
}

// headerSafe keeps what may stand in a User-Agent product version.
func headerSafe(version string) string {
	return cmp.Or(strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, version), "dev")
}

// Call is messages to be sent together, and how.
type Call struct {
	// WriteKey is used in place of the source's own, unless it is empty.
	WriteKey WriteKey
	Messages []Message
	// Alone sends the one message of the call to the path of its type rather than to [BatchPath].
	Alone bool
	// InvocationID names this call for good (run, node, iteration, …). The messageIds are derived
	// from it and each message's type and position, so that calling again with the same id and
	// messages does not double an event. Empty: the messageIds are random.
	InvocationID string
	// Time is when it happened, for messages without a timestamp. Zero: now.
	Time time.Time
	// Context and Integrations are objects laid under each message's own: members of objects are
	// joined at every depth, and where both have a value the message's stands. Segment only says
	// that it merges them; doing it here makes the outcome plain and the limits exact. Empty or
	// null for none.
	Context, Integrations json.RawMessage
}

// Sender is a source together with the way its messages leave. A [Source] is one: it sends at once,
// and waits for the answer. Package delivery has others. A Sender is safe for concurrent use.
//
// Whatever the way, all messages of a call are checked before anything is sent or stored, a problem
// with one names it, and calling again with the same invocation id is safe.
type Sender interface {
	// Target returns the source, for previews and for what needs to know where messages go.
	Target() Source
	// Send sends the messages of a call, or takes them into keeping, as Report.Delivery tells. The
	// client is for those who send at once.
	Send(ctx context.Context, client *Client, call Call) (Report, error)
}

// Direct is the Report.Delivery of what has been sent at once.
const Direct = "direct"

// Target returns s.
func (s Source) Target() Source { return s }

// Send is [Client.Prepare] and [Client.Send].
func (s Source) Send(ctx context.Context, client *Client, call Call) (Report, error) {
	batch, err := client.prepare(ctx, s, call, true)
	if err != nil {
		return batch.Report(), err
	}
	return client.Send(ctx, batch)
}
