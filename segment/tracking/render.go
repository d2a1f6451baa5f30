package tracking

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/internal/isotime"
	"github.com/aacflow/segment-blocks/rawjson"
)

// message checks m and writes it as it goes over the wire: its type, then its fields in the order and the spelling in
// which they were given, then what was missing. It also returns the messageId, "" when the given one is no good.
func (p *preparer) message(m Message) (item json.RawMessage, id string) {
	if _, given := m.fields.Get("type"); m.typ == "" && !given {
		p.refuse("/type", CodeTypeMissing, "must be given", nil)
		return nil, ""
	}
	if !m.typ.Valid() {
		p.refuse("/type", CodeTypeUnknown, "must be one of "+typeList(), rawjson.Quote(string(m.typ)))
		return nil, ""
	}
	size := 240 + len(p.bareContext) + len(p.integrations)
	for _, f := range m.fields {
		size += len(f.Name) + len(f.Value) + 4
	}
	w := writer{preparer: p, typ: m.typ, buf: p.makeRoom(size)}
	w.buf = append(w.buf, p.opening...)
	w.buf = append(append(w.buf, m.typ...), '"')
	for _, f := range m.fields {
		w.field(f)
	}
	w.complete()
	item = append(w.buf, '}')
	p.room = item[len(item):]
	return slices.Clip(item), w.id
}

// makeRoom returns an empty buffer that holds size bytes and more, and is followed by nothing that is in use.
func (p *preparer) makeRoom(size int) []byte {
	if cap(p.room) < size {
		p.room = p.lend(max(size, min(p.left*size, lentBytes)))
		if lent(p.room) {
			p.rooms = append(p.rooms, p.room)
		}
	}
	p.left--
	return p.room
}

