package importer

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	stdunicode "unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Format is how the events of a file are written.
type Format string

// The formats.
const (
	JSON Format = "json" // objects, one a line or each over several lines, or lists of objects
	CSV  Format = "csv"  // a header line that names the columns, then one event a row
)

// input is a file of events.
type input struct {
	path     string
	format   Format
	encoding Encoding
	// id stands for the contents of the file, whatever its path: a hash of its size and of its
	// first and last 64 KB. It is "" for standard input.
	id    string
	size  int64 // in bytes on disk, -1 where that is not known
	stdin io.Reader
	part  Part // To is 0 for all of it
}

// edge is how much of either end of a file makes its id.
const edge = 64 << 10

// openInput looks at a file.
func openInput(path string, o *Options) (*input, error) {
	in := &input{
		path: path, format: cmp.Or(o.Format, formatOf(path)), encoding: o.Encoding, size: -1, stdin: o.Stdin,
		part: Part{Line: 1},
	}
	if path == Stdin {
		in.format = cmp.Or(in.format, JSON)
		return in, nil
	}
	if in.format == "" {
		return nil, fmt.Errorf("the name of a file must end in .ndjson, .jsonl, .json or .csv,"+
			" or --format name its format: %q", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the events: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("events are read from files and from standard input, and this is neither: %q", path)
	}
	if err == nil {
		in.size = info.Size()
		in.id, err = identify(f, in.size)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the events: %w", err)
	}
	return in, nil
}

// formatOf returns the format that a name tells, "" for none.
func formatOf(path string) Format {
	switch filepath.Ext(strings.TrimSuffix(strings.ToLower(path), ".gz")) {
	case ".ndjson", ".jsonl", ".json":
		return JSON
	case ".csv":
		return CSV
	}
	return ""
}

// identify hashes the two ends of the first size bytes of a file. Hashing all of it would read a
// large file twice. Where the middle differs, resuming finds out by the hash in the position.
func identify(f io.ReaderAt, size int64) (string, error) {
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint64([]byte("segment-blocks/import-file/v1"), uint64(size)))
	buf := make([]byte, min(edge, size))
	for _, at := range []int64{0, size - int64(len(buf))} {
		if _, err := f.ReadAt(buf, at); err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		h.Write(buf)
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}

// open returns the unpacked contents without a byte order mark, and the file to close, nil for
// standard input. Offsets count from the first byte of the events, behind the mark. What is read of
// the file itself is counted in read.
func (in *input) open(read *atomic.Int64) (text *bufio.Reader, file *os.File, err error) {
	from := in.stdin
	if in.path != Stdin {
		if file, err = os.Open(in.path); err != nil {
			return nil, nil, fmt.Errorf("cannot read the events: %w", err)
		}
		from = file
	}
	if p := in.part; p.To > 0 {
		from = io.NewSectionReader(file, p.From, p.To-p.From)
	}
	if text, err = in.unpack(&counted{from, read}); err != nil {
		_ = file.Close() // nothing was written
		return nil, nil, fmt.Errorf("%w: %q", err, in.path)
	}
	return text, file, nil
}

// unpack looks at the first bytes, so that what is no text, or in another encoding, ends the import
// at once, and not as millions of rejects.
func (in *input) unpack(file io.Reader) (*bufio.Reader, error) {
	r := bufio.NewReaderSize(file, headBytes)
	if magic, _ := r.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("cannot unpack the events: %w", err)
		}
		r = bufio.NewReaderSize(unpacked, headBytes)
	}
	decoded, err := in.encoding.decode(r)
	if err != nil {
		return nil, err
	}
	text := bufio.NewReaderSize(decoded, maxRecord+len("\r\n"))
	skipMark(text)
	return text, in.encoding.refuseBinary(arrived(text))
}

// skipMark moves past a byte order mark in UTF-8, and returns its length.
func skipMark(r *bufio.Reader) (n int64) {
	if mark, _ := r.Peek(3); string(mark) == "\xef\xbb\xbf" {
		n = 3
	}
	_, _ = r.Discard(int(n))
	return n
}

