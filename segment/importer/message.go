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
	"github.com/aacflow/segment-blocks/internal/jsonscan"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// message is what a line gives segment_batch to send.
type message struct {
	json   []byte
	added  int    // how many bytes behind the opening brace are a messageId that the line did not have
	id     string // the messageId that it had
	person string // the id whose messages must stay in order
	origin origin
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
func (m *message) given() []byte { return append([]byte{'{'}, m.json[1+m.added:]...) }

// limits leave room for the two levels and the few bytes that a batch puts around a message.
func limits() rawjson.Limits { return rawjson.Limits{MaxBytes: maxRecord, MaxDepth: 126} }

// message makes a message of a line. Where the line is one of a file of rejects, the message is
// taken out of that, and keeps the origin that it has there.
func (r *reader) message(raw []byte, e *event) {
	text, known, err := r.parse(raw)
	if inner := rejectedIn(known); inner != nil {
		if text := known.Text("origin"); text != "" {
			e.origin = parseOrigin(text)
		}
		e.raw = inner
		text, known, err = r.parse(inner)
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
	m.id = known.Text("messageId")
	// A message of an alias or a group may have none of the first ids, and still has an order.
	m.person = cmp.Or(known.Text("userId"), known.Text("anonymousId"), known.Text("previousId"), known.Text("groupId"))
	const front = len(`"messageId":"sb1-0123456789abcdef0123456789abcdef","type":"identify",`)
	m.json = append(make([]byte, 0, len(text)+front+isotime.Size), '{')
	_, typed := known.Get("type")
	typ := tracking.Type(known.Text("type"))
	if !typed {
		typ = r.options.Type
	}
	// The members that are added come first, because text is copied from there on as it is.
	if _, ok := known.Get("messageId"); !ok {
		m.json = append(append(append(m.json, `"messageId":"`...), r.deriveID(text, typ, e.origin)...), `",`...)
		m.added = len(m.json) - 1
	}
	if !typed && typ != "" {
		m.json = append(append(append(m.json, `"type":"`...), typ...), `",`...)
	}
	rest := text[1:]
	if len(bytes.TrimSpace(rest)) == 1 { // an empty object: there is nothing for the last comma to part
		m.json = bytes.TrimSuffix(m.json, []byte(","))
		m.added = min(m.added, len(m.json)-1)
	}
	if stamp, _ := known.Get("timestamp"); r.timeAt > 0 {
		m.json = appendTime(append(m.json, text[1:r.timeAt]...), stamp)
		rest = text[r.timeAt+len(stamp):]
	}
	m.json = append(m.json, rest...)
}

// parse opens an object. It returns the object as it is written, and the members that the importer
// looks at, valid until the next call. An empty type or messageId counts as absent, because
// something is about to take its place.
func (r *reader) parse(raw []byte) (text []byte, known rawjson.Object, err error) {
	text = bytes.TrimSpace(raw)
	blank := func(m rawjson.Member) bool {
		return (m.Name == "type" || m.Name == "messageId") && (string(m.Value) == `""` || string(m.Value) == "null")
	}
	if known, ok := r.look(text); ok && !slices.ContainsFunc(known, blank) {
		return text, known, nil
	}
	r.timeAt = 0
	obj, err := rawjson.ParseObject(text, limits())
	if err != nil {
		return nil, nil, err
	}
	obj = slices.DeleteFunc(obj, blank)
	return obj.JSON(), obj, nil
}

// look is parse for what is as usual, in one pass and without allocating. It returns false for
// anything else, such as names with escapes, and leaves it to parse to say what is wrong. It
// exists because reading is one goroutine's work, which all the senders wait for.
func (r *reader) look(text []byte) (known rawjson.Object, ok bool) {
	s := jsonscan.New(text, limits().MaxBytes, limits().MaxDepth)
	if s.Peek() != '{' || !s.Enter() {
		return nil, false
	}
	var names jsonscan.Names
	r.known, r.timeAt = r.known[:0], 0
	for first := true; ; first = false {
		more, ok := s.More('}', first)
		if !ok || !more {
			return r.known, ok && s.End()
		}
		name, plain, ok := s.Name()
		if !ok || !plain || !names.Add(name) {
			return nil, false
		}
		s.Peek()
		start := s.Pos()
		if !s.Skip() {
			return nil, false
		}
		if i := slices.Index(r.names, string(name)); i >= 0 {
			r.known = append(r.known, rawjson.Member{Name: r.names[i], Value: text[start:s.Pos()]})
		}
		if string(name) == "timestamp" {
			r.timeAt = start
		}
	}
}

// known are the names of the members that look finds.
func known() []string {
	return []string{
		"type", "messageId", "userId", "anonymousId", "previousId", "groupId", "timestamp",
		"message", "text", "reasons", "origin", // of a file of rejects
	}
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

// appendTime appends a timestamp in the form of package isotime. The block would change it too, at
// the cost of opening the whole batch once more.
func appendTime(dst []byte, stamp json.RawMessage) []byte {
	if text, ok := rawjson.Text(stamp); ok && len(text) != isotime.Size && isotime.HasZone(text) {
		if t, err := isotime.Parse(text); err == nil { // the block says what it takes for the zone
			return append(isotime.Append(append(dst, '"'), t), '"')
		}
	}
	return append(dst, stamp...)
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
