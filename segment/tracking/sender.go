package tracking

import "context"

// Sender is a source together with the way its messages leave. A [Source] is one: it sends at once, and waits for the answer. Package
// delivery has others. A Sender is safe for concurrent use.
//
// Whatever the way, the promises of [Client.SendBatch] hold: all messages of a call are checked before anything is sent or stored, a
// problem with one names it, and calling again with the same invocation id is safe.
type Sender interface {
	// Target returns the source, for previews and for what needs to know where messages go.
	Target() Source
	// Deliver sends the messages of a call, or takes them into keeping, as Report.Delivery tells. The client is for those who send at once.
	Deliver(ctx context.Context, client *Client, call Call) (Report, error)
}

// Call is what a Sender delivers.
type Call struct {
	// WriteKey is used in place of the source's own, unless it is empty.
	WriteKey WriteKey
	// Messages are those of the call. When it is Alone there is one, which may go to the path of its type.
	Messages []Message
	Alone    bool
	Options  BatchOptions
}

// Direct is the Report.Delivery of what has been sent at once.
const Direct = "direct"

// Target returns s.
func (s Source) Target() Source { return s }

// Deliver is [Client.Send] for a message that goes alone, and [Client.SendBatch] for a batch.
func (s Source) Deliver(ctx context.Context, client *Client, call Call) (Report, error) {
	s = call.Source(s)
	if call.Alone {
		return client.Send(ctx, s, call.Messages[0], SendOptions{InvocationID: call.Options.InvocationID, Time: call.Options.Time})
	}
	return client.SendBatch(ctx, s, call.Messages, call.Options)
}

// Source returns s with the call's write key, if it has one.
func (c Call) Source(s Source) Source {
	if c.WriteKey != "" {
		s.WriteKey = c.WriteKey
	}
	return s
}
