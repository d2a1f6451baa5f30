package emulator

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aacflow/segment-blocks/rawjson"
)

// A call is one request to the tracking API on its way through the emulator.
type call struct {
	cfg     *config
	strict  bool
	typ     string // of a single call; "" for a batch
	now     time.Time
	record  *Request // on its own, as it is kept and the call is not
	secrets secrets
	clean   []byte // the body without write keys: all that is kept or shown is taken from here
	invalid error  // why the body is not JSON
	merged  int    // bytes of the batch's context and integrations merged into messages so far

	events   []*Event
	discards []*Discard
	answer   answer
}

// read takes the write keys out of the body and checks its syntax.
func (c *call) read(body []byte) {
	c.invalid = checkJSON(body)
	c.clean = c.secrets.scrub(body, c.invalid == nil)
	c.record.Body = c.clean
}

// take reads the messages of the request and plans the answer, or refuses it for
// what is bad already. Write keys and sizes are those of body; everything else is
// read from it without the keys.
func (c *call) take(body []byte, header http.Header, bad *refusal) {
	switch {
	case bad != nil:
	case c.invalid != nil:
		bad = refused(400, "%v", c.invalid)
	case rawjson.KindOf(body) != rawjson.ObjectKind:
		bad = refused(400, "body must be a JSON object: %s", show(json.RawMessage(c.clean)))
	}
	if bad != nil {
		c.refuse(bad)
		return
	}
	sent, clean := rawjson.OpenObject(body), rawjson.OpenObject(c.clean)
	key := cmp.Or(sent.Text("writeKey"), keyFromHeader(header))
	c.record.Source = Fingerprint(key)
	if c.typ == "" {
		c.takeBatch(sent, clean, key)
	} else if c.admit(key) {
		c.takeMessage(bytes.TrimSpace(c.clean), &message{size: len(body), key: key}, envelope{})
	}
	if c.answer.status != 0 {
		return // refused already
	}
	c.answer = success()
	if c.strict && len(c.discards) > 0 {
		c.events, c.answer = nil, c.refuseMessages()
	}
}

// admit refuses the whole request when its key cannot be a write key.
func (c *call) admit(key string) bool {
	if c.cfg.plausible(key) {
		return true
	}
	c.refuse(&refusal{401, unknownSource, "/writeKey", fmt.Sprintf(
		"must have a write key of at least %d characters: has %d", minWriteKeyLength, len(key))})
	return false
}

// An envelope is what a batch says for all of its messages.
type envelope struct {
	obj                   rawjson.Object // nil for a single call
	context, integrations json.RawMessage
}

// takeBatch reads a batch. The write key of a message goes before the batch's, and
// that before the header's.
func (c *call) takeBatch(sent, clean rawjson.Object, key string) {
	raw := get(clean, "batch")
	items := rawjson.OpenArray(raw)
	if len(items) == 0 || len(items) > MaxBatchMessages {
		if c.admit(key) {
			c.discardBatch(raw, len(items))
		}
		return
	}
	env := envelope{
		obj:          clean,
		context:      bytes.Clone(getObject(clean, "context")),
		integrations: bytes.Clone(getObject(clean, "integrations")),
	}
	if len(env.context) > MaxMessageBytes || len(env.integrations) > MaxMessageBytes {
		c.refuse(refused(413, "context and integrations of a batch must be at most %d bytes each", MaxMessageBytes))
		return
	}
	for i, item := range rawjson.OpenArray(get(sent, "batch")) {
		own := rawjson.OpenObject(item).Text("writeKey")
		if own == "" && !c.admit(key) {
			return
		}
		if len(item) > MaxMessageBytes && c.cfg.oversize == RefuseBatch {
			c.refuse(&refusal{413, badRequest, c.pointer(i), fmt.Sprintf(
				"message %d must be at most %d bytes: %d", i, MaxMessageBytes, len(item))})
			return
		}
		c.takeMessage(items[i], &message{index: i, size: len(item), key: cmp.Or(own, key)}, env)
	}
}

// discardBatch discards a batch that holds no messages, or too many.
func (c *call) discardBatch(raw json.RawMessage, items int) {
	switch {
	case raw != nil && rawjson.KindOf(raw) != rawjson.ArrayKind:
		c.discardAll(badRequest, "/batch", "must be an array: "+show(raw))
	case items == 0:
		c.discardAll("empty_batch", "/batch", "must hold at least one message")
	default:
		c.discardAll(badRequest, "/batch", fmt.Sprintf("must hold at most %d messages", MaxBatchMessages))
	}
}

