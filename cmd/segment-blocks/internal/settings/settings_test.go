package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

func write(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), FileName)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// The defaults shown to people are those of the package that applies them.
func TestDefaults(t *testing.T) {
	t.Chdir(t.TempDir())
	s, err := Load(Options{Environ: []string{"HOME=" + t.TempDir()}})
	require.NoError(t, err)
	assert.Equal(t, retry.Policy{
		MaxRetries: 10, BaseDelay: 500 * time.Millisecond, MaxDelay: time.Minute, Budget: 2 * time.Minute,
		RateLimitBudget: 2 * time.Minute, AttemptTimeout: 15 * time.Second,
	}, s.Retry)
	_, configured, err := s.Chosen()
	assert.NoError(t, err)
	assert.False(t, configured)
}

func TestZeroMeansNone(t *testing.T) {
	path := write(t, "retry: {maxRetries: 0, budget: 0s, rateLimitBudget: 0s, attemptTimeout: 0s}")
	s, err := Load(Options{File: path})
	require.NoError(t, err)
	p := s.Retry
	assert.Equal(t, -1, p.MaxRetries)
	assert.Equal(t, time.Duration(-1), p.Budget)
	assert.Equal(t, time.Duration(-1), p.RateLimitBudget)
	assert.Equal(t, time.Duration(-1), p.AttemptTimeout)
}

func TestPrecedence(t *testing.T) {
	flags := func(args ...string) *pflag.FlagSet {
		set := pflag.NewFlagSet("", pflag.ContinueOnError)
		set.String("output", "auto", "")
		require.NoError(t, set.Parse(args))
		return set
	}
	file := write(t, "output: yaml")
	for _, c := range []struct {
		name           string
		options        Options
		output, origin string
	}{
		{"default", Options{File: write(t, ""), Flags: flags()}, "auto", "default"},
		{"file", Options{File: file, Flags: flags()}, "yaml", "file " + file},
		{
			"environment",
			Options{File: file, Environ: []string{"SEGMENT_BLOCKS_OUTPUT=json"}, Flags: flags()},
			"json",
			"environment SEGMENT_BLOCKS_OUTPUT",
		},
		{
			"empty variable",
			Options{File: file, Environ: []string{"SEGMENT_BLOCKS_OUTPUT="}, Flags: flags()},
			"yaml",
			"file " + file,
		},
		{
			"flag",
			Options{File: file, Environ: []string{"SEGMENT_BLOCKS_OUTPUT=json"}, Flags: flags("--output", "text")},
			"text", "flag --output",
		},
		{"flag of the default", Options{File: file, Flags: flags("--output", "auto")}, "auto", "flag --output"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Load(c.options)
			require.NoError(t, err)
			assert.Equal(t, c.output, s.Output)
			assert.Equal(t, c.origin, s.Origin("output"))
		})
	}
}

// The annotated example names every setting there is, and nothing else.
func TestExampleFile(t *testing.T) {
	path := filepath.Join("..", "..", "..", "..", "examples", FileName)
	s, err := Load(Options{File: path, Environ: []string{"LOCAL_WRITE_KEY=any-local-key"}})
	require.NoError(t, err)
	assert.Empty(t, s.Warnings)
	assert.Equal(t, []string{"local", "prod", "proxy", "staging"}, s.Names())
	source, configured, err := s.Chosen()
	require.NoError(t, err)
	assert.True(t, configured)
	assert.Equal(t, "local", source.Name)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, setting := range append(Table(), SourceTable()...) {
		name := setting.Key[strings.LastIndex(setting.Key, ".")+1:]
		assert.True(t, strings.Contains(string(data), name), "the example lacks %s", setting.Key)
		if setting.Default != nil && setting.Default != "" && setting.Default != false {
			assert.Equal(t, "file "+path, s.Origin(setting.Key))
			assert.True(
				t, strings.Contains(string(data), fmt.Sprintf("%s: %v", name, setting.Default)),
				"the example shows another default of %s", setting.Key,
			)
		}
	}
}

func TestKeys(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "key"), []byte("\xef\xbb\xbfkey-from-file\r\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "two"), []byte("key\nanother"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "empty"), nil, 0o600))
	path := filepath.Join(dir, FileName)
	require.NoError(t, os.WriteFile(path, []byte(`
sources:
  file: {writeKeyFile: key}
  two: {writeKeyFile: two}
  empty: {writeKeyFile: empty}
  missing: {writeKeyFile: missing}
  env: {writeKeyEnv: A_KEY}
  unset: {writeKeyEnv: NO_KEY}
  none: {region: eu}
`), 0o600))
	s, err := Load(Options{File: path, Environ: []string{"A_KEY=key-from-variable"}})
	require.NoError(t, err)
	for name, want := range map[string]string{"file": "key-from-file", "env": "key-from-variable"} {
		key, _, err := s.Key(s.Sources[name])
		require.NoError(t, err)
		assert.Equal(t, want, string(key))
	}
	for _, name := range []string{"two", "empty", "missing", "unset", "none"} {
		_, _, err := s.Key(s.Sources[name])
		assert.ErrorIs(t, err, ErrNoKey, name)
		assert.NotContains(t, err.Error(), "another")
	}
}

