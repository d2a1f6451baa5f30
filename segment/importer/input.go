package importer

import (
	"bufio"
	"bytes"
	"compress/gzip"
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
	in := &input{path: path, format: o.Format, encoding: o.Encoding, size: -1, stdin: o.Stdin, part: Part{Line: 1}}
	if in.format == "" {
		in.format = formatOf(path)
	}
	if path == Stdin {
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
	if path == Stdin {
		return JSON
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
