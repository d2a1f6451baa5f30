package tracking

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Prepared is a message that has been checked and written as it goes over the wire in a batch. It can be kept, and sent later or together with
// those of other calls, any number of times: it has its messageId. It is immutable.
type Prepared struct {
	id   string
	item json.RawMessage
}

// MessageID returns the message's id.
func (p Prepared) MessageID() string { return p.id }

// JSON returns the message as it goes over the wire. It must not be changed.
func (p Prepared) JSON() json.RawMessage { return p.item }

// ReadPrepared reads what [Prepared.JSON] returned, perhaps in another process. It keeps item, which must not change after.
func ReadPrepared(item json.RawMessage) (Prepared, error) {
	obj, err := rawjson.ParseObject(item, rawjson.Limits{MaxBytes: math.MaxInt32, MaxDepth: 1000})
	if err != nil {
		return Prepared{}, fmt.Errorf("read prepared message: %w", err)
	}
	id := obj.Text("messageId")
	if id == "" {
		return Prepared{}, fmt.Errorf("read prepared message: it has no messageId: %.80s", item)
	}
	return Prepared{id: id, item: item}, nil
}

// Prepare checks and writes the messages of a call and sends nothing. The report says so of each, and has the warnings; the error
// is that of [Client.SendBatch]. It ends when ctx does.
func (c *Client) Prepare(
	ctx context.Context, source Source, messages []Message, opts BatchOptions,
) ([]Prepared, Report, error) {
	t, err := c.target(source)
	if err != nil {
		return nil, unsent(len(messages)), err
	}
	ready, err := c.prepareBatch(ctx, t, messages, opts, allocate)
	if err != nil {
		return nil, ready.report, err
	}
	return ready.messages, ready.report, nil
}

// SendPrepared delivers messages to the batch path as [Client.SendBatch] does, in their order for each user.
func (c *Client) SendPrepared(ctx context.Context, source Source, messages []Prepared) (Report, error) {
	t, err := c.target(source)
	if err != nil {
		return unsent(len(messages)), err
	}
	ready := &prepared{messages: messages, report: unsent(len(messages))}
	ready.links = func(i int, visit func(id []byte)) { messages[i].People(visit) }
	for i, m := range messages {
		ready.report.Messages[i].MessageID = m.id
	}
	ready.report.Endpoint, ready.report.Delivery = t.base, Direct
	if len(messages) == 0 {
		return ready.report, nil
	}
	return c.deliver(t, ready, BatchPath, ready.lanes(t.InFlight)).run(ctx)
}