// What is shown of the settings holds no key, whichever way they are printed.
func TestNoKeyIsShown(t *testing.T) {
	s, err := Load(Options{
		File:    write(t, "sources: {a: {writeKey: secret-in-file}, b: {writeKeyEnv: B}}"),
		Environ: []string{"B=secret-in-variable", "SEGMENT_WRITE_KEY=secret-in-segment"},
	})
	require.NoError(t, err)
	shown := fmt.Sprint(s.Values()) + fmt.Sprintf("%v %s", s, s)
	assert.NotContains(t, shown, "secret-in")
	assert.Contains(t, shown, tracking.WriteKey("secret-in-file").Fingerprint())
}

// The tables name every field of the structs they fill, and the other way round.
func TestTableIsRead(t *testing.T) {
	for _, setting := range Table() {
		if setting.Default == nil {
			continue
		}
		text := fmt.Sprintf("%s: %v\n", setting.Key, setting.Default)
		if group, name, nested := strings.Cut(setting.Key, "."); nested {
			text = fmt.Sprintf("%s: {%s: %v}\n", group, name, setting.Default)
		}
		_, err := Load(Options{File: write(t, text)})
		assert.NoError(t, err, setting.Key)
	}
}

func TestStorePath(t *testing.T) {
	path := write(
		t,
		"sources:\n  a: {delivery: durable, store: a.store}\n  b: {delivery: durable, store: /var/b.store}\n  c: "+
			"{delivery: coalesced}",
	)
	s, err := Load(Options{File: path, Environ: []string{"HOME=/home/u"}})
	require.NoError(t, err)
	state, err := Load(Options{File: path, Environ: []string{
		"HOME=/home/u", "XDG_STATE_HOME=/state", "SEGMENT_WRITE_KEY=abcd1234", "SEGMENT_DELIVERY=durable",
		"SEGMENT_STORE=here.store",
	}})
	require.NoError(t, err)
	for _, c := range []struct {
		settings  *Settings
		name, way string
		want      string
	}{
		{s, "a", Durable, filepath.Join(filepath.Dir(path), "a.store")},
		{s, "b", Durable, "/var/b.store"},
		{s, "c", Coalesced, "/home/u/.local/state/segment-blocks/c.store"},
		{state, "c", Coalesced, "/state/segment-blocks/c.store"},
		{state, Environment, Durable, "here.store"},
	} {
		got, err := c.settings.StorePath(c.settings.Sources[c.name])
		require.NoError(t, err)
		assert.Equal(t, filepath.FromSlash(c.want), got, c.name)
		assert.Equal(t, c.way, c.settings.Sources[c.name].Way())
	}
	assert.Equal(t, Direct, Source{}.Way())
	_, err = Load(Options{File: write(t, "sources: {a: {delivery: later}}")})
	require.ErrorContains(t, err, `sources.a.delivery must be direct, coalesced or durable: "later"`)
}

