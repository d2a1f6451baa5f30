package importer

import (
	"bufio"
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
