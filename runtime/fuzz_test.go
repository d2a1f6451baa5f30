package runtime_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
)

// Normalising is done once it is done: what the executor sees, given as an input, is seen again unchanged. And it drops nothing but
// blanks: each parameter given is either seen or was null, empty or white space.
func FuzzNormalise(f *testing.F) {
	for _, seed := range []string{
		`{"title":"Hi"}`,
		`{"title":"Hi","body":"{\"a\":1.10}","when":"2026-01-31 10:30+01","times":1e400}`,
		`{"title":"Hi","body":" ","lines":"[{\"text\":\"a\",\"at\":\"20260131T0930Z\",\"extra\":null,\"x\":null}]"}`,
		`{"title":"Hi {{NAME}}","token":"t","lines":[{"text":"<a.b> ","extra":{"q":["{{Q}}"]}}]}`,
		`{"title":"{{X}}"}`, `{"title":"Hi","title":1}`, `{"\u0074itle":"Hi"}`, `{`,
	} {
		f.Add([]byte(seed))
	}
	rt := start(f, echo)
	f.Fuzz(func(t *testing.T, input []byte) {
		res, err := rt.Invoke(t.Context(), "toy_post", runtime.JSON(input))
		if err != nil {
			e := asError(t, err)
			require.Contains(t, []runtime.Code{runtime.InvalidInput, runtime.UnresolvedReference, runtime.TooLarge}, e.Code, "%v", err)
			require.NotEmpty(t, e.Violations)
			return
		}
		seen, _ := rawjson.OpenObject(res.Output).Get("seen")
		again, err := rt.Invoke(t.Context(), "toy_post", runtime.JSON(seen))
		require.NoError(t, err, "%s", seen)
		require.Equal(t, string(res.Output), string(again.Output))

		var given, kept map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(input, &given))
		require.NoError(t, json.Unmarshal(seen, &kept))
		for name, value := range given {
			if _, ok := kept[name]; ok || name == "token" {
				continue
			}
			text, isText := rawjson.Text(value)
			blank := string(value) == "null" || isText && strings.TrimSpace(text) == ""
			require.True(t, blank, "%s was dropped from %s", name, input)
		}
	})
}
