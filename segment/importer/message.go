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

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// origin is where a message stood at first, from which its messageId is derived. It stays the same
// while the message goes through files of rejects, so that mending one does not double the event.
type origin struct {
	file   string // the id of the file
	offset int64
}

func parseOrigin(text string) origin {
	at := strings.LastIndexByte(text, ':') + 1
	if offset, err := strconv.ParseInt(text[at:], 10, 64); err == nil && at > 0 {
		return origin{text[:at-1], offset}
	}
	return origin{file: text}
}

func (o origin) String() string { return o.file + ":" + strconv.FormatInt(o.offset, 10) }

// limits leave room for the two levels and the few bytes that a batch puts around a message.
func limits() rawjson.Limits { return rawjson.Limits{MaxBytes: maxRecord, MaxDepth: 126} }

// missing tells whether a member is absent. Empty counts as absent, because something is about to
// take its place.
func missing(v json.RawMessage) bool {
	return len(v) == 0 || string(v) == `""` || string(v) == "null"
}

// message makes a message of an event. Where the event is a line of a file of rejects, the message
// is taken out of that, and keeps the origin that it has there. Its time is in ISO 8601.
func (r *reader) message(text []byte, e *event) {
	o, err := rawjson.ParseObject(text, limits())
	rejected := err == nil && e.unwrap(o)
	if rejected {
		if e.faults != nil {
			return
		}
		text = e.raw
		o, err = rawjson.ParseObject(text, limits())
	}
	if err != nil {
		e.faults = []schemas.Violation{notJSON(err, text, e.at.Line)}
		return
	}
	if bytes.IndexByte(text, '\n') >= 0 {
		text = oneLine(text)
		o = rawjson.OpenObject(text)
	}
	stamp, _ := o.Get("timestamp")
	if !rejected {
		var problem string
		if stamp, problem = r.im.times.normal(stamp); problem != "" {
			e.faults = []schemas.Violation{{Path: "/timestamp", Code: "invalid_timestamp", Message: problem}}
			return
		}
	}
	e.id = o.Text("messageId")
	// A message of an alias or a group may have none of the first ids, and still has an order.
	for _, name := range [...]string{"userId", "anonymousId", "previousId", "groupId"} {
		if e.person == "" {
			e.person = o.Text(name)
		}
	}
	r.write(o, bytes.TrimSpace(text), stamp, e)
}

// unwrap takes the event out of a line of a file of rejects. It returns false where the object is
// no such line.
func (e *event) unwrap(line rawjson.Object) bool {
	reasons, _ := line.Get("reasons")
	if rawjson.KindOf(reasons) != rawjson.ArrayKind { // as in nearly all lines
		return false
	}
	_, typed := line.Get("type")
	message, given := line.Get("message")
	_, beside := line.Get("text")
	if typed || !given && !beside {
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
func (r *reader) write(o rawjson.Object, text, stamp []byte, e *event) {
	kind, _ := o.Get("type")
	if missing(kind) && r.im.options.Type != "" {
		kind = rawjson.Quote(string(r.im.options.Type))
	}
	id, _ := o.Get("messageId")
	if e.derived = missing(id); e.derived {
		id = r.deriveID(e.origin, text, kind, stamp)
	}
	r.json = append(r.json[:0], '{')
	for _, member := range [...]struct {
		name  string
		value []byte
	}{{"messageId", id}, {"type", kind}, {"timestamp", stamp}} {
		was, given := o.Get(member.name)
		switch {
		case !given && member.value != nil:
			r.json = append(append(append(r.json, '"'), member.name...), `":`...)
			r.json = append(append(r.json, member.value...), ',')
		case !bytes.Equal(was, member.value):
			text = o.Set(member.name, member.value).JSON()
		}
	}
	rest := bytes.TrimLeft(text[1:], blank)
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
