package tracking

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/internal/isotime"
	"github.com/aacflow/segment-blocks/rawjson"
)

// message checks and encodes m: its type, then its fields in their original order and spelling,
// then the missing ones.
func (p *preparer) message(m Message) Prepared {
	if _, given := m.fields.Get("type"); m.typ == "" && !given {
		p.refuse("/type", "missing_type", "must be given", nil)
		return Prepared{}
	}
	if !m.typ.Valid() {
		p.refuse("/type", "invalid_type", "must be one of alias, group, identify, page, screen, track",
			rawjson.Quote(string(m.typ)))
		return Prepared{}
	}
	size := 144 + len(p.bareContext) + len(p.integrations) // type, messageId and timestamp take up to 120
	for _, f := range m.fields {
		size += len(f.Name) + len(`,"":`)
		if !p.borrow || f.Name != "properties" && f.Name != "traits" {
			size += len(f.Value)
		}
	}
	p.writer = writer{typ: m.typ, buf: append(append(append(p.buffer(size), itemOpening...), m.typ...), '"')}
	for i, f := range m.fields {
		p.field(i, f)
	}
	p.complete()
	p.buf = append(p.buf, '}')
	p.free = p.buf[len(p.buf):]
	return Prepared{id: p.id, item: slices.Clip(p.buf), fields: m.fields, borrowed: p.borrowed, gap: p.gap}
}

const itemOpening = `{"type":"`

// buffer returns an empty buffer with room for size bytes or more, and no memory in use behind it.
func (p *preparer) buffer(size int) []byte {
	const most = 256 << 10
	if cap(p.free) < size {
		p.free = make([]byte, 0, max(size, min(p.left*size, most)))
	}
	return p.free
}

// writer holds the output of the current message.
type writer struct {
	typ   Type
	buf   []byte
	given roles // of the fields that are there, faulty ones too: those are wrong, not missing
	id    string
	sent  json.RawMessage // the context as sent

	borrowed, gap int32 // see [Prepared]

	consent bool // the message is the one event whose context Segment checks
}

func (p *preparer) field(i int, f rawjson.Member) {
	role := p.typ.role(f.Name)
	pointer := func() string { return rawjson.Pointer("", f.Name) }
	kind := rawjson.KindOf(f.Value)
	if role.absent(f.Value, kind) {
		return
	}
	p.given.add(role)
	code, text := role.checkField(f.Name, f.Value, kind)
	if code == "" && !p.allowPlaceholders && role.isPlaceholder(f.Value) {
		code, text = "placeholder_id", "must not be the text of a missing value: all users with it would count as "+
			"one; allowPlaceholderIds on the source permits it"
	}
	if code != "" {
		p.refuse(pointer(), code, text, f.Value)
		return
	}
	switch role {
	case roleType:
		if !says(unescaped(f.Value), string(p.typ)) {
			p.refuse(pointer(), "type_mismatch", "must be "+string(p.typ)+" in this call", f.Value)
		}
		return
	case roleWriteKey:
		p.refuse(pointer(), "write_key_in_message",
			"must not be given: it would send the message to another source", nil)
		return
	case roleSentAt:
		p.warn(pointer(), "sent_at_replaced", "is replaced with the time of each attempt, as the protocol requires")
		return
	case roleTimestamp:
		f.Value = p.inUTC(f.Value)
	case roleData:
		if p.borrow {
			p.name(f.Name)
			p.borrowed, p.gap = int32(i), int32(len(p.buf))
			return
		}
	case roleContext:
		p.name(f.Name)
		start := len(p.buf)
		p.buf = p.appendWithLibrary(p.buf, rawjson.Merge(p.context, f.Value))
		p.sent = p.buf[start:]
		return
	case roleIntegrations:
		p.checkAll(pointer(), f.Value)
		f.Value = rawjson.Merge(p.integrations, f.Value)
	case roleMessageID:
		p.id, _ = rawjson.Text(f.Value)
		p.noteID(p.id)
	case roleEvent:
		p.consent = says(unescaped(f.Value), "Segment Consent Preference Updated")
	case roleServer:
		p.warn(pointer(), "field_set_by_segment", "is set by Segment; it is sent as given and may be replaced")
	case roleUnknown:
		p.warn(pointer(), "field_unknown",
			"is not a field of "+string(p.typ)+"; it is sent as given, and Segment may ignore it")
		p.buf = append(rawjson.AppendText(append(p.buf, ','), f.Name), ':') // the name may need escapes
		p.buf = append(p.buf, f.Value...)
		return
	}
	p.add(f.Name, f.Value)
}

