package cli

import (
	"fmt"
	"io"
)

// stream remembers the first error of writing to a stream, so that a full disk is noticed once, at the end, and not at each line.
type stream struct {
	io.Writer
	err error
}

func (s *stream) Write(p []byte) (int, error) {
	n, err := s.Writer.Write(p)
	if err != nil && s.err == nil {
		s.err = err
	}
	return n, err
}

// The errors of these are those of the stream.

func writef(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
func writeln(w io.Writer, args ...any)               { _, _ = fmt.Fprintln(w, args...) }
func writes(w io.Writer, text string)                { _, _ = io.WriteString(w, text) }
