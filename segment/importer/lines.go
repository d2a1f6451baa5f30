package importer

import (
	"bytes"
	"errors"
	"io"

	"github.com/cespare/xxhash/v2"
)

// maxRecord is the longest line or row that is looked at. Segment takes far less; a longer one is rejected without being held.
const maxRecord = 4 << 20

// excerptBytes is how much is kept of one that is too long.
const excerptBytes = 1000

// record is one line of NDJSON, or one row of CSV, which may have line breaks in it.
type record struct {
	at   Position // where it begins
	raw  []byte
	size int64 // in bytes, with its line break
	long bool  // too long: raw is how it begins
	open bool  // a quote in it is never closed, and this is its first line
}

// splitter cuts what it reads into records, in constant memory.
type splitter struct {
	from   io.Reader
	buf    []byte
	start  int // of what has not been returned yet
	end    int // of what has been read
	at     Position
	sum    xxhash.Digest // of all before at
	before xxhash.Digest // of all before the record that was returned last
	over   error         // of reading: io.EOF or worse
	rows   *rowEnd
}

// newSplitter returns one for the contents of a file, from their beginning. With rows it cuts rows
// of CSV, else lines.
func newSplitter(from io.Reader, file int, rows *rowEnd) *splitter {
	begin := Position{File: file, Line: 1}
	return &splitter{from: from, buf: make([]byte, 256<<10), at: begin, sum: *xxhash.New(), rows: rows}
}

// skip passes over what is before an offset.
func (s *splitter) skip(offset int64) error {
	for s.at.Offset < offset {
		switch {
		case s.start < s.end:
			s.pass(&record{}, int(min(offset-s.at.Offset, int64(s.end-s.start))))
		case s.over != nil:
			return s.over
		default:
			s.fill()
		}
	}
	return nil
}

// next returns the next record, valid until the one after it, or io.EOF.
func (s *splitter) next() (record, error) {
	r := record{at: s.at}
	s.before = s.sum
	seen := 0
	if s.rows != nil {
		*s.rows = rowEnd{comma: s.rows.comma, field: true}
	}
	for {
		if n := s.find(s.buf[s.start+seen : s.end]); n >= 0 {
			r = s.cut(r, seen+n)
			if len(r.raw) > maxRecord {
				r.open = s.rows != nil && s.back(&r)
			}
			if len(r.raw) > maxRecord {
				r.open, r.long, r.raw = false, true, r.raw[:excerptBytes]
			}
			return r, nil
		}
		seen = s.end - s.start
		switch {
		case seen > maxRecord:
			if first := s.firstLine(); first > 0 {
				r.open = true
				return s.cut(r, first), nil
			}
			return s.skipLong(r)
		case s.over != nil && seen == 0:
			return record{}, s.over
		case s.over != nil && !errors.Is(s.over, io.EOF):
			return record{}, s.over // half a record is none
		case s.over != nil:
			if first := s.firstLine(); first > 0 {
				r.open = true
				return s.cut(r, first), nil
			}
			return s.cut(r, seen), nil
		}
		s.fill()
	}
}

// find returns where a record ends in data that follows what it was given before, or -1.
func (s *splitter) find(data []byte) int {
	if s.rows != nil {
		return s.rows.find(data)
	}
	if n := bytes.IndexByte(data, '\n'); n >= 0 {
		return n + 1
	}
	return -1
}

// firstLine returns where the first line ends of a row that goes on only because of a quote, or 0.
func (s *splitter) firstLine() int {
	if s.rows == nil || !s.rows.quoted {
		return 0
	}
	return bytes.IndexByte(s.buf[s.start:s.end], '\n') + 1
}

func (s *splitter) cut(r record, n int) record {
	r.raw = s.buf[s.start : s.start+n]
	s.pass(&r, n)
	r.raw = bytes.TrimSuffix(bytes.TrimSuffix(r.raw, []byte("\n")), []byte("\r"))
	return r
}

// back makes the first line of a row that has several a record of its own, and the next one begin behind it. It returns false where the row
// has one line. The row must be the one that was returned last.
func (s *splitter) back(r *record) bool {
	begin := s.start - int(r.size)
	n := bytes.IndexByte(s.buf[begin:s.start], '\n') + 1
	if n == 0 || n == int(r.size) {
		return false
	}
	s.start, s.at, s.sum, r.size = begin, r.at, s.before, 0
	*r = s.cut(*r, n)
	return true
}

func (s *splitter) pass(r *record, n int) {
	data := s.buf[s.start : s.start+n]
	_, _ = s.sum.Write(data) // never fails
	s.at.Line += int64(bytes.Count(data, []byte("\n")))
	s.at.Offset += int64(n)
	s.at.Sum = s.sum.Sum64()
	s.start += n
	r.size += int64(n)
}

// skipLong reads on to the end of a record without keeping it.
func (s *splitter) skipLong(r record) (record, error) {
	r.long, r.raw = true, bytes.Clone(s.buf[s.start:s.start+excerptBytes])
	for {
		s.pass(&r, s.end-s.start)
		if s.over != nil {
			if errors.Is(s.over, io.EOF) {
				return r, nil
			}
			return record{}, s.over
		}
		s.fill()
		if n := s.find(s.buf[s.start:s.end]); n >= 0 {
			s.pass(&r, n)
			return r, nil
		}
	}
}

// fill reads more, making room where there is none.
func (s *splitter) fill() {
	if s.start > 0 {
		s.end = copy(s.buf, s.buf[s.start:s.end])
		s.start = 0
	}
	if s.end == len(s.buf) {
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	for range 100 {
		n, err := s.from.Read(s.buf[s.end:])
		s.end += n
		s.over = err
		if n > 0 || err != nil {
			return
		}
	}
	s.over = io.ErrNoProgress
}

// rowEnd finds where a row of CSV ends. A quote means something only where a field begins, so that one inside a field does not swallow
// the rows that follow.
type rowEnd struct {
	comma  byte
	field  bool // a field begins here
	quoted bool // inside quotes
	closed bool // behind a quote that may close them
}

func (e *rowEnd) find(data []byte) int {
	for i := 0; i < len(data); i++ {
		if e.quoted && !e.closed {
			n := bytes.IndexByte(data[i:], '"')
			if n < 0 {
				return -1
			}
			i += n
			e.closed = true
			continue
		}
		c := data[i]
		switch {
		case e.closed && c == '"':
			e.closed = false // two of them stand for one
		case c == '\n':
			e.quoted = false
			return i + 1
		case c == '"' && e.field:
			e.quoted, e.field = true, false
		default:
			e.quoted, e.closed = false, false
			e.field = c == e.comma
		}
	}
	return -1
}
