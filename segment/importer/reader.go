package importer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Position is a place between two lines: all before it has been dealt with.
type Position struct {
	// File counts the files from 0. Line is the number, from 1, of the line that comes next, and Offset where it begins in the file's
	// unpacked contents.
	File   int   `json:"file"`
	Line   int64 `json:"line"`
	Offset int64 `json:"offset"`
	// Sum is the XXH64 hash of the contents before Offset, by which a file is known that was edited
	// there.
	Sum uint64 `json:"sum,string"`
}

// event is what a line holds: a message, or faults that keep it from being one.
type event struct {
	message message
	faults  []Reason
	raw     []byte // what the message was read from, or what could not be read
	line    int64
	origin  string
	before  Position // its own place
	after   Position
}

// reader goes through the lines of all files. It belongs to one goroutine, but for the counters.
type reader struct {
	options *Options
	read    atomic.Int64 // bytes, as they are on disk
	at      Position
	open    *content
	split   *splitter
	rows    *rows // nil for NDJSON
	// mapped is told the mapping of each CSV file.
	mapped func(*Input, []Column)
	first  bool
	id     string
	origin []byte
}

func newReader(o *Options, at Position) *reader {
	if at.Line == 0 {
		at.Line = 1
	}
	r := &reader{options: o, at: at, mapped: o.Mapped}
	for _, done := range o.Inputs[:min(at.File, len(o.Inputs))] {
		r.read.Add(max(0, done.Size))
	}
	return r
}

// next returns the next event, valid until the one after it, or io.EOF when all files are through.
func (r *reader) next() (event, error) {
	for {
		if r.at.File >= len(r.options.Inputs) {
			return event{}, io.EOF
		}
		if r.split == nil {
			if err := r.openFile(); err != nil {
				return event{}, &InputError{err}
			}
		}
		e, err := r.record()
		switch {
		case err == nil && e.line > 0:
			return e, nil
		case err == nil: // an empty line
		case errors.Is(err, io.EOF):
			if err := r.close(); err != nil {
				return event{}, err
			}
			r.at = Position{File: r.at.File + 1, Line: 1}
		case errors.Is(err, errDocument):
			return event{}, err
		case errors.Is(err, io.ErrUnexpectedEOF):
			return event{}, &CutError{r.input().Path, r.at.Line - 1}
		default:
			return event{}, fmt.Errorf("cannot read the events: %w: %s, after line %d", err, r.input().Path, r.at.Line-1)
		}
	}
}

func (r *reader) input() *Input { return r.options.Inputs[r.at.File] }

// openFile opens the file at hand and goes to its place. The header of a CSV file is read whatever the place.
func (r *reader) openFile() error {
	in := r.input()
	c, err := in.open(&r.read)
	if err != nil {
		return err
	}
	r.open, r.rows, r.first = c, nil, true
	r.split = newSplitter(c, r.at.File, nil)
	r.id = in.ID
	if r.options.InvocationID != "" {
		r.id = r.options.InvocationID + "/" + strconv.Itoa(r.at.File)
	}
	if in.Format == CSV {
		if err := r.header(in); err != nil {
			return errors.Join(err, r.close())
		}
	}
	if r.at.Offset > 0 {
		if err := r.goOn(); err != nil {
			return errors.Join(fmt.Errorf("cannot go on: %w: %q", err, in.Path), r.close())
		}
	}
	r.at = r.split.at
	return nil
}

// goOn reads up to the place at hand, to find out whether all before it is as it was.
func (r *reader) goOn() error {
	err := r.split.skip(r.at.Offset)
	if err == nil && r.split.at != r.at || errors.Is(err, io.EOF) {
		return fmt.Errorf("what was imported of the file, up to line %d, has changed since; --restart begins again", r.at.Line-1)
	}
	return err
}

// header reads the names of the columns and chooses the mapping.
func (r *reader) header(in *Input) error {
	r.rows = newRows(r.options.Delimiter)
	r.split.rows = &rowEnd{comma: r.options.Delimiter}
	first, err := r.split.next()
	if errors.Is(err, io.EOF) {
		return nil // an empty file has no rows either
	}
	if err != nil {
		return fmt.Errorf("cannot read the events: %w: %q", err, in.Path)
	}
	if i := bytes.IndexByte(first.raw, '\r'); i >= 0 && !bytes.HasPrefix(first.raw[i:], []byte("\r\n")) {
		return fmt.Errorf("%w: %q", errLineEnds, in.Path)
	}
	if first.long || first.open {
		return fmt.Errorf("the first line must name the columns: %q", in.Path)
	}
	cells, fault := r.rows.fields(first.raw)
	if fault != nil {
		return fmt.Errorf("the first line must name the columns; it %s: %q", fault.Message, in.Path)
	}
	mapping, err := newMapping(cells, r.options.Rules, r.options.Type)
	if err != nil {
		return fmt.Errorf("%w: %q", err, in.Path)
	}
	r.rows.mapping = mapping
	if r.mapped != nil {
		r.mapped(in, mapping.Columns())
	}
	return nil
}

