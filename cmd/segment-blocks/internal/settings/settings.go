// Package settings reads what the program is configured with: defaults, then a file, then environment variables, then flags, each
// overriding the one before it. It remembers where each value came from.
//
//	s, err := settings.Load(settings.Options{File: path, Environ: os.Environ(), Flags: cmd.Flags()})
//	source, ok, err := s.Chosen()
package settings

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// Options say where to read from.
type Options struct {
	// File is the configuration file asked for, "" to look for one.
	File string
	// Environ holds the environment variables, as os.Environ returns them.
	Environ []string
	// Flags are those of the command; only the ones given on the command line count. It may be nil.
	Flags *pflag.FlagSet
	// Command is the name of the command. The flags of serve are settings of serve only.
	Command string
}

func (o Options) variable(name string) string {
	value := ""
	for _, pair := range o.Environ {
		if k, v, _ := strings.Cut(pair, "="); k == name {
			value = v
		}
	}
	return value
}

// Settings are what the program is configured with.
type Settings struct {
	// File is the path of the file that was read, "" for none.
	File string `koanf:"-"`
	// Warnings are sentences about what is allowed but unwise.
	Warnings []string `koanf:"-"`

	DefaultSource string            `koanf:"defaultSource"`
	Output        string            `koanf:"output"`
	Timeout       time.Duration     `koanf:"timeout"`
	CDN           string            `koanf:"cdn"`
	Retry         Retry             `koanf:"retry"`
	Serve         Serve             `koanf:"serve"`
	Sources       map[string]Source `koanf:"sources"`

	merged  *koanf.Koanf
	origins map[string]string
	options Options
}

// Retry says what is tried again, and for how long. Unlike in Go, 0 means none here.
type Retry struct {
	MaxRetries      int           `koanf:"maxRetries"`
	Budget          time.Duration `koanf:"budget"`
	RateLimitBudget time.Duration `koanf:"rateLimitBudget"`
	BaseDelay       time.Duration `koanf:"baseDelay"`
	MaxDelay        time.Duration `koanf:"maxDelay"`
	AttemptTimeout  time.Duration `koanf:"attemptTimeout"`
}

// Serve is what the command serve is configured with. Limits of 0 are none.
type Serve struct {
	Addr            string         `koanf:"addr"`
	Emulator        bool           `koanf:"emulator"`
	TokenFile       string         `koanf:"tokenFile"`
	AllowHost       []string       `koanf:"allowHost"`
	AllowOrigin     []string       `koanf:"allowOrigin"`
	Log             string         `koanf:"log"`
	Quiet           bool           `koanf:"quiet"`
	DrainDelay      *time.Duration `koanf:"drainDelay"` // nil: it depends on the address
	Drain           time.Duration  `koanf:"drain"`
	ClientRate      float64        `koanf:"clientRate"`
	MaxInFlight     int            `koanf:"maxInFlight"`
	MaxBuffered     int64          `koanf:"maxBuffered"` // in MiB
	MaxConnections  int            `koanf:"maxConnections"`
	MCPInvocationID bool           `koanf:"mcpInvocationId"`
	TLSCert         string         `koanf:"tlsCert"`
	TLSKey          string         `koanf:"tlsKey"`
	TLSClientCA     string         `koanf:"tlsClientCa"`
}

