// Package console is what every command of segment-blocks shares: its streams, its output formats,
// its errors and exit codes, and how text fits a terminal.
package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
)

// A Console connects a run of the command with the world outside.
type Console struct {
	Args           []string
	Environ        []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Output is the output format that is asked for: auto, text, json or yaml. The command line and
	// the environment say it before the configuration is read, and so before that can be wrong.
	Output string
}

// Process returns the console of this process.
func Process() *Console {
	return &Console{Args: os.Args[1:], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
}

// AskedFormat returns the output format that the command line or the environment asks for. It may
// be no format at all.
func (c *Console) AskedFormat() string {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true // those of the command
	flags.Usage = func() {}
	asked := flags.StringP("output", "o", c.Variable("SEGMENT_BLOCKS_OUTPUT"), "")
	_ = flags.Parse(c.Args) // the command itself reports what is wrong with them
	return *asked
}

// Variable returns the value of an environment variable, "" when it is not set.
func (c *Console) Variable(name string) string {
	return settings.Getenv(c.Environ, name)
}

// Format returns how to print what a command returns. Without a choice, results are text for
// people; those of commands whose result is a document for the next program are JSON where stdout
// is not a terminal.
func (c *Console) Format(document bool) string {
	switch {
	case c.Output != "auto" && c.Output != "":
		return c.Output
	case document && !IsTerminal(c.Stdout):
		return "json"
	}
	return "text"
}

// Print writes a value in a format: as yaml, or as JSON. JSON is one line, unless the format is
// json and a person is looking.
func (c *Console) Print(format string, value any) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // the text is for people and programs, not for a page
	if format == "json" && IsTerminal(c.Stdout) {
		enc.SetIndent("", "  ")
	}
	if err := enc.Encode(value); err != nil {
		return Failed("cannot print the result: %w", err)
	}
	out := buf.Bytes()
	if format == "yaml" {
		out = YAML(out)
	}
	_, _ = c.Stdout.Write(out) // a [Stream], which remembers its error
	return nil
}

// Note prints a sentence beside the data, to stderr.
func (c *Console) Note(format string, args ...any) {
	c.Prose(c.Stderr, fmt.Sprintf(format, args...))
}

// Warn prints a warning beside the data.
func (c *Console) Warn(format string, args ...any) {
	c.labelled(c.Stderr, c.Style(c.Stderr).Warn, "warning:", fmt.Sprintf(format, args...))
}

// Prose writes a sentence. On a terminal it is broken into lines; elsewhere it is one, which is
// easier to search.
func (c *Console) Prose(w io.Writer, sentence string) { c.labelled(w, nil, "", sentence) }

// labelled writes a sentence behind a label, which is painted.
func (c *Console) labelled(w io.Writer, paint func(string) string, label, sentence string) {
	line := strings.TrimLeft(label+" "+text.Escape(sentence), " ") + "\n"
	if IsTerminal(w) {
		line = Wrap(line, "", PageWidth(w))
	}
	if label != "" {
		line = paint(label) + strings.TrimPrefix(line, label)
	}
	WriteString(w, line)
}

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

// YAML rewrites a JSON document as YAML. Members keep their order and numbers their digits, which
// decoding into Go values would lose.
func YAML(doc json.RawMessage) []byte {
	var buf bytes.Buffer
	enc := yaml.NewEncoder(&buf)
	enc.SetIndent(2)
	if err := enc.Encode(yamlNode(doc)); err != nil {
		return doc // JSON is YAML too
	}
	_ = enc.Close()
	return buf.Bytes()
}

func yamlNode(doc json.RawMessage) *yaml.Node {
	doc = bytes.TrimSpace(doc)
	switch rawjson.KindOf(doc) {
	case rawjson.ObjectKind:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, m := range rawjson.OpenObject(doc) {
			n.Content = append(n.Content, yamlText(m.Name), yamlNode(m.Value))
		}
		return n
	case rawjson.ArrayKind:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range rawjson.OpenArray(doc) {
			n.Content = append(n.Content, yamlNode(item))
		}
		return n
	}
	if text, ok := rawjson.Text(doc); ok {
		return yamlText(text)
	}
	// Numbers, true, false and null are the same words in YAML.
	return &yaml.Node{Kind: yaml.ScalarNode, Value: string(doc)}
}

// yamlText leaves the quotes to the encoder of Go strings, which also puts them around words that
// older readers of YAML take for booleans, such as yes.
func yamlText(text string) *yaml.Node {
	n := &yaml.Node{}
	if err := n.Encode(text); err != nil {
		n.SetString(text)
	}
	return n
}