// A flag wins over the file, and a list may be given as a list or in several flags.
func TestServeSettings(t *testing.T) {
	path := write(t, `
serve: {addr: "0.0.0.0:1", allowHost: [a.example.com, b.example.com], clientRate: 0.5, drainDelay: 3s,
  quiet: true, tokenFile: token}
`)
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	flags.String("addr", "", "")
	flags.String("allow-origin", "", "")
	require.NoError(
		t, flags.Parse([]string{
			"--addr", "127.0.0.1:2", "--allow-origin", "https://a.example.com,https://b.example.com",
		}),
	)
	s, err := Load(Options{File: path, Flags: flags, Command: "serve"})
	require.NoError(t, err)
	delay := 3 * time.Second
	assert.Equal(t, Serve{
		Addr: "127.0.0.1:2", TokenFile: filepath.Join(filepath.Dir(path), "token"), AllowHost: []string{
			"a.example.com", "b.example.com",
		},
		AllowOrigin: []string{"https://a.example.com", "https://b.example.com"}, Log: "text", Quiet: true,
		DrainDelay: &delay,
		Drain:      30 * time.Second, ClientRate: 0.5,
		MaxInFlight: 1024, MaxBuffered: 32, MaxConnections: 2048,
	}, s.Serve)
	assert.Equal(t, "flag --addr", s.Origin("serve.addr"))
	assert.Equal(t, "file "+path, s.Origin("serve.allowHost"))

	s, err = Load(Options{File: path, Flags: flags, Command: "emulator"})
	require.NoError(t, err)
	assert.Equal(t, "0.0.0.0:1", s.Serve.Addr, "the flag of another command is no setting of serve")

	for text, want := range map[string]string{
		"serve: {adr: x}":                     `serve.adr is not a setting; did you mean "addr"?`,
		"serve: {clientRate: -1}":             `serve.clientRate must be a number, 0 or more: "-1"`,
		"serve: {clientRate: NaN}":            `serve.clientRate must be a number, 0 or more: "NaN"`,
		"serve: {log: xml}":                   `serve.log must be text or json: "xml"`,
		"serve: {allowHost: [{a: b}]}":        "serve.allowHost must be a single value",
		"serve: {allowHost: a}":               "serve.allowHost must be a list",
		"serve: {addr: [a]}":                  "serve.addr must be a single value",
		"sources: {a: {retry: {max: 1}}}":     "sources.a.retry.max is not a setting",
		"output: json\n---\nsources: {a: {}}": "must be one document, and a second one begins after ---",
		`sources: {a: {writeKey: "${KEY_OF_PROD}"}}`: "sources.a.writeKey must be written out: a ${NAME} in the file " +
			"is not replaced; writeKeyEnv names the variable that holds a key",
	} {
		_, err := Load(Options{File: write(t, text)})
		assert.ErrorContains(t, err, want)
	}
}

// A source has the retries and limits of its own, and those of all sources where it says nothing.
func TestSettingsOfSources(t *testing.T) {
	s, err := Load(Options{
		File: write(t, `
retry: {maxRetries: 5, budget: 1m}
sources:
  a: {delivery: durable, retry: {maxRetries: 0, attemptTimeout: 3s}, durable: {rate: 0, maxEvents: 10, maxAge: 1h}}
  b: {region: eu}
`),
		Environ: []string{"SEGMENT_BLOCKS_RETRY_BUDGET=30s"},
	})
	require.NoError(t, err)
	a, b := s.Tracking(s.Sources["a"], "").Retry, s.Tracking(s.Sources["b"], "").Retry
	assert.Equal(t, []any{-1, 30 * time.Second, 3 * time.Second}, []any{a.MaxRetries, a.Budget, a.AttemptTimeout})
	assert.Equal(t, []any{5, 30 * time.Second, 15 * time.Second}, []any{b.MaxRetries, b.Budget, b.AttemptTimeout})
	assert.Equal(t, delivery.StoreOptions{Rate: -1, MaxEvents: 10, MaxAge: time.Hour}, s.Sources["a"].Durable)

	s, err = Load(Options{File: write(t, "sources: {a: {region: eu, durable: {rate: 5}}}")})
	require.NoError(t, err)
	assert.Equal(
		t, []string{"sources.a.durable.rate is not used, because the source's delivery is direct, not durable"},
		s.Warnings,
	)
}

// A variable that was meant for us, and that nothing reads, is pointed out without its value.
func TestMisspeltVariables(t *testing.T) {
	for variable, want := range map[string]string{
		"SEGMENT_WRITEKEY":            "did you mean SEGMENT_WRITE_KEY?",
		"SEGMENT_REGIONN":             "did you mean SEGMENT_REGION?",
		"SEGEMENT_WRITE_KEY":          "did you mean SEGMENT_WRITE_KEY?",
		"SEGMENT_BLOCKS_OUTPUTS":      "did you mean SEGMENT_BLOCKS_OUTPUT?",
		"SEGMENT_KEY_OF_SOMEONE_ELSE": "segment-blocks help environment lists those",
		"SEGMENT_BLOCKS_TOKEN":        "",
		"SEGMENT_SHOP_KEY":            "", // a source of the file reads it
		"SEGMENT_BLOCKS_SERVICE_HOST": "", // Kubernetes
		"SEGMENT_PORT_80_TCP_ADDR":    "",
		"REGION":                      "",
		"WRITE_KEY":                   "",
		"OUTPUT":                      "",
		"SEGMENT_WRITEKEI":            "did you mean SEGMENT_WRITE_KEY?",
	} {
		s, err := Load(
			Options{
				File:    write(t, "sources: {shop: {writeKeyEnv: SEGMENT_SHOP_KEY, region: eu}}"),
				Environ: []string{variable + "=secret"},
			},
		)
		require.NoError(t, err)
		said := strings.Join(s.Warnings, "\n")
		assert.NotContains(t, said, "secret")
		if want == "" {
			assert.Empty(t, said, variable)
			continue
		}
		assert.Contains(t, said, "the environment variable "+variable+" is not one that segment-blocks reads; "+want)
	}
}
