package runtime_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
)

// Normalising is done once it is done: what the executor sees, given as an input, is seen again
// unchanged. And it drops nothing but blanks: each parameter given is either seen or was null,
// empty or white space.
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
			refusals := []runtime.Code{runtime.InvalidInput, runtime.UnresolvedReference, runtime.TooLarge}
			require.Contains(t, refusals, e.Code,
				"%v", err)
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

// An input that is taken as it stands and one that is normalised first come to the same. An empty
// token makes the difference: it counts as absent, so it changes nothing but the way.
func FuzzShortcut(f *testing.F) {
	for _, seed := range []string{
		`{"title":"Hi"}`,
		`{"title":"Hi","body":{"a":{"b":[1.10,"x < y"]}},"when":"2026-01-31T09:30:00.000Z","times":1e400}`,
		`{"title":"Hi","lines":[{"text":"a","at":"2026-01-31T09:30:00Z","extra":{"x":null}},{"text":"b"}]}`,
		`{"title":"\u0048i","body":{"a":"{{X}}"}}`, `{"title":"Hi","lines":[]}`, `{"title":"","body":[]}`,
		`{"title":"Hi","lines":[{"text":""},3]}`, `{"title":"Hi","body":{"a":1,"a":2}}`,
	} {
		f.Add([]byte(seed))
	}
	rt := start(f, echo)
	f.Fuzz(func(t *testing.T, input []byte) {
		obj, err := rawjson.ParseObject(input, rawjson.Limits{})
		if _, given := obj.Get("token"); err != nil || given {
			return
		}
		longer := rawjson.Object(append([]rawjson.Member{{Name: "token", Value: json.RawMessage(`""`)}}, obj...)).JSON()
		plain, plainErr := rt.Invoke(t.Context(), "toy_post", runtime.JSON(input))
		other, otherErr := rt.Invoke(t.Context(), "toy_post", runtime.JSON(longer))
		if plainErr != nil || otherErr != nil {
			require.Error(t, plainErr, "%s", input)
			require.Error(t, otherErr, "%s", input)
			require.Equal(t, asError(t, plainErr).Violations, asError(t, otherErr).Violations)
			return
		}
		require.Equal(t, string(plain.Output), string(other.Output))
		require.Equal(t, plain.Receipt.Warnings, other.Receipt.Warnings)
		var asMap map[string]any
		if json.Unmarshal(input, &asMap) == nil {
			mapped, err := rt.Invoke(t.Context(), "toy_post", runtime.Map(asMap))
			if err == nil { // a number may be too large for a map's float64
				require.Equal(t, plain.Receipt.Warnings, mapped.Receipt.Warnings)
			}
		}
	})
}
