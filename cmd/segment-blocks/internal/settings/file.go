package settings

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/aacflow/segment-blocks/schemas"
)

// FileName is the name of a configuration file in the current folder, and in the user's own
// segment-blocks folder.
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

// find returns the path of the file to read: the one asked for, else the first that exists, else
// "".
func find(o Options) (string, error) {
	if asked := o.asked(); asked != "" {
		return asked, nil
	}
	for _, path := range SearchPath() {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path, err
		}
	}
	return "", nil
}

// asked returns the file that a flag or a variable names.
func (o Options) asked() string {
	if o.File != "" {
		return o.File
	}
	return Getenv(o.Environ, "SEGMENT_BLOCKS_CONFIG")
}

// SearchPath lists where Load looks for a configuration file. It reads only the first that it
// finds.
func SearchPath() []string {
	paths := []string{FileName}
	if dir, err := os.UserConfigDir(); err == nil {
		paths = append(paths, filepath.Join(dir, "segment-blocks", FileName))
	}
	return paths
}

// readFile reads a file by the tables, so that a slip in it is named with its line, not ignored.
func (l *loader) readFile(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	l.File = path
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		// The parser's error quotes the file, which may hold a key.
		text := strings.TrimPrefix(err.Error(), "yaml: ")
		text = regexp.MustCompile("(?s) *['\"`].*['\"`]").ReplaceAllString(text, "")
		l.faults = append(l.faults, Fault{path, "is not valid YAML: " + text})
	}
	if len(doc.Content) > 0 { // it is not empty
		l.mapping(doc.Content[0], "", "")
	}
	holdsKey := func(key string) bool { return strings.HasSuffix(key, ".writeKey") }
	if slices.ContainsFunc(slices.Collect(maps.Keys(l.origins)), holdsKey) && readableByOthers(path) {
		l.warn("%s holds a write key and others can read it: chmod 600 it, or use writeKeyEnv or writeKeyFile", path)
	}
	return nil
}

func (l *loader) fault(n *yaml.Node, format string, args ...any) {
	l.faults = append(l.faults, Fault{fmt.Sprintf("%s:%d", l.File, n.Line), fmt.Sprintf(format, args...)})
}

// mapping reads the members of a mapping. At is its key in the file, pattern its key in the tables.
func (l *loader) mapping(n *yaml.Node, pattern, at string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // a heading with nothing below it
	}
	if n.Kind != yaml.MappingNode {
		l.fault(n, "%s must be a mapping of names to values", cmp.Or(at, "the file"))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if seen[key.Value] {
			l.fault(key, "%s is there twice", join(at, key.Value))
			continue
		}
		seen[key.Value] = true
		l.member(key, value, pattern, at)
	}
	if pattern == "sources.NAME" {
		l.source(n, at, seen)
	}
}

func (l *loader) member(key, value *yaml.Node, pattern, at string) {
	next, at := join(pattern, key.Value), join(at, key.Value)
	if pattern == "sources" {
		next = "sources.NAME"
		if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`).MatchString(key.Value) || key.Value == Environment {
			l.fault(key, "a source must be named by letters, digits, - and _, and not %q: %q", Environment, key.Value)
			return
		}
	}
	if known := below(pattern); pattern != "sources" && !slices.Contains(known, key.Value) {
		l.fault(key, "%s is not a setting%s", at, schemas.DidYouMean(key.Value, known))
		return
	}
	table := All()
	i := slices.IndexFunc(table, func(s Setting) bool { return s.Key == next })
	switch {
	case i < 0:
		l.mapping(value, next, at)
	case table[i].Kind == List:
		l.list(value, table[i], at)
	default:
		if v, ok := l.value(value, table[i], at); ok {
			l.set(at, v, "file "+l.File)
		}
	}
}

func (l *loader) list(n *yaml.Node, setting Setting, at string) {
	if n.Kind != yaml.SequenceNode {
		if n.Tag != "!!null" {
			l.fault(n, "%s must be a list", at)
		}
		return
	}
	var list []string
	for _, element := range n.Content {
		if v, ok := l.value(element, setting, at); ok {
			list = append(list, v.([]string)...)
		}
	}
	l.set(at, list, "file "+l.File)
}

// value reads a single value, and returns false if there is none.
func (l *loader) value(n *yaml.Node, setting Setting, at string) (any, bool) {
	v, err := any(nil), error(nil)
	switch {
	case n.Style&yaml.TaggedStyle != 0:
		err = errors.New("must have no YAML tag")
	case setting.Kind == Secret && (n.Tag == "!!int" || n.Tag == "!!float"):
		err = errors.New("must be in quotes, as YAML takes it for a number")
	case n.Kind != yaml.ScalarNode:
		err = errors.New("must be a single value")
	case n.Tag == "!!null":
		return nil, false
	case setting.Kind == Path:
		v = l.beside(n.Value)
	default:
		v, err = setting.read(n.Value)
	}
	if err != nil {
		l.fault(n, "%s %s", at, err)
	}
	return v, err == nil
}

// source checks what the settings of one source must be together.
func (l *loader) source(n *yaml.Node, at string, has map[string]bool) {
	var keys []string
	for _, name := range []string{"writeKey", "writeKeyEnv", "writeKeyFile"} {
		if has[name] {
			keys = append(keys, name)
		}
	}
	if len(keys) > 1 {
		l.fault(n, "%s must have only one of %s", at, strings.Join(keys, ", "))
	}
	if has["region"] && has["endpoint"] {
		l.fault(n, "%s must have a region or an endpoint, not both", at)
	}
	l.Sources[strings.TrimPrefix(at, "sources.")] = Source{}
}

// below lists the names that may stand below a key of the tables.
func below(pattern string) []string {
	var names []string
	for _, s := range All() {
		if rest, ok := strings.CutPrefix(s.Key, pattern); ok {
			name, _, _ := strings.Cut(strings.TrimPrefix(rest, "."), ".")
			names = append(names, name)
		}
	}
	return slices.Compact(names)
}

// readableByOthers reports whether other users of the machine can read a file.
func readableByOthers(path string) bool {
	info, err := os.Stat(path)
	return err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o044 != 0
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}
