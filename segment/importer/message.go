package importer

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/aacflow/segment-blocks/internal/isotime"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// message is what a line gives segment_batch to send.
type message struct {
	json    []byte
	id      string // the messageId that the line had
	derived bool   // it had none, and json has one
	person  string // the id whose messages must stay in order
	origin  origin
}

// origin is where a message stood at first, from which its messageId is derived. It stays the same
// while the message goes through files of rejects, so that mending one does not double the event.
type origin struct {
	file string // the id of the file
	line int64  // 0 for an origin in a form of someone else's
}

func parseOrigin(text string) origin {
	if i := strings.LastIndexByte(text, ':'); i >= 0 {
		if line, err := strconv.ParseInt(text[i+1:], 10, 64); err == nil {
			return origin{text[:i], line}
		}
	}
	return origin{file: text}
}

func (o origin) String() string {
	if o.line == 0 {
		return o.file
	}
	return o.file + ":" + strconv.FormatInt(o.line, 10)
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

// message makes a message of a line. Where the line is one of a file of rejects, the message is
// taken out of that, and keeps the origin that it has there.
func (r *reader) message(raw []byte, e *event) {
	text, obj, err := parse(raw)
	if inner := rejectedIn(obj); inner != nil {
		if text := obj.Text("origin"); text != "" {
			e.origin = parseOrigin(text)
		}
		e.raw = inner
		text, obj, err = parse(inner)
	}
	if err != nil {
		v := schemas.InvalidJSON(err)
		if errors.Is(err, rawjson.ErrNotObject) {
			v.Code = "message_not_object"
		}
		e.faults = []schemas.Violation{v}
		return
	}
	m := &e.message
	m.id = obj.Text("messageId")
	// A message of an alias or a group may have none of the first ids, and still has an order.
	m.person = cmp.Or(obj.Text("userId"), obj.Text("anonymousId"), obj.Text("previousId"), obj.Text("groupId"))
	if stamp, ok := obj.Get("timestamp"); ok {
		obj = obj.Set("timestamp", normalTime(stamp))
	}
	var added rawjson.Object
	typ := tracking.Type(obj.Text("type"))
	if _, typed := obj.Get("type"); !typed && r.options.Type != "" {
		typ = r.options.Type
		added = rawjson.Object{{Name: "type", Value: rawjson.Quote(string(typ))}}
	}
	if _, ok := obj.Get("messageId"); !ok {
		m.derived = true
		id := rawjson.Member{Name: "messageId", Value: rawjson.Quote(r.deriveID(text, typ, e.origin))}
		added = append(rawjson.Object{id}, added...)
	}
	m.json = append(added, obj...).JSON()
}

// parse opens an object, and returns it as it is written, too. An empty type or messageId counts as
// absent, because something is about to take its place.
func parse(raw []byte) (text []byte, obj rawjson.Object, err error) {
	text = bytes.TrimSpace(raw)
	if obj, err = rawjson.ParseObject(text, limits()); err != nil {
		return nil, nil, err
	}
	members := len(obj)
	obj = slices.DeleteFunc(obj, func(m rawjson.Member) bool {
		return (m.Name == "type" || m.Name == "messageId") && (string(m.Value) == `""` || string(m.Value) == "null")
	})
	if len(obj) < members {
		text = obj.JSON()
	}
	return text, obj, nil
}

// rejectedIn returns what a line of a file of rejects holds, or nil for any other line.
func rejectedIn(obj rawjson.Object) []byte {
	_, typed := obj.Get("type")
	reasons, _ := obj.Get("reasons")
	if typed || rawjson.KindOf(reasons) != rawjson.ArrayKind {
		return nil
	}
	if inner, ok := obj.Get("message"); ok {
		return inner
	}
	if text, ok := obj.Get("text"); ok {
		inner, _ := rawjson.Text(text)
		return []byte(inner)
	}
	return nil
}

// normalTime returns a timestamp in the form of package isotime. The block would change it too, at
// the cost of opening the whole batch once more.
func normalTime(stamp json.RawMessage) json.RawMessage {
	if text, ok := rawjson.Text(stamp); ok && len(text) != isotime.Size && isotime.HasZone(text) {
		if t, err := isotime.Parse(text); err == nil { // the block says what it takes for the zone
			return rawjson.Quote(string(isotime.Append(nil, t)))
		}
	}
	return stamp
}

// deriveID derives a messageId from the write key, from where the message stood, and from what it
// says. So a repeat has the id that it had, and a line that was changed, or is mapped otherwise,
// does not pass for a repeat.
func (r *reader) deriveID(text []byte, typ tracking.Type, from origin) string {
	var digest [32]byte
	sum := sha256.Sum256(text[1:])
	hex.Encode(digest[:], sum[:16])
	return tracking.DeriveMessageID(r.options.Key, typ, "import/"+from.file+"/"+string(digest[:]), int(from.line))
}
