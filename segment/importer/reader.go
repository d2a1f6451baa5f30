package importer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// position is a place between two lines: all before it has been dealt with.
type position struct {
	// File counts the files from 0. Line is the number, from 1, of the line that comes next, and
	// Offset where it begins in the file's unpacked contents.
	File   int   `json:"file"`
	Line   int64 `json:"line"`
	Offset int64 `json:"offset"`
	// Sum is the XXH64 hash of the contents before Offset, by which a file is known that was edited
	// there.
	Sum uint64 `json:"sum,string"`
}

// event is what a line holds: a message, or faults that keep it from being one.
type event struct {
	message
	faults []schemas.Violation
	raw    []byte   // what the message was read from, or what could not be read
	before position // its own
	after  position
}

// reader goes through the lines of all files. It belongs to one goroutine, but for the counter.
type reader struct {
	options *Options
	inputs  []*input
	rules   []rule
	mapped  func(file string, columns []Column)
	read    atomic.Int64 // bytes, as they are on disk
	at      position
	file    io.Closer // of what is open; nil for none
	split   *splitter
	rows    *rows // nil for NDJSON
	first   bool  // nothing of the file has been read
	id      string
}

// newReader returns a reader that begins at a position. The files before it count as read, so that
// the progress of a resumed import begins where it stopped.
func (im *Import) newReader(at position) *reader {
	if at.Offset == 0 && at.File < len(im.inputs) {
		at.Line = im.inputs[at.File].firstLine()
	}
	r := &reader{options: &im.options, inputs: im.inputs, rules: im.rules, at: at}
	for _, done := range r.inputs[:min(at.File, len(r.inputs))] {
		r.read.Add(done.size)
	}
	return r
}

// describe looks at how each file begins, before anything is sent, and tells what becomes of the
// columns. Standard input can be read only once, so its columns are told later.
func (im *Import) describe() error {
	if im.options.Files[0] == Stdin {
		im.reader.mapped = im.options.Mapped
		return nil
	}
	for i := range im.inputs {
		r := im.newReader(position{File: i})
		r.mapped = im.options.Mapped
		err := r.openFile()
		if err == nil {
			_, _, err = r.record()
		}
		r.close()
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) { // what can be read is imported
			return &InputError{r.failed(err)}
		}
	}
	return nil
}

// next returns the next event, valid until the one after it, or io.EOF when all files are through.
func (r *reader) next() (event, error) {
	for {
		if r.at.File >= len(r.inputs) {
			return event{}, io.EOF
		}
		if r.file == nil {
			if err := r.openFile(); err != nil {
				return event{}, err
			}
		}
		e, ok, err := r.record()
		switch {
		case ok:
			return e, nil
		case err == nil: // an empty line
		case errors.Is(err, io.EOF):
			r.close()
			r.at = position{File: r.at.File + 1, Line: 1}
		default:
			return event{}, r.failed(err)
		}
	}
}

// failed says where reading failed.
func (r *reader) failed(err error) error {
	var own *InputError
	switch file, last := r.inputs[r.at.File].path, r.at.Line-1; {
	case errors.As(err, &own):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w, after line %d: %s", ErrCut, last, file)
	default:
		return fmt.Errorf("cannot read the events: %w: %s, after line %d", reason(err), file, last)
	}
}

// openFile opens the file at hand and goes to its position. It reads the header of a CSV file
// whatever the position. The error is an *[InputError].
func (r *reader) openFile() error {
	in := r.inputs[r.at.File]
	from, file, err := in.open(&r.read)
	if err != nil {
		return &InputError{err}
	}
	r.file, r.split, r.rows, r.first = file, newSplitter(from, r.at.File, 0), nil, true
	r.split.at.Line = in.firstLine()
	r.id = in.id
	if r.options.InvocationID != "" {
		r.id = r.options.InvocationID + "/" + strconv.Itoa(r.at.File)
	}
	if in.format == CSV {
		err = r.header(in)
	}
	if err == nil && r.at.Offset > 0 {
		err = r.goOn()
	}
	if err != nil {
		r.close()
		return &InputError{fmt.Errorf("%w: %q", err, in.path)}
	}
	r.at = r.split.at
	return nil
}

