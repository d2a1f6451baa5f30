package emulator

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// A call is one request to the tracking API on its way through the emulator.
type call struct {
	cfg     *config
	strict  bool
	typ     string // of a single call; "" for a batch
	now     time.Time
	record  Request
	secrets secrets
	clean   []byte // the body without write keys: all that is kept or shown is taken from here
	invalid error  // why the body is not JSON
	merged  int    // bytes of the batch's context and integrations merged into messages so far

	events   []Event
	discards []Discard
	answer   answer
}

// read takes the write keys out of the body and checks its syntax.
func (c *call) read(body []byte) {
	c.invalid = checkJSON(body)
	c.clean = c.secrets.scrub(body, c.invalid == nil)
	c.record.Body = c.clean
}

// take reads the messages of the request and plans the answer. Write keys and
// sizes are those of body; everything else is read from it without the keys.
func (c *call) take(body []byte, header http.Header) {
	if c.invalid != nil {
		c.refuse(refusal{400, CodeBadRequest, "", c.invalid.Error()})
		return
	}
	obj, ok := parseObject(bytes.TrimSpace(body))
	if !ok {
		c.refuse(refusal{400, CodeBadRequest, "", "body must be a JSON object: " + show(bytes.TrimSpace(c.clean))})
		return
	}
	clean, _ := parseObject(bytes.TrimSpace(c.clean))
	key := cmp.Or(obj.text("writeKey"), keyFromHeader(header))
	c.record.Source = Fingerprint(key)
	if c.typ == "" {
		c.takeBatch(obj, clean, key)
	} else if c.admit(key) {
		c.takeMessage(message{clean, len(obj.raw), key}, envelope{}, 0, c.typ)
	}
	c.conclude()
}

// A message is an object without write keys, and what it was sent with: its size
// and its key. The key in the body goes before the header's, and that of a message
// before its batch's.
type message struct {
	object
	size int
	key  string
}

// admit refuses the whole request when its key is none.
func (c *call) admit(key string) bool {
	if c.cfg.judge(key) == keyImplausible {
		c.refuse(refusal{401, CodeUnknownSource, "/writeKey", fmt.Sprintf(
			"must have a write key of at least %d characters: has %d", MinWriteKeyLength, len(key))})
		return false
	}
	return true
}

func (c *call) takeBatch(sent, clean object, key string) {
	raw := clean.get("batch")
	items, isArray := parseArray(raw, MaxBatchMessages)
	asSent, _ := parseArray(sent.get("batch"), MaxBatchMessages)
	if len(items) == 0 || len(items) > MaxBatchMessages {
		if !c.admit(key) {
			return
		}
		switch {
		case raw != nil && !isArray:
			c.discardAll(CodeBadRequest, "/batch", "must be an array: "+show(raw))
		case len(items) == 0:
			c.discardAll(CodeEmptyBatch, "/batch", "must hold at least one message")
		default:
			c.discardAll(CodeBadRequest, "/batch", fmt.Sprintf("must hold at most %d messages", MaxBatchMessages))
		}
		return
	}
	messages := make([]message, len(items))
	for i, item := range asSent {
		obj, _ := parseObject(item)
		own := obj.text("writeKey")
		if own == "" && !c.admit(key) {
			return
		}
		if len(item) > MaxMessageBytes && c.cfg.oversize == RefuseBatch {
			c.refuse(refusal{413, CodeBadRequest, c.pointer(i), fmt.Sprintf(
				"message %d must be at most %d bytes: %d", i, MaxMessageBytes, len(item))})
			return
		}
		messages[i] = message{size: len(item), key: cmp.Or(own, key)}
	}
	env := envelope{
		obj:          clean,
		context:      bytes.Clone(clean.get("context")),
		integrations: bytes.Clone(clean.get("integrations")),
	}
	if len(env.context) > MaxMessageBytes || len(env.integrations) > MaxMessageBytes {
		c.refuse(refusal{413, CodeBadRequest, "", fmt.Sprintf(
			"context and integrations of a batch must be at most %d bytes each", MaxMessageBytes)})
		return
	}
	for i, item := range items {
		var isObject bool
		if messages[i].object, isObject = parseObject(item); !isObject {
			c.discard(object{raw: item}, i, "", Problem{CodeBadRequest, c.pointer(i), "must be an object: " + show(item)})
			continue
		}
		c.takeMessage(messages[i], env, i, "")
	}
}

// An envelope is what a batch says for all of its messages.
type envelope struct {
	obj                   object
	context, integrations []byte
}

