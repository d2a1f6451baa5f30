package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aacflow/segment-blocks/internal/jsonscan"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// origin is the place where a message was first read. Its messageId is derived from it. It stays
// the same in files of rejects, so that correcting a reject does not double the event.
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

// event is a record that was read: a message, or the faults that keep it from being one.
type event struct {
	record         // its raw is the source of the message
	row     []byte // the row of CSV that raw was made of
	json    []byte // the message, valid until the next event is read
	id      string // the messageId that the event brings
	derived bool   // it brings none, and the message has a derived one
	person  string // the id whose messages must stay in order
	origin  origin
}

func (o origin) String() string { return o.file + ":" + strconv.FormatInt(o.offset, 10) }

// limits leaves room for the two levels that a batch puts around a message.
func limits() rawjson.Limits { return rawjson.Limits{MaxBytes: maxRecord, MaxDepth: 126} }

// object is a JSON object with the values of the members that an import looks at, nil for those
// that it lacks. Only a line of a file of rejects has reasons.
type object struct {
	text                                     []byte
	typ, messageID, timestamp, reasons       json.RawMessage
	userID, anonymousID, previousID, groupID json.RawMessage
}

// see keeps the value of a member that an import looks at.
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

// openObject checks a JSON object and finds its members in one pass. It makes no list of them,
// because events come by the million. The error is a *[rawjson.Error].
func openObject(raw []byte) (object, error) {
	o := object{text: bytes.TrimSpace(raw)}
	if o.scan() {
		return o, nil
	}
	// It is faulty, or has names that the scanner cannot tell apart.
	members, err := rawjson.ParseObject(o.text, limits())
	for _, m := range members {
		o.see(m.Name, m.Value)
	}
	return o, err
}

// scan returns true if the object is valid, and false if it may not be.
func (o *object) scan() bool {
	s := jsonscan.New(o.text, limits().MaxBytes, limits().MaxDepth)
	var names jsonscan.Names
	return s.Members(func(quoted []byte, plain bool, value []byte) bool {
		name := quoted[1 : len(quoted)-1]
		if !plain || !names.Add(name) {
			return false
		}
		o.see(string(name), value)
		return true
	}) && s.End()
}

// missing tells whether a member is absent. Empty and null count as absent, because another value
// takes their place.
func missing(v json.RawMessage) bool {
	return len(v) == 0 || string(v) == `""` || string(v) == "null"
}

// unwrap takes the event, with its origin, out of a line of a file of rejects. It returns false if
// the object is no such line.
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
		e.faults = fault(CodeCSV, "must be corrected after the member text beside it, which must then be removed")
	}
	return true
}

// notJSON says what is wrong with a text, and in which of its lines if it has several.
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

// oneLine returns JSON that is written over several lines without its white space.
func oneLine(raw []byte) []byte {
	var out bytes.Buffer
	if bytes.IndexByte(raw, '\n') < 0 || json.Compact(&out, raw) != nil {
		return bytes.TrimSpace(raw)
	}
	return out.Bytes()
}

// whole returns the event as it was given: a JSON object, or else a text. A row that does not fit
// the columns is both.
func (e *event) whole() (object, text []byte) {
	if rawjson.Check(e.raw, limits()) != nil || rawjson.KindOf(e.raw) != rawjson.ObjectKind {
		return nil, e.raw
	}
	if e.faults[0].Code == CodeCSV {
		text = e.row
	}
	return oneLine(e.raw), text
}
