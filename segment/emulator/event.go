package emulator

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aacflow/segment-blocks/rawjson"
)

// An Event is a message the emulator accepted and stored. Its byte slices are
// shared with the emulator and must not be changed.
type Event struct {
	// Seq numbers events in the order they were stored, from 1, with no gaps
	// until some are forgotten. Clear does not start it again.
	Seq uint64 `json:"seq"`
	// Request is the Seq of the request that brought the event.
	Request uint64 `json:"request"`
	// Path is the request's path, such as /v1/batch.
	Path string `json:"path"`
	// Index is the message's place in its batch, from 0; 0 for a single call.
	Index int `json:"index"`
	// Source is the fingerprint of the write key.
	Source string `json:"source"`

	// Type is track, identify, page, screen, group or alias.
	Type string `json:"type"`
	// Name is the event of a track call, or the name of a page or screen.
	Name string `json:"name,omitempty"`
	// UserID and AnonymousID are the message's ids, "" when it has none.
	UserID      string `json:"userId,omitempty"`
	AnonymousID string `json:"anonymousId,omitempty"`

	// MessageID is the message's own, or one minted here when it has none, as
	// Segment does; then Minted is true, and a retry cannot be recognised.
	MessageID string `json:"messageId"`
	Minted    bool   `json:"messageIdMinted,omitempty"`

	// ReceivedAt is the emulator's clock.
	ReceivedAt time.Time `json:"receivedAt"`
	// SentAt and OriginalTimestamp are what the client said, zero when it said
	// nothing or nothing readable. SentAt may come from the batch.
	SentAt            time.Time `json:"sentAt,omitzero"`
	OriginalTimestamp time.Time `json:"originalTimestamp,omitzero"`
	// Timestamp is when the event happened, corrected for the client's clock:
	// ReceivedAt - (SentAt - OriginalTimestamp). Without OriginalTimestamp it is
	// ReceivedAt; without SentAt there is nothing to correct by, and it is
	// OriginalTimestamp. Segment spec: Common Fields, timestamps.
	Timestamp time.Time `json:"timestamp"`

	// Notes are oddities that Segment would let pass, in words.
	Notes []string `json:"notes,omitempty"`

	// Context and Integrations are the batch's with the message's merged over
	// them, objects member by member, nil when neither has any. They count against
	// MaxMessageBytes.
	// Segment HTTP API: batch.
	Context      json.RawMessage `json:"context,omitempty"`
	Integrations json.RawMessage `json:"integrations,omitempty"`

	// Message is the message byte for byte as it was sent, but for the write
	// key, which is replaced by its fingerprint.
	Message json.RawMessage `json:"message,omitempty"`
}

func (e *Event) appendJSON(dst []byte) []byte {
	head := *e
	head.Context, head.Integrations, head.Message = nil, nil, nil
	return appendObject(dst, head, rawjson.Member{Name: "context", Value: e.Context},
		rawjson.Member{Name: "integrations", Value: e.Integrations}, rawjson.Member{Name: "message", Value: e.Message})
}

// size is what an event takes at most: its ids and its name are copies of what the
// message holds, and its notes are few and short.
func (e *Event) size() int { return 2<<10 + len(e.Context) + len(e.Integrations) + 2*len(e.Message) }

// A Discard is a message, or a whole request, that the emulator answered and did
// not store. Its byte slices are shared and must not be changed.
type Discard struct {
	// Seq numbers discards from 1.
	Seq uint64 `json:"seq"`
	// Request, Path, Index and Source are as in Event. Index is -1 when the
	// discard is of the whole request.
	Request uint64 `json:"request"`
	Path    string `json:"path"`
	Index   int    `json:"index"`
	Source  string `json:"source,omitempty"`

	ReceivedAt time.Time `json:"receivedAt"`
	// MessageID is the message's own, "" when it has none.
	MessageID string `json:"messageId,omitempty"`
	// Problems says why, in the order they were found; there is at least one.
	Problems []Problem `json:"problems"`
	// Message is as in Event; nil when the discard is of the whole request.
	Message json.RawMessage `json:"message,omitempty"`
}