// takeMessage makes an event or a discard of one message. typ is "" in a batch,
// where each message carries its own.
func (c *call) takeMessage(obj message, env envelope, index int, typ string) {
	at := c.pointer(index)
	source := Fingerprint(obj.key)
	if c.cfg.judge(obj.key) != keyKnown {
		c.discard(obj.object, index, source, Problem{CodeUnknownSource, at, "no source has this write key: sha256:" + source})
		return
	}
	if obj.size > MaxMessageBytes {
		c.discard(obj.object, index, source, tooLarge(at, obj.size))
		return
	}
	check := checker{obj: obj.object, at: at}
	if typ == "" {
		raw := obj.get("type")
		typ, _ = unquote(raw)
		switch {
		case raw == nil:
			check.refuse(CodeMissingType, "/type", "must have a type in a batch")
		case !isMessageType(typ):
			check.refuse(CodeInvalidType, "/type", "must be one of %s: %s", strings.Join(messageTypes[:], ", "), show(raw))
		}
	} else if own := obj.text("type"); own != "" && own != typ {
		check.note("type is taken from the path: %s", quoted(own))
	}
	if len(check.problems) == 0 {
		check.check(typ)
	}
	id := check.messageID()
	context, integrations, problem := c.merge(obj, env, at)
	if len(check.problems) == 0 && problem.Code != "" {
		check.problems = append(check.problems, problem)
	}
	if len(check.problems) > 0 {
		c.discard(obj.object, index, source, check.problems...)
		return
	}
	ev := Event{
		Path: c.record.Path, Index: index, Source: source,
		Type: typ, UserID: obj.text("userId"), AnonymousID: obj.text("anonymousId"),
		MessageID: id, ReceivedAt: c.now,
		SentAt:            check.instant("sentAt", env.obj),
		OriginalTimestamp: check.instant("timestamp", object{}),
		Context:           context,
		Integrations:      integrations,
		Message:           bytes.Clone(obj.raw),
		Notes:             check.notes,
	}
	switch typ {
	case "track":
		ev.Name = obj.text("event")
	case "page", "screen":
		ev.Name = obj.text("name")
	}
	if id == "" {
		ev.MessageID, ev.Minted = "minted-"+strings.ToLower(rand.Text()), true
	}
	ev.Timestamp = effective(ev.ReceivedAt, ev.SentAt, ev.OriginalTimestamp)
	c.events = append(c.events, ev)
}

func tooLarge(pointer string, size int) Problem {
	return Problem{CodeBadRequest, pointer, fmt.Sprintf("must be at most %d bytes: %d", MaxMessageBytes, size)}
}

// merge returns the context and the integrations of a message, laid over those of
// its batch. A message that comes to more than MaxMessageBytes by that is over the
// limit, and so are those at the end of a batch that would grow beyond all
// proportion: 265 KB can ask for 160 MB.
func (c *call) merge(obj message, env envelope, at string) (context, integrations []byte, problem Problem) {
	ownContext, ownIntegrations := obj.get("context"), obj.get("integrations")
	if c.merged += len(env.context) + len(env.integrations); c.merged > maxMergedBytes {
		return nil, nil, Problem{CodeBadRequest, at, fmt.Sprintf(
			"the context and the integrations of a batch must come to at most %d bytes, counted once for each message", maxMergedBytes)}
	}
	context, integrations = mergeOver(env.context, ownContext), mergeOver(env.integrations, ownIntegrations)
	size := obj.size + len(context) - len(ownContext) + len(integrations) - len(ownIntegrations)
	if size > MaxMessageBytes && env.obj.raw != nil {
		return nil, nil, tooLarge(at, size)
	}
	return context, integrations, Problem{}
}

// mergeOver lays a message's own document over its batch's, which the messages that
// have none of their own share.
func mergeOver(base, own []byte) []byte {
	if own == nil && kindOf(base) == '{' {
		return base
	}
	return bytes.Clone(mergeRaw(base, own))
}

// pointer is the JSON Pointer of a message in the body.
func (c *call) pointer(index int) string {
	if c.typ != "" || index < 0 {
		return ""
	}
	return pointerTo("/batch", index)
}

func (c *call) discard(obj object, index int, source string, problems ...Problem) {
	c.discards = append(c.discards, Discard{
		Path: c.record.Path, Index: index, Source: source, ReceivedAt: c.now,
		MessageID: obj.text("messageId"), Problems: problems, Message: bytes.Clone(obj.raw),
	})
}

// discardAll is for what is wrong with the request and still answered 200.
func (c *call) discardAll(code, pointer, text string) {
	c.discard(object{}, -1, c.record.Source, Problem{code, pointer, text})
}

// refuse turns the whole request down, now.
func (c *call) refuse(r refusal) {
	r.text = c.secrets.replace(r.text)
	if !c.strict {
		// Segment knows only 400 for what it does not take.
		r.status = http.StatusBadRequest
	}
	c.events, c.discards = nil, nil
	c.discardAll(r.code, r.pointer, r.text)
	c.answer = r.answer()
}

// conclude plans the answer to a request that could be read.
func (c *call) conclude() {
	switch {
	case c.answer.status != 0: // refused already
	case !c.strict || len(c.discards) == 0:
		c.answer = success()
	default:
		c.events = nil
		first := c.discards[0].Problems[0]
		code, text := first.Code, first.Text
		var problems []Problem
		others := -1
		for _, d := range c.discards {
			problems = append(problems, d.Problems[:min(len(d.Problems), maxProblems-len(problems))]...)
			others += len(d.Problems)
		}
		if others > 0 {
			text = fmt.Sprintf("%s, and %d more", text, others)
		}
		if c.typ == "" && c.discards[0].Index >= 0 {
			code = CodeMultiUserError
			text = fmt.Sprintf("%d messages refused, nothing was stored: %s", len(c.discards), text)
		}
		status := http.StatusBadRequest
		if first.Code == CodeUnknownSource {
			status = http.StatusUnauthorized
		}
		c.answer = refuse(status, code, text, problems)
	}
}
