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
	"time"

	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// Source is a source as it is configured.
type Source struct {
	Name          string `koanf:"-"`
	WriteKey      string `koanf:"writeKey"`
	WriteKeyEnv   string `koanf:"writeKeyEnv"`
	WriteKeyFile  string `koanf:"writeKeyFile"`
	Region        string `koanf:"region"`
	Endpoint      string `koanf:"endpoint"`
	AllowInsecure bool   `koanf:"allowInsecure"`
	Gzip          bool   `koanf:"gzip"`
	Delivery      string `koanf:"delivery"`
	Store         string `koanf:"store"`
	// Durable bounds the store.
	Durable Limits `koanf:"durable"`
	// Retry has the settings of all sources where the source has none of its own.
	Retry Retry `koanf:"-"`
}

// Limits are those of a store. What is nil has the default of package delivery; 0 is no limit.
type Limits struct {
	Rate      *float64       `koanf:"rate"`
	MaxEvents *int           `koanf:"maxEvents"`
	MaxBytes  *int64         `koanf:"maxBytes"`
	MaxAge    *time.Duration `koanf:"maxAge"`
}

// StoreOptions returns the limits as a store needs them: there, 0 stands for the default and a negative value for no limit.
func (l Limits) StoreOptions() delivery.StoreOptions {
	return delivery.StoreOptions{Rate: orNone(l.Rate), MaxEvents: orNone(l.MaxEvents), MaxBytes: orNone(l.MaxBytes), MaxAge: orNone(l.MaxAge)}
}

func orNone[T float64 | int | int64 | time.Duration](limit *T) T {
	switch {
	case limit == nil:
		return 0
	case *limit == 0:
		return -1
	}
	return *limit
}

// The ways a source's messages leave.
const (
	Direct    = "direct"
	Coalesced = "coalesced"
	Durable   = "durable"
)

// Way returns the way that the source's messages leave.
func (s Source) Way() string { return cmp.Or(s.Delivery, Direct) }

// StorePath returns the file that a durable source stores in: the one it names, or NAME.store in the segment-blocks folder of $XDG_STATE_HOME (~/.local/state).
func (s *Settings) StorePath(source Source) (string, error) {
	if source.Store != "" {
		return source.Store, nil
	}
	dir, err := s.stateFolder()
	if err != nil {
		return "", fmt.Errorf("source %q needs a store, since nothing says where the state folder is: %w", source.Name, err)
	}
	return filepath.Join(dir, source.Name+".store"), nil
}

