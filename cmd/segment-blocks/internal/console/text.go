package console

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-isatty"
	"golang.org/x/term"

	"github.com/aacflow/segment-blocks/internal/text"
)

// Style colours text, or leaves it alone.
type Style struct{ on bool }

// Style returns the colours for a stream: none unless it is a terminal, and none with NO_COLOR or
// TERM=dumb.
func (c *Console) Style(w io.Writer) Style {
	return Style{on: IsTerminal(w) && c.Variable("NO_COLOR") == "" && c.Variable("TERM") != "dumb"}
}

// Good paints text green.
func (s Style) Good(text string) string { return s.paint("32", text) }

// Bad paints text red.
func (s Style) Bad(text string) string { return s.paint("31", text) }

// Warn paints text yellow.
func (s Style) Warn(text string) string { return s.paint("33", text) }

// Strong makes text bold.
func (s Style) Strong(text string) string { return s.paint("1", text) }

func (s Style) paint(code, text string) string {
	if !s.on {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// terminal returns the file of a stream that is a terminal, or nil. The shells of Cygwin and of Git
// for Windows give a program pipes, which only isatty takes for terminals.
func terminal(stream any) *os.File {
	if s, ok := stream.(*Stream); ok {
		stream = s.Writer
	}
	f, ok := stream.(*os.File)
	if !ok || !isatty.IsTerminal(f.Fd()) && !isatty.IsCygwinTerminal(f.Fd()) {
		return nil
	}
	return f
}

// IsTerminal reports whether a stream is a terminal.
func IsTerminal(stream any) bool { return terminal(stream) != nil }

// Columns returns how wide a terminal is, or 0 for what is none.
func Columns(w io.Writer) int {
	if f := terminal(w); f != nil {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			return width
		}
	}
	return 0
}

// PageWidth is how long lines of prose get: 100 characters, or less on a terminal that has less.
// Longer lines are hard to read, however wide the terminal is.
func PageWidth(w io.Writer) int {
	const most = 100
	if width := Columns(w); width > 0 {
		return min(most, max(width, 40))
	}
	return most
}

// WriteTable writes rows with aligned columns, two spaces in front and between. The last column is
// as long as it is; on a terminal it goes on below itself.
func WriteTable(w io.Writer, rows [][]string) { WriteTableWithin(w, rows, Columns(w)) }

// WriteList writes a row of a table for each element of a list.
func WriteList[T any](w io.Writer, list []T, row func(T) []string) {
	var rows [][]string
	for _, one := range list {
		rows = append(rows, row(one))
	}
	WriteTable(w, rows)
}

// WriteFields writes names and values in turn as a table, and leaves out what has no value.
func WriteFields(w io.Writer, namesAndValues ...string) {
	fields := slices.Collect(slices.Chunk(namesAndValues, 2))
	WriteTable(w, slices.DeleteFunc(fields, func(field []string) bool { return field[1] == "" }))
}

// WriteTableWithin is [WriteTable] for lines of at most width characters; 0 is no limit.
func WriteTableWithin(w io.Writer, rows [][]string, width int) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			// Width is in characters of the escaped text, which is what the terminal shows.
			widths[i] = max(widths[i], utf8.RuneCountInString(text.Escape(cell)))
		}
	}
	for _, row := range rows {
		line, label := "", "" // the label is what is in front of the last column
		for i, cell := range row {
			label = line + "  "
			line = label + fmt.Sprintf("%-*s", widths[i], text.Escape(cell))
		}
		line = strings.TrimRight(line, " ")
		if width > 0 && utf8.RuneCountInString(line) > width {
			WriteString(w, Hang(label, text.Escape(row[len(row)-1]), width))
			continue
		}
		Writeln(w, line)
	}
}

// Count writes a number with its noun: 1 request, 2 requests.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return text.Grouped(int64(n)) + " " + noun + "s"
}

// Wrap breaks prose into lines of at most width characters, each with an indent in front. Empty
// lines stay.
func Wrap(text, indent string, width int) string {
	var b strings.Builder
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		line := indent
		for _, word := range strings.Fields(paragraph) {
			if utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width && line != indent {
				b.WriteString(line + "\n")
				line = indent
			}
			if line != indent {
				line += " "
			}
			line += word
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// Hang writes prose after a label, its further lines under the first one. Without prose the label
// stands alone, without blanks at its end.
func Hang(label, text string, width int) string {
	lines := Wrap(text, strings.Repeat(" ", utf8.RuneCountInString(label)), width)
	if strings.TrimSpace(lines) == "" {
		return strings.TrimRight(label, " ") + "\n"
	}
	return label + strings.TrimLeft(lines, " ")
}
