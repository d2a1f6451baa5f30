package importer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

const blank = " \t\r\n"

// look finds out how the events of a JSON file stand: one a line, unless a list begins, or the
// first object goes on in the next line or has another one behind it.
func (s *splitter) look() {
	c, err := s.skip(blank)
	if err != nil || c != '{' {
		if c == '[' {
			s.at.Layout = values
		}
		return
	}
	var line []byte
	end := -1
	for err == nil && end < 0 {
		line, err = s.from.Peek(max(len(line)+1, s.from.Buffered()))
		end = bytes.IndexByte(line, '\n')
	}
	if end >= 0 {
		line = line[:end]
	}
	n, done := newBrackets('{').end(line)
	behind := bytes.TrimLeft(line[n:], blank+",")
	if !done && end >= 0 || done && len(behind) > 0 && behind[0] == '{' {
		s.at.Layout = values
	}
}

// skip moves past the bytes that are in cut, and returns the one that follows.
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

// value returns the next JSON value, be it in a list or not. It looks for its end alone, and judges
// nothing. Commas and closing brackets between the values may be too many or too few, since no
// event is lost by that.
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
				err = fmt.Errorf("%w: the event that begins at line %d is never closed", ErrCut, r.at.Line)
			}
			return r, err
		default: // what stands where an object should, up to the next one in this line
			return s.read(func(part []byte) (int, bool) {
				at := bytes.IndexAny(part, ",{]\n")
				return at, at >= 0
			})
		}
	}
}

// brackets finds the end of an object, array or text. Only brackets of its own kind count, so that
// a wrong one inside it costs no other value.
type brackets struct {
	open, close     byte
	depth           int
	quoted, escaped bool
}

func newBrackets(open byte) *brackets { return &brackets{open: open, close: open + 2} } // as ASCII has them

// end is told the next bytes of a value, and returns behind how many it ends, if it does.
func (b *brackets) end(part []byte) (n int, done bool) {
	for i := 0; i < len(part); i++ {
		switch c := part[i]; {
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
