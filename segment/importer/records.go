package importer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cespare/xxhash/v2"

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

// maxRecord is the longest line, row or value that is read, far more than Segment takes. A longer
// one is rejected without being held, except for its first excerptBytes.
const (
	maxRecord    = 4 << 20
	excerptBytes = 1000
)

// blank is the white space of JSON.
const blank = " \t\r\n"

// layout is the arrangement of the events in a file.
type layout string

const (
	lines  layout = ""       // one a line, also rows of CSV
	values layout = "values" // JSON values, each over any number of lines
	list   layout = "list"   // values inside an array
)

// record is a line, a JSON value, or a row of CSV, which may have line breaks in it.
type record struct {
	at, after position
	raw       []byte // only the beginning if it is too long
	cells     []string
	open      bool // the file ends within it
	faults    []schemas.Violation
}

// cut returns the error of a file that ends within the record.
func (r *record) cut() error {
	return fmt.Errorf("%w: the event that begins at line %d is never closed", ErrCut, r.at.Line)
}

// splitter cuts a file into records, in constant memory. It looks for the end of a record in the
// buffer, and moves only when it has found one. So a row that turns out to be faulty costs only its
// first line, and reading continues behind that.
type splitter struct {
	from  *bufio.Reader // has room for a line of maxRecord bytes
	at    position
	sum   xxhash.Digest // of all bytes before at
	last  byte          // before at
	comma string        // between the fields of CSV; empty for JSON
}

func newSplitter(from *bufio.Reader, at position) *splitter {
	return &splitter{from: from, at: at, sum: *xxhash.New()}
}

// next returns the next record, valid until the one after it, or io.EOF.
func (s *splitter) next() (r record, err error) {
	switch {
	case s.at.Layout != lines:
		return s.value()
	case s.comma != "":
		r, err = s.row()
	default:
		// The rest of a last event may still be written, as in a log, and a reject has half of it.
		if r, err = s.read(lineEnd); r.open && r.raw[0] == '{' && r.faults == nil {
			if _, closed := newBrackets('{').end(r.raw); !closed {
				return r, r.cut()
			}
		}
	}
	r.raw = withoutBreak(r.raw)
	return r, err
}

// withoutBreak drops one LF or CR LF. A CR alone stays, since it may be part of a cell.
func withoutBreak(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}

func lineEnd(part []byte) (n int, done bool) {
	n = bytes.IndexByte(part, '\n') + 1
	return n, n > 0
}

// find returns the length of the next record. It calls end with one piece after another, and end
// returns how many bytes of the piece belong to the record, and whether it ends there. If no piece
// has the end, find returns the number of bytes in the buffer, and why there are no more:
// bufio.ErrBufferFull, io.EOF, or an error of reading.
func (s *splitter) find(end func(part []byte) (n int, done bool)) (n int, err error) {
	for {
		held, err := s.from.Peek(max(n+1, s.from.Buffered()))
		if len(held) == n {
			return n, err
		}
		more, done := end(held[n:])
		if done {
			return n + more, nil
		}
		n = len(held)
	}
}

// read returns the record that begins here, and ends where end says. It keeps only the beginning of
// one that is too long, but hashes and counts all of it, so that the position after it is right.
func (s *splitter) read(end func(part []byte) (n int, done bool)) (record, error) {
	r := record{at: s.at}
	for {
		n, err := s.find(end)
		full := errors.Is(err, bufio.ErrBufferFull)
		r.open = errors.Is(err, io.EOF) && (n > 0 || r.raw != nil)
		if err != nil && !full && !r.open {
			return record{}, err
		}
		raw := s.take(n)
		switch {
		case r.raw != nil: // more of one that is too long
		case full || len(withoutBreak(raw)) > maxRecord:
			r.raw = bytes.Clone(raw[:excerptBytes])
		default:
			r.raw, r.after = raw, s.at
			return r, nil
		}
		if !full {
			r.after = s.at
			r.faults = fault(CodeTooLong, "must be at most %d bytes: %d", maxRecord, r.after.Offset-r.at.Offset)
			return r, nil
		}
	}
}

// take moves past n bytes of the buffer, and returns them.
func (s *splitter) take(n int) []byte {
	part, _ := s.from.Peek(n)
	if n > 0 {
		_, _ = s.sum.Write(part) // never fails
		s.at.Offset += int64(n)
		s.at.Line += int64(bytes.Count(part, []byte("\n")))
		s.at.Sum, s.last = s.sum.Sum64(), part[n-1]
		_, _ = s.from.Discard(n)
	}
	return part
}

// skipTo moves to a later position. It returns an error if the contents before that have changed,
// or if it is in the middle of a line.
func (s *splitter) skipTo(ctx context.Context, at position) error {
	for s.at.Offset < at.Offset && ctx.Err() == nil {
		part, err := s.from.Peek(int(min(int64(max(1, s.from.Buffered())), at.Offset-s.at.Offset)))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("cannot continue: %w", reason(err))
		}
		s.take(len(part))
	}
	s.at.Layout = at.Layout
	next, _ := s.from.Peek(1)
	inLine := at.Layout == lines && s.last != '\n' && len(bytes.TrimLeft(next, "\r\n")) > 0
	if s.at != at || inLine {
		return fmt.Errorf("cannot continue: the imported part of the file, up to line %d, has changed since;"+
			" --restart starts again, and sends all of it as new events", at.Line-1)
	}
	return nil
}

