package tracking

// Status is what became of a message.
type Status string

// What can become of a message.
const (
	// Accepted: a 2xx answer took it. Segment confirms receipt with it, not delivery to destinations.
	Accepted Status = "accepted"
	// Rejected: every answer said that the receiver did not take it.
	Rejected Status = "rejected"
	// Unconfirmed: it was sent and may have been taken, but no answer says so: the connection
	// broke, time ran out, a gateway in between gave up (408, 460 and most 5xx), or a 2xx took only
	// part of a batch without saying which, or cannot be read or understood. Sending it again with
	// the same messageId is safe.
	Unconfirmed Status = "unconfirmed"
	// Unsent: it never left.
	Unsent Status = "unsent"
	// Stored: it is on this machine's disk, and will be sent.
	Stored Status = "stored"
)

// Report says what really happened in a call. It comes with an error too.
type Report struct {
	// Delivery is the way the messages leave: [Direct], or one that package delivery names.
	Delivery string `json:"delivery"`
	// Endpoint is the base URL, "" when the source is not valid.
	Endpoint string `json:"endpoint"`
	// Requests counts the distinct bodies that were posted at least once.
	Requests int `json:"requests"`
	// Attempts counts HTTP requests, retries included.
	Attempts int `json:"attempts"`
	// Bytes sums the bodies of all attempts, uncompressed, without headers.
	Bytes int `json:"bytes"`
	// Accepted counts the messages whose status is [Accepted].
	Accepted int `json:"accepted"`
	// Stored counts the messages whose status is [Stored].
	Stored int `json:"stored,omitempty"`
	// Messages has one entry for each message of the call, in the caller's order.
	Messages []Outcome `json:"messages"`
	// Warnings lists what was sent but deserves a look, by message; at most [MaxWarnings] and a last one that counts the rest.
	Warnings []Warning `json:"warnings,omitempty"`
}

// Outcome is what became of one message.
type Outcome struct {
	// Index is the message's place in the call, from 0.
	Index int `json:"index"`
	// MessageID is the id it has on the wire, the same in every attempt. "" when the message was refused for its id.
	MessageID string `json:"messageId"`
	Status    Status `json:"status"`
	// Request is the request that carried it, numbered from 0 within the call, or -1.
	Request int `json:"request"`
}

func (r *Report) unconfirmed() int {
	n := 0
	for _, m := range r.Messages {
		if m.Status == Unconfirmed {
			n++
		}
	}
	return n
}

// Warning tells of something that does not stop a message, yet is probably not meant.
type Warning struct {
	// Index is the message's place in the call, from 0; -1 for what concerns all of them.
	Index int `json:"index"`
	// Pointer is the JSON Pointer of the value inside the message, "" for all of it.
	Pointer string `json:"pointer"`
	// Code is one of this package's Warn constants.
	Code string `json:"code"`
	// Text is a plain sentence part, lower case.
	Text string `json:"text"`
}

// MaxWarnings bounds the warnings of a call, so that ten thousand messages with the same slip stay readable.
const MaxWarnings = 100

// Codes of warnings.
const (
	WarnSentAtReplaced  = "sent_at_replaced"
	WarnServerField     = "field_set_by_segment"
	WarnUnknownField    = "field_unknown"
	WarnZoneAssumed     = "timestamp_zone_assumed"
	WarnDuplicateID     = "duplicate_message_id"
	WarnWriteKeyForm    = "write_key_form"
	WarnMoreWarnings    = "more_warnings"
	WarnIntegrationsAll = "integrations_all_case"
)
