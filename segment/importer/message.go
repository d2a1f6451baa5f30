package importer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/aacflow/segment-blocks/internal/isotime"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// Reason is one thing that is wrong with an event.
type Reason struct {
	// Path is the JSON Pointer of the value in the message, "" for all of it.
	Path string `json:"path"`
	// Code is one of the codes of violations, or of this package.
	Code string `json:"code"`
	// Message is a plain sentence part, lower case.
	Message string `json:"message"`
}

// Codes of reasons that only files have. All others are those of violations.
const (
	CodeTooLong    = "line_too_long"
	CodeCSV        = "invalid_csv"
	CodeWrongValue = "invalid_value"
)

// limits leave room for the two levels and the few bytes that a batch puts around a message.
func limits() rawjson.Limits { return rawjson.Limits{MaxBytes: maxRecord, MaxDepth: 126} }

// message is what has been found in a line. Nothing in it is decoded, but for the ids.
type message struct {
	// rest is the object as it was written, without its opening brace, and without what is put in front of it.
	rest []byte
	// front is put in front: a type, where the line has none.
	front string
	typ   tracking.Type
	// person is what all events of one person have the same; they are sent in order.
	person []byte
	// hasID tells that the message brings a messageId; id is its text.
	hasID bool
	id    []byte
	// time is what takes the place of rest[timeFrom:timeTo], a timestamp in another form: the block would change it too, at the cost of
	// opening the whole batch once more.
	time             []byte
	timeFrom, timeTo int
}

// found holds the members of a message that the importer looks at.
type found struct {
	typ, userID, anonymousID, groupID, previousID, messageID json.RawMessage
	message, text, reasons, origin                           json.RawMessage

	timestamp        json.RawMessage
	timeFrom, timeTo int // where in the rest it stands; 0 and 0 where that is not known
}

func (f *found) member(name string) *json.RawMessage {
	switch name {
	case "type":
		return &f.typ
	case "userId":
		return &f.userID
	case "anonymousId":
		return &f.anonymousID
	case "groupId":
		return &f.groupID
	case "previousId":
		return &f.previousID
	case "messageId":
		return &f.messageID
	case "timestamp":
		return &f.timestamp
	case "message":
		return &f.message
	case "text":
		return &f.text
	case "reasons":
		return &f.reasons
	case "origin":
		return &f.origin
	}
	return nil
}

// isReject tells whether this is a line of a file of rejects, which holds the message or the text that was refused.
func (f *found) isReject() bool {
	return f.typ == nil && rawjson.KindOf(f.reasons) == rawjson.ArrayKind && (f.message != nil || f.text != nil)
}

// look finds the members of an object in one pass. It returns the object without what stands around it and without its opening brace.
// ok is false for what it cannot tell, which [rawjson.ParseObject] then explains.
func look(raw []byte) (f found, rest []byte, ok bool) {
	s := rawjson.NewScanner(raw, limits())
	if s.Peek() != '{' {
		return f, nil, false
	}
	begin := s.Pos() + 1
	if !s.Enter() {
		return f, nil, false
	}
	var names rawjson.Names
	var end int
	for first := true; ; first = false {
		more, ok := s.More('}', first)
		if !ok {
			return f, nil, false
		}
		if !more {
			end = s.Pos()
			break
		}
		name, plain, ok := s.Name()
		if !ok || !plain || !names.Add(name) {
			return f, nil, false
		}
		s.Peek()
		start := s.Pos()
		if !s.Skip() {
			return f, nil, false
		}
		if at := f.member(string(name)); at != nil {
			*at = raw[start:s.Pos()]
			if at == &f.timestamp {
				f.timeFrom, f.timeTo = start-begin, s.Pos()-begin
			}
		}
	}
	return f, raw[begin:end], s.End()
}

// open is look for anything: it says what is wrong, and takes what is out of the ordinary.
func open(raw []byte) (f found, rest []byte, faults []Reason) {
	f, rest, ok := look(raw)
	if ok && !blank(f.typ) && !blank(f.messageID) {
		return f, rest, nil
	}
	obj, err := rawjson.ParseObject(bytes.TrimSpace(raw), limits())
	if err != nil {
		return f, nil, []Reason{notJSON(err)}
	}
	// An empty type or messageId counts as absent, and something is about to take its place.
	f = found{}
	kept := obj[:0]
	for _, m := range obj {
		if (m.Name == "type" || m.Name == "messageId") && blank(m.Value) {
			continue
		}
		if at := f.member(m.Name); at != nil {
			*at = m.Value
		}
		kept = append(kept, m)
	}
	return f, kept.JSON()[1:], nil
}

// blank tells whether a value is there and says nothing.
func blank(value json.RawMessage) bool {
	return value != nil && (string(value) == `""` || string(value) == "null")
}