// row returns the next row of CSV, which ends at the first line break after an even number of
// quotes. If its quotes are wrong or never closed, row returns its first line alone.
//
// It has then looked as far as the next line with an odd number of quotes. The lines between have
// an even number, so each of them is a row that is found at once. So the time is linear in the size
// of the file, whatever is in it.
func (s *splitter) row() (record, error) {
	even := true
	n, err := s.find(func(part []byte) (n int, done bool) {
		for line := range bytes.Lines(part) {
			n += len(line)
			even = even == (bytes.Count(line, []byte(`"`))%2 == 0)
			if even && line[len(line)-1] == '\n' {
				return n, true
			}
		}
		return n, false
	})
	full := errors.Is(err, bufio.ErrBufferFull)
	if err != nil && !full && !errors.Is(err, io.EOF) {
		return record{}, err
	}
	held, _ := s.from.Peek(n)
	cells, problem := cellsOf(string(withoutBreak(held)), s.comma)
	end := func([]byte) (int, bool) { return n, n > 0 }
	if full && problem == "" {
		problem = unclosed
	}
	if problem != "" {
		end = lineEnd
	}
	r, err := s.read(end)
	r.cells = cells
	if problem != "" && r.faults == nil { // if it is too long, that is its only fault
		r.faults = fault(CodeCSV, "%s", problem)
	}
	return r, err
}

// look finds the layout of a JSON file: one event a line, unless a list begins, or the first object
// continues in the next line or is followed by another one in its line.
func (s *splitter) look() {
	c, err := s.skip(blank)
	if c == '[' {
		s.at.Layout = values
	}
	if err != nil || c != '{' {
		return
	}
	n, err := s.find(lineEnd)
	line, _ := s.from.Peek(n)
	n, done := newBrackets(c).end(line)
	behind := bytes.TrimLeft(line[n:], blank+",")
	if (done || err == nil) && bytes.HasPrefix(behind, []byte("{")) {
		s.at.Layout = values
	}
}

// skip moves past bytes of cut, and returns the one that follows.
func (s *splitter) skip(cut string) (byte, error) {
	for {
		if _, err := s.from.Peek(1); err != nil {
			return 0, err
		}
		held, _ := s.from.Peek(s.from.Buffered())
		rest := bytes.TrimLeft(held, cut)
		s.take(len(held) - len(rest))
		if len(rest) > 0 {
			return rest[0], nil
		}
	}
}

// value returns the next JSON value, in a list or not. It only finds the end of the value, and does
// not check it. It ignores missing or extra commas and closing brackets between values, because
// they cost no event.
func (s *splitter) value() (record, error) {
	for {
		c, err := s.skip(blank + ",")
		switch {
		case errors.Is(err, io.EOF) && s.at.Layout == list:
			return record{}, fmt.Errorf("%w: the list is never closed", ErrCut)
		case err != nil:
			return record{}, err
		case c == '[' && s.at.Layout == values:
			s.take(1)
			s.at.Layout = list
		case c == ']':
			s.take(1)
			s.at.Layout = values
		case c == '{' || c == '[' || c == '"':
			r, err := s.read(newBrackets(c).end)
			if err == nil && r.open {
				err = r.cut()
			}
			return r, err
		default: // something else, up to the next object or list in this line
			return s.read(func(part []byte) (int, bool) {
				at := bytes.IndexAny(part, ",{]\n")
				return at, at >= 0
			})
		}
	}
}

// brackets finds the end of an object, array or text. It counts only brackets of the same kind, so
// that a wrong one inside costs no other value. A parser would stop at the first fault, and could
// not tell where the next event begins.
type brackets struct {
	open, close     byte
	depth           int
	quoted, escaped bool
}

func newBrackets(open byte) *brackets { return &brackets{open: open, close: open + 2} } // as ASCII has them

// end gets the next bytes of a value. If the value ends there, it returns how many bytes belong to
// it.
func (b *brackets) end(part []byte) (n int, done bool) {
	for i, c := range part {
		switch {
		case b.escaped:
			b.escaped = false
		case b.quoted:
			b.escaped = c == '\\'
			b.quoted = c != '"' && c != '\n' // no text has a line break in it
			if !b.quoted && b.depth == 0 {
				return i + 1, true
			}
		case c == '"':
			b.quoted = true
		case c == b.open:
			b.depth++
		case c == b.close:
			if b.depth--; b.depth == 0 {
				return i + 1, true
			}
		}
	}
	return 0, false
}

// Faults of the quotes of a row.
const (
	unclosed = "must close its quotes, and one that opens here is never closed"
	torn     = "must be a row of CSV, and its quotes do not match"
)

// cellsOf returns the cells of a row, or its fault. It is as strict as package encoding/csv: a
// quote opens a cell only at its beginning, and the cell ends behind the quote that closes it.
// Unlike that package it keeps every CR of a cell.
func cellsOf(row, comma string) (cells []string, problem string) {
	for more := true; more; {
		var cell string
		if inside, quoted := strings.CutPrefix(row, `"`); quoted {
			end := 0
			for pair := true; pair; { // two quotes stand for one
				next := strings.IndexByte(inside[end:], '"')
				if next < 0 {
					return nil, unclosed
				}
				end += next
				if pair = strings.HasPrefix(inside[end+1:], `"`); pair {
					end += 2
				}
			}
			cell = strings.ReplaceAll(inside[:end], `""`, `"`)
			if row, more = strings.CutPrefix(inside[end+1:], comma); !more && row != "" {
				return nil, torn
			}
		} else if cell, row, more = strings.Cut(row, comma); strings.Contains(cell, `"`) {
			return nil, torn
		}
		cells = append(cells, cell)
	}
	return cells, ""
}