// Load reads the configuration. The error is an [*Error] where settings are at fault.
func Load(o Options) (*Settings, error) {
	s := &Settings{merged: koanf.New("."), origins: map[string]string{}, options: o}
	var faults []Fault
	if err := s.defaults(); err != nil {
		return nil, err
	}
	path, err := find(o.File, o)
	if err != nil {
		return nil, err
	}
	if path != "" {
		found, err := s.file(path)
		if err != nil {
			return nil, err
		}
		faults = append(faults, found...)
	}
	found, err := s.environment()
	if err != nil {
		return nil, err
	}
	faults = append(faults, found...)
	if o.Flags != nil {
		found, err := s.flags(o.Flags)
		if err != nil {
			return nil, err
		}
		faults = append(faults, found...)
	}
	if len(faults) > 0 {
		return nil, newError(faults)
	}
	if err := s.merged.Unmarshal("", s); err != nil {
		return nil, errors.New(hide("read the configuration: " + err.Error()))
	}
	for name, source := range s.Sources {
		source.Name, source.Retry = name, s.Retry
		if err := s.merged.Unmarshal("sources."+name+".retry", &source.Retry); err != nil {
			return nil, errors.New(hide("read the configuration: " + err.Error()))
		}
		source.Store = s.path("sources."+name+".store", source.Store)
		s.Sources[name] = source
	}
	for key, path := range map[string]*string{
		"serve.tokenFile": &s.Serve.TokenFile, "serve.tlsCert": &s.Serve.TLSCert, "serve.tlsKey": &s.Serve.TLSKey, "serve.tlsClientCa": &s.Serve.TLSClientCA,
	} {
		*path = s.path(key, *path)
	}
	if onlyFound(path, o) {
		if faults := s.distrust(); len(faults) > 0 {
			return nil, newError(faults)
		}
	}
	s.unusedStores()
	s.unknownVariables()
	return s, nil
}

// layer puts values over those read before, and notes their origin.
func (s *Settings) layer(p koanf.Provider, parser koanf.Parser, origin func(key string) string) error {
	k := koanf.New(".")
	if err := k.Load(p, parser); err != nil {
		return err
	}
	for _, key := range k.Keys() {
		if k.Get(key) == nil {
			k.Delete(key) // a name with nothing behind it sets nothing
			continue
		}
		s.origins[key] = origin(key)
	}
	return s.merged.Merge(k)
}

func (s *Settings) defaults() error {
	values := map[string]any{}
	for _, setting := range Table() {
		if setting.Default != nil {
			values[setting.Key] = setting.Default
		}
	}
	return s.layer(confmap.Provider(values, "."), nil, func(string) string { return "default" })
}

func (s *Settings) file(path string) ([]Fault, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	if faults := checkFile(path, data); len(faults) > 0 {
		return faults, nil
	}
	s.File = path
	if err := s.layer(file.Provider(path), yaml.Parser(), func(string) string { return "file " + path }); err != nil {
		return []Fault{{path, notYAML(err)}}, nil
	}
	for key := range s.origins {
		if strings.HasSuffix(key, ".writeKey") && readableByOthers(path) {
			s.Warnings = append(s.Warnings, fmt.Sprintf("%s holds a write key and others can read it: chmod 600 it, or use writeKeyEnv or writeKeyFile", path))
			break
		}
	}
	return nil, nil
}

// environment reads the variables of the tables. SEGMENT_WRITE_KEY makes a source and chooses it, unless a source of the file asks for
// that very variable: the key is then that source's, and the region must be too, since a key sent to the wrong region is lost data.
func (s *Settings) environment() ([]Fault, error) {
	owner := s.ownerOf("SEGMENT_WRITE_KEY")
	var faults []Fault
	origins := map[string]string{}
	read := func(variable, text string) (string, any) {
		setting, known := keyOf(variable)
		if !known || text == "" {
			return "", nil
		}
		if owner != "" && strings.HasPrefix(setting.Key, "sources.") {
			if variable != "SEGMENT_WRITE_KEY" {
				faults = append(faults, Fault{variable, fmt.Sprintf("is set, but the source %q takes SEGMENT_WRITE_KEY for itself; say in %s where it sends", owner, s.File)})
			}
			return "", nil
		}
		value, err := setting.read(text)
		if err != nil {
			faults = append(faults, Fault{variable, err.Error()})
			return "", nil
		}
		origins[setting.Key] = "environment " + variable
		return setting.Key, value
	}
	provider := env.Provider(".", env.Opt{
		TransformFunc: read,
		EnvironFunc:   func() []string { return s.options.Environ },
	})
	if err := s.layer(provider, nil, func(key string) string { return origins[key] }); err != nil {
		return nil, fmt.Errorf("read the environment: %w", err)
	}
	return append(faults, s.environmentSource(origins)...), nil
}

