package tracking

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/aacflow/segment-blocks/internal/isotime"
	"github.com/aacflow/segment-blocks/rawjson"
)

// prepared is a call whose messages have all been checked and written. Nothing has been sent yet.
type prepared struct {
	messages []Prepared
	links    func(i int, visit func(id []byte)) // visits the ids that tie a message to a person
	rooms    [][]byte                           // that the messages are written in
	report   Report
}

// release gives back what the messages are written in. Nothing of them may be read after.
func (r *prepared) release(c *Client) {
	for _, room := range r.rooms {
		c.buffers.giveBack(room)
	}
}

// lanes spreads the messages over requests.
func (r *prepared) lanes(inFlight int) []lane {
	sizes := make([]int, len(r.messages))
	for i, m := range r.messages {
		sizes[i] = len(m.item)
	}
	return split(sizes, r.links, inFlight)
}

// preparer checks and writes the messages of one call.
type preparer struct {
	opening      string // what a message begins with
	endpoint     string
	key          WriteKey
	maker        idMaker
	at           time.Time
	now          json.RawMessage // at as a JSON string, once it is needed
	library      json.RawMessage
	context      json.RawMessage // laid under each message's own; nil when there is none
	bareContext  json.RawMessage // what a message without a context gets: context with the library in it
	integrations json.RawMessage // laid under each message's own; nil when there is none

	lend  func(size int) []byte
	room  []byte   // messages are written behind one another, so that not each is allocated by itself
	rooms [][]byte // all that there have been
	left  int      // messages that are still to be written

	index    int // of the message at hand, or -1
	problems []Problem
	invalid  bool // one is of something else than a size
	warnings []Warning
	unlisted int // warnings beyond MaxWarnings
	ids      map[string]int
}

func (c *Client) preparer(t *target, invocationID string, at time.Time) *preparer {
	if at.IsZero() {
		at = c.now()
	}
	p := &preparer{
		opening:  itemOpening,
		endpoint: t.base, key: t.WriteKey, maker: idMaker{key: t.WriteKey, invocationID: invocationID}, index: -1, library: c.library,
		at: at, bareContext: c.bareContext, lend: allocate,
	}
	if t.Endpoint == "" && !looksLikeSegments(t.WriteKey) {
		p.warn("", WarnWriteKeyForm, "the write key does not look like one of Segment's, which have 32 letters and digits; Segment accepts and drops what comes with an unknown key")
	}
	return p
}

// A message that goes alone has the time of sending before its own members. Both go on with the type.
const (
	itemOpening  = `{"type":"`
	aloneOpening = sentAtMember + `"type":"`
)

// time is when it happened, for messages that do not say.
func (p *preparer) time() json.RawMessage {
	if p.now == nil {
		text := append(make([]byte, 0, isotime.Size+2), '"')
		p.now = append(isotime.Append(text, p.at), '"')
	}
	return p.now
}

// allocate is for messages that are kept, or few.
func allocate(size int) []byte { return make([]byte, 0, size) }

// defaults takes what a batch lays under each of its messages. It comes from outside, so its syntax is checked too.
func (p *preparer) defaults(context, integrations json.RawMessage) {
	p.context = p.checkDefaults("/context", context, CodeContextNotObject)
	p.integrations = p.checkDefaults("/integrations", integrations, CodeIntegrationsNotObject)
	p.checkAll("/integrations", p.integrations)
	if p.context != nil {
		p.bareContext = p.withLibrary(p.context)
	}
}

func (p *preparer) checkDefaults(pointer string, raw json.RawMessage, notObject string) json.RawMessage {
	if len(raw) == 0 || rawjson.KindOf(raw) == rawjson.NullKind {
		return nil
	}
	if err := rawjson.Check(raw, rawjson.Limits{MaxBytes: math.MaxInt32, MaxDepth: 1000}); err != nil {
		p.refuse(pointer, CodeNotJSON, err.Error(), nil)
		return nil
	}
	if rawjson.KindOf(raw) != rawjson.ObjectKind {
		p.refuse(pointer, notObject, "must be an object", raw)
		return nil
	}
	return raw
}

// maxProblems is how many problems of a call are looked for: enough to say that there are many.
const maxProblems = 1000

// prepare checks and writes every message. The report is whole either way: with an error everything in it is unsent.
func (p *preparer) prepare(ctx context.Context, messages []Message) (*prepared, error) {
	out := &prepared{messages: make([]Prepared, len(messages)), report: unsent(len(messages))}
	if len(messages) > 1 {
		out.links = func(i int, visit func(id []byte)) { messages[i].People(visit) }
	}
	out.report.Endpoint, out.report.Delivery = p.endpoint, Direct
	p.left = len(messages)
	if len(messages) == 0 {
		p.refuse("", CodeEmptyBatch, "must hold at least one message", nil)
	}
	for i, m := range messages {
		if ctx.Err() != nil {
			e := interrupted(ctx, p.endpoint)
			e.Total, e.ending = len(messages), "nothing was sent"
			return out, e
		}
		if len(p.problems) >= maxProblems {
			break
		}
		p.index = i
		item, id := p.message(m)
		if size := len(item); size > MaxMessageBytes {
			p.refuse("", CodeMessageTooLarge, fmt.Sprintf("message is %s bytes, %s are allowed", grouped(size), grouped(MaxMessageBytes)), nil)
		}
		out.messages[i] = Prepared{id: id, item: item}
		out.report.Messages[i].MessageID = id
	}
	out.rooms = p.rooms
	out.report.Warnings = p.listWarnings()
	if len(p.problems) > 0 {
		return out, p.refusal(len(messages))
	}
	return out, nil
}

// interrupted is the error of a call whose context has ended.
func interrupted(ctx context.Context, endpoint string) *Error {
	e := &Error{Kind: KindCanceled, Err: ctx.Err(), Endpoint: endpoint}
	if errors.Is(e.Err, context.DeadlineExceeded) {
		e.Kind = KindDeadline
	}
	return e
}

func (p *preparer) refusal(total int) *Error {
	kind := KindTooLarge
	if p.invalid {
		kind = KindInvalid
	}
	return &Error{Kind: kind, Problems: p.problems, Total: total}
}

// refuse notes a problem. The value is shown, cut short and without the write key.
func (p *preparer) refuse(pointer, code, text string, value json.RawMessage) {
	p.invalid = p.invalid || code != CodeMessageTooLarge
	if len(p.problems) == maxProblems {
		return
	}
	problem := Problem{Index: p.index, Pointer: pointer, Code: code, Text: text}
	if len(value) > 0 {
		problem.Value = clip(oneLine(p.key.scrub(string(value))), 80)
		problem.Text += ": " + problem.Value
	}
	p.problems = append(p.problems, problem)
}

func (p *preparer) warn(pointer, code, text string) {
	if len(p.warnings) == MaxWarnings {
		p.unlisted++
		return
	}
	p.warnings = append(p.warnings, Warning{Index: p.index, Pointer: pointer, Code: code, Text: text})
}

func (p *preparer) listWarnings() []Warning {
	if p.unlisted == 0 {
		return p.warnings
	}
	return append(p.warnings, Warning{
		Index: -1, Code: WarnMoreWarnings, Text: fmt.Sprintf("%s more warnings are not listed", grouped(p.unlisted)),
	})
}
