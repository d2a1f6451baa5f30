package emulator

import (
	"bytes"
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

	events   []Event
	discards []Discard
	answer   answer
}

// take reads the messages of the request and plans the answer.
func (c *call) take(body []byte, header http.Header) {
	if err := checkJSON(body); err != nil {
		c.refuse(refusal{400, CodeBadRequest, "", err.Error()})
		return
	}
	body = bytes.TrimSpace(body)
	obj, ok := parseObject(body)
	if !ok {
		c.refuse(refusal{400, CodeBadRequest, "", "body must be a JSON object: " + show(body)})
		return
	}
	key := c.keyOf(obj, keyFromHeader(header))
	c.record.Source = Fingerprint(key)
	if c.typ == "" {
		c.takeBatch(obj, key)
	} else if c.admit(key) {
		c.takeMessage(obj, envelope{}, 0, c.typ, key)
	}
	c.conclude()
}

// keyOf is the write key of an object that may carry its own: the body goes
// before the header, and a message before its batch.
func (c *call) keyOf(obj object, otherwise string) string {
	key := obj.text("writeKey")
	if key == "" {
		key = otherwise
	}
	c.secrets.add(key)
	return key
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

func (c *call) takeBatch(batch object, key string) {
	raw := batch.get("batch")
	items, isArray := parseArray(raw, MaxBatchMessages)
	parsed := make([]object, len(items))
	for i, item := range items {
		parsed[i], _ = parseObject(item)
		// Every key is known before anything is kept, so that none can be.
		c.keyOf(parsed[i], "")
	}
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
	for i, item := range items {
		if parsed[i].text("writeKey") == "" && !c.admit(key) {
			return
		}
		if len(item) > MaxMessageBytes && c.cfg.oversize == RefuseBatch {
			c.refuse(refusal{413, CodeBadRequest, c.pointer(i), fmt.Sprintf(
				"message %d must be at most %d bytes: %d", i, MaxMessageBytes, len(item))})
			return
		}
	}
	env := envelope{
		obj:          batch,
		context:      c.keep(batch.get("context")),
		integrations: c.keep(batch.get("integrations")),
	}
	if len(env.context) > MaxMessageBytes || len(env.integrations) > MaxMessageBytes {
		// Merged into each of 2500 messages they would come to a gigabyte.
		c.refuse(refusal{413, CodeBadRequest, "", fmt.Sprintf(
			"context and integrations of a batch must be at most %d bytes each", MaxMessageBytes)})
		return
	}
	for i, item := range items {
		if parsed[i].raw == nil {
			c.discard(object{raw: item}, i, "", Problem{CodeBadRequest, c.pointer(i), "must be an object: " + show(item)})
			continue
		}
		c.takeMessage(parsed[i], env, i, "", c.keyOf(parsed[i], key))
	}
}

// An envelope is what a batch says for all of its messages.
type envelope struct {
	obj                   object
	context, integrations []byte // kept
}

// takeMessage makes an event or a discard of one message. typ is "" in a batch,
// where each message carries its own.
func (c *call) takeMessage(obj object, env envelope, index int, typ, key string) {
	at := c.pointer(index)
	source := Fingerprint(key)
	if c.cfg.judge(key) != keyKnown {
		c.discard(obj, index, source, Problem{CodeUnknownSource, at, "no source has this write key: sha256:" + source})
		return
	}
	if len(obj.raw) > MaxMessageBytes {
		c.discard(obj, index, source, Problem{
			CodeBadRequest, at,
			fmt.Sprintf("must be at most %d bytes: %d", MaxMessageBytes, len(obj.raw)),
		})
		return
	}
	check := checker{obj: obj, at: at}
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
		check.note("type is taken from the path: %q", own)
	}
	if len(check.problems) == 0 {
		check.check(typ)
	}
	id := check.messageID()
	if len(check.problems) > 0 {
		c.discard(obj, index, source, check.problems...)
		return
	}
	ev := Event{
		Path: c.record.Path, Index: index, Source: source,
		Type: typ, UserID: c.text(obj, "userId"), AnonymousID: c.text(obj, "anonymousId"),
		MessageID: c.secrets.scrubText(id), ReceivedAt: c.now,
		SentAt:            check.instant("sentAt", env.obj),
		OriginalTimestamp: check.instant("timestamp", object{}),
		Context:           c.merge(env.context, obj.get("context")),
		Integrations:      c.merge(env.integrations, obj.get("integrations")),
		Message:           c.keep(obj.raw),
	}
	switch typ {
	case "track":
		ev.Name = c.text(obj, "event")
	case "page", "screen":
		ev.Name = c.text(obj, "name")
	}
	if id == "" {
		ev.MessageID, ev.Minted = "minted-"+strings.ToLower(rand.Text()), true
	}
	ev.Timestamp = effective(ev.ReceivedAt, ev.SentAt, ev.OriginalTimestamp)
	for _, note := range check.notes {
		ev.Notes = append(ev.Notes, c.secrets.scrubText(note))
	}
	c.events = append(c.events, ev)
}

// keep returns a copy of raw that holds no write key, nil for nothing.
func (c *call) keep(raw []byte) []byte {
	if raw == nil {
		return nil
	}
	return c.secrets.scrub(bytes.Clone(raw))
}

// merge lays a message's own document over its batch's, which is kept already
// and shared by the messages that have none.
func (c *call) merge(base, own []byte) []byte {
	if own == nil && kindOf(base) == '{' {
		return base
	}
	return c.keep(mergeRaw(base, own))
}

// text is a string member that holds no write key.
func (c *call) text(obj object, name string) string { return c.secrets.scrubText(obj.text(name)) }

// pointer is the JSON Pointer of a message in the body.
func (c *call) pointer(index int) string {
	if c.typ != "" || index < 0 {
		return ""
	}
	return pointerTo("/batch", index)
}

func (c *call) discard(obj object, index int, source string, problems ...Problem) {
	for i := range problems {
		problems[i].Text = c.secrets.scrubText(problems[i].Text)
	}
	c.discards = append(c.discards, Discard{
		Path: c.record.Path, Index: index, Source: source, ReceivedAt: c.now,
		MessageID: c.text(obj, "messageId"), Problems: problems, Message: c.keep(obj.raw),
	})
}

// discardAll is for what is wrong with the request and still answered 200.
func (c *call) discardAll(code, pointer, text string) {
	c.discard(object{}, -1, c.record.Source, Problem{code, pointer, text})
}

// refuse turns the whole request down, now.
func (c *call) refuse(r refusal) {
	r.text = c.secrets.scrubText(r.text)
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
		for _, d := range c.discards {
			problems = append(problems, d.Problems...)
		}
		if len(problems) > 1 {
			text = fmt.Sprintf("%s, and %d more", text, len(problems)-1)
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