// goOn reads up to the position at hand, to find out whether all before it is as it was.
func (r *reader) goOn() error {
	var err error
	for err == nil && r.split.at.Offset < r.at.Offset {
		_, err = r.split.line()
	}
	if err == nil && r.split.at != r.at || errors.Is(err, io.EOF) {
		return fmt.Errorf("cannot go on: what was imported of the file, up to line %d, has changed since;"+
			" --restart begins again", r.at.Line-1)
	}
	if err != nil {
		return fmt.Errorf("cannot go on: %w", reason(err))
	}
	return nil
}

// header reads the names of the columns and chooses the mapping.
func (r *reader) header(in *input) error {
	r.rows = &rows{comma: rune(r.options.Delimiter)}
	r.split.comma = r.options.Delimiter
	first, err := r.split.next()
	if errors.Is(err, io.EOF) {
		return nil // an empty file has no rows either
	}
	if err != nil {
		return fmt.Errorf("cannot read the events: %w", reason(err))
	}
	if i := bytes.IndexByte(first.raw, '\r'); i >= 0 && !bytes.HasPrefix(first.raw[i:], []byte("\r\n")) {
		return errLineEnds
	}
	if first.long || first.open {
		return errors.New("the first line must name the columns")
	}
	cells, fault := r.rows.fields(first.raw)
	if fault != nil {
		return fmt.Errorf("the first line must name the columns; it %s", fault.Message)
	}
	if r.rows.mapping, err = newMapping(cells, r.rules, r.options.Type); err != nil {
		return err
	}
	if r.mapped != nil {
		r.mapped(in.path, r.rows.mapping.columns())
	}
	return nil
}

// record reads one line. It returns false for an empty one. A fault of one line is the event's. A
// fault that shows that the file as a whole is in another form is an error, because every line
// would have it.
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
	first := r.first && r.rows == nil
	r.first = false
	if first && (raw[0] == '[' || string(raw) == "{") {
		return event{}, false, &InputError{fmt.Errorf("%w: %q", errDocument, r.inputs[r.at.File].path)}
	}
	e = event{raw: rec.raw, before: rec.at, message: message{origin: origin{r.id, rec.at.Line}}}
	switch {
	case rec.long:
		e.fault(CodeTooLong, fmt.Sprintf("must be at most %d bytes: %d", maxRecord, rec.size()))
	case rec.open:
		e.fault(CodeCSV, "must close its quotes, and one that opens here is never closed")
	case r.rows != nil:
		raw, e.faults = r.rows.message(rec.raw)
		if r.rows.torn && len(rec.lines) > 0 {
			// Its quotes took lines in that have rows of their own: reject the first line alone.
			r.split.back(&rec)
			r.at, e.raw = r.split.at, rec.raw
		}
		if raw != nil {
			e.raw = raw
		}
	}
	e.after = r.at
	if e.faults == nil {
		r.message(raw, &e)
	}
	if first && e.faults != nil && bytes.IndexByte(raw, '\r') >= 0 {
		return event{}, false, &InputError{fmt.Errorf("%w: %q", errLineEnds, r.inputs[r.at.File].path)}
	}
	return e, true, nil
}

func (e *event) fault(code, message string) {
	e.faults = []schemas.Violation{{Code: code, Message: message}}
}

// whole returns the event as it was given: a JSON object, or else a text.
func (e *event) whole() (object, text []byte) {
	if rawjson.Check(e.raw, limits()) == nil && rawjson.KindOf(e.raw) == rawjson.ObjectKind {
		return bytes.TrimSpace(e.raw), nil
	}
	return nil, e.raw
}

var (
	// errDocument is for a document where lines are expected.
	errDocument = errors.New("this is one JSON document, and events are read one a line;" +
		" jq -c '.[]' FILE writes a list so, and jq -c . FILE an event")
	// errLineEnds is for files of which the first line seems to be all there is.
	errLineEnds = errors.New("lines must end in LF or CR LF, and these end in CR alone;" +
		" tr '\\r' '\\n' < FILE writes them so")
)

func (r *reader) close() {
	if r.file != nil {
		_ = r.file.Close() // nothing was written
		r.file = nil
	}
}