// counted counts what is read, in small steps, so that progress does not jump.
type counted struct {
	io.Reader
	read *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p[:min(len(p), 128<<10)])
	c.read.Add(int64(n))
	return n, err
}

// reason returns what is behind an error of package os, which names the path.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

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

// arrived returns what can be had without waiting for more than one read gives, up to the last
// character that is whole.
func arrived(r *bufio.Reader) []byte {
	_, _ = r.Peek(1) // which fills the buffer
	head, _ := r.Peek(min(r.Buffered(), headBytes))
	for n := min(len(head), utf8.UTFMax-1); n > 0; n-- {
		if end := len(head) - n; !utf8.FullRune(head[end:]) {
			return head[:end]
		}
	}
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
	other := bytes.IndexFunc(head, func(r rune) bool { return r >= utf8.RuneSelf })
	switch {
	case other < 0:
		return "", 0
	case utf8.Valid(head):
		found = UTF8
	case bytes.ContainsFunc(head, func(r rune) bool { return r >= utf8.RuneSelf && r != utf8.RuneError }):
		return "", 0
	default:
		found = Windows1252
	}
	return found, lineOf(head, other)
}

func lineOf(text []byte, at int) int { return 1 + bytes.Count(text[:at], []byte("\n")) }

// refuseBinary returns an error where a byte tells binary data from text: a NUL or, in what is not
// UTF-8 either, another control character.
func (e Encoding) refuseBinary(head []byte) error {
	at := bytes.IndexByte(head, 0)
	if at < 0 && !utf8.Valid(head) {
		at = bytes.IndexFunc(head, func(r rune) bool { return r < ' ' && !stdunicode.IsSpace(r) })
	}
	if at < 0 {
		return nil
	}
	return fmt.Errorf("the events must be text in %s, and line %d holds binary data or another encoding",
		e, lineOf(head, at))
}

// Part is a piece of a file, to be imported by itself.
type Part struct {
	// From is the byte of the file that the part begins with, To the one behind it.
	From int64 `json:"from"`
	To   int64 `json:"to"`
	// Offset is From less the byte order mark, from where the events of the whole file are counted.
	Offset int64 `json:"offset"`
	// Line is the number of its first line.
	Line int64 `json:"line"`
}

// Split divides a file into parts of size bytes or a little more, which end where lines do. The
// imports of all parts send the messages that an import of the file would, with the same
// messageIds. Only within a part do the events of a person keep their order.
//
// Only files with a message a line can be divided: any other is one part. Read, if not nil, is
// told how many bytes have been looked at.
func Split(ctx context.Context, path string, size int64, read func(bytes int64)) ([]Part, error) {
	in, err := openInput(path, &Options{})
	if err != nil {
		return nil, &InputError{err}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, &InputError{fmt.Errorf("cannot read the events: %w", err)}
	}
	defer func() { _ = f.Close() }()
	r := bufio.NewReaderSize(f, maxRecord+len("\r\n"))
	mark := skipMark(r)
	lines := newSplitter(r, position{Line: 1})
	n, _ := lines.find(lineEnd)
	first, _ := r.Peek(n)
	_, faulty := rawjson.ParseObject(first, limits())
	if size <= 0 || in.format != JSON || faulty != nil {
		return []Part{{To: in.size, Line: 1}}, nil
	}
	var parts []Part
	next := Part{Line: 1}
	for ctx.Err() == nil {
		line, err := lines.read(lineEnd)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("cannot read the events: %w", err)
		}
		// A worker tells by this that it is alive, and that each line does so would take longer
		// than the reading.
		if read != nil && (err != nil || line.at.Offset>>20 != line.after.Offset>>20) {
			read(next.To) // at the end, and about once a megabyte
		}
		if err != nil {
			return append(parts, next), nil
		}
		// An object over several lines is indented, so it is not cut.
		if next.To-next.From >= size && line.raw[0] == '{' {
			parts = append(parts, next)
			next = Part{From: next.To, Offset: line.at.Offset, Line: line.at.Line}
		}
		next.To = mark + line.after.Offset
	}
	return nil, ctx.Err()
}
