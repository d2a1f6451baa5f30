// Package jsonscan reads JSON by moving over it: package rawjson checks and opens documents with
// it, and the plans of package schemas judge them on the way.
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

// Scanner moves through JSON of which nothing has been checked yet, in one pass and without
// allocating:
//
//	s := jsonscan.New(data, 32<<20, 128)
//	ok := s.Skip() && s.End() // data is one value, and rawjson.Check would say so too
//
// It does not explain: where a method returns false the scanner is spent, and rawjson.Check tells
// what is wrong and where. What it accepts has valid syntax and UTF-8, keeps the limits, and has no
// object that names a member twice.
//
// Skip does all of this. A caller that enters an object with Enter, More and Name must check for
// duplicate names itself, with [Names].
type Scanner struct {
	data  []byte
	pos   int
	depth int // levels that may still be entered
	again int // bytes that may still be read twice, to look for names that are the same
}

// trusted is set as a scanner's again where the names are known to differ.
const trusted = math.MinInt

// New returns a scanner at the first byte of data. It does not accept data that is larger than
// maxBytes, or nests deeper than maxDepth.
func New(data []byte, maxBytes, maxDepth int) Scanner {
	if len(data) > maxBytes {
		return Scanner{}
	}
	return Scanner{data: data, depth: maxDepth, again: len(data)}
}

// Trusting returns a scanner for data that has been checked before. It takes any depth, and does
// not look for duplicate names again.
func Trusting(data []byte) Scanner { return Scanner{data: data, depth: math.MaxInt, again: trusted} }

// Pos returns the offset of the next byte. The value that a caller has read stands between the Pos
// after Peek and the Pos after the value.
func (s *Scanner) Pos() int { return s.pos }

// Peek moves past white space and returns the byte that the next value begins with, 0 at the end.
func (s *Scanner) Peek() byte {
	if s.pos < len(s.data) && s.data[s.pos] > ' ' {
		return s.data[s.pos]
	}
	return s.pastSpace()
}

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

// End reports whether nothing but white space is left.
func (s *Scanner) End() bool { return s.Peek() == 0 && s.pos == len(s.data) }

// Enter moves past the byte that opens an object or array, which Peek has returned.
func (s *Scanner) Enter() bool {
	s.pos++
	s.depth--
	return s.depth >= 0
}

// More moves to the next member or element of what was entered, or past its end. The byte is the
// one that closes it: } or ]. First says that nothing of it has been read yet.
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

// Name moves past a member's name and the colon behind it. Plain tells that the name has no
// escapes.
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

// Most of an event is text, so this is where most of the time goes. It is looked at in words of
// eight bytes.
const (
	each = 0x0101010101010101
	high = 0x80 * each
)

// special sets the high bit of a byte that ends a run of plain text: a quote, a backslash or a
// control character. The lowest bit set is exact, those above it need not be.
func special(word uint64) uint64 {
	q, b := word^'"'*each, word^'\\'*each
	return ((q-each)&^q | (b-each)&^b | (word-' '*each)&^word) & high
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

// Text moves past the string that begins here, and returns what stands between its quotes. Plain
// tells that it has no escapes, so that it is the text itself.
func (s *Scanner) Text() (body []byte, plain, ok bool) {
	data := s.data
	start := s.pos + 1
	var seen uint64 // all bytes, or-ed: the high bit tells that there is more than ASCII
	plain = true
	for i := start; i < len(data); {
		var word uint64
		if i+8 <= len(data) {
			word = binary.LittleEndian.Uint64(data[i:])
		} else {
			var last [8]byte // zeroes count as control characters, and stop it
			copy(last[:], data[i:])
			word = binary.LittleEndian.Uint64(last[:])
		}
		ends := special(word)
		if ends == 0 {
			seen |= word
			i += 8
			continue
		}
		at := bits.TrailingZeros64(ends) &^ 7
		seen |= word & (1<<at - 1)
		i += at / 8
		if i >= len(data) {
			return nil, false, false
		}
		switch data[i] {
		case '"':
			s.pos = i + 1
			body = data[start:i]
			return body, plain, seen&high == 0 || utf8.Valid(body)
		case '\\':
			plain = false
			n := escape(data[i:])
			if n == 0 {
				return nil, false, false
			}
			i += n
		default:
			return nil, false, false
		}
	}
	return nil, false, false
}

// escape returns the length of the escape that data begins with, 0 for none that is valid. The two
// halves of a character beyond the basic plane count as one.
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

// number moves past the number that begins here. It checks the grammar alone, so that a number of
// any size passes as it is written.
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

// literal moves past true, false or null. A longer word fails at what must follow a value.
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

// skipArray and skipObject do by hand what More does: batches notice the difference.
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
	distinct := s.again != trusted // else nobody asks
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

// leave moves past the byte that closes an object or array. What lies behind it is one level up
// again.
func (s *Scanner) leave() {
	s.pos++
	s.depth++
}

// reread checks an object whose names were not easily told apart. That is rare and costs little,
// unless such objects lie within one another: then it gives up.
func (s *Scanner) reread(object []byte) bool {
	if s.again == trusted {
		return true
	}
	s.again -= len(object)
	return s.again >= 0 && jsontext.NewDecoder(bytes.NewBuffer(object)).SkipValue() == nil
}