// Code is the code of the first problem.
func (d Discard) Code() string { return d.Problems[0].Code }

func (d *Discard) appendJSON(dst []byte) []byte {
	head := *d
	head.Message = nil
	return appendObject(dst, head, rawjson.Member{Name: "message", Value: d.Message})
}

func (d *Discard) size() int { return 512 + 2*len(d.Message) + 256*len(d.Problems) }

// A Request is one HTTP request to the tracking API, as it was received.
// Preflights and the query API are not recorded.
type Request struct {
	// Seq numbers requests from 1.
	Seq    uint64    `json:"seq"`
	At     time.Time `json:"at"`
	Method string    `json:"method"`
	// Path has no query, and a write key in it is replaced by its fingerprint.
	Path string `json:"path"`
	// Header is as received, but credentials are replaced by fingerprints.
	Header http.Header `json:"header"`
	// Source is the fingerprint of the request's write key, "" when it has none.
	Source string `json:"source,omitempty"`
	// Size is the body's length on the wire, in bytes, before decompression.
	Size int64 `json:"size"`
	// Body is the body after decompression, write keys replaced by fingerprints.
	// One over the limit is cut there.
	Body []byte `json:"-"`
	// Status is the status answered, or 0 when a fault cut the connection.
	Status int `json:"status"`
	// Faulted is true when a scripted fault had a part in the answer.
	Faulted bool `json:"faulted,omitempty"`
	// Stored, Duplicates and Discarded count what became of its messages.
	Stored     int `json:"stored"`
	Duplicates int `json:"duplicates"`
	Discarded  int `json:"discarded"`
}

// appendJSON adds the body as "body" when it is JSON and as the string
// "bodyText" when it is not.
func (r *Request) appendJSON(dst []byte) []byte {
	body := rawjson.Member{Name: "body", Value: r.Body}
	switch {
	case len(r.Body) == 0:
		body.Value = nil
	case !json.Valid(r.Body):
		body.Name, body.Value = "bodyText", rawjson.Quote(string(r.Body))
	}
	return appendObject(dst, r, body)
}

func (r *Request) size() int {
	n := 512 + len(r.Path) + len(r.Body)
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v)
		}
	}
	return n
}

// A Filter picks events. Every field that is set must match; the zero Filter
// picks all.
type Filter struct {
	Type        string // one of the six
	Name        string // the event of a track call, or the name of a page or screen, exactly
	UserID      string
	AnonymousID string
	MessageID   string
	Source      string // a write key's fingerprint
	Text        string // anywhere in the message's JSON as it was sent, in any case

	Since  uint64 // only events with a greater Seq
	Limit  int    // at most so many, 0 is no limit
	Newest bool   // newest first, so that Limit keeps the newest
}

func (f *Filter) match(ev *Event) bool {
	return ev.Seq > f.Since &&
		matches(f.Type, ev.Type) &&
		matches(f.Name, ev.Name) &&
		matches(f.UserID, ev.UserID) &&
		matches(f.AnonymousID, ev.AnonymousID) &&
		matches(f.MessageID, ev.MessageID) &&
		matches(f.Source, ev.Source) &&
		(f.Text == "" || bytes.Contains(bytes.ToLower(ev.Message), []byte(strings.ToLower(f.Text))))
}

// A DiscardFilter picks discards. Every field that is set must match; the zero
// DiscardFilter picks all.
type DiscardFilter struct {
	Code      string // of any of the problems
	MessageID string
	Source    string

	Since  uint64 // only discards with a greater Seq
	Limit  int    // at most so many, 0 is no limit
	Newest bool   // newest first
}

func (f *DiscardFilter) match(d *Discard) bool {
	return d.Seq > f.Since &&
		(f.Code == "" || slices.ContainsFunc(d.Problems, func(p Problem) bool { return p.Code == f.Code })) &&
		matches(f.MessageID, d.MessageID) &&
		matches(f.Source, d.Source)
}

func matches(want, have string) bool { return want == "" || want == have }
