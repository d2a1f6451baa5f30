package settings

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/internal/paths"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// Source is a source as it is configured.
type Source struct {
	Name string `yaml:"-"`
	// Source is where and how the messages are sent. Its Retry has the settings of all sources for
	// what the source leaves out.
	tracking.Source `yaml:",inline"`
	WriteKeyEnv     string
	WriteKeyFile    string
	Delivery        string
	Store           string
	// Durable bounds the store. Only its limits are set.
	Durable delivery.StoreOptions
}

// The ways in which a source sends its messages.
const (
	Direct    = "direct"
	Coalesced = "coalesced"
	Durable   = "durable"
)

// Way returns the way in which the source sends its messages.
func (s Source) Way() string { return cmp.Or(s.Delivery, Direct) }

// StorePath returns the file of a durable source: the one it names, or NAME.store in the
// segment-blocks folder of $XDG_STATE_HOME (~/.local/state).
func (s *Settings) StorePath(source Source) (string, error) {
	if source.Store != "" {
		return source.Store, nil
	}
	dir, err := s.stateFolder()
	if err != nil {
		return "", fmt.Errorf("source %q needs a store, because there is no state folder: %w",
			source.Name, err)
	}
	return filepath.Join(dir, source.Name+".store"), nil
}

// stateFolder returns the folder of the stores whose sources name no file.
func (s *Settings) stateFolder() (string, error) {
	dir := Getenv(s.options.Environ, "XDG_STATE_HOME")
	if !filepath.IsAbs(dir) { // the XDG specification says to ignore a relative path
		home := Getenv(s.options.Environ, "HOME")
		if home == "" {
			var err error
			if home, err = os.UserHomeDir(); err != nil {
				return "", err
			}
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "segment-blocks"), nil
}

// Keeps reports whether a store belongs to a durable source of this name, which then sends the
// messages in it.
func (s *Settings) Keeps(name, path string) bool {
	source, ok := s.Sources[name]
	if !ok || source.Way() != Durable {
		return false
	}
	own, err := s.StorePath(source)
	return err == nil && paths.Same(own, path)
}

// OtherStores lists the existing stores that belong to no durable source: those of sources that are
// not durable any more, and others in the state folder. Nobody sends what they hold.
func (s *Settings) OtherStores() []string {
	var stores, list []string
	for _, name := range s.Names() {
		if store := s.Sources[name].Store; store != "" {
			stores = append(stores, store)
		}
	}
	if dir, err := s.stateFolder(); err == nil {
		names, _ := fs.Glob(os.DirFS(dir), "*.store") // if the folder cannot be read there is nothing to list
		for _, name := range names {
			stores = append(stores, filepath.Join(dir, name))
		}
	}
	// A store under another name, such as a link, is the same store. An empty one holds nothing
	// that could be forgotten.
	for _, path := range stores {
		info, err := os.Stat(path)
		known := slices.ContainsFunc(s.Names(), func(name string) bool { return s.Keeps(name, path) }) ||
			slices.ContainsFunc(list, func(other string) bool { return paths.Same(other, path) })
		if err == nil && info.Mode().IsRegular() && info.Size() > 0 && !known {
			list = append(list, path)
		}
	}
	return list
}

// The errors of a choice of source.
var (
	// ErrNotChosen: there are several sources, and none is the default or chosen.
	ErrNotChosen = errors.New("several sources are configured and none is selected")
	// ErrNoKey: the variable or file that should hold the write key holds none.
	ErrNoKey = errors.New("no write key")
)

// Names lists the sources, sorted.
func (s *Settings) Names() []string { return slices.Sorted(maps.Keys(s.Sources)) }

// Chosen returns the source to send to: the default one, or the only one. It returns false if no
// source is configured and none is asked for.
func (s *Settings) Chosen() (Source, bool, error) {
	names := s.Names()
	// A flag and the environment have set the default by now, if they name a source.
	name := s.DefaultSource
	if name == "" && len(names) == 1 {
		name = names[0]
	}
	source, ok := s.Sources[name]
	switch {
	case ok:
		return source, true, nil
	case name == "" && len(names) == 0:
		return Source{}, false, nil
	case name == "":
		return Source{}, false, fmt.Errorf(
			"%w, name one with --source or defaultSource: %s", ErrNotChosen, strings.Join(names, ", "),
		)
	}
	known := schemas.DidYouMean(name, names)
	switch {
	case len(names) == 0:
		known = "; none is configured"
	case known == "":
		known = "; the sources are " + strings.Join(names, ", ")
	}
	return Source{}, false, fmt.Errorf("no such source: %q (from %s)%s", hide(name),
		s.origins["defaultSource"], known)
}

// Key returns the write key of a source, and where it came from. The error wraps [ErrNoKey].
func (s *Settings) Key(source Source) (key tracking.WriteKey, origin string, err error) {
	none := func(format string, args ...any) (tracking.WriteKey, string, error) {
		return "", "", fmt.Errorf("source %q has %w: %w", source.Name, ErrNoKey, fmt.Errorf(format, args...))
	}
	switch {
	case source.WriteKey != "":
		return source.WriteKey, s.origins["sources."+source.Name+".writeKey"], nil
	case source.WriteKeyEnv != "":
		if value := Getenv(s.options.Environ, source.WriteKeyEnv); value != "" {
			return tracking.WriteKey(value), "environment " + source.WriteKeyEnv, nil
		}
		if hide(source.WriteKeyEnv) != source.WriteKeyEnv {
			return none("writeKeyEnv must be the name of an environment variable, and looks like a key")
		}
		return none("the environment variable %s is not set", source.WriteKeyEnv)
	case source.WriteKeyFile != "":
		key, path, err := s.readKey(source.WriteKeyFile)
		if err != nil {
			return none("%w", err)
		}
		return key, "file " + path, nil
	case source.Name == Environment:
		return none("set the environment variable SEGMENT_WRITE_KEY")
	}
	return none("give it a writeKeyEnv, writeKeyFile or writeKey")
}

// readKey reads a key from a file, and returns the file's path in a form that may be shown.
func (s *Settings) readKey(file string) (key tracking.WriteKey, path string, err error) {
	const most = 4096 // far beyond any key: the file is another one by mistake
	path = s.beside(file)
	data, err := os.ReadFile(path)
	if hidden := hidePath(file); hidden != file {
		path = hidden
	}
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		err = failed.Err // without the path, which may be a key
	}
	// Editors on Windows put a byte order mark in front, and most editors a line break at the end.
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	switch {
	case err != nil:
		err = fmt.Errorf("cannot read %s: %w", path, err)
	case len(data) == 0:
		err = fmt.Errorf("%s is empty", path)
	case len(data) > most || bytes.ContainsAny(data, "\r\n"):
		err = fmt.Errorf("%s must hold the key and nothing else", path)
	}
	return tracking.WriteKey(data), path, err
}

// Tracking returns a source in the form that the blocks take, with the key that [Settings.Key]
// found.
func (s *Settings) Tracking(source Source, key tracking.WriteKey) tracking.Source {
	source.WriteKey = key
	return source.Source
}
