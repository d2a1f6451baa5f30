package importer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// maxRecord is the longest line or row that is looked at. Segment takes far less; a longer one is
// rejected without being held.
const maxRecord = 4 << 20

// excerptBytes is how much is kept of one that is too long.
const excerptBytes = 1000

// layout says how the events of a file stand.
type layout string

const (
	lines  layout = ""       // one a line, also rows of CSV
	values layout = "values" // JSON values, each over any number of lines
	list   layout = "list"   // values inside an array
)

// record is one line, one JSON value, or one row of CSV, which may have line breaks in it.
type record struct {
	at, after position
	raw       []byte
	long      bool     // too long: raw is how it begins
	open      bool     // what opens here, such as a quote, is never closed
	lines     []record // of a row that has several
}

// size is how many bytes the record has in the file.
func (r *record) size() int64 { return r.after.Offset - r.at.Offset }

// splitter cuts what it reads into records, in constant memory.
type splitter struct {
	from  *bufio.Reader // has room for a line of maxRecord bytes
	at    position
	sum   xxhash.Digest // of all that was read
	last  byte          // that was read
	comma byte          // between the fields of CSV; 0 for JSON
	ahead []record      // lines that were read already
}

func newSplitter(from *bufio.Reader, file int, comma byte) *splitter {
	return &splitter{from: from, at: position{File: file, Line: 1}, sum: *xxhash.New(), comma: comma}
}

// next returns the next record, valid until the one after it, or io.EOF.
func (s *splitter) next() (record, error) {
	if s.at.Layout != lines {
		return s.value()
	}
	r, err := s.line()
	quotes := quotes{comma: s.comma, field: true}
	if err == nil && s.comma != 0 && !r.long && quotes.open(r.raw) {
		return s.row(r, &quotes)
	}
	r.raw = withoutBreak(r.raw)
	return r, err
}

// withoutBreak drops one LF or CR LF. A CR alone stays, since it may be part of a cell.
func withoutBreak(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}

// row returns a row that goes on in the lines after its first one. Where no line closes the quotes,
// the row is its first line alone, and so it is where the row gets too long.
func (s *splitter) row(first record, quotes *quotes) (record, error) {
	// Lines share the buffer of the reader, which the next one overwrites.
	first.raw = bytes.Clone(first.raw)
	row := record{at: first.at, raw: bytes.Clone(first.raw), lines: []record{first}}
	for open := true; open; {
		l, err := s.line()
		if err != nil && !errors.Is(err, io.EOF) {
			return record{}, err // half a row is none
		}
		if err == nil {
			l.raw = bytes.Clone(l.raw)
			row.lines = append(row.lines, l)
		}
		if err != nil || l.long || len(row.raw)+len(l.raw) > maxRecord {
			s.back(&row)
			row.open = true
			return row, nil //nolint:nilerr // the end of the file is that of the row
		}
		row.raw = append(row.raw, l.raw...)
		open = quotes.open(l.raw)
	}
	row.raw, row.after = withoutBreak(row.raw), s.at
	return row, nil
}

// back makes the first line of a row that has several a record of its own, and the next one begin
// behind it.
func (s *splitter) back(r *record) {
	if len(r.lines) > 0 {
		s.ahead = slices.Concat(r.lines[1:], s.ahead)
		*r = r.lines[0]
		r.raw, s.at = withoutBreak(r.raw), r.after
	}
}

// line returns the next line with its line break.
func (s *splitter) line() (record, error) {
	if len(s.ahead) > 0 {
		r := s.ahead[0]
		s.ahead, s.at = s.ahead[1:], r.after
		return r, nil
	}
	r, err := s.read(func(part []byte) (int, bool) {
		at := bytes.IndexByte(part, '\n')
		return at + 1, at >= 0
	})
	r.open = false // the end of the file is that of a line
	return r, err
}

// read returns what begins here. End gets the bytes of it piece by piece, and tells whether it ends
// among them, and behind how many. Of what is too long the beginning is kept, and all of it hashed
// and counted, so that the position after it is right.
func (s *splitter) read(end func(part []byte) (n int, done bool)) (record, error) {
	r := record{at: s.at}
	seen := 0 // bytes that are held and that end has got
	for done := false; !done; {
		held, err := s.from.Peek(max(seen+1, s.from.Buffered()))
		switch {
		case len(held) > seen:
			var n int
			if n, done = end(held[seen:]); done {
				seen += n
			} else {
				seen = len(held)
			}
		case errors.Is(err, bufio.ErrBufferFull):
			if !r.long {
				r.long, r.raw = true, bytes.Clone(held[:excerptBytes])
			}
			s.take(seen)
			seen = 0
		case errors.Is(err, io.EOF) && (seen > 0 || r.long):
			r.open, done = true, true
		default:
			return record{}, err // half a line is none
		}
	}
	raw := s.take(seen)
	switch {
	case r.long:
	case len(withoutBreak(raw)) > maxRecord:
		r.long, r.raw = true, bytes.Clone(raw[:excerptBytes])
	default:
		r.raw = raw
	}
	r.after = s.at
	return r, nil
}

// take moves past n bytes that are held, and returns them.
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

// skipTo moves to a position further on. It returns false where what lies before it, or it is in
// the middle of a line, is not what it was.
func (s *splitter) skipTo(ctx context.Context, at position) (same bool, err error) {
	for s.at.Offset < at.Offset && ctx.Err() == nil {
		part, err := s.from.Peek(int(min(int64(max(1, s.from.Buffered())), at.Offset-s.at.Offset)))
		if err != nil {
			return false, err
		}
		s.take(len(part))
	}
	s.at.Layout = at.Layout
	next, _ := s.from.Peek(1)
	whole := s.last == '\n' || at.Layout != lines || len(next) == 0 || next[0] == '\n' || next[0] == '\r'
	return s.at == at && whole, nil
}

// quotes follows the quotes of a row of CSV. One means something only where a field begins, so that
// one inside a field does not swallow the rows that follow.
type quotes struct {
	comma  byte
	field  bool // a field begins here
	quoted bool // inside quotes
	closed bool // behind a quote that may close them
}

// open tells whether quotes are open at the end of a row's next line.
func (q *quotes) open(line []byte) bool {
	if !q.quoted && bytes.IndexByte(line, '"') < 0 {
		return false
	}
	for _, c := range line {
		switch {
		case q.quoted && !q.closed:
			q.closed = c == '"'
		case q.closed && c == '"': // two of them stand for one
			q.closed = false
		case c == '"' && q.field:
			q.quoted, q.field = true, false
		default:
			q.quoted, q.closed, q.field = false, false, c == q.comma
		}
	}
	return q.quoted && !q.closed
}
