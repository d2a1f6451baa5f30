package tracking

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/schemas"
)

// Batch is prepared messages and their source. [Client.Prepare] makes one from a call; stored
// messages can form another.
type Batch struct {
	Source   Source
	Messages []Prepared
	// Alone sends the only message to the path of its type, not to [BatchPath].
	Alone bool
	// Warnings lists the warnings, by message.
	Warnings []Finding

	endpoint string
}

// Report returns the report of an unsent batch.
func (b *Batch) Report() Report {
	outcomes := make([]Outcome, len(b.Messages))
	for i, m := range b.Messages {
		outcomes[i] = Outcome{MessageID: m.id, Status: Unsent, Request: -1}
	}
	return Report{Delivery: Direct, Endpoint: b.endpoint, Messages: outcomes, Warnings: b.Warnings}
}

// Prepared is a checked message, encoded as an item of a batch. It has its messageId, so it can be
// stored, sent later or with messages of other calls, and sent again. It is immutable.
type Prepared struct {
	id     string
	item   json.RawMessage
	fields rawjson.Object // those it was written from

	// Most of a message is often its properties or traits. A message that is sent before its call
	// returns leaves them where they are: the value of fields[borrowed] belongs at item[gap]. The
	// gap of a complete item is 0.
	borrowed, gap int32
}

// MessageID returns the message's id.
func (p Prepared) MessageID() string { return p.id }

// JSON returns the message as sent. Do not change it.
func (p Prepared) JSON() json.RawMessage {
	if p.gap == 0 {
		return p.item
	}
	return p.appendTo(make([]byte, 0, p.size()))
}

func (p Prepared) size() int {
	if p.gap == 0 {
		return len(p.item)
	}
	return len(p.item) + len(p.fields[p.borrowed].Value)
}

func (p Prepared) appendTo(dst []byte) []byte {
	if p.gap > 0 {
		dst = append(append(dst, p.item[:p.gap]...), p.fields[p.borrowed].Value...)
	}
	return append(dst, p.item[p.gap:]...)
}

// UserIDs returns the message's userId, anonymousId and previousId, as JSON strings without
// needless escapes. Messages that share an id, in any of the three fields, must arrive in order. Do
// not change the ids.
func (p Prepared) UserIDs() [][]byte { return appendUserIDs(nil, p.fields) }

// anySize accepts documents that were checked against limits before.
func anySize() rawjson.Limits { return rawjson.Limits{MaxBytes: math.MaxInt32, MaxDepth: 1000} }

// ReadPrepared reads a result of [Prepared.JSON], perhaps of another process. It keeps item, which
// must not change afterwards.
func ReadPrepared(item json.RawMessage) (Prepared, error) {
	fields, err := rawjson.ParseObject(item, anySize())
	if err != nil {
		return Prepared{}, fmt.Errorf("read prepared message: %w", err)
	}
	id := fields.Text("messageId")
	if id == "" {
		return Prepared{}, fmt.Errorf("read prepared message: it has no messageId: %.80s", item)
	}
	return Prepared{id: id, item: item, fields: fields}, nil
}

// maxProblems is the number of problems after which checking stops: enough to say that there are
// many.
const maxProblems = 1000

// maxWarnings bounds the warnings of a call, so that ten thousand messages with the same mistake
// stay readable.
const maxWarnings = 100

// Prepare checks and encodes the messages of a call, and sends nothing.
//
// The error is an [*Error]. If a message is faulty, it lists the problems of all; the batch, which
// comes with an error too, is then only good for its report. Prepare ends with ctx.
func (c *Client) Prepare(ctx context.Context, source Source, call Call) (*Batch, error) {
	return c.prepare(ctx, source, call, false)
}

// prepare is Prepare. With borrow, the messages share memory with the caller's, and must be sent
// before the caller gets the memory back.
func (c *Client) prepare(ctx context.Context, source Source, call Call, borrow bool) (*Batch, error) {
	if call.WriteKey != "" {
		source.WriteKey = call.WriteKey
	}
	total := len(call.Messages)
	b := &Batch{Source: source, Messages: make([]Prepared, total), Alone: call.Alone}
	endpoint, err := source.check()
	if err != nil {
		return b, err
	}
	b.endpoint = endpoint
	p := c.preparer(source, call)
	p.borrow = borrow
	if total == 0 {
		p.refuse("", "empty_batch", "must hold at least one message", nil)
	}
	for i, m := range call.Messages {
		if ctx.Err() != nil {
			return b, interrupted(ctx, total)
		}
		if len(p.problems) >= maxProblems {
			break
		}
		p.index, p.left = i, total-i
		b.Messages[i] = p.message(m)
		size := b.Messages[i].size()
		if call.Alone {
			size += aloneBytes
		}
		if size > MaxMessageBytes {
			p.refuse("", tooLarge,
				fmt.Sprintf("message is %s bytes, %s are allowed", grouped(size), grouped(MaxMessageBytes)), nil)
		}
	}
	b.Warnings = p.listWarnings()
	if len(p.problems) > 0 {
		return b, &Error{Code: p.code, Problems: p.problems, Total: total}
	}
	return b, nil
}