// environmentSource decides whether the source that variables describe is the default one.
func (s *Settings) environmentSource(origins map[string]string) []Fault {
	at := "sources." + Environment
	if !s.merged.Exists(at) {
		return nil
	}
	if s.merged.Exists(at+".region") && s.merged.Exists(at+".endpoint") {
		return []Fault{{"SEGMENT_REGION", "and SEGMENT_ENDPOINT are both set; one source has a region or an endpoint"}}
	}
	variable := "SEGMENT_WRITE_KEY"
	if !s.merged.Exists(at + ".writeKey") {
		if len(s.merged.MapKeys("sources")) > 1 {
			s.Warnings = append(s.Warnings, unusedVariables(origins)+" not used, because SEGMENT_WRITE_KEY is not set")
			return nil
		}
		for key, origin := range origins {
			if strings.HasPrefix(key, at) {
				variable = strings.TrimPrefix(origin, "environment ")
			}
		}
	}
	if origins["defaultSource"] == "" {
		_ = s.merged.Set("defaultSource", Environment)
		s.origins["defaultSource"] = "environment " + variable
	}
	return nil
}

// unusedVariables names the variables that describe a source and are set, with the verb that fits.
func unusedVariables(origins map[string]string) string {
	var set []string
	for _, setting := range SourceTable() {
		if origins[strings.Replace(setting.Key, "NAME", Environment, 1)] != "" {
			set = append(set, setting.Env)
		}
	}
	last := len(set) - 1
	if last == 0 {
		return set[0] + " is"
	}
	return strings.Join(set[:last], ", ") + " and " + set[last] + " are"
}

// unusedStores warns of a store, or limits of one, that nothing is kept in because the source is not durable.
func (s *Settings) unusedStores() {
	for _, name := range s.Names() {
		source := s.Sources[name]
		if source.Way() == Durable {
			continue
		}
		if name == Environment && source.Store != "" && s.DefaultSource == Environment {
			s.Warnings = append(s.Warnings, fmt.Sprintf("SEGMENT_STORE is not used, because SEGMENT_DELIVERY is %s, not durable: %s", source.Way(), hidePath(source.Store)))
		}
		for key := range s.origins {
			rest, ok := strings.CutPrefix(key, "sources."+name+".")
			if name != Environment && ok && (rest == "store" || strings.HasPrefix(rest, "durable.")) {
				s.Warnings = append(s.Warnings, fmt.Sprintf("%s is not used, because the source's delivery is %s, not durable", key, source.Way()))
			}
		}
	}
	slices.Sort(s.Warnings)
}

// ownerOf returns the source of the file that takes its key from a variable.
func (s *Settings) ownerOf(variable string) string {
	names := s.merged.MapKeys("sources")
	slices.Sort(names)
	for _, name := range names {
		if s.merged.String("sources."+name+".writeKeyEnv") == variable {
			return name
		}
	}
	return ""
}

func (s *Settings) flags(flags *pflag.FlagSet) ([]Fault, error) {
	var faults []Fault
	origins := map[string]string{}
	provider := posflag.ProviderWithFlag(flags, ".", nil, func(f *pflag.Flag) (string, any) {
		for _, setting := range Table() {
			section, _, _ := strings.Cut(setting.Key, ".")
			if setting.Flag != f.Name || !f.Changed || section == "serve" && s.options.Command != section {
				continue
			}
			value, err := setting.read(f.Value.String())
			if err != nil {
				faults = append(faults, Fault{"--" + f.Name, err.Error()})
				return "", nil
			}
			origins[setting.Key] = "flag --" + f.Name
			return setting.Key, value
		}
		return "", nil
	})
	if err := s.layer(provider, nil, func(key string) string { return origins[key] }); err != nil {
		return nil, fmt.Errorf("read the flags: %w", err)
	}
	return faults, nil
}

// path resolves the path that a setting has, which in a configuration file is relative to the file's own folder.
func (s *Settings) path(key, value string) string {
	if value == "" || !strings.HasPrefix(s.origins[key], "file ") {
		return value
	}
	return s.beside(value)
}

// beside resolves a path of the configuration file.
func (s *Settings) beside(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(s.File), path)
}