// complete writes the fields that every message needs and this one lacks.
func (p *preparer) complete() {
	if p.sent == nil {
		p.sent = p.bareContext
		p.add("context", p.sent)
	}
	if !p.given.has(roleIntegrations) && p.integrations != nil {
		p.add("integrations", p.integrations)
	}
	if !p.given.has(roleMessageID) {
		p.id = p.ids.next(p.typ, p.index, p.left)
		p.name("messageId")
		p.buf = append(append(append(p.buf, '"'), p.id...), '"') // letters, digits and a hyphen
	}
	// Without a timestamp, Segment uses the time of receipt, which for a retry is minutes late.
	// With one, Segment corrects it for the sender's clock: timestamp = receivedAt - (sentAt -
	// timestamp). So sentAt must be the time of the attempt.
	if !p.given.has(roleTimestamp) {
		if p.timestamp == nil {
			p.timestamp = rawjson.Quote(isotime.Format(p.time))
		}
		p.add("timestamp", p.timestamp)
	}
	p.given.missing(p.typ, p.refuse)
	if p.consent {
		checkConsent(p.sent, p.refuse)
	}
}

// add writes a member whose name needs no escapes.
func (p *preparer) add(name string, value json.RawMessage) {
	p.name(name)
	p.buf = append(p.buf, value...)
}

func (p *preparer) name(name string) {
	p.buf = append(append(p.buf, ',', '"'), name...)
	p.buf = append(p.buf, '"', ':')
}

// inUTC converts any form of ISO 8601 to Segment's: UTC with milliseconds.
func (p *preparer) inUTC(value json.RawMessage) json.RawMessage {
	if len(value) == len(`""`)+isotime.Size && isotime.IsFormatted(value[1:1+isotime.Size]) {
		return value
	}
	const pointer = "/timestamp"
	text, ok := rawjson.Text(value)
	t, err := isotime.Parse(text)
	if !ok || err != nil {
		p.refuse(pointer, "invalid_timestamp", isotime.ErrFormat.Error(), value)
		return value
	}
	if !isotime.HasZone(text) {
		p.warn(pointer, "timestamp_zone_assumed", "has no zone and is taken as UTC: "+text)
	}
	return rawjson.Quote(isotime.Format(t))
}

func (p *preparer) noteID(id string) {
	if p.givenIDs == nil {
		p.givenIDs = map[string]int{}
	}
	if first, twice := p.givenIDs[id]; twice {
		p.warn("/messageId", WarnDuplicateID, "is also that of message "+grouped(first)+"; Segment keeps one of them")
		return
	}
	p.givenIDs[id] = p.index
}

// appendWithLibrary adds context.library to a context without one. A caller's own library is data
// and stays.
func (p *preparer) appendWithLibrary(dst []byte, context json.RawMessage) []byte {
	context = bytes.TrimSpace(context)
	// An escape can hide the name. Searching with a quote in front would stop at every other name.
	if bytes.Contains(context, []byte(`library"`)) || bytes.IndexByte(context, '\\') >= 0 {
		if lib, ok := rawjson.OpenObject(context).Get("library"); ok {
			if rawjson.KindOf(lib) != rawjson.NullKind {
				return append(dst, context...)
			}
			return append(dst, rawjson.OpenObject(context).Set("library", p.library).JSON()...)
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

// checkAll looks for All in another case, which Segment would read as the name of a destination.
func (p *preparer) checkAll(pointer string, integrations json.RawMessage) {
	for _, m := range rawjson.OpenObject(integrations) {
		if m.Name != "All" && strings.EqualFold(m.Name, "All") {
			p.warn(rawjson.Pointer(pointer, m.Name), "integrations_all_case",
				`is not "All", the name for all destinations`)
		}
	}
}