const tooLarge = "message_too_large"

// WarnDuplicateID is the code of the warning that two messages of a call have one messageId.
const WarnDuplicateID = "duplicate_message_id"

// preparer checks and encodes the messages of one call.
type preparer struct {
	key          WriteKey
	ids          idMaker
	time         time.Time       // when it happened, for messages that do not say
	timestamp    json.RawMessage // the same as JSON, once a message asks for it
	library      json.RawMessage
	context      json.RawMessage // laid under each message's own; nil when there is none
	bareContext  json.RawMessage // what a message without a context gets: context with the library in it
	integrations json.RawMessage // laid under each message's own; nil when there is none

	allowPlaceholders bool // see [Source.AllowPlaceholderIDs]
	borrow            bool // see [Client.prepare]

	index int    // of the message at hand, or -1
	left  int    // messages that are still to be written, that one included
	free  []byte // messages are written behind one another, so that not each is allocated by itself
	writer

	code     retry.Code // of the error, once there is a problem
	problems []Finding
	warnings []Finding
	unlisted int            // warnings beyond maxWarnings
	givenIDs map[string]int // the messageIds that messages came with, and the positions they first had
}

func (c *Client) preparer(source Source, call Call) preparer {
	if call.Time.IsZero() {
		call.Time = time.Now()
	}
	p := preparer{
		key: source.WriteKey, ids: idMaker{key: source.WriteKey, invocationID: call.InvocationID},
		library: c.library, bareContext: c.bareContext,
		time: call.Time, index: -1, code: retry.TooLarge, allowPlaceholders: source.AllowPlaceholderIDs,
	}
	if source.Endpoint == "" && !source.WriteKey.LooksLikeSegments() {
		p.warn("", "write_key_form", "the write key does not look like one of Segment's, which have 32 letters and "+
			"digits; Segment answers 200 to an unknown key, and drops its messages")
	}
	p.context = p.checkDefaults("context", call.Context, len(call.Messages))
	p.integrations = p.checkDefaults("integrations", call.Integrations, len(call.Messages))
	p.checkAll("/integrations", p.integrations)
	if p.context != nil {
		p.bareContext = p.appendWithLibrary(nil, p.context)
	}
	return p
}

// maxDefaultsBytes bounds the bytes that a call's defaults take in all of its messages together.
// Without it, a call of 3 MB could take gigabytes of memory.
const maxDefaultsBytes = 64 << 20

// checkDefaults reads a call's defaults for its messages. They come from outside, so it checks
// their syntax too.
func (p *preparer) checkDefaults(name string, raw json.RawMessage, messages int) json.RawMessage {
	if len(raw) == 0 || rawjson.KindOf(raw) == rawjson.NullKind {
		return nil
	}
	if err := rawjson.Check(raw, anySize()); err != nil {
		p.refuse("/"+name, "invalid_json", err.Error(), nil)
		return nil
	}
	if rawjson.KindOf(raw) != rawjson.ObjectKind {
		p.refuse("/"+name, name+"_not_object", "must be an object", raw)
		return nil
	}
	if all := len(raw) * messages; all > maxDefaultsBytes {
		p.refuse("/"+name, tooLarge, fmt.Sprintf("goes into each of %s messages, which makes %s bytes, and %s are "+
			"allowed; send fewer messages in a call", grouped(messages), grouped(all), grouped(maxDefaultsBytes)), nil)
		return nil
	}
	return raw
}

// refuse adds a problem. It shows the value, shortened and without the write key.
func (p *preparer) refuse(path, code, message string, value json.RawMessage) {
	if code != tooLarge {
		p.code = InvalidInput
	}
	if len(p.problems) == maxProblems {
		return
	}
	if len(value) > 0 {
		message += ": " + text.Clip(text.OneLine(p.key.scrub(string(value))), 80)
	}
	p.problems = append(p.problems, Finding{p.index, schemas.Violation{Path: path, Code: code, Message: message}})
}

func (p *preparer) warn(path, code, message string) {
	if len(p.warnings) == maxWarnings {
		p.unlisted++
		return
	}
	p.warnings = append(p.warnings, Finding{p.index, schemas.Violation{Path: path, Code: code, Message: message}})
}

func (p *preparer) listWarnings() []Finding {
	if p.unlisted > 0 {
		message := grouped(p.unlisted) + " more warnings are not listed"
		return append(p.warnings, Finding{-1, schemas.Violation{Code: "more_warnings", Message: message}})
	}
	return p.warnings
}
