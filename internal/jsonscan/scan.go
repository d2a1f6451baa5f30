// Package jsonscan moves over JSON without decoding it. Package rawjson uses it to check and open
// documents, package schemas to judge them on the way.
package jsonscan

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Scanner moves through unchecked JSON in one pass, without allocating:
//
//	s := jsonscan.New(data, 32<<20, 128)
//	ok := s.Skip() && s.End() // data is one value, and rawjson.Check accepts it too
//
// What Skip accepts has valid syntax and UTF-8, keeps the limits, and has no object that names a
// member twice. A caller that enters an object with Enter, More and Name must look for duplicate
// names itself, with [Names].
//
// A scanner does not explain. After a method has returned false, it must not be used any more;
// rawjson.Check says what is wrong, and where.
type Scanner struct {
	data  []byte
	pos   int
	depth int // levels that may still be entered
	again int // bytes that may still be read twice, to look for duplicate names
}

// trusted, as a scanner's again, means that no object has duplicate names.
const trusted = math.MinInt

// New returns a scanner at the first byte of data. It accepts nothing that is larger than maxBytes
// or nests deeper than maxDepth.
func New(data []byte, maxBytes, maxDepth int) Scanner {
	if len(data) > maxBytes {
		return Scanner{}
	}
	return Scanner{data: data, depth: maxDepth, again: len(data)}
}

// Trusting returns a scanner for data that has been checked before. It accepts any depth, and does
// not look for duplicate names.
func Trusting(data []byte) Scanner { return Scanner{data: data, depth: math.MaxInt, again: trusted} }

// Pos returns the offset of the next byte. To cut out a value, call Pos after Peek, and again after
// moving past the value.
func (s *Scanner) Pos() int { return s.pos }

// Peek moves past white space and returns the first byte of the next value, or 0 at the end.
func (s *Scanner) Peek() byte {
	if s.pos < len(s.data) && s.data[s.pos] > ' ' {
		return s.data[s.pos]
	}
	return s.pastSpace()
}

// pastSpace is the rare part of Peek, because most JSON has no white space between its values. It
// stands apart so that Peek stays small.
func (s *Scanner) pastSpace() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// End reports whether only white space is left.
func (s *Scanner) End() bool { return s.Peek() == 0 && s.pos == len(s.data) }

// Enter moves past the byte that opens an object or array. Peek must have returned that byte.
func (s *Scanner) Enter() bool {
	s.pos++
	s.depth--
	return s.depth >= 0
}

// More moves to the next member or element of the object or array that was entered, or past its
// end. Closing is the byte at its end, } or ]; first is true before its first member or element.
func (s *Scanner) More(closing byte, first bool) (more, ok bool) {
	switch c := s.Peek(); {
	case c == closing:
		s.pos++
		s.depth++
		return false, true
	case first:
		return true, c != 0
	case c == ',':
		s.pos++
		return true, s.Peek() != closing
	}
	return false, false
}

// Name moves past a member's name and the colon after it. Plain is true if the name has no escapes.
func (s *Scanner) Name() (name []byte, plain, ok bool) {
	if s.Peek() != '"' {
		return nil, false, false
	}
	if name, plain, ok = s.Text(); !ok {
		return nil, false, false
	}
	if s.Peek() != ':' {
		return nil, false, false
	}
	s.pos++
	return name, plain, true
}

// Members moves past the object that begins here. It calls each with the name of every member, in
// its quotes, whether the name has no escapes, and the value. It ends early if each returns false.
func (s *Scanner) Members(each func(quoted []byte, plain bool, value []byte) bool) (ok bool) {
	if s.Peek() != '{' || !s.Enter() {
		return false
	}
	for first := true; ; first = false {
		more, ok := s.More('}', first)
		if !ok || !more {
			return ok
		}
		quoted := s.pos
		name, plain, ok := s.Name()
		if !ok {
			return false
		}
		s.Peek()
		value := s.pos
		if !s.Skip() || !each(s.data[quoted:quoted+len(name)+2], plain, s.data[value:s.pos:s.pos]) {
			return false
		}
	}
}

// Most of an event is text, so text takes most of the time. It is read in words of eight bytes.
const (
	each = 0x0101010101010101
	high = 0x80 * each
)

// special sets the high bit of a byte that ends a run of plain text: a quote, a backslash or a
// control character. Only the lowest bit set is reliable. With bit 1 inverted, the quote follows
// the control characters directly, so that one comparison finds both.
func special(word uint64) uint64 {
	b := word ^ '\\'*each
	return ((word^2*each-('"'-1)*each)&^word | (b-each)&^b) & high
}

// IsPlain reports whether a text is ASCII that needs no escapes.
func IsPlain(text string) bool {
	for ; len(text) >= 8; text = text[8:] {
		if word := binary.LittleEndian.Uint64([]byte(text)); special(word)|word&high != 0 {
			return false
		}
	}
	for _, c := range []byte(text) {
		if c < ' ' || c == '"' || c == '\\' || c >= 0x80 {
			return false
		}
	}
	return true
}

