package importer

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/aacflow/segment-blocks/internal/jsonscan"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

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

// limits leave room for the two levels and the few bytes that a batch puts around a message.
func limits() rawjson.Limits { return rawjson.Limits{MaxBytes: maxRecord, MaxDepth: 126} }

// object is a JSON object, and the values of the members that an import looks at, nil for those
// that it lacks. Reasons are those of a line in a file of rejects.
type object struct {
	text                                     []byte
	typ, messageID, timestamp, reasons       json.RawMessage
	userID, anonymousID, previousID, groupID json.RawMessage
}

// see takes in a member if an import looks at it. All others pass as they are written.
func (o *object) see(name string, value json.RawMessage) {
	switch name {
	case "type":
		o.typ = value
	case "messageId":
		o.messageID = value
	case "timestamp":
		o.timestamp = value
	case "reasons":
		o.reasons = value
	case "userId":
		o.userID = value
	case "anonymousId":
		o.anonymousID = value
	case "previousId":
		o.previousID = value
	case "groupId":
		o.groupID = value
	}
}

// openObject checks a JSON object and finds its members in one pass, without a list of them, as
// events come by the million. The error is a *[rawjson.Error].
func openObject(raw []byte) (object, error) {
	o := object{text: bytes.TrimSpace(raw)}
	if o.scan() {
		return o, nil
	}
	// It is faulty, or has names that are not easily told apart.
	members, err := rawjson.ParseObject(o.text, limits())
	for _, m := range members {
		o.see(m.Name, m.Value)
	}
	return o, err
}

// scan returns true where the object is valid for sure.
func (o *object) scan() bool {
	s := jsonscan.New(o.text, limits().MaxBytes, limits().MaxDepth)
	if s.Peek() != '{' || !s.Enter() {
		return false
	}
	var names jsonscan.Names
	for first := true; ; first = false {
		more, ok := s.More('}', first)
		if !ok || !more {
			return ok && s.End()
		}
		name, plain, ok := s.Name()
		if !ok || !plain || !names.Add(name) {
			return false
		}
		s.Peek()
		start := s.Pos()
		if !s.Skip() {
			return false
		}
		o.see(string(name), o.text[start:s.Pos()])
	}
}

// missing tells whether a member is absent. Empty counts as absent, because something is about to
// take its place.
func missing(v json.RawMessage) bool {
	return len(v) == 0 || string(v) == `""` || string(v) == "null"
}

// message makes a message of an event. Where the event is a line of a file of rejects, the message
// is taken out of that, and keeps the origin that it has there. Its time is in ISO 8601.
func (r *reader) message(raw []byte, e *event) {
	o, err := openObject(raw)
	rejected := err == nil && e.unwrap(&o)
	if rejected {
		if e.faults != nil {
			return
		}
		o, err = openObject(e.raw)
	}
	if err != nil {
		e.faults = []schemas.Violation{notJSON(err, raw, e.at.Line)}
		return
	}
	if bytes.IndexByte(o.text, '\n') >= 0 {
		o, _ = openObject(oneLine(o.text))
	}
	stamp, problem := o.timestamp, ""
	if !rejected {
		stamp, problem = r.im.times.normal(stamp)
	}
	if problem != "" {
		e.faults = []schemas.Violation{{Path: "/timestamp", Code: "invalid_timestamp", Message: problem}}
		return
	}
	e.id, _ = rawjson.Text(o.messageID)
	// A message of an alias or a group may have none of the first ids, and still has an order.
	for _, id := range [...]json.RawMessage{o.userID, o.anonymousID, o.previousID, o.groupID} {
		if e.person == "" {
			e.person, _ = rawjson.Text(id)
		}
	}
	r.write(&o, stamp, e)
}

// unwrap takes the event out of a line of a file of rejects. It returns false where the object is
// no such line.
func (e *event) unwrap(o *object) bool {
	if o.typ != nil || rawjson.KindOf(o.reasons) != rawjson.ArrayKind {
		return false
	}
	line := rawjson.OpenObject(o.text)
	message, given := line.Get("message")
	_, beside := line.Get("text")
	if !given && !beside {
		return false
	}
	if text := line.Text("origin"); text != "" {
		e.origin = parseOrigin(text)
	}
	e.raw, e.row = message, []byte(line.Text("text"))
	switch {
	case !given:
		e.raw = e.row
	case beside:
		e.faults = fault(CodeCSV, "must be corrected by the text beside it, and that text be removed")
	}
	return true
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

// write writes the message, with a type and a messageId where it has none. What is added stands in
// front, so that the message is copied and not opened. Only where a member is there and has to
// become another one, as an empty messageId or a time in another format, is the object put together
// anew.
func (r *reader) write(o *object, stamp json.RawMessage, e *event) {
	kind, id := o.typ, o.messageID
	if missing(kind) && r.im.options.Type != "" {
		kind = rawjson.Quote(string(r.im.options.Type))
	}
	if e.derived = missing(id); e.derived {
		id = r.deriveID(e.origin, o.text, kind, stamp)
	}
	given := o.text
	r.json = append(r.json[:0], '{')
	for _, member := range [...]struct {
		name    string
		was, is json.RawMessage
	}{{"messageId", o.messageID, id}, {"type", o.typ, kind}, {"timestamp", o.timestamp, stamp}} {
		switch {
		case member.was == nil && member.is != nil:
			r.json = append(append(append(r.json, '"'), member.name...), `":`...)
			r.json = append(append(r.json, member.is...), ',')
		case !bytes.Equal(member.was, member.is):
			given = rawjson.OpenObject(given).Set(member.name, member.is).JSON()
		}
	}
	rest := bytes.TrimLeft(given[1:], blank)
	if rest[0] == '}' {
		r.json = bytes.TrimSuffix(r.json, []byte(","))
	}
	r.json = append(r.json, rest...)
	e.json = r.json
}

// seedOf is what the messageIds of one file are derived from.
func (r *reader) seedOf(file string) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "segment-blocks/import/v3 %q %q", r.im.options.Key, file))
}

// deriveID derives a messageId from the write key, from where the message stood, and from what it
// says. So a repeat has the id that it had, and an event that was changed, or is mapped otherwise,
// does not pass for a repeat. Another way to derive it needs another stateVersion.
func (r *reader) deriveID(from origin, said ...[]byte) json.RawMessage {
	seed := r.seed
	if from.file != r.id {
		seed = r.seedOf(from.file)
	}
	var hash xxhash.Digest
	hash.Reset()
	for _, part := range said {
		_, _ = hash.Write(part) // never fails
	}
	all := append(make([]byte, 0, len(seed)+16), seed[:]...)
	all = binary.BigEndian.AppendUint64(all, uint64(from.offset)) //nolint:gosec // any bits will do
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(all, hash.Sum64()))
	id := make([]byte, 0, len(`"sb1-"`)+32)
	return append(hex.AppendEncode(append(id, `"sb1-`...), sum[:16]), '"')
}

// oneLine returns JSON without the white space of one that is written over several lines.
func oneLine(raw []byte) []byte {
	var out bytes.Buffer
	if bytes.IndexByte(raw, '\n') < 0 || json.Compact(&out, raw) != nil {
		return bytes.TrimSpace(raw)
	}
	return out.Bytes()
}
