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
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/cespare/xxhash/v2"

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

// message makes the message of an event. It takes it out of a line of a file of rejects, where the
// time of a message is in ISO 8601 already, whatever the format of times; that of a text is not.
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
	times := r.im.times
	if rejected && len(e.row) == 0 {
		times.format = ISO8601
	}
	stamp, problem := times.normal(o.timestamp)
	if problem != "" {
		e.faults = []schemas.Violation{{Path: "/timestamp", Code: "invalid_timestamp", Message: problem}}
		return
	}
	e.id, _ = rawjson.Text(o.messageID)
	// An alias or a group may have none of the first two ids, and needs its order, too.
	for _, id := range [...]json.RawMessage{o.userID, o.anonymousID, o.previousID, o.groupID} {
		if e.person == "" {
			e.person, _ = rawjson.Text(id)
		}
	}
	r.write(&o, stamp, e)
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

// write writes the message, and adds a type and a messageId if it has none. It puts new members in
// front, so that it can copy the rest as it is. Only if it has to replace a member, such as an
// empty messageId or a time in another format, it writes the object anew.
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

// seedOf returns the seed of the messageIds of a file.
func (r *reader) seedOf(file string) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "segment-blocks/import/v3 %q %q", r.im.options.Key, file))
}

// deriveID derives a messageId from the write key, the origin of the message, and its contents. So
// an event that is sent again has the same id, and one that was changed or is mapped otherwise has
// another. Another way to derive it needs another stateVersion.
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

// oneLine returns JSON that is written over several lines without its white space.
func oneLine(raw []byte) []byte {
	var out bytes.Buffer
	if bytes.IndexByte(raw, '\n') < 0 || json.Compact(&out, raw) != nil {
		return bytes.TrimSpace(raw)
	}
	return out.Bytes()
}

// reject is an event for the file of rejects.
type reject struct {
	reasons []schemas.Violation
	line    []byte // with its line break
}

// newReject writes a line for the file of rejects. Object is the message. Text takes its place if
// it is no JSON object, and stands beside it if it is a row that may have been misread.
//
// Such a line can itself be imported: see unwrap. Without the origin, the message would get another
// id each time that the file of rejects is edited, and Segment would count it each time.
func newReject(file string, at position, from origin, reasons []schemas.Violation, object, text []byte) *reject {
	list, _ := json.Marshal(reasons) // never fails for strings
	dst := fmt.Appendf(nil, `{"file":%s,"line":%d`, rawjson.Quote(file), at.Line)
	if at.Layout != lines { // a line may have many events
		dst = fmt.Appendf(dst, `,"offset":%d`, at.Offset)
	}
	dst = fmt.Appendf(dst, `,"reasons":%s,"origin":%s`, list, rawjson.Quote(from.String()))
	if object != nil {
		dst = fmt.Appendf(dst, `,"message":%s`, object)
	}
	if object == nil || text != nil {
		dst = fmt.Appendf(dst, `,"text":%s`, rawjson.Quote(string(text)))
	}
	return &reject{reasons, append(dst, "}\n"...)}
}

// rejects is the file of rejects.
type rejects struct {
	path    string
	file    *os.File
	special bool  // no regular file, such as /dev/null, which can be neither cut nor removed
	size    int64 // of the lines
	count   int64 // of the lines of all runs
	failed  error // of writing: nothing more is written, or the lines between would be lost
}

// openRejects makes the file, or continues one behind the size bytes of an earlier run, and cuts
// off what that run wrote beyond. Without a path, it keeps nothing.
func openRejects(path string, size int64) (*rejects, error) {
	r := &rejects{path: cmp.Or(path, os.DevNull), size: size}
	info, err := os.Stat(r.path)
	r.special = err == nil && !info.Mode().IsRegular()
	if !r.special && sizeOf(path) < size {
		return nil, fmt.Errorf("cannot write the rejects: the file with those of the earlier run is gone, or has"+
			" become shorter; name another file with --rejects: %q", path)
	}
	r.file, err = os.OpenFile(r.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, r.unwritable(err)
	}
	if err := r.cut(); err != nil {
		return nil, errors.Join(r.unwritable(err), r.close())
	}
	return r, nil
}

// cut takes off what follows the last whole line.
func (r *rejects) cut() error {
	if r.special {
		return nil
	}
	return r.file.Truncate(r.size)
}

func (r *rejects) unwritable(err error) error { return unwritable("the rejects", "--rejects", err) }

// unwritable says why a file cannot be written and what to do about it. It returns nil if err is
// nil.
func unwritable(what, flag string, err error) error {
	advice := ""
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		advice = "create the folder, or "
	case errors.Is(err, fs.ErrPermission):
		advice = "allow it, or "
	case errors.Is(err, syscall.ENOSPC):
		advice = "make room, or "
	}
	return fmt.Errorf("cannot write %s: %w; %sname another file with %s", what, err, advice, flag)
}

// write appends a whole line or nothing: what a full disk takes of it is cut off again, here or by
// the next run.
func (r *rejects) write(line []byte) error {
	if r.failed != nil {
		return r.failed
	}
	if _, err := r.file.Write(line); err != nil {
		_ = r.cut()
		r.failed = r.unwritable(err)
		return r.failed
	}
	if !r.special {
		r.size += int64(len(line))
	}
	r.count++
	return nil
}

// close closes the file, and removes it if it is empty.
func (r *rejects) close() error {
	err := r.file.Close()
	if r.size == 0 && !r.special {
		err = errors.Join(err, os.Remove(r.path))
	}
	return r.unwritable(err)
}