func typeList() string {
	names := make([]string, 0, len(Types()))
	for _, t := range Types() {
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}

// writer writes one message.
type writer struct {
	*preparer
	typ  Type
	buf  []byte
	has  presence
	id   string
	sent json.RawMessage // the context as sent

	idSeen, timeSeen, integrationsSeen, consent bool
}

func (w *writer) field(f rawjson.Member) {
	role := w.typ.role(f.Name)
	pointer := func() string { return rawjson.Pointer("", f.Name) }
	kind := rawjson.KindOf(f.Value)
	if kind == rawjson.Invalid {
		w.refuse(pointer(), CodeNotJSON, "must be a JSON value", nil)
		return
	}
	if role.absent(f.Value, kind) {
		return
	}
	if code, text := role.checkField(f.Name, f.Value, kind); code != "" {
		w.idSeen = w.idSeen || role == roleMessageID
		w.has.note(f.Name) // it is wrong, not missing
		w.refuse(pointer(), code, text, f.Value)
		return
	}
	switch role {
	case roleType:
		if typeIn(f.Value) != w.typ {
			w.refuse(pointer(), CodeTypeMismatch, "must be "+string(w.typ)+" in this call", f.Value)
		}
		return
	case roleWriteKey:
		w.refuse(pointer(), CodeWriteKeyInMessage, "must not be given: it would send the message to another source", nil)
		return
	case roleSentAt:
		w.warn(pointer(), WarnSentAtReplaced, "is not sent; the time of each attempt is, as the protocol wants it")
		return
	case roleTimestamp:
		w.timeSeen = true
		f.Value = w.timestamp(f.Value)
	case roleContext:
		w.name(f.Name)
		w.context(rawjson.Merge(w.preparer.context, f.Value))
		return
	case roleIntegrations:
		w.checkAll(pointer(), f.Value)
		f.Value = rawjson.Merge(w.integrations, f.Value)
		w.integrationsSeen = true
	case roleMessageID:
		w.idSeen = true
		w.id, _ = rawjson.Text(f.Value)
		w.noteID(w.id)
	case roleText:
		w.consent = w.consent || f.Name == "event" && isConsentEvent(f.Value)
	case roleServer:
		w.warn(pointer(), WarnServerField, "is set by Segment; it is sent as given and may be replaced")
	case roleUnknown:
		w.warn(pointer(), WarnUnknownField, "is not a field of "+string(w.typ)+"; it is sent as given, and Segment may ignore it")
	}
	if role == roleID || role == roleText {
		w.has.note(f.Name)
	}
	if role == roleUnknown { // a name that may need escapes
		w.buf = append(rawjson.AppendText(append(w.buf, ','), f.Name), ':')
		w.buf = append(w.buf, f.Value...)
		return
	}
	w.add(f.Name, f.Value)
}

// complete writes what every message needs and this one did not have.
func (w *writer) complete() {
	if w.sent == nil {
		w.sent = w.bareContext
		w.add("context", w.sent)
	}
	if !w.integrationsSeen && w.integrations != nil {
		w.add("integrations", w.integrations)
	}
	if !w.idSeen {
		w.id = w.maker.make(w.typ, w.index, w.left+1)
		w.name("messageId")
		w.buf = append(append(append(w.buf, '"'), w.id...), '"') // letters, digits and a hyphen
	}
	// Without a timestamp Segment takes the time of receipt, which for a retry is minutes after the fact. With one,
	// Segment corrects it for the sender's clock by timestamp = receivedAt - (sentAt - timestamp), which is why sentAt
	// must be the time of the attempt.
	if !w.timeSeen {
		w.add("timestamp", w.time())
	}
	w.has.missing(w.typ, func(pointer, code, text string) { w.refuse(pointer, code, text, nil) })
	if w.consent {
		checkConsent(w.sent, w.refuse)
	}
}

// add writes a member whose name needs no escapes.
func (w *writer) add(name string, value json.RawMessage) {
	w.name(name)
	w.buf = append(w.buf, value...)
}

func (w *writer) name(name string) {
	w.buf = append(append(w.buf, ',', '"'), name...)
	w.buf = append(w.buf, '"', ':')
}

// context writes a context with the library in it.
func (w *writer) context(context json.RawMessage) {
	start := len(w.buf)
	w.buf = w.appendWithLibrary(w.buf, context)
	w.sent = w.buf[start:]
}

// timestamp writes any form of ISO 8601 as Segment keeps times: UTC, milliseconds.
func (w *writer) timestamp(value json.RawMessage) json.RawMessage {
	if len(value) == len(`""`)+isotime.Size && isotime.IsFormatted(value[1:1+isotime.Size]) {
		return value
	}
	const pointer = "/timestamp"
	text, ok := rawjson.Text(value)
	t, err := isotime.Parse(text)
	if !ok || err != nil {
		w.refuse(pointer, CodeTimestampInvalid, isotime.ErrFormat.Error(), value)
		return value
	}
	if !isotime.HasZone(text) {
		w.warn(pointer, WarnZoneAssumed, "names no zone and is taken as UTC: "+text)
	}
	return rawjson.Quote(isotime.Format(t))
}

func (p *preparer) noteID(id string) {
	if p.ids == nil {
		p.ids = make(map[string]int)
	}
	if first, twice := p.ids[id]; twice {
		p.warn("/messageId", WarnDuplicateID, "is that of message "+grouped(first)+" too; Segment keeps one of them")
		return
	}
	p.ids[id] = p.index
}

// withLibrary splices context.library into a context that has none. A caller's own library is data, and stays.
func (p *preparer) withLibrary(context json.RawMessage) json.RawMessage {
	return p.appendWithLibrary(make([]byte, 0, len(context)+len(p.library)+12), context)
}

func (p *preparer) appendWithLibrary(dst []byte, context json.RawMessage) []byte {
	context = bytes.TrimSpace(context)
	if bytes.Contains(context, []byte(`"library"`)) || bytes.IndexByte(context, '\\') >= 0 { // an escape can hide the name
		if lib, ok := rawjson.OpenObject(context).Get("library"); ok {
			if rawjson.KindOf(lib) != rawjson.NullKind {
				return append(dst, context...)
			}
			return rawjson.OpenObject(context).Set("library", p.library).AppendJSON(dst)
		}
	}
	inner := bytes.TrimSpace(context[1 : len(context)-1])
	dst = append(append(dst, '{'), inner...)
	if len(inner) > 0 {
		dst = append(dst, ',')
	}
	dst = append(append(dst, `"library":`...), p.library...)
	return append(dst, '}')
}

// checkAll looks for the one special name of integrations in another case, which Segment takes for a destination.
func (p *preparer) checkAll(pointer string, integrations json.RawMessage) {
	if !namesAll(integrations) {
		return
	}
	for _, m := range rawjson.OpenObject(integrations) {
		if m.Name != "All" && strings.EqualFold(m.Name, "All") {
			p.warn(rawjson.Pointer(pointer, m.Name), WarnIntegrationsAll, `is not the name that stands for all destinations, which is "All"`)
		}
	}
}

func isConsentEvent(event json.RawMessage) bool {
	if bytes.IndexByte(event, '\\') < 0 {
		return string(event) == `"`+consentEvent+`"`
	}
	text, _ := rawjson.Text(event)
	return text == consentEvent
}

// namesAll reports whether the name may be there in a case that is not Segment's.
func namesAll(integrations []byte) bool {
	for rest := integrations; ; {
		i := bytes.IndexByte(rest, '"')
		if i < 0 || len(rest) < i+len(`"all"`) {
			return false
		}
		rest = rest[i:]
		if word := rest[:len(`"all"`)]; bytes.EqualFold(word, []byte(`"all"`)) && string(word) != `"All"` {
			return true
		}
		rest = rest[1:]
	}
}
