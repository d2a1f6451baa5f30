package schemas_test

import (
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

func TestUnresolved(t *testing.T) {
	for text, want := range map[string]string{
		"{{API_KEY}}": "{{API_KEY}}", "a {{ user.id }} b": "{{ user.id }}", "<start.input>": "<start.input>",
		"x<a-1.b[0][12].c>": "<a-1.b[0][12].c>", "{{1}}<a.b>": "<a.b>", "{{{{A}}": "{{A}}", "<<a.b>": "<a.b>",
		"<b>": "", "<br/>": "", "{{}}": "", "{{a b}}": "", "{A}": "", "<a.b": "", "<a.1>": "", "<a.b[]>": "",
		"<a..b>":      "",
		"1 < 2.5 > 1": "",
	} {
		got, whole := schemas.AACFlow().Unresolved(text)
		require.Equal(t, want, got, text)
		require.Equal(t, want != "" && want == text, whole, text)
		got, whole = schemas.Conventions{}.Unresolved(text)
		require.Empty(t, got, "nobody has asked for references")
		require.False(t, whole)
	}
}

// The grammar of references, written in another way.
func TestUnresolvedIsItsGrammar(t *testing.T) {
	reference := regexp.MustCompile(`\{\{\s*[A-Za-z_][\w.-]*\s*\}\}|` +
		`<[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*|\[\d+\])*\.[A-Za-z_][\w-]*(?:\[\d+\])*>`)
	pieces := []string{
		"{", "{{", "}}", "<", ">", "a", "_b-1", ".", "[", "]", "[0]", "7", " ", "\n", "é", `"`, "<a.b>",
		"{{A}}", "c.d",
	}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 9).Draw(t, "pieces"), "")
		got, whole := schemas.AACFlow().Unresolved(text)
		require.Equal(t, reference.FindString(text), got, "%q", text)
		require.Equal(t, got != "" && strings.TrimSpace(text) == got, whole, "%q", text)
		if got != "" {
			require.True(t, schemas.AACFlow().MayBeUnresolved(rawjson.Quote(text)), "%q", text)
			escaped := strings.NewReplacer("<", `\u003C`, "{", `\u007b`).Replace(string(rawjson.Quote(text)))
			require.True(t, schemas.AACFlow().MayBeUnresolved([]byte(escaped)), escaped)
		}
	})
}

// A host without conventions reserves no name.
func TestLoadForAnotherHost(t *testing.T) {
	files := fstest.MapFS{
		"greet.yaml": {Data: []byte(strings.NewReplacer("    name:", "    timeout:", "[name]", "[timeout]",
			"{name: Ada}",
			"{timeout: Ada}").Replace(good))},
		"shared.yaml": {Data: []byte(shared)},
	}
	_, err := schemas.Load(files)
	require.ErrorContains(t, err,
		`greet.yaml:13: hosts reserve this name; choose another: "timeout"`)
	_, err = schemas.LoadFor(schemas.Conventions{ReservedInputs: []string{"time*"}}, files)
	require.ErrorContains(t, err,
		`greet.yaml:13: hosts reserve this name; choose another: "timeout"`)
	_, err = schemas.LoadFor(schemas.Conventions{}, files)
	require.NoError(t, err)
}
