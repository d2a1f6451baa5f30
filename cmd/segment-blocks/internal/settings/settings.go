// Package settings reads the program's configuration: defaults, then a file, then environment
// variables, then flags. Each overrides the one before it. It remembers where each value came from.
//
//	s, err := settings.Load(settings.Options{File: path, Environ: os.Environ(), Flags: cmd.Flags()})
//	source, ok, err := s.Chosen()
package settings

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"

	"github.com/aacflow/segment-blocks/runtime/retry"
)

// Options say where to read from.
type Options struct {
	// File is the configuration file to read. If it is empty, Load looks for one.
	File string
	// Environ holds the environment variables, as os.Environ returns them.
	Environ []string
	// Flags are those of the command; only the ones given on the command line count. It may be nil.
	Flags *pflag.FlagSet
	// Command is the name of the command. The flags of serve are settings of serve only.
	Command string
}

// Getenv returns the value of an environment variable, "" if it is not set. Environ is as
// os.Environ returns it.
func Getenv(environ []string, name string) string {
	for _, pair := range environ {
		if value, ok := strings.CutPrefix(pair, name+"="); ok && name != "" {
			return value
		}
	}
	return ""
}

// Settings is the configuration of the program.
type Settings struct {
	// File is the path of the file that was read, "" for none.
	File string `yaml:"-"`
	// Warnings are sentences about what is allowed but unwise.
	Warnings []string `yaml:"-"`

	DefaultSource string
	Output        string
	Timeout       time.Duration
	CDN           string
	// Retry bounds the attempts of sources that have no retry settings of their own.
	Retry   retry.Policy
	Serve   Serve
	Sources map[string]Source

	values  map[string]any    // by key, in the type that Setting.read returns
	origins map[string]string // by key
	options Options
}

// Serve is the configuration of the command serve. A limit of 0 is none.
type Serve struct {
	Addr            string
	Emulator        bool
	TokenFile       string
	AllowHost       []string
	AllowOrigin     []string
	Log             string
	Quiet           bool
	DrainDelay      *time.Duration // nil: it depends on the address
	Drain           time.Duration
	ClientRate      float64
	MaxInFlight     int
	MaxBuffered     int64 // in MiB
	MaxConnections  int
	MCPInvocationID bool
	KeepInputs      bool
	MCPWatch        bool
	Workflows       string
	WorkflowEnv     []string
	TLSCert         string
	TLSKey          string
	TLSClientCA     string
}

