package importer

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	stdunicode "unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Encoding is how the text of a file is written as bytes.
type Encoding string

// The encodings.
const (
	UTF8        Encoding = "utf-8"
	UTF16       Encoding = "utf-16" // in either order of bytes, with or without a byte order mark
	Latin1      Encoding = "latin1" // ISO 8859-1
	Windows1252 Encoding = "windows-1252"
)

// headBytes is how much of a file is looked at, at most, to find out whether it is text.
const headBytes = 128 << 10

// arrived returns what can be had without waiting for more than one read gives.
func arrived(r *bufio.Reader) []byte {
	_, _ = r.Peek(1) // which fills the buffer
	head, _ := r.Peek(min(r.Buffered(), headBytes))
	return head
}

// decode returns the text in UTF-8. It refuses text whose first bytes show another encoding: read
// in the wrong one, every name with an umlaut would arrive garbled, and nobody would notice, since
// most encodings give some text for any bytes.
func (e Encoding) decode(r *bufio.Reader) (io.Reader, error) {
	head := arrived(r)
	found, line := guess(head)
	switch {
	case e == UTF16 && found == "" && len(head) > 0:
		found, line = UTF8, 1 // every second byte of ASCII would be a NUL
	case e == Latin1 && found == Windows1252:
		found = e // they differ in characters that hardly anybody uses, so both may be meant
	}
	if e != UTF16 && found != UTF16 {
		if err := e.refuseBinary(head); err != nil {
			return nil, err
		}
	}
	if found != "" && found != e {
		return nil, fmt.Errorf("the events must be text in %s, and line %d looks like %s, which --encoding %[3]s reads",
			e, line, found)
	}
	switch e {
	case Latin1:
		return transform.NewReader(r, charmap.ISO8859_1.NewDecoder()), nil
	case Windows1252:
		return transform.NewReader(r, charmap.Windows1252.NewDecoder()), nil
	case UTF16:
		order := unicode.LittleEndian
		if len(head) > 0 && head[0] == 0 {
			order = unicode.BigEndian
		}
		return transform.NewReader(r, unicode.UTF16(order, unicode.UseBOM).NewDecoder()), nil
	}
	return r, nil
}

// guess returns the encoding that the first bytes of a text show, with the line that shows it. It
// returns "" for ASCII, which says nothing, and for what is a mixture: single lines of that are
// faulty, whatever the encoding, and are rejected by themselves.
func guess(head []byte) (found Encoding, line int) {
	if len(head) > 1 {
		mark := bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff"))
		if mark || (head[0] == 0) != (head[1] == 0) { // an event or a header begins with ASCII
			return UTF16, 1
		}
	}
	good, bad := 0, 0 // the first lines with a character of UTF-8 beyond ASCII, and with what is none
	line = 1
	for utf8.FullRune(head) { // the last one may be cut
		r, n := utf8.DecodeRune(head)
		switch {
		case r == '\n':
			line++
		case n > 1:
			good = cmp.Or(good, line)
		case r == utf8.RuneError:
			bad = cmp.Or(bad, line)
		}
		head = head[n:]
	}
	switch {
	case good > 0 && bad == 0:
		return UTF8, good
	case bad > 0 && good == 0:
		return Windows1252, bad
	}
	return "", 0
}

// refuseBinary returns an error where a byte tells binary data from text: a NUL or, in what is not
// UTF-8 either, another control character.
func (e Encoding) refuseBinary(head []byte) error {
	for len(head) > 0 && head[len(head)-1] >= utf8.RuneSelf {
		head = head[:len(head)-1] // it may be cut
	}
	at := bytes.IndexByte(head, 0)
	if at < 0 && !utf8.Valid(head) {
		at = bytes.IndexFunc(head, func(r rune) bool { return r < ' ' && !stdunicode.IsSpace(r) })
	}
	if at < 0 {
		return nil
	}
	return fmt.Errorf("the events must be text in %s, and line %d holds binary data or another encoding",
		e, 1+bytes.Count(head[:at], []byte("\n")))
}
