package importer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/aacflow/segment-blocks/rawjson"
)

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
	r := bufio.NewReaderSize(f, 1<<20)
	if size <= 0 || in.format != JSON || !hasMessageALine(r) {
		return []Part{{To: in.size, Line: 1}}, nil
	}
	var parts []Part
	next, mark := Part{Line: 1}, int64(0)
	if head, _ := r.Peek(3); string(head) == "\xef\xbb\xbf" {
		mark = 3
	}
	for line := int64(1); ctx.Err() == nil; {
		block, err := r.Peek(r.Size())
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("cannot read the events: %w", err)
		}
		if len(block) == 0 {
			return append(parts, next), nil
		}
		// An object over several lines is indented, so it is not cut.
		n, cut := len(block), -1
		if enough := max(0, size-(next.To-next.From)-1); enough < int64(n) {
			cut = bytes.Index(block[enough:], []byte("\n{"))
			if cut >= 0 {
				n = int(enough) + cut + 1
			} else if err == nil {
				n-- // its last byte may be the break
			}
		}
		line += int64(bytes.Count(block[:n], []byte("\n")))
		next.To += int64(n)
		_, _ = r.Discard(n)
		if read != nil {
			read(next.To)
		}
		if cut >= 0 {
			parts = append(parts, next)
			next = Part{From: next.To, To: next.To, Offset: next.To - mark, Line: line}
		}
	}
	return nil, ctx.Err()
}

// hasMessageALine tells whether the first line is all of a JSON object.
func hasMessageALine(r *bufio.Reader) bool {
	head, _ := r.Peek(r.Size())
	first, _, _ := bytes.Cut(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), []byte("\n"))
	return rawjson.Check(first, limits()) == nil && rawjson.KindOf(first) == rawjson.ObjectKind
}
