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
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"
)

// Format is how the events of a file are written.
type Format string

// The formats.
const (
	NDJSON Format = "ndjson" // one JSON object a line
	CSV    Format = "csv"    // a header line that names the columns, then one event a row
)

// Stdin is the path that stands for standard input.
const Stdin = "-"

// Input is a file of events. Make one with [OpenInput].
type Input struct {
	Path   string
	Format Format
	// ID stands for the contents of the file, wherever it lies and however its path is spelt: a hash over its size and its first and
	// last 64 KB. It is "" for standard input, which can be read only once.
	ID string
	// Size is how many bytes the file has on disk, -1 where that is not known.
	Size int64

	stdin io.Reader
}

// edge is how much of either end of a file makes its ID.
const edge = 64 << 10

// OpenInput looks at a file. The format is found from the name (.ndjson, .jsonl, .json and .csv, each also with .gz behind it) unless it
// is given. Stdin is read for the path "-", as NDJSON unless the format says otherwise. Whatever begins like gzip is unpacked.
func OpenInput(path string, format Format, stdin io.Reader) (*Input, error) {
	in := &Input{Path: path, Format: format, Size: -1}
	if path == Stdin {
		in.stdin = stdin
		if format == "" {
			in.Format = NDJSON
		}
		return in, nil
	}
	if in.Format == "" {
		if in.Format = formatOf(path); in.Format == "" {
			return nil, fmt.Errorf("the name of a file must end in .ndjson, .jsonl, .json or .csv, or --format name its format: %q", path)
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the events: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot read the events: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("events are read from files and from standard input, and this is neither: %q", path)
	}
	in.Size = info.Size()
	if in.ID, err = identify(f, in.Size); err != nil {
		return nil, fmt.Errorf("cannot read the events: %w", err)
	}
	return in, nil
}

// beginsWith tells whether the file begins with all of one that had a size and an ID.
func (in *Input) beginsWith(size int64, id string) bool {
	if in.Path == Stdin || in.Size <= size {
		return false
	}
	f, err := os.Open(in.Path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	got, err := identify(f, size)
	return err == nil && got == id
}

func formatOf(path string) Format {
	switch filepath.Ext(strings.TrimSuffix(strings.ToLower(path), ".gz")) {
	case ".ndjson", ".jsonl", ".json":
		return NDJSON
	case ".csv":
		return CSV
	}
	return ""
}

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

// content is what a file holds, unpacked, from some place on.
type content struct {
	io.Reader
	closers []io.Closer
}

// open returns the unpacked contents without a byte order mark. Offsets count from the first byte of the events, behind the mark.
// What is read of the file itself is counted in read.
func (in *Input) open(read *atomic.Int64) (*content, error) {
	c := &content{}
	source := in.stdin
	if in.Path != Stdin {
		f, err := os.Open(in.Path)
		if err != nil {
			return nil, fmt.Errorf("cannot read the events: %w", err)
		}
		source, c.closers = f, append(c.closers, f)
	}
	buffered := bufio.NewReaderSize(&counted{source, read}, 128<<10)
	if magic, _ := buffered.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("cannot unpack the events: %w: %q", err, in.Path), c.Close())
		}
		c.closers = append(c.closers, unpacked)
		buffered = bufio.NewReaderSize(unpacked, 128<<10)
	}
	mark, _ := buffered.Peek(3)
	switch {
	case bytes.HasPrefix(mark, []byte("\xff\xfe")), bytes.HasPrefix(mark, []byte("\xfe\xff")):
		return nil, errors.Join(fmt.Errorf("the events must be UTF-8 and are UTF-16, as some Windows programs write it: %q", in.Path), c.Close())
	case string(mark) == "\xef\xbb\xbf":
		_, _ = buffered.Discard(3)
	}
	_, _ = buffered.Peek(1)
	head, _ := buffered.Peek(buffered.Buffered()) // what has arrived by now
	if line := binaryLine(head); line > 0 {
		err := fmt.Errorf("the events must be text in UTF-8, and line %d holds binary data or another encoding: %q", line, in.Path)
		return nil, errors.Join(err, c.Close())
	}
	c.Reader = buffered
	return c, nil
}

// binaryLine returns the number of the line with the first byte that tells binary data from text, 0
// for none: a NUL or, in what is not UTF-8 either, another control character.
func binaryLine(head []byte) int {
	for len(head) > 0 && head[len(head)-1] >= utf8.RuneSelf {
		head = head[:len(head)-1] // it may be cut
	}
	at := bytes.IndexByte(head, 0)
	if at < 0 && !utf8.Valid(head) {
		at = bytes.IndexFunc(head, func(r rune) bool { return r < ' ' && !unicode.IsSpace(r) })
	}
	if at < 0 {
		return 0
	}
	return 1 + bytes.Count(head[:at], []byte("\n"))
}

// Close closes what was opened; standard input stays its owner's.
func (c *content) Close() error {
	var errs []error
	for i := len(c.closers) - 1; i >= 0; i-- {
		errs = append(errs, c.closers[i].Close())
	}
	return errors.Join(errs...)
}

type counted struct {
	io.Reader
	read *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read.Add(int64(n))
	return n, err
}
