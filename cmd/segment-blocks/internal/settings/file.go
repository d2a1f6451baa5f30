package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/aacflow/segment-blocks/schemas"
)

// FileName is what a configuration file is called in the current folder, and in the user's own segment-blocks folder.
const FileName = "segment-blocks.yaml"

// A Fault is one thing that is wrong with the configuration.
type Fault struct {
	// Where is file:line, the name of a variable, or a flag.
	Where string
	Text  string
}

// An Error lists all that is wrong with the configuration.
type Error struct{ Faults []Fault }

// newError keeps what may be a key out of the texts.
func newError(faults []Fault) *Error {
	for i := range faults {
		faults[i].Text = hide(faults[i].Text)
	}
	return &Error{faults}
}

func (e *Error) Error() string {
	texts := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		texts[i] = f.Where + " " + f.Text
	}
	return "the configuration is not valid: " + strings.Join(texts, "; ")
}

// find returns the path of the file to read: the one asked for, else the first that exists, else "".
func find(asked string, o Options) (string, error) {
	if asked == "" {
		asked = o.variable("SEGMENT_BLOCKS_CONFIG")
	}
	if asked != "" {
		if _, err := os.Stat(asked); err != nil {
			return "", fmt.Errorf("cannot read the configuration: %w", err)
		}
		return asked, nil
	}
	for _, path := range SearchPath() {
		_, err := os.Stat(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("cannot read the configuration: %w", err)
		}
	}
	return "", nil
}

// SearchPath lists where a configuration file is looked for; the first one found is the only one read.
func SearchPath() []string {
	paths := []string{FileName}
	if dir, err := os.UserConfigDir(); err == nil {
		paths = append(paths, filepath.Join(dir, "segment-blocks", FileName))
	}
	return paths
}

// checkFile compares a file with the tables, so that a slip in it is named with its line rather than ignored.
func checkFile(path string, data []byte) []Fault {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return []Fault{{path, notYAML(err)}}
	}
	if len(doc.Content) == 0 {
		return nil // an empty file
	}
	c := checker{path: path, table: append(Table(), SourceTable()...)}
	c.mapping(doc.Content[0], "", "")
	return c.faults
}

// notYAML leaves out of the parser's error what it quotes of the file.
func notYAML(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	return "is not valid YAML: " + regexp.MustCompile("(?s) *['\"`].*['\"`]").ReplaceAllString(text, "")
}

type checker struct {
	path   string
	table  []Setting
	faults []Fault
}

func (c *checker) fault(n *yaml.Node, format string, args ...any) {
	c.faults = append(c.faults, Fault{fmt.Sprintf("%s:%d", c.path, n.Line), fmt.Sprintf(format, args...)})
}

// mapping checks the members of a mapping. Pattern is its place in the table, place its place in the file.
func (c *checker) mapping(n *yaml.Node, pattern, place string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // a heading with nothing below it
	}
	if n.Kind != yaml.MappingNode {
		c.fault(n, "%s must be a mapping of names to values", or(place, "the file"))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if seen[key.Value] {
			c.fault(key, "%s is there twice", join(place, key.Value))
			continue
		}
		seen[key.Value] = true
		c.member(key, value, pattern, place)
	}
	if pattern == "sources.NAME" {
		c.source(n, place, seen)
	}
}

func (c *checker) member(key, value *yaml.Node, pattern, place string) {
	next, at := join(pattern, key.Value), join(place, key.Value)
	if pattern == "sources" {
		next = "sources.NAME"
		if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`).MatchString(key.Value) || key.Value == Environment {
			c.fault(key, "a source must be named by letters, digits, - and _, and not %q: %q", Environment, key.Value)
			return
		}
	}
	if known := c.below(pattern); pattern != "sources" && !slices.Contains(known, key.Value) {
		c.fault(key, "%s is not a setting%s", at, schemas.DidYouMean(key.Value, known))
		return
	}
	i := slices.IndexFunc(c.table, func(s Setting) bool { return s.Key == next })
	if i < 0 {
		c.mapping(value, next, at)
		return
	}
	values := []*yaml.Node{value}
	if c.table[i].Kind == List {
		if values = value.Content; value.Kind != yaml.SequenceNode && value.Tag != "!!null" {
			c.fault(value, "%s must be a list", at)
		}
	}
	for _, v := range values {
		c.value(v, c.table[i], at)
	}
}

func (c *checker) value(n *yaml.Node, setting Setting, at string) {
	if n.Style&yaml.TaggedStyle != 0 {
		c.fault(n, "%s must have no YAML tag", at)
		return
	}
	if setting.Kind == Secret && (n.Tag == "!!int" || n.Tag == "!!float") {
		c.fault(n, "%s must be in quotes, as YAML takes it for a number", at)
		return
	}
	if n.Kind != yaml.ScalarNode {
		c.fault(n, "%s must be a single value", at)
		return
	}
	if n.Tag == "!!null" {
		return
	}
	if _, err := setting.read(n.Value); err != nil {
		c.fault(n, "%s %s", at, err)
	}
}

// source checks what the settings of one source must be together.
func (c *checker) source(n *yaml.Node, place string, has map[string]bool) {
	var keys []string
	for _, name := range []string{"writeKey", "writeKeyEnv", "writeKeyFile"} {
		if has[name] {
			keys = append(keys, name)
		}
	}
	if len(keys) > 1 {
		c.fault(n, "%s must have only one of %s", place, strings.Join(keys, ", "))
	}
	if has["region"] && has["endpoint"] {
		c.fault(n, "%s must have a region or an endpoint, not both", place)
	}
}

// below lists the names that may stand below a place of the table.
func (c *checker) below(pattern string) []string {
	var names []string
	for _, s := range c.table {
		rest, ok := strings.CutPrefix(s.Key, pattern)
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(rest, "."), ".")
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// readableByOthers reports whether other users of the machine can read a file.
func readableByOthers(path string) bool {
	info, err := os.Stat(path)
	return err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o044 != 0
}

func join(place, name string) string {
	if place == "" {
		return name
	}
	return place + "." + name
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
