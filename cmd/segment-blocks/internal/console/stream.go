package console

import (
	"fmt"
	"io"
)

// Stream remembers the first error of writing to a stream, so that a full disk is noticed once, at
// the end, and not at each line.
type Stream struct {
	io.Writer
	Err error
}

// Write implements [io.Writer].
func (s *Stream) Write(p []byte) (int, error) {
	n, err := s.Writer.Write(p)
	if err != nil && s.Err == nil {
		s.Err = err
	}
	return n, err
}

// Writef writes formatted text. Its error is the [Stream]'s: the command looks at that once, when
// it ends.
func Writef(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

// Writeln writes its arguments and a line break.
func Writeln(w io.Writer, args ...any) { _, _ = fmt.Fprintln(w, args...) }

// WriteString writes text as it is.
func WriteString(w io.Writer, text string) { _, _ = io.WriteString(w, text) }