// Load reads the configuration. The error is an [*Error] if settings are at fault.
func Load(o Options) (*Settings, error) {
	s := &Settings{Sources: map[string]Source{}, values: map[string]any{}, origins: map[string]string{}, options: o}
	l := &loader{Settings: s}
	for _, setting := range Table() {
		if setting.Default != nil {
			s.set(setting.Key, setting.Default, "default")
		}
	}
	path, err := find(o)
	if err == nil && path != "" {
		err = l.readFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	l.readVariables()
	l.readFlags()
	if len(l.faults) == 0 {
		if err := s.decode(); err != nil {
			return nil, errors.New(hide("cannot read the configuration: " + err.Error()))
		}
		if onlyFound(path, o) {
			l.distrust()
		}
	}
	if len(l.faults) > 0 {
		return nil, &Error{l.faults}
	}
	s.unusedStores()
	s.unknownVariables()
	return s, nil
}

// loader collects all that is wrong with a configuration while it reads one.
type loader struct {
	*Settings
	faults []string
}

// refuse notes a fault. What may be a key is kept out of its text.
func (l *loader) refuse(where, format string, args ...any) {
	l.faults = append(l.faults, where+" "+hide(fmt.Sprintf(format, args...)))
}

// warn adds a warning. The caller of Load prints it.
func (s *Settings) warn(format string, args ...any) {
	s.Warnings = append(s.Warnings, fmt.Sprintf(format, args...))
}

// set overrides what an earlier origin has set.
func (s *Settings) set(key string, value any, origin string) {
	s.values[key], s.origins[key] = value, origin
}

// take sets a value that came as text. Where names its variable or flag, for the error; origin says
// the same for config show.
func (l *loader) take(setting Setting, text, where, origin string) {
	value, err := setting.read(text)
	if err != nil {
		l.refuse(where, "%s", err)
		return
	}
	l.set(strings.Replace(setting.Key, "NAME", Environment, 1), value, origin)
}

// readVariables reads the variables of the tables. An empty one counts as not set, because a
// deployment often passes on all of them. SEGMENT_WRITE_KEY makes a source and chooses it,
// unless a source of the file takes its key from that very variable. The region must then be that
// source's too, since a key sent to the wrong region is lost data.
func (l *loader) readVariables() {
	owners := slices.DeleteFunc(l.Names(), func(name string) bool {
		return l.values["sources."+name+".writeKeyEnv"] != "SEGMENT_WRITE_KEY"
	})
	var described []string // the variables that describe a source
	for _, setting := range All() {
		text, ofSource := Getenv(l.options.Environ, setting.Env), strings.HasPrefix(setting.Key, "sources.")
		switch {
		case text == "":
		case ofSource && len(owners) > 0 && setting.Env == "SEGMENT_WRITE_KEY":
		case ofSource && len(owners) > 0:
			l.refuse(setting.Env, "is set, but the source %q uses SEGMENT_WRITE_KEY; set its region or endpoint in %s",
				owners[0], l.File)
		default:
			l.take(setting, text, setting.Env, "environment "+setting.Env)
			if ofSource {
				described = append(described, setting.Env)
			}
		}
	}
	if len(described) > 0 {
		l.describedSource(described)
	}
}

// describedSource adds the source that variables describe, and decides whether it is the default.
func (l *loader) describedSource(variables []string) {
	others := len(l.Sources)
	l.Sources[Environment] = Source{}
	switch {
	case slices.Contains(variables, "SEGMENT_REGION") && slices.Contains(variables, "SEGMENT_ENDPOINT"):
		l.refuse("SEGMENT_REGION", "and SEGMENT_ENDPOINT are both set; one source has a region or an endpoint")
	case variables[0] != "SEGMENT_WRITE_KEY" && others > 0:
		for _, variable := range variables {
			l.warn("%s is not used, because SEGMENT_WRITE_KEY is not set", variable)
		}
	// The key in the environment is closer than the file's default, but SEGMENT_BLOCKS_SOURCE names
	// a source outright.
	case !strings.HasPrefix(l.origins["defaultSource"], "environment "):
		l.set("defaultSource", Environment, "environment "+variables[0])
	}
}

// readFlags reads the flags that were given. Other commands have flags of the same names as those
// of serve, and theirs are not settings.
func (l *loader) readFlags() {
	for _, setting := range Table() {
		if l.options.Flags == nil || strings.HasPrefix(setting.Key, "serve.") && l.options.Command != "serve" {
			continue
		}
		if flag := l.options.Flags.Lookup(setting.Flag); flag != nil && flag.Changed {
			l.take(setting, flag.Value.String(), "--"+flag.Name, "flag --"+flag.Name)
		}
	}
}

// decode fills the fields from the values, as YAML would: it gives its fields the names of Go's in
// lower case, and reads durations. A source inherits the retry settings that it lacks.
func (s *Settings) decode() error {
	tree := map[string]any{}
	put := func(path []string, value any) {
		last := len(path) - 1
		value, at := negativeForNone(path, value), tree
		for i, name := range path[:last] {
			if i != 1 || path[0] != "sources" {
				name = strings.ToLower(name)
			}
			if at[name] == nil {
				at[name] = map[string]any{}
			}
			at = at[name].(map[string]any)
		}
		at[strings.ToLower(path[last])] = value
	}
	for key, value := range s.values {
		put(strings.Split(key, "."), value)
		for name := range s.Sources {
			if own := "sources." + name + "." + key; strings.HasPrefix(key, "retry.") && s.values[own] == nil {
				put(strings.Split(own, "."), value)
			}
		}
	}
	data, err := yaml.Marshal(tree)
	if err == nil {
		d := yaml.NewDecoder(bytes.NewReader(data))
		d.KnownFields(true)
		err = d.Decode(s)
	}
	for name, source := range s.Sources {
		source.Name = name
		s.Sources[name] = source
	}
	return err
}

// negativeForNone returns the value of a setting as the package that applies it takes it. In Go 0
// stands for the default of a bound and a negative value for no bound. In a file 0 stands for none.
func negativeForNone(path []string, value any) any {
	section, name := path[max(0, len(path)-2)], path[len(path)-1]
	if section != "retry" && section != "durable" || strings.HasSuffix(name, "Delay") {
		return value
	}
	// A number is a duration without a unit, which only 0 may be.
	if d, err := time.ParseDuration(fmt.Sprint(value)); err != nil || d != 0 {
		return value
	}
	if _, isDuration := value.(string); isDuration {
		return "-1ns"
	}
	return -1
}

// beside resolves a path of the configuration file, which is relative to the file's own folder.
func (s *Settings) beside(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(s.File), path)
}
