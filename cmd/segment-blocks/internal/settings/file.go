package settings

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
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

// An Error lists all that is wrong with the configuration. A fault begins with file:line, the name
// of a variable, or a flag.
type Error struct{ Faults []string }

func (e *Error) Error() string {
	return "the configuration is not valid: " + strings.Join(e.Faults, "; ")
}

// find returns the path of the file to read: the one asked for, else the first that exists, else
// "".
func find(o Options) (string, error) {
	if asked := o.asked(); asked != "" {
		return asked, nil
	}
	for _, path := range SearchPath() {
		// A file that exists and cannot be read is an error. Passing it over would send elsewhere
		// than its author means.
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
	var doc, more yaml.Node
	in := yaml.NewDecoder(bytes.NewReader(data))
	switch err := in.Decode(&doc); {
	case errors.Is(err, io.EOF): // it is empty
	case err != nil:
		// The parser's error quotes the file, which may hold a key.
		text := strings.TrimPrefix(err.Error(), "yaml: ")
		text = regexp.MustCompile("(?s) *['\"`].*['\"`]").ReplaceAllString(text, "")
		l.refuse(path, "is not valid YAML: %s", text)
	default:
		l.walk(doc.Content[0], "", "")
		if !errors.Is(in.Decode(&more), io.EOF) {
			l.refuse(path, "must be one document, and a second one begins after ---")
		}
	}
	holdsKey := func(key string) bool { return strings.HasSuffix(key, ".writeKey") }
	if slices.ContainsFunc(slices.Collect(maps.Keys(l.origins)), holdsKey) && readableByOthers(path) {
		l.warn("%s holds a write key that others can read: chmod 600 it, or use writeKeyEnv or writeKeyFile", path)
	}
	return nil
}

// fault notes what is wrong at a node of the file, and reading goes on, so that one run names all.
func (l *loader) fault(n *yaml.Node, format string, args ...any) {
	l.refuse(fmt.Sprintf("%s:%d", l.File, n.Line), format, args...)
}

// walk reads a node. At is its key in the file, pattern its key in the tables. They differ below
// the name of a source.
func (l *loader) walk(n *yaml.Node, pattern, at string) {
	table := All()
	i := slices.IndexFunc(table, func(s Setting) bool { return s.Key == pattern })
	switch {
	case i < 0:
		l.mapping(n, pattern, at)
	case table[i].Kind != List:
		if v, ok := l.value(n, table[i], at); ok {
			l.set(at, v, "file "+l.File)
		}
	case n.Kind == yaml.SequenceNode:
		var list []string
		for _, element := range n.Content {
			if v, ok := l.value(element, table[i], at); ok {
				list = append(list, v.([]string)...)
			}
		}
		l.set(at, list, "file "+l.File)
	case n.Tag != "!!null":
		l.fault(n, "%s must be a list", at)
	}
}

// mapping reads the members of a mapping, or of the whole file.
func (l *loader) mapping(n *yaml.Node, pattern, at string) {
	if n.Kind == yaml.AliasNode { // sources that are alike may share their settings
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // a heading with nothing below it
	}
	if n.Kind != yaml.MappingNode {
		l.fault(n, "%s must be a mapping of names to values", cmp.Or(at, "the file"))
		return
	}
	// The tree of a YAML file takes any name, and one name twice. Passing over such a slip would
	// send data elsewhere than its author means.
	known, seen := below(pattern), map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name := key.Value
		path := strings.TrimPrefix(at+"."+name, ".")
		switch {
		case seen[name]:
			l.fault(key, "%s is there twice", path)
		case pattern == "sources" &&
			(!regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`).MatchString(name) || name == Environment):
			l.fault(key, "a source must be named by letters, digits, - and _, and not %q: %q", Environment, name)
		case pattern == "sources":
			l.walk(value, "sources.NAME", path)
		case !slices.Contains(known, name):
			l.fault(key, "%s is not a setting%s", path, schemas.DidYouMean(name, known))
		default:
			l.walk(value, strings.TrimPrefix(pattern+"."+name, "."), path)
		}
		seen[name] = true
	}
	if pattern == "sources.NAME" {
		l.source(n, at, seen)
	}
}

// value reads a single value, and returns false if there is none.
func (l *loader) value(n *yaml.Node, setting Setting, at string) (any, bool) {
	v, err := any(nil), error(nil)
	switch {
	// A tag such as !!str would make the value another one than it seems.
	case n.Style&yaml.TaggedStyle != 0:
		err = errors.New("must have no YAML tag")
	// Other tools that read and write the file would drop the leading zeros of such a key.
	case setting.Kind == Secret && (n.Tag == "!!int" || n.Tag == "!!float"):
		err = errors.New("must be in quotes, or YAML reads it as a number")
	case n.Kind != yaml.ScalarNode:
		err = errors.New("must be a single value")
	// Taken as it is, such a key would go to Segment, which answers 200 and drops the events.
	case strings.Contains(n.Value, "${") && setting.Kind != Variable:
		err = errors.New("must be written out: a ${NAME} in the file is not replaced; " +
			"writeKeyEnv names the variable that holds a key")
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
	// Its settings are filled in when variables and flags have been read as well.
	l.Sources[strings.TrimPrefix(at, "sources.")] = Source{}
}

// below lists the names that may stand below a key of the tables, once each.
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

// readableByOthers reports whether other users of the machine can read a file. Windows has access
// lists, which a mode does not show.
func readableByOthers(path string) bool {
	info, err := os.Stat(path)
	return err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o044 != 0
}