// record reads one line. An empty one has the line number 0.
func (r *reader) record() (event, error) {
	rec, err := r.split.next()
	if err != nil {
		return event{}, err
	}
	r.at = r.split.at
	e := event{line: rec.at.Line, raw: rec.raw, before: rec.at, after: r.at}
	raw := bytes.TrimSpace(rec.raw)
	if len(raw) == 0 {
		return event{}, nil
	}
	r.origin = strconv.AppendInt(append(append(r.origin[:0], r.id...), ':'), rec.at.Line, 10)
	e.origin = string(r.origin)
	if r.first && r.rows == nil && (raw[0] == '[' || string(raw) == "{") {
		return event{}, &InputError{fmt.Errorf("%w: %q", errDocument, r.input().Path)}
	}
	first := r.first
	r.first = false
	switch {
	case rec.long:
		e.faults = []Reason{{Code: CodeTooLong, Message: fmt.Sprintf("must be at most %d bytes: %d", maxRecord, rec.size)}}
	case rec.open:
		e.faults = []Reason{{Code: CodeCSV, Message: "must close its quotes, and one that opens here is never closed"}}
	case r.rows != nil:
		raw, e.faults = r.rows.message(rec.raw)
		if r.rows.torn && r.split.back(&rec) {
			r.at = r.split.at
			e.raw, e.after = rec.raw, r.at
		}
		if raw != nil {
			e.raw = raw
		}
	}
	if e.faults == nil {
		e.message, e.raw, e.origin, e.faults = read(raw, r.options.Type, e.origin)
	}
	if first && r.rows == nil && e.faults != nil && bytes.IndexByte(raw, '\r') >= 0 {
		return event{}, &InputError{fmt.Errorf("%w: %q", errLineEnds, r.input().Path)}
	}
	return e, nil
}

// InputError tells that a file is not what it has to be, as opposed to one that cannot be read.
type InputError struct{ Err error }

func (e *InputError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *InputError) Unwrap() error { return e.Err }

// CutError tells that packed data ends too early. All that could be read has been dealt with.
type CutError struct {
	File string
	Line int64 // the last one
}

func (e *CutError) Error() string {
	return fmt.Sprintf("the packed file is cut: it ends too early, after line %d: %s", e.Line, e.File)
}

// Unwrap returns [io.ErrUnexpectedEOF].
func (e *CutError) Unwrap() error { return io.ErrUnexpectedEOF }

// Describe looks at how each file begins, and tells Options.Mapped what becomes of the columns. It leaves standard input alone. The error
// is an *[InputError].
func Describe(o Options) error {
	o.complete()
	for i, in := range o.Inputs {
		if in.Path == Stdin {
			continue
		}
		r := newReader(&o, Position{File: i})
		err := r.openFile()
		if err == nil {
			if _, err = r.record(); errors.Is(err, io.ErrUnexpectedEOF) {
				err = nil // what can be read is imported all the same
			}
		}
		_ = r.close() // which repeats what is wrong with a packed file
		err = ignoreEnd(err)
		if err != nil {
			var own *InputError
			if errors.As(err, &own) {
				return own
			}
			return &InputError{fmt.Errorf("%w: %q", err, in.Path)}
		}
	}
	return nil
}

func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// errDocument is for a document where lines are expected.
var errDocument = errors.New("this is one JSON document, and events are read one a line; jq -c '.[]' FILE writes a list so, and jq -c . FILE an event")

// errLineEnds is for files of which the first line seems to be all there is.
var errLineEnds = errors.New("lines must end in LF or CR LF, and these end in CR alone; tr '\\r' '\\n' < FILE writes them so")

// whole returns the event as it was given: a JSON object, or else a text.
func (e *event) whole() (object, text []byte) {
	if rawjson.Check(e.raw, limits()) == nil && rawjson.KindOf(e.raw) == rawjson.ObjectKind {
		return bytes.TrimSpace(e.raw), nil
	}
	return nil, e.raw
}

func (r *reader) close() error {
	if r.open == nil {
		return nil
	}
	err := r.open.Close()
	r.open, r.split = nil, nil
	return err
}
