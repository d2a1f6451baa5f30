package importer

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/aacflow/segment-blocks/internal/jsonscan"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// message is what an event gives segment_batch to send.
type message struct {
	json    []byte
	id      string // the messageId that the event had
	derived bool   // it had none, and json has one
	person  string // the id whose messages must stay in order
	origin  origin
}

// origin is where a message stood at first, from which its messageId is derived. It stays the same
// while the message goes through files of rejects, so that mending one does not double the event.
type origin struct {
	file   string // the id of the file
	offset int64  // -1 for an origin in a form of someone else's
}

func parseOrigin(text string) origin {
	if i := strings.LastIndexByte(text, ':'); i >= 0 {
		if offset, err := strconv.ParseInt(text[i+1:], 10, 64); err == nil && offset >= 0 {
			return origin{text[:i], offset}
		}
	}
	return origin{text, -1}
}

func (o origin) String() string {
	if o.offset < 0 {
		return o.file
	}
	return o.file + ":" + strconv.FormatInt(o.offset, 10)
}

// given returns the message without a messageId that was added, for the file of rejects: once it is
// mended it is another message, and derives an id of its own.
func (m *message) given() []byte {
	if !m.derived {
		return m.json
	}
	return rawjson.OpenObject(m.json).Without("messageId").JSON()
}

// limits leave room for the two levels and the few bytes that a batch puts around a message.
func limits() rawjson.Limits { return rawjson.Limits{MaxBytes: maxRecord, MaxDepth: 126} }

// object is a JSON object and the members of it that an import has to do with: the values, nil for
// those that it lacks.
type object struct {
	text                                            []byte
	typ, id, timestamp                              value
	userID, anonymousID, previousID, groupID        value
	reasons, message, row /* called text */, origin value
}

// value is a value of an object, and where it stands in the text.
type value struct {
	json.RawMessage
	start, end int
}

// member returns what takes the value of a member, nil where nobody does.
func (o *object) member(name string) *value {
	switch name {
	case "type":
		return &o.typ
	case "messageId":
		return &o.id
	case "timestamp":
		return &o.timestamp
	case "userId":
		return &o.userID
	case "anonymousId":
		return &o.anonymousID
	case "previousId":
		return &o.previousID
	case "groupId":
		return &o.groupID
	case "reasons":
		return &o.reasons
	case "message":
		return &o.message
	case "text":
		return &o.row
	case "origin":
		return &o.origin
	}
	return nil
}

// openObject checks a JSON object and finds its members in one pass. The error is a
// *[rawjson.Error].
func openObject(raw []byte) (object, error) {
	o := object{text: bytes.TrimSpace(raw)}
	if o.scan(jsonscan.New(o.text, limits().MaxBytes, limits().MaxDepth)) {
		return o, nil
	}
	// It is faulty, which is explained here, or has too many names to tell them apart so fast.
	if _, err := rawjson.ParseObject(o.text, limits()); err != nil {
		return o, err
	}
	o.scan(jsonscan.Trusting(o.text))
	return o, nil
}

// scan returns true where the object is valid for sure, with names that differ.
func (o *object) scan(s jsonscan.Scanner) bool {
	if s.Peek() != '{' || !s.Enter() {
		return false
	}
	var names jsonscan.Names
	distinct := true
	for first := true; ; first = false {
		more, ok := s.More('}', first)
		if !ok || !more {
			return ok && distinct && s.End()
		}
		quoted := s.Pos()
		name, plain, ok := s.Name()
		if !ok {
			return false
		}
		distinct = distinct && plain && names.Add(name)
		if !plain {
			text, _ := rawjson.Text(o.text[quoted : quoted+len(name)+2])
			name = []byte(text)
		}
		s.Peek()
		start := s.Pos()
		if !s.Skip() {
			return false
		}
		if v := o.member(string(name)); v != nil {
			*v = value{o.text[start:s.Pos():s.Pos()], start, s.Pos()}
		}
	}
}

// missing tells whether a member is absent. Empty counts as absent, because something is about to
// take its place.
func (v *value) missing() bool {
	text := string(v.RawMessage)
	return text == "" || text == `""` || text == "null"
}

func (v *value) text() string {
	text, _ := rawjson.Text(v.RawMessage)
	return text
}