// takeMessage makes an event or a discard of one message, which is raw without its
// write keys. Whatever is kept of it shares one copy.
func (c *call) takeMessage(raw json.RawMessage, m *message, env envelope) {
	m.raw, m.at = bytes.Clone(raw), c.pointer(m.index)
	m.obj = rawjson.OpenObject(m.raw)
	ev := &Event{Path: c.record.Path, Index: m.index, Source: Fingerprint(m.key), ReceivedAt: c.now, Message: m.raw}
	switch {
	case m.obj == nil:
		ev.Source = ""
		m.refuse(badRequest, "", "must be an object: %s", show(raw))
	case !c.cfg.known(m.key):
		m.refuse(unknownSource, "", "no source has this write key: %s", redacted(m.key))
	case m.size > MaxMessageBytes:
		m.refuse(badRequest, "", "must be at most %d bytes: %d", MaxMessageBytes, m.size)
	default:
		ev.Type = m.check(c.typ)
		c.merge(m, env, ev)
	}
	if len(m.problems) > 0 {
		c.discard(Discard{
			Index: m.index, Source: ev.Source, MessageID: m.obj.Text("messageId"), Message: m.raw, Problems: m.problems,
		})
		return
	}
	ev.UserID, ev.AnonymousID, ev.MessageID = m.obj.Text("userId"), m.obj.Text("anonymousId"), m.messageID()
	ev.SentAt, ev.OriginalTimestamp = m.instant("sentAt", env.obj), m.instant("timestamp", nil)
	ev.Timestamp, ev.Notes = effective(ev.ReceivedAt, ev.SentAt, ev.OriginalTimestamp), m.notes
	switch ev.Type {
	case "track":
		ev.Name = m.obj.Text("event")
	case "page", "screen":
		ev.Name = m.obj.Text("name")
	}
	if ev.MessageID == "" {
		ev.MessageID, ev.Minted = "minted-"+strings.ToLower(rand.Text()), true
	}
	c.events = append(c.events, ev)
}

// merge gives an event the context and the integrations of its message, laid over
// those of the batch. A message that comes to more than MaxMessageBytes by that is
// over the limit, and so are those at the end of a batch that would grow beyond all
// proportion: 265 KB can ask for 160 MB.
func (c *call) merge(m *message, env envelope, ev *Event) {
	c.merged += len(env.context) + len(env.integrations)
	switch {
	case len(m.problems) > 0:
	case c.merged > maxMergedBytes:
		m.refuse(badRequest, "", "the context and the integrations of a batch must come to at most %d bytes, "+
			"counted once for each message", maxMergedBytes)
	default:
		context, integrations := get(m.obj, "context"), get(m.obj, "integrations")
		ev.Context, ev.Integrations = rawjson.Merge(env.context, context), rawjson.Merge(env.integrations, integrations)
		size := m.size + len(ev.Context) - len(context) + len(ev.Integrations) - len(integrations)
		if size > MaxMessageBytes {
			m.refuse(badRequest, "", "must be at most %d bytes: %d", MaxMessageBytes, size)
		}
	}
}

// pointer is the JSON Pointer of a message in the body.
func (c *call) pointer(index int) string {
	if c.typ != "" {
		return ""
	}
	return "/batch/" + strconv.Itoa(index)
}

// discard is for a message that is answered and not stored.
func (c *call) discard(d Discard) {
	d.Path, d.ReceivedAt = c.record.Path, c.now
	c.discards = append(c.discards, &d)
}

// discardAll is for what is wrong with the request and still answered 200.
func (c *call) discardAll(code, pointer, text string) {
	c.discard(Discard{Index: -1, Source: c.record.Source, Problems: []Problem{{code, pointer, text}}})
}

// refuse turns the whole request down, now.
func (c *call) refuse(r *refusal) {
	r.text = c.secrets.replace(r.text)
	if !c.strict {
		// Segment knows only 400 for what it does not take.
		r.status = http.StatusBadRequest
	}
	c.events, c.discards = nil, nil
	c.discardAll(r.code, r.pointer, r.text)
	c.answer = r.answer()
}

// refuseMessages is the answer of mode Strict to a request with bad messages.
func (c *call) refuseMessages() answer {
	var problems []Problem
	for _, d := range c.discards {
		problems = append(problems, d.Problems...)
	}
	r := refusal{http.StatusBadRequest, problems[0].Code, "", problems[0].Text}
	if others := len(problems) - 1; others > 0 {
		r.text = fmt.Sprintf("%s, and %d more", r.text, others)
	}
	if c.typ == "" && c.discards[0].Index >= 0 {
		r.code = "multi_user_error"
		r.text = fmt.Sprintf("%d messages refused, nothing was stored: %s", len(c.discards), r.text)
	}
	if problems[0].Code == unknownSource {
		r.status = http.StatusUnauthorized
	}
	return r.answer(problems[:min(len(problems), maxProblems)]...)
}