// read makes a message of a line. Where the line is one of a file of rejects the message is taken out of there, and origin is what that one
// had. Inner is what the message was read from.
func read(raw []byte, fallback tracking.Type, origin string) (m message, inner []byte, _ string, faults []Reason) {
	f, rest, faults := open(raw)
	if faults != nil {
		return message{}, raw, origin, faults
	}
	if f.isReject() {
		if text, ok := rawjson.Text(f.origin); ok && text != "" {
			origin = text
		}
		raw = f.message
		if f.message == nil {
			text, _ := rawjson.Text(f.text)
			raw = []byte(text)
		}
		if f, rest, faults = open(raw); faults != nil {
			return message{}, raw, origin, faults
		}
	}
	m = message{rest: rest, hasID: f.messageID != nil, id: givenID(f.messageID), person: f.person()}
	if f.timeTo > 0 {
		m.time, m.timeFrom, m.timeTo = usualTime(f.timestamp), f.timeFrom, f.timeTo
	}
	switch {
	case f.typ != nil:
		text, _ := rawjson.Text(f.typ)
		m.typ = tracking.Type(text)
	case fallback != "":
		m.typ, m.front = fallback, `"type":"`+string(fallback)+`"`
	}
	return m, raw, origin, nil
}

// person returns the id whose messages must stay in order.
func (f *found) person() []byte {
	for _, id := range []json.RawMessage{f.userID, f.anonymousID, f.previousID, f.groupID} {
		if id == nil || blank(id) {
			continue
		}
		if bytes.IndexByte(id, '\\') >= 0 { // the same id may be written with escapes and without
			text, _ := rawjson.Text(id)
			return rawjson.Quote(text)
		}
		return id
	}
	return nil
}

// appendTo appends the message as a batch takes it. Of what is appended, the message as it was given begins behind skip bytes, but for
// its opening brace.
func (m *message) appendTo(dst []byte, key tracking.WriteKey, origin string) (out []byte, skip int) {
	dst = append(dst, '{')
	begin := len(dst)
	if !m.hasID {
		dst = append(dst, `"messageId":"`...)
		dst = append(dst, m.deriveID(key, origin)...)
		dst = append(dst, '"')
		if m.front != "" || !m.isEmpty() {
			dst = append(dst, ',')
		}
		skip = len(dst) - begin
	}
	if m.front != "" {
		dst = append(dst, m.front...)
		if !m.isEmpty() {
			dst = append(dst, ',')
		}
	}
	if m.time != nil {
		dst = append(append(dst, m.rest[:m.timeFrom]...), m.time...)
		return append(dst, m.rest[m.timeTo:]...), skip
	}
	return append(dst, m.rest...), skip
}

// usualTime returns a timestamp in the form of package isotime, as JSON, or nil where it has that form already or cannot be told.
func usualTime(value json.RawMessage) []byte {
	if len(value) == isotime.Size+len(`""`) || len(value) < 2 || value[0] != '"' || bytes.IndexByte(value, '\\') >= 0 {
		return nil
	}
	text := string(value[1 : len(value)-1])
	t, err := isotime.Parse(text)
	if err != nil || !isotime.HasZone(text) { // the block says what it takes for the zone
		return nil
	}
	return append(isotime.Append(append(make([]byte, 0, 2*isotime.Size), '"'), t), '"')
}

// isEmpty tells that nothing is in the object but what is put in front.
func (m *message) isEmpty() bool {
	return len(bytes.TrimLeft(m.rest, " \t\r\n")) <= len("}")
}

// deriveID derives the messageId from the write key, from where the message stood, and from what it says: so a repeat has the id that it had,
// and a line that was changed, or is mapped otherwise, does not pass for a repeat.
func (m *message) deriveID(key tracking.WriteKey, origin string) string {
	sum := sha256.Sum256(m.rest)
	file, place, _ := strings.Cut(origin, ":")
	line, err := strconv.Atoi(place)
	if err != nil {
		file = origin
	}
	return tracking.DeriveMessageID(key, m.typ, "import/"+file+"/"+hex.EncodeToString(sum[:16]), line)
}

// notJSON says what is wrong with a line, in the words of violations.
func notJSON(err error) Reason {
	r := Reason{Code: "invalid_json", Message: err.Error()}
	var where *rawjson.Error
	if errors.As(err, &where) {
		r.Path = where.Pointer
	}
	switch {
	case errors.Is(err, rawjson.ErrDuplicateName):
		r.Code = "duplicate_key"
	case errors.Is(err, rawjson.ErrTooDeep):
		r.Code = "too_deep"
	case errors.Is(err, rawjson.ErrInvalidUTF8):
		r.Code = "invalid_utf8"
	case errors.Is(err, rawjson.ErrNotObject):
		r.Code = "message_not_object"
	}
	return r
}