// stateFolder returns the folder of the stores that nobody has named.
func (s *Settings) stateFolder() (string, error) {
	dir := s.options.variable("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) { // the specification wants what is not to be ignored
		home := s.options.variable("HOME")
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

// Keeps reports whether a store is that of a durable source of this name, which then sends what is in it.
func (s *Settings) Keeps(name, path string) bool {
	source, ok := s.Sources[name]
	if !ok || source.Way() != Durable {
		return false
	}
	own, err := s.StorePath(source)
	return err == nil && sameFile(own, path)
}

func sameFile(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	one, err := os.Stat(a)
	other, failed := os.Stat(b)
	return err == nil && failed == nil && os.SameFile(one, other)
}

// OtherStores lists the stores that are there and that no durable source has: those of sources that are not durable any more, and what else is in the
// folder of the stores that nobody has named.
func (s *Settings) OtherStores() []string {
	var paths, list []string
	for _, name := range s.Names() {
		if source := s.Sources[name]; source.Store != "" {
			if path, err := s.StorePath(source); err == nil {
				paths = append(paths, path)
			}
		}
	}
	if dir, err := s.stateFolder(); err == nil {
		entries, _ := os.ReadDir(dir) // where it cannot be read there is nothing to list
		for _, entry := range entries {
			if strings.HasSuffix(entry.Name(), ".store") {
				paths = append(paths, filepath.Join(dir, entry.Name()))
			}
		}
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		known := slices.ContainsFunc(s.Names(), func(name string) bool { return s.Keeps(name, path) }) ||
			slices.ContainsFunc(list, func(other string) bool { return sameFile(other, path) })
		if err == nil && info.Mode().IsRegular() && info.Size() > 0 && !known {
			list = append(list, path)
		}
	}
	return list
}

// What is wrong with a choice of source.
var (
	// ErrUnknownSource: no source has the name.
	ErrUnknownSource = errors.New("no such source")
	// ErrNotChosen: there are several sources, and neither a default nor a choice.
	ErrNotChosen = errors.New("several sources are configured and none is chosen")
	// ErrNoKey: the place that should hold the write key holds none.
	ErrNoKey = errors.New("no write key")
)

// Names lists the sources, sorted.
func (s *Settings) Names() []string { return slices.Sorted(maps.Keys(s.Sources)) }

// Chosen returns the source to send to: the default one, or the only one. It returns false where no source is configured and none is
// asked for.
func (s *Settings) Chosen() (Source, bool, error) {
	names := s.Names()
	switch {
	case s.DefaultSource != "":
		source, ok := s.Sources[s.DefaultSource]
		if !ok {
			known := "none is configured"
			if len(names) > 0 {
				known = "the sources are " + strings.Join(names, ", ")
			}
			return Source{}, false, fmt.Errorf("%w: %q (from %s)%s; %s", ErrUnknownSource, hide(s.DefaultSource),
				s.origins["defaultSource"], schemas.DidYouMean(s.DefaultSource, names), known)
		}
		return source, true, nil
	case len(names) == 1:
		return s.Sources[names[0]], true, nil
	case len(names) == 0:
		return Source{}, false, nil
	}
	return Source{}, false, fmt.Errorf("%w, name one with --source or defaultSource: %s", ErrNotChosen, strings.Join(names, ", "))
}

// Key returns the write key of a source, and where it came from. The error wraps [ErrNoKey].
func (s *Settings) Key(source Source) (key tracking.WriteKey, origin string, err error) {
	switch {
	case source.WriteKey != "":
		return tracking.WriteKey(source.WriteKey), s.origins["sources."+source.Name+".writeKey"], nil
	case source.WriteKeyEnv != "":
		if value := s.options.variable(source.WriteKeyEnv); value != "" {
			return tracking.WriteKey(value), "environment " + source.WriteKeyEnv, nil
		}
		if hide(source.WriteKeyEnv) != source.WriteKeyEnv {
			return "", "", fmt.Errorf("source %q has %w: writeKeyEnv must name an environment variable, and what it holds looks like a key", source.Name, ErrNoKey)
		}
		return "", "", fmt.Errorf("source %q has %w: the environment variable %s is not set", source.Name, ErrNoKey, source.WriteKeyEnv)
	case source.WriteKeyFile != "":
		return s.keyFile(source)
	case source.Name == Environment:
		return "", "", fmt.Errorf("source %q has %w: set the environment variable SEGMENT_WRITE_KEY", source.Name, ErrNoKey)
	}
	return "", "", fmt.Errorf("source %q has %w: give it a writeKeyEnv, writeKeyFile or writeKey", source.Name, ErrNoKey)
}

func (s *Settings) keyFile(source Source) (tracking.WriteKey, string, error) {
	const most = 4096
	path := s.beside(source.WriteKeyFile)
	data, err := os.ReadFile(path)
	if hidden := hidePath(source.WriteKeyFile); hidden != source.WriteKeyFile {
		path = hidden
	}
	if err != nil {
		if failed, ok := errors.AsType[*fs.PathError](err); ok {
			err = failed.Err // without the path, which may be a key
		}
		return "", "", fmt.Errorf("source %q has %w: cannot read %s: %w", source.Name, ErrNoKey, path, err)
	}
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	switch {
	case len(data) == 0:
		return "", "", fmt.Errorf("source %q has %w: %s is empty", source.Name, ErrNoKey, path)
	case len(data) > most || bytes.ContainsAny(data, "\r\n"):
		return "", "", fmt.Errorf("source %q has %w: %s must hold the key and nothing else", source.Name, ErrNoKey, path)
	}
	return tracking.WriteKey(data), "file " + path, nil
}

// Tracking returns a source as the blocks need it.
func (s *Settings) Tracking(source Source, key tracking.WriteKey) tracking.Source {
	return tracking.Source{
		WriteKey:      key,
		Region:        tracking.Region(source.Region),
		Endpoint:      source.Endpoint,
		AllowInsecure: source.AllowInsecure,
		Gzip:          source.Gzip,
		Retry:         source.Retry.policy(),
	}
}

// RetryPolicy returns the retry settings of sources that have none of their own, as the blocks need them.
func (s *Settings) RetryPolicy() retry.Policy { return s.Retry.policy() }

// policy returns the settings as the blocks need them: there, 0 stands for the default and a negative value for none.
func (r Retry) policy() retry.Policy {
	p := retry.Policy{
		MaxRetries:      r.MaxRetries,
		BaseDelay:       r.BaseDelay,
		MaxDelay:        r.MaxDelay,
		Budget:          r.Budget,
		RateLimitBudget: r.RateLimitBudget,
		AttemptTimeout:  r.AttemptTimeout,
	}
	if p.MaxRetries == 0 {
		p.MaxRetries = -1
	}
	if p.Budget == 0 {
		p.Budget = -1
	}
	if p.RateLimitBudget == 0 {
		p.RateLimitBudget = -1
	}
	if p.AttemptTimeout == 0 {
		p.AttemptTimeout = -1
	}
	return p
}
