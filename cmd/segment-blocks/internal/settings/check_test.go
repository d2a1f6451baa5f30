package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A file that somebody put into the current folder cannot make us send them what is not theirs.
func TestFileThatWasOnlyFound(t *testing.T) {
	const byFile = ", which a file found in the current folder must not do; " +
		"if it is yours, name it: --config segment-blocks.yaml or SEGMENT_BLOCKS_CONFIG"
	for name, c := range map[string]struct{ text, says string }{
		"a variable": {
			`sources: {a: {writeKeyEnv: AWS_SECRET_ACCESS_KEY, endpoint: "https://evil.example/v1"}}`,
			`makes the source "a" send a key from the environment to evil.example`,
		},
		"a source that waits to be chosen": {
			"defaultSource: a\nsources:\n  a: {writeKeyEnv: A, region: us}\n  b: {writeKeyEnv: B, endpoint: " +
				"'https://evil.example'}",
			`makes the source "b" send a key from the environment to evil.example`,
		},
		"a file": {
			`sources: {a: {writeKeyFile: /run/secrets/token, endpoint: "https://evil.example"}}`,
			`send a key from another file to evil.example`,
		},
		"a file beside": {
			`sources: {a: {writeKeyFile: key, endpoint: "https://evil.example"}}`,
			`send a key from another file to evil.example`,
		},
		"keys that come": {
			`sources: {a: {endpoint: "https://evil.example"}}`, `send the keys of invocations to evil.example`,
		},
		"stored events": {
			`sources: {a: {writeKey: theirs, delivery: durable, endpoint: "https://evil.example"}}`,
			`send stored events to evil.example`,
		},
		"plain http": {
			`sources: {a: {writeKeyEnv: A, allowInsecure: true, endpoint: "http://api.segment.io"}}`,
			`to api.segment.io`,
		},
		"another port": {
			`sources: {a: {writeKeyEnv: A, endpoint: "https://api.segment.io:8443"}}`, `to api.segment.io`,
		},
		"a similar host": {
			`sources: {a: {writeKeyEnv: A, endpoint: "https://api.segment.io.evil.example"}}`,
			`to api.segment.io.evil.example`,
		},
		"a user": {
			`sources: {a: {writeKeyEnv: A, endpoint: "https://api.segment.io@evil.example"}}`, `to evil.example`,
		},
		"a name like ours": {
			`sources: {a: {writeKeyEnv: A, endpoint: "http://localhost.evil.example"}}`, `to localhost.evil.example`,
		},
		"an address":       {`sources: {a: {writeKeyEnv: A, endpoint: "http://169.254.169.254"}}`, "to 169"},
		"doctor's look-up": {`cdn: https://evil.example`, `makes doctor send write keys to evil.example, its cdn`},
		"an origin": {
			`serve: {allowOrigin: ["https://evil.example"]}`, `makes serve open to others with serve.allowOrigin`,
		},
		"a token they know": {
			`serve: {addr: "0.0.0.0:8787", tokenFile: token}`, `makes serve open to others with serve.tokenFile`,
		},
		"an anchor": {`sources: {a: {endpoint: &e "https://evil.example", writeKeyEnv: A}}`, `to evil.example`},
		"Segment's own": {
			`sources: {a: {writeKeyEnv: A, endpoint: "https://API.segment.io:443/v1"}, b: {writeKeyEnv: B, region: eu},
				c: {writeKeyFile: k, endpoint: "https://events.eu1.segmentapis.com"}}`,
			"",
		},
		"this machine": {
			`sources: {a: {writeKeyEnv: A, endpoint: "http://localhost:4010"},
				b: {writeKeyFile: k, endpoint: "http://127.0.0.1:1"},
				c: {writeKeyEnv: C, endpoint: "http://[::1]:1"}}`,
			"",
		},
		"a key of the file's": {`sources: {a: {writeKey: theirs, endpoint: "https://events.example.com"}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			t.Setenv("HOME", t.TempDir())
			t.Setenv("XDG_CONFIG_HOME", "")
			require.NoError(t, os.WriteFile(FileName, []byte(c.text), 0o600))
			environ := []string{"AWS_SECRET_ACCESS_KEY=aws-secret", "SEGMENT_WRITE_KEY=mine"}
			_, err := Load(Options{Environ: environ})
			if c.says == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, FileName+" makes ")
				require.ErrorContains(t, err, c.says)
				require.ErrorContains(t, err, byFile)
				require.NotContains(t, err.Error(), "aws-secret")
			}
			// Whoever names the file means it.
			for _, named := range []Options{
				{File: FileName, Environ: environ}, {Environ: append(environ, "SEGMENT_BLOCKS_CONFIG="+FileName)},
			} {
				_, err = Load(named)
				require.NoError(t, err)
			}
		})
	}
}

// The user's own file is trusted, in whatever folder the program runs.
func TestTheUsersOwnFileIsTrusted(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, ".config"))
	own := filepath.Join(home, ".config", "segment-blocks")
	require.NoError(t, os.MkdirAll(own, 0o700))
	require.NoError(
		t,
		os.WriteFile(
			filepath.Join(own, FileName),
			[]byte(`sources: {a: {writeKeyEnv: A, endpoint: "https://events.example.com"}}`),
			0o600,
		),
	)
	for _, folder := range []string{t.TempDir(), own} {
		t.Chdir(folder)
		s, err := Load(Options{})
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, s.Names())
	}
}

// A key in the wrong place of a file is in no error, no warning and nothing that is shown of the
// settings.
func TestKeyInAnyPlace(t *testing.T) {
	plain := "writeKey: $, writeKeyEnv: $, writeKeyFile: $, region: $, endpoint: $, allowInsecure: $, gzip: $, " +
		"allowPlaceholderIds: $, delivery: $, store: $, $: x, writeKey:$, nothing: $"
	var texts []string
	for _, member := range strings.Split(plain, ", ") {
		texts = append(
			texts, "sources: {a: {"+member+"}}", "sources: {a: {"+member+", region: mars}}",
			"sources:\n  a:\n    "+member+"\n  b: [",
		)
		for _, form := range []string{
			"!!int $", "!!binary $", "!$ x", "*$", "[$]", "{$: $}", `"$`, "'$' $", "|\n  $\n $",
			"@$", "`$`", "%$", "$: $: $",
		} {
			texts = append(
				texts, "sources: {a: {"+strings.Replace(member, "$", form, 1)+"}}",
				"sources:\n  a:\n    "+strings.Replace(member, "$", form, 1),
			)
		}
	}
	for _, setting := range Table() {
		section, name, nested := strings.Cut(setting.Key, ".")
		if nested {
			texts = append(texts, section+": {"+name+": $}", section+": {$: 1}", section+": $")
		} else {
			texts = append(texts, section+": $", section+": [$]")
		}
	}
	texts = append(
		texts, "$", "$: $", "$:", "- $", "sources: $", "sources: [$]", "sources: {a: $}", "sources: {$.: {}}",
		"sources: {a: {writeKeyEnv: $}}", "sources: {a: {writeKeyFile: $}}",
	)
	failed := 0
	for _, key := range []string{
		"kQ3vT9xW2mZ7bN5cR8dL1fH6jP4sY0aE", "12345678901234567890123456789012", "sk_live_51HkQ3vT9xW2mZ7bN5cR8d",
	} {
		for _, text := range texts {
			text = strings.ReplaceAll(text, "$", key)
			s, err := Load(Options{File: write(t, text)})
			said := fmt.Sprint(err)
			if err == nil {
				_, _, choice := s.Chosen()
				said = fmt.Sprint(s.Warnings, choice, s)
				for _, name := range s.Names() {
					_, _, err := s.Key(s.Sources[name])
					said += fmt.Sprint(err)
				}
				for _, v := range s.Values() {
					if strings.HasPrefix(v.Key, "sources.a.writeKey") {
						said += fmt.Sprintln(v)
					}
				}
			} else {
				failed++
			}
			require.NotContains(t, said, key, text)
			require.NotContains(t, said, strings.TrimLeft(key, "sk_live"), text)
		}
	}
	require.Greater(t, failed, 500, "most are faults")
	_, err := Load(Options{File: write(t, "sources: {a: {writeKey: 12345678901234567890}}")})
	require.ErrorContains(t, err, "sources.a.writeKey must be in quotes, or YAML reads it as a number")
	_, err = Load(Options{File: write(t, "sources: {a: {writeKey: !!int abc}}")})
	require.ErrorContains(t, err, "sources.a.writeKey must have no YAML tag")
}