// message makes a message of an event. Where the event is a line of a file of rejects, the message
// is taken out of that, and keeps the origin that it has there.
func (r *reader) message(raw []byte, e *event) {
	o, err := openObject(raw)
	clock := r.times
	if err == nil && o.rejected() {
		if text := o.origin.text(); text != "" {
			e.origin = parseOrigin(text)
		}
		e.raw = o.message.RawMessage
		text := []byte(o.row.text())
		if e.raw == nil {
			e.raw = text
		} else if o.row.RawMessage != nil {
			e.row = text
			e.fault(CodeCSV, "must be corrected by the text beside it, and that text be removed")
			return
		}
		o, err = openObject(e.raw)
		clock = times{} // those of a file of rejects are in ISO 8601
	}
	if err != nil {
		e.faults = []schemas.Violation{notJSON(err, raw, e.before.Line)}
		return
	}
	if bytes.IndexByte(o.text, '\n') >= 0 {
		o, _ = openObject(oneLine(o.text))
	}
	m := &e.message
	m.id = o.id.text()
	// A message of an alias or a group may have none of the first ids, and still has an order.
	m.person = cmp.Or(o.userID.text(), o.anonymousID.text(), o.previousID.text(), o.groupID.text())
	stamp, fault := clock.normal(o.timestamp.RawMessage)
	if fault != "" {
		e.faults = []schemas.Violation{{Path: "/timestamp", Code: "invalid_timestamp", Message: fault}}
		return
	}
	o.timestamp.RawMessage = stamp
	r.write(&o, m)
}

// notJSON says what is wrong with a text, and in which line where it has several.
func notJSON(err error, text []byte, line int64) schemas.Violation {
	v := schemas.InvalidJSON(err)
	if v.Code == "wrong_type" {
		v.Code = "message_not_object"
	}
	if where, ok := errors.AsType[*rawjson.Error](err); ok {
		before := text[:min(max(0, where.Offset), int64(len(text)))]
		if n := bytes.Count(before, []byte("\n")); n > 0 {
			v.Message += fmt.Sprintf(", in line %d", line+int64(n))
		}
	}
	return v
}

// rejected tells a line of a file of rejects.
func (o *object) rejected() bool {
	return o.typ.RawMessage == nil && rawjson.KindOf(o.reasons.RawMessage) == rawjson.ArrayKind &&
		(o.message.RawMessage != nil || o.row.RawMessage != nil)
}

// write writes the message, with a type and a messageId where it has none.
func (r *reader) write(o *object, m *message) {
	if o.typ.missing() && r.options.Type != "" {
		o.typ.RawMessage = rawjson.Quote(string(r.options.Type))
	}
	if m.derived = o.id.missing(); m.derived {
		o.id.RawMessage = r.deriveID(o, m.origin)
	}
	out := append(make([]byte, 0, len(o.text)+100), '{')
	if o.id.start == 0 {
		out = append(append(append(out, `"messageId":`...), o.id.RawMessage...), ',')
	}
	if o.typ.start == 0 && o.typ.RawMessage != nil {
		out = append(append(append(out, `"type":`...), o.typ.RawMessage...), ',')
	}
	from := 1
	there := [...]value{o.id, o.typ, o.timestamp}
	slices.SortFunc(there[:], func(a, b value) int { return a.start - b.start })
	for _, v := range there {
		if v.start > 0 {
			out = append(append(out, o.text[from:v.start]...), v.RawMessage...)
			from = v.end
		}
	}
	rest := bytes.TrimLeft(o.text[from:], blank)
	if rest[0] == '}' {
		out = bytes.TrimSuffix(out, []byte(","))
	}
	out = append(out, rest...)
	m.json = out
}

// seed is what the messageIds of one file have in common.
type seed struct {
	file string
	sum  [sha256.Size]byte
}

// deriveID derives a messageId from the write key, from where the message stood, and from what it
// says. So a repeat has the id that it had, and an event that was changed, or is mapped otherwise,
// does not pass for a repeat. Another way to derive it needs another stateVersion.
func (r *reader) deriveID(o *object, from origin) json.RawMessage {
	if r.seed.file != from.file {
		r.seed = seed{from.file, sha256.Sum256(fmt.Appendf(nil, "segment-blocks/import/v3 %q %q", r.options.Key, from.file))}
	}
	var said xxhash.Digest
	said.Reset()
	for _, part := range [][]byte{o.text, o.typ.RawMessage, o.timestamp.RawMessage} {
		_, _ = said.Write(part) // never fails
	}
	id := binary.BigEndian.AppendUint64(r.seed.sum[:], uint64(from.offset)) //nolint:gosec // any bits will do
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(id, said.Sum64()))
	return append(hex.AppendEncode([]byte(`"sb1-`), sum[:16]), '"')
}

// oneLine returns JSON without the white space of one that is written over several lines.
func oneLine(raw []byte) []byte {
	var out bytes.Buffer
	if bytes.IndexByte(raw, '\n') < 0 || json.Compact(&out, raw) != nil {
		return bytes.TrimSpace(raw)
	}
	return out.Bytes()
}
