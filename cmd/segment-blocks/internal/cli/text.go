package cli

import (
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-isatty"
	"golang.org/x/term"
)

// style colours text, or leaves it alone.
type style struct{ on bool }

// style returns the colours for a stream: none unless it is a terminal, and none with NO_COLOR or TERM=dumb.
func (p *Program) style(w io.Writer) style {
	return style{on: isTerminal(w) && p.variable("NO_COLOR") == "" && p.variable("TERM") != "dumb"}
}

func (s style) good(text string) string   { return s.paint("32", text) }
func (s style) bad(text string) string    { return s.paint("31", text) }
func (s style) warn(text string) string   { return s.paint("33", text) }
func (s style) strong(text string) string { return s.paint("1", text) }

func (s style) paint(code, text string) string {
	if !s.on {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func isTerminal(of any) bool {
	if s, ok := of.(*stream); ok {
		of = s.Writer
	}
	f, ok := of.(*os.File)
	return ok && (isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()))
}

// columns returns how wide a terminal is, or 0 for what is none.
func columns(w io.Writer) int {
	if s, ok := w.(*stream); ok {
		w = s.Writer
	}
	f, ok := w.(*os.File)
	if !ok || !isTerminal(f) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// pageWidth is how long lines of prose get: 100 characters, or less on a terminal that has less.
func pageWidth(w io.Writer) int {
	const most = 100
	if width := columns(w); width > 0 {
		return min(most, max(width, 40))
	}
	return most
}

// clean makes text that came from elsewhere safe to show: control characters, which could move the cursor or retitle a
// terminal, become escapes.
func clean(text string) string {
	if strings.IndexFunc(text, isControl) < 0 && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if isControl(r) || r == utf8.RuneError {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func isControl(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }

// writeTable writes rows with aligned columns, two spaces in front and between. The last column is as long as it is; on a terminal
// it goes on below itself.
func writeTable(w io.Writer, rows [][]string) { writeTableWithin(w, rows, columns(w)) }

// writeTableWithin is writeTable for lines of at most width characters; 0 is no limit.
func writeTableWithin(w io.Writer, rows [][]string, width int) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(clean(cell)))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			cell = clean(cell)
			b.WriteString("  " + cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
			}
		}
		line := strings.TrimRight(b.String(), " ")
		if width > 0 && utf8.RuneCountInString(line) > width && len(row) > 1 {
			last := clean(row[len(row)-1])
			writes(w, hang(line[:len(line)-len(last)], last, width))
			continue
		}
		writeln(w, line)
	}
}

// count writes a number with its noun: 1 request, 2 requests.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return grouped(int64(n)) + " " + noun + "s"
}

// grouped writes 40123 as 40,123.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// wrap breaks prose into lines of at most width characters, each with an indent in front. Empty lines stay.
func wrap(text, indent string, width int) string {
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

// reflow fits help to a width: prose is wrapped, and the last column of a table goes on below itself. Commands stay as they are.
func reflow(text string, width int) string {
	column := regexp.MustCompile(`^ +\S+( \S+)*  +(\S)`)
	var out, prose strings.Builder
	end := func() {
		out.WriteString(wrap(prose.String(), "", width))
		prose.Reset()
	}
	for line := range strings.Lines(text) {
		if line != "\n" && line[0] != ' ' {
			prose.WriteString(line)
			continue
		}
		if prose.Len() > 0 {
			end()
		}
		at := column.FindStringSubmatchIndex(line)
		if at == nil || utf8.RuneCountInString(line) <= width {
			out.WriteString(line)
			continue
		}
		out.WriteString(hang(line[:at[4]], line[at[4]:], width))
	}
	if prose.Len() > 0 {
		end()
	}
	return out.String()
}

// hang writes prose after a label, its further lines under the first one.
func hang(label, text string, width int) string {
	lines := wrap(text, strings.Repeat(" ", utf8.RuneCountInString(label)), width)
	if strings.TrimSpace(lines) == "" {
		return strings.TrimRight(label, " ") + "\n"
	}
	return label + strings.TrimLeft(lines, " ")
}
