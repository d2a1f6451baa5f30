package importer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// reader reads the events of all files. It belongs to one goroutine, except for the counter.
type reader struct {
	options *Options
	inputs  []*input
	rules   []rule
	times   times
	mapped  func(file string, columns []Column)
	read    atomic.Int64 // bytes, as they are on disk
	at      position
	file    *os.File  // nil for standard input
	split   *splitter // of the open file; nil for none
	rows    *mapping  // nil for JSON
	began   int64     // what had been read before the file
	id      string    // of the file
	seed    [sha256.Size]byte
	json    []byte // of the last message
}

// next returns the next event, valid until the one after it, or io.EOF after the last file.
func (r *reader) next(ctx context.Context) (event, error) {
	for {
		if r.split == nil {
			if err := r.openFile(ctx); err != nil {
				return event{}, err
			}
		}
		e, ok, err := r.record()
		switch {
		case ok:
			return e, nil
		case err == nil: // an empty line
		case (errors.Is(err, io.EOF) || errors.Is(err, ErrCut)) && r.read.Load()-r.began < r.inputs[r.at.File].size:
			return event{}, r.failed(errors.New("the file has become shorter while it was read"))
		case !errors.Is(err, io.EOF):
			return event{}, r.failed(err)
		case r.at.File == len(r.inputs)-1: // the position stays at the end: the file may grow
			r.at = r.split.at
			return event{}, io.EOF
		default:
			r.close()
			r.at = position{File: r.at.File + 1, Line: 1}
		}
	}
}

// failed adds to an error of reading where it happened.
func (r *reader) failed(err error) error {
	var own *InputError
	switch file := r.inputs[r.at.File].path; {
	case errors.As(err, &own):
		return err
	case errors.Is(err, ErrCut):
		return fmt.Errorf("%w: %s", err, file)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w, in line %d: %s", ErrCut, r.at.Line, file)
	default:
		return fmt.Errorf("cannot read the events: %w: %s, in line %d", reason(err), file, r.at.Line)
	}
}

// openFile opens the file of the position and moves to it, which shows whether everything before it
// is as it was. It reads the header of a CSV file in any case. The error is an *[InputError], or
// the error of ctx.
func (r *reader) openFile(ctx context.Context) error {
	in := r.inputs[r.at.File]
	r.began = r.read.Load()
	from, file, err := in.open(&r.read)
	if err != nil {
		return &InputError{err}
	}
	r.file, r.split, r.rows = file, newSplitter(from, position{File: r.at.File, Line: in.part.Line}), nil
	r.id = in.id
	if r.options.InvocationID != "" {
		r.id = r.options.InvocationID + "/" + strconv.Itoa(r.at.File)
	}
	r.seed = r.seedOf(r.id)
	switch {
	case in.format == CSV:
		err = r.header(in)
	case r.at.Offset == 0 && in.part.Offset == 0: // a later part of a file has lines: see Split
		r.split.look()
	}
	if err == nil && r.at.Offset > 0 {
		err = r.split.skipTo(ctx, r.at)
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	} else if err != nil {
		err = &InputError{fmt.Errorf("%w: %q", err, in.path)}
	}
	if err != nil {
		r.close()
		return err
	}
	r.at = r.split.at
	return nil
}

// header reads the names of the columns and chooses the mapping.
func (r *reader) header(in *input) error {
	r.split.comma = string(rune(r.options.Delimiter))
	first, err := r.split.next()
	if errors.Is(err, io.EOF) {
		return nil // an empty file has no rows either
	}
	if err != nil {
		return fmt.Errorf("cannot read the events: %w", reason(err))
	}
	if i := bytes.IndexByte(first.raw, '\r'); i >= 0 && !bytes.HasPrefix(first.raw[i:], []byte("\r\n")) {
		return errors.New("lines must end in LF or CR LF, and these end in CR;" +
			" to convert them: tr '\\r' '\\n' < FILE")
	}
	if first.faults != nil || !utf8.Valid(first.raw) {
		return errors.New("the first line must name the columns, as text in the encoding of the file")
	}
	if r.rows, err = newMapping(first.cells, r.rules, r.options.Type); err != nil {
		return err
	}
	r.rows.times = r.times
	if r.mapped != nil {
		r.mapped(in.path, r.rows.columns())
	}
	return nil
}

// record reads one record as an event. It returns false for an empty line.
func (r *reader) record() (e event, ok bool, err error) {
	rec, err := r.split.next()
	if err != nil {
		return event{}, false, err
	}
	r.at = r.split.at
	raw := bytes.TrimSpace(rec.raw)
	if len(raw) == 0 {
		return event{}, false, nil
	}
	e = event{record: rec, origin: origin{r.id, r.inputs[r.at.File].part.Offset + rec.at.Offset}}
	switch {
	case rec.faults != nil:
	case r.options.Encoding != UTF8 && bytes.ContainsRune(raw, utf8.RuneError):
		e.faults = fault("invalid_utf8", "must be text in %s, and has other bytes", r.options.Encoding)
	case r.rows != nil:
		if raw, e.faults = r.rows.message(rec.raw, rec.cells); raw != nil {
			e.row, e.raw = e.raw, raw
			if e.faults != nil {
				e.raw = r.times.inISO(raw)
			}
		}
	}
	if e.faults == nil {
		r.message(raw, &e)
	}
	for i, f := range e.faults {
		if f.Code == "invalid_utf8" && r.options.Encoding == UTF8 {
			e.faults[i].Message += "; if the file has another encoding, name it with --encoding, such as windows-1252"
		}
	}
	return e, true, nil
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
	times := r.times
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

// write writes the message, and adds a type and a messageId if it has none. It puts new members in
// front, so that it can copy the rest as it is. Only if it has to replace a member, such as an
// empty messageId or a time in another format, it writes the object anew.
func (r *reader) write(o *object, stamp json.RawMessage, e *event) {
	kind, id := o.typ, o.messageID
	if missing(kind) && r.options.Type != "" {
		kind = rawjson.Quote(string(r.options.Type))
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
	return sha256.Sum256(fmt.Appendf(nil, "segment-blocks/import/v3 %q %q", r.options.Key, file))
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

func (r *reader) close() {
	_ = r.file.Close() // a nil file returns an error, too
	r.split = nil
}
