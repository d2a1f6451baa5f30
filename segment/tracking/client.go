// Package tracking speaks Segment's Tracking API. It checks messages, encodes them, splits batches,
// sends and retries them, and reports the outcome of each.
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
// [Source.Send] is [Client.Prepare], which checks and encodes, followed by [Client.Send]. Prepared
// messages can be kept in between, and sent with those of other calls, as package delivery does.
//
// Segment answers 200 to almost anything and later silently drops what it does not accept. So this
// package refuses everything known to be dropped before a byte is sent. It reports all problems of
// all messages at once, with Segment's own codes where they exist. A 2xx confirms receipt, not
// delivery to a destination, hence the word "accepted".
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

// Client prepares and sends messages for any number of sources and goroutines. None of its own
// goroutines outlives a call.
type Client struct {
	retry       *retry.Client
	header      http.Header     // of every request
	library     json.RawMessage // context.library
	bareContext json.RawMessage // a context with nothing else in it
	version     string
	oneByOne    bool
}

// Option configures a [Client].
type Option func(*Client)

// WithVersion sets the version in the User-Agent header and context.library. Default "dev".
func WithVersion(version string) Option { return func(c *Client) { c.version = version } }

// WithOneByOne sends the requests of a batch in sequence, in the order of their first messages,
// whatever [Source.InFlight] is. The requests are the same. It is for previews, which must not
// differ between runs.
func WithOneByOne() Option { return func(c *Client) { c.oneByOne = true } }

// NewClient returns a Client that sends through client, as described at [retry.New]. Nil means a
// default resty client that follows no redirects. Credentials set on client replace the source's.
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

// headerSafe keeps the characters allowed in a User-Agent product version.
func headerSafe(version string) string {
	return cmp.Or(strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, version), "dev")
}

// Call is a set of messages to send together.
type Call struct {
	// WriteKey replaces the source's own, unless it is empty.
	WriteKey WriteKey
	Messages []Message
	// Alone sends the call's only message to the path of its type, not to [BatchPath].
	Alone bool
	// InvocationID names this call permanently (run, node, iteration, …). The messageIds derive
	// from it and each message's type and position, so repeating the call does not double an event.
	// If it is empty, the messageIds are random.
	InvocationID string
	// Time is the timestamp of messages without one. Zero means now.
	Time time.Time
	// Context and Integrations are defaults for each message: objects are merged at every depth,
	// and the message's values win. Segment only documents that it merges them; doing it here makes
	// the result certain and the limits exact. Empty or null means none. In all messages together,
	// each may take 64 MiB.
	Context, Integrations json.RawMessage
}

// Sender is a source with a kind of delivery. A [Source] sends at once and waits for the answer.
// Package delivery has others. A Sender is safe for concurrent use.
//
// Every Sender checks all messages of a call before it sends or stores any, and names the ones with
// problems. Calling again with the same invocation id is safe.
type Sender interface {
	// Target returns the source, for previews and for code that needs to know where messages go.
	Target() Source
	// Send sends or stores the messages of a call; Report.Delivery says which. Only a Sender that
	// sends at once uses the client.
	Send(ctx context.Context, client *Client, call Call) (Report, error)
}

// Direct is the Report.Delivery of messages sent at once.
const Direct = "direct"

// Target returns s.
func (s Source) Target() Source { return s }

// Send is [Client.Prepare] followed by [Client.Send].
func (s Source) Send(ctx context.Context, client *Client, call Call) (Report, error) {
	batch, err := client.prepare(ctx, s, call, true)
	if err != nil {
		return batch.Report(), err
	}
	return client.Send(ctx, batch)
}