// Text moves past the string that begins here, and returns the bytes between its quotes. Plain is
// true if they have no escapes, so that they are the text itself.
func (s *Scanner) Text() (body []byte, plain, ok bool) {
	data, start := s.data, s.pos+1
	var seen uint64 // all bytes and some after them, or-ed: a high bit means that there may be more than ASCII
	plain = true
	for i := start; i < len(data); {
		if i+8 <= len(data) {
			word := binary.LittleEndian.Uint64(data[i:])
			seen |= word
			ends := special(word)
			if ends == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(ends) / 8
		}
		switch c := data[i]; {
		case c == '"':
			s.pos = i + 1
			body = data[start:i]
			return body, plain, seen&high == 0 || utf8.Valid(body)
		case c == '\\':
			plain = false
			n := escape(data[i:])
			if n == 0 {
				return nil, false, false
			}
			i += n
		case c < ' ':
			return nil, false, false
		default: // one of the last bytes
			seen |= uint64(c)
			i++
		}
	}
	return nil, false, false
}

// escape returns the length of the escape at the beginning of data, or 0 if it is not valid. The
// two escapes of a surrogate pair count as one.
func escape(data []byte) int {
	if len(data) < 2 {
		return 0
	}
	switch data[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	}
	switch r := hex4(data); {
	case r < 0:
		return 0
	case !utf16.IsSurrogate(r):
		return 6
	case utf16.DecodeRune(r, hex4(data[6:])) != utf8.RuneError:
		return 12
	}
	return 0
}

// hex4 reads an escape of the form \u0000, and returns -1 for anything else.
func hex4(data []byte) rune {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return -1
	}
	r, err := strconv.ParseUint(string(data[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(r)
}

// number moves past the number that begins here. It only checks the grammar, so a number of any
// size passes.
func (s *Scanner) number() bool {
	data, i := s.data, s.pos
	digits := func() bool {
		from := i
		for i < len(data) && data[i]-'0' < 10 {
			i++
		}
		return i > from
	}
	if data[i] == '-' {
		i++
	}
	zero := i < len(data) && data[i] == '0'
	from := i
	if !digits() || zero && i > from+1 {
		return false
	}
	if i < len(data) && data[i] == '.' {
		i++
		if !digits() {
			return false
		}
	}
	if i < len(data) && data[i]|0x20 == 'e' {
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		if !digits() {
			return false
		}
	}
	s.pos = i
	return true
}

// literal moves past true, false or null. A longer word fails in what follows the value.
func (s *Scanner) literal() bool {
	for _, word := range [...]string{"true", "false", "null"} {
		if rest := s.data[s.pos:]; len(rest) >= len(word) && string(rest[:len(word)]) == word {
			s.pos += len(word)
			return true
		}
	}
	return false
}

// Skip moves past the next value, whatever it is.
func (s *Scanner) Skip() bool {
	switch s.Peek() {
	case '"':
		_, _, ok := s.Text()
		return ok
	case '{':
		return s.skipObject()
	case '[':
		return s.skipArray()
	case 't', 'f', 'n':
		return s.literal()
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return s.number()
	}
	return false
}

// skipArray and skipObject do without More, which is measurably slower for batches.
func (s *Scanner) skipArray() bool {
	if !s.Enter() {
		return false
	}
	if s.Peek() == ']' {
		s.leave()
		return true
	}
	for s.Skip() {
		switch s.Peek() {
		case ',':
			s.pos++
		case ']':
			s.leave()
			return true
		default:
			return false
		}
	}
	return false
}

// skipObject looks for duplicate names too, which only their object can see.
func (s *Scanner) skipObject() bool {
	start := s.pos
	if !s.Enter() {
		return false
	}
	if s.Peek() == '}' {
		s.leave()
		return true
	}
	var names Names
	distinct := s.again != trusted // otherwise there is nothing to find
	for {
		name, plain, ok := s.Name()
		if !ok {
			return false
		}
		distinct = distinct && plain && names.Add(name)
		if !s.Skip() {
			return false
		}
		switch s.Peek() {
		case ',':
			s.pos++
		case '}':
			s.leave()
			return distinct || s.reread(s.data[start:s.pos])
		default:
			return false
		}
	}
}

// leave moves past the byte that closes an object or array, which ends a level.
func (s *Scanner) leave() {
	s.pos++
	s.depth++
}

// reread checks an object whose names could not be told apart in passing. Such objects are rare. If
// they are nested in one another, rereading would take quadratic time, so it gives up.
func (s *Scanner) reread(object []byte) bool {
	if s.again == trusted {
		return true
	}
	s.again -= len(object)
	return s.again >= 0 && jsontext.NewDecoder(bytes.NewBuffer(object)).SkipValue() == nil
}
