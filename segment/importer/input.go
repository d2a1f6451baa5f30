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

// input is a file of events.
type input struct {
	path     string
	format   Format
	encoding Encoding
	// id identifies the contents of the file, whatever its path: a hash of its size and of its
	// first and last 64 KB. It is "" for standard input.
	id    string
	size  int64 // in bytes on disk, -1 for standard input
	stdin io.Reader
	part  Part // To is 0 for the whole file
}

// edge is how many bytes of either end of a file are hashed for its id.
const edge = 64 << 10

// openInput finds the format and the id of a file.
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
		return nil, fmt.Errorf("the name of a file must end in .ndjson, .jsonl, .json or .csv;"+
			" otherwise name its format with --format: %q", path)
	}
	// Opening a pipe would wait for its writer.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("events must be in a regular file or on standard input: %q", path)
	}
	f, err := os.Open(path)
	if err == nil {
		defer func() { _ = f.Close() }()
		in.id, in.size, err = identify(f)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the events: %w", err)
	}
	return in, nil
}

// formatOf returns the format by the extension of a name, "" for none.
func formatOf(path string) Format {
	formats := map[string]Format{".ndjson": JSON, ".jsonl": JSON, ".json": JSON, ".csv": CSV}
	return formats[filepath.Ext(strings.TrimSuffix(strings.ToLower(path), ".gz"))]
}

// identify hashes the two ends of a file and its size. Hashing all of it would read a large file
// twice. If the middle changes, resuming notices it by the hash in the position.
func identify(f *os.File) (id string, size int64, err error) {
	if size, err = f.Seek(0, io.SeekEnd); err != nil {
		return "", 0, err
	}
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint64([]byte("segment-blocks/import-file/v1"), uint64(size)))
	buf := make([]byte, min(edge, size))
	for _, at := range []int64{0, size - int64(len(buf))} {
		if _, err := f.ReadAt(buf, at); err != nil && !errors.Is(err, io.EOF) {
			return "", 0, err
		}
		h.Write(buf)
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), size, nil
}

// open returns the unpacked contents without a byte order mark, and the file to close, nil for
// standard input. Offsets count from the first byte behind the mark. Read counts the bytes that are
// read of the file itself.
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

// unpack looks at the first bytes, so that binary data or another encoding ends the import at once,
// and not as millions of rejects.
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

// skipMark moves past a byte order mark in UTF-8 and returns its length.
func skipMark(r *bufio.Reader) (n int64) {
	if mark, _ := r.Peek(3); string(mark) == "\xef\xbb\xbf" {
		n = 3
	}
	_, _ = r.Discard(int(n))
	return n
}

// counted counts the bytes read, in small steps so that progress does not jump.
type counted struct {
	io.Reader
	read *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p[:min(len(p), 128<<10)])
	c.read.Add(int64(n))
	return n, err
}

// headBytes is how much of a file is looked at to find its encoding.
const headBytes = 128 << 10

// arrived returns what one read gives, up to the last whole character, without waiting for more.
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

// decode returns the text in UTF-8. It refuses text whose first bytes show another encoding. In
// most encodings any bytes are some text, so every name with an umlaut would arrive garbled, and
// nobody would notice.
func (e Encoding) decode(r *bufio.Reader) (io.Reader, error) {
	head := arrived(r)
	found, line := guess(head)
	switch {
	case e == UTF16 && found == "" && len(head) > 0:
		found, line = UTF8, 1 // every second byte of ASCII would be a NUL
	case e == Latin1 && found == Windows1252:
		found = e // they differ only in rare characters, so either may be meant
	}
	if e != UTF16 && found != UTF16 {
		if err := e.refuseBinary(head); err != nil {
			return nil, err
		}
	}
	if found != "" && found != e {
		return nil, fmt.Errorf("the events must be text in %s, and line %d looks like %s;"+
			" if it is, give --encoding %[3]s", e, line, found)
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

// guess returns the encoding of a text by its first bytes, and the line that shows it. It returns
// "" for ASCII, which fits most encodings, and for a mixture of encodings, of which single lines
// will be rejected.
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

// refuseBinary returns an error if a byte shows that this is not text: a NUL or, outside of UTF-8,
// another control character.
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

// Split divides a file into parts of size bytes or a little more, at the ends of lines. The imports
// of all parts send the same messages as an import of the file, with the same messageIds. The
// events of a person keep their order only within a part.
//
// A file that does not have one JSON object a line is one part, and so is any file if size is 0.
// Read, if not nil, is called with the number of bytes looked at so far.
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
		// Once a megabyte and at the end: calling it for each line would take longer than reading.
		if read != nil && (err != nil || line.at.Offset>>20 != line.after.Offset>>20) {
			read(next.To)
		}
		if err != nil {
			return append(parts, next), nil
		}
		// The further lines of an object are indented, so no object is cut.
		if next.To-next.From >= size && line.raw[0] == '{' {
			parts = append(parts, next)
			next = Part{From: next.To, Offset: line.at.Offset, Line: line.at.Line}
		}
		next.To = mark + line.after.Offset
	}
	return nil, ctx.Err()
}
