package importer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"unicode/utf8"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// position is a place between two events.
type position struct {
	// File counts the files from 0. Line is the number, from 1, of the line that comes next, and
	// Offset its first byte in the unpacked contents.
	File   int   `json:"file"`
	Line   int64 `json:"line"`
	Offset int64 `json:"offset"`
	// Sum is the XXH64 hash of the contents before Offset. It shows whether they were edited.
	Sum    uint64 `json:"sum,string"`
	Layout layout `json:"layout,omitempty"`
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

// reader reads the events of all files. It belongs to one goroutine, except for the counter.
type reader struct {
	im     *Import
	mapped func(file string, columns []Column)
	read   atomic.Int64 // bytes, as they are on disk
	at     position
	file   *os.File  // nil for standard input
	split  *splitter // of the open file; nil for none
	rows   *mapping  // nil for JSON
	began  int64     // what had been read before the file
	id     string    // of the file
	seed   [sha256.Size]byte
	json   []byte // of the last message
}

// newReader returns a reader that starts at a position. The files before it count as read, so that
// the progress of a resumed import starts where it stopped.
func (im *Import) newReader(at position) *reader {
	at.Line = max(1, at.Line)
	r := &reader{im: im, at: at}
	for _, done := range im.inputs[:at.File] {
		r.read.Add(done.size)
	}
	return r
}

// describe reads the first event of each file before anything is sent, and tells what becomes of
// the columns. Standard input can be read only once, so its columns are told later.
func (im *Import) describe(ctx context.Context) error {
	if im.options.Files[0] == Stdin {
		im.reader.mapped = im.options.Mapped
		return nil
	}
	for i := range im.inputs {
		r := im.newReader(position{File: i})
		r.mapped = im.options.Mapped
		err := r.openFile(ctx)
		if err == nil {
			_, _, err = r.record()
		}
		r.close()
		if err == nil || errors.Is(err, io.EOF) {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err = r.failed(err); !errors.Is(err, ErrCut) { // a file that is cut off is imported up to there
			return &InputError{err}
		}
	}
	return nil
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
		case (errors.Is(err, io.EOF) || errors.Is(err, ErrCut)) && r.read.Load()-r.began < r.im.inputs[r.at.File].size:
			return event{}, r.failed(errors.New("the file has become shorter while it was read"))
		case !errors.Is(err, io.EOF):
			return event{}, r.failed(err)
		case r.at.File == len(r.im.inputs)-1: // the position stays at the end: the file may grow
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
	switch file := r.im.inputs[r.at.File].path; {
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
	in := r.im.inputs[r.at.File]
	r.began = r.read.Load()
	from, file, err := in.open(&r.read)
	if err != nil {
		return &InputError{err}
	}
	r.file, r.split, r.rows = file, newSplitter(from, position{File: r.at.File, Line: in.part.Line}), nil
	r.id = in.id
	if r.im.options.InvocationID != "" {
		r.id = r.im.options.InvocationID + "/" + strconv.Itoa(r.at.File)
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
	r.split.comma = string(rune(r.im.options.Delimiter))
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
	if r.rows, err = newMapping(first.cells, r.im.rules, r.im.options.Type); err != nil {
		return err
	}
	r.rows.times = r.im.times
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
	e = event{record: rec, origin: origin{r.id, r.im.inputs[r.at.File].part.Offset + rec.at.Offset}}
	switch {
	case rec.faults != nil:
	case r.im.options.Encoding != UTF8 && bytes.ContainsRune(raw, utf8.RuneError):
		e.faults = fault("invalid_utf8", "must be text in %s, and has other bytes", r.im.options.Encoding)
	case r.rows != nil:
		if raw, e.faults = r.rows.message(rec.raw, rec.cells); raw != nil {
			e.row, e.raw = e.raw, raw
			if e.faults != nil {
				e.raw = r.im.times.inISO(raw)
			}
		}
	}
	if e.faults == nil {
		r.message(raw, &e)
	}
	for i, f := range e.faults {
		if f.Code == "invalid_utf8" && r.im.options.Encoding == UTF8 {
			e.faults[i].Message += "; if the file has another encoding, name it with --encoding, such as windows-1252"
		}
	}
	return e, true, nil
}

// fault returns the only violation of an event.
func fault(code, format string, args ...any) []schemas.Violation {
	return []schemas.Violation{{Code: code, Message: fmt.Sprintf(format, args...)}}
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

func (r *reader) close() {
	_ = r.file.Close() // a nil file returns an error, too
	r.split = nil
}
