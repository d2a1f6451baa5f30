package runtime_test

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
)

// Two majors of a block have schemas and executors of their own. A host that names none gets the
// newest, and the receipt of a deprecated one warns.
func TestMajorsSideBySide(t *testing.T) {
	second := strings.NewReplacer("version: 1.0.0", "version: 2.0.0", "    title: {", "    headline: {",
		"[title]", "[headline]", "input: {title", "input: {headline").Replace(toyManifest)
	first := toyManifest + "\ndeprecated: Titles are headlines now\nreplacedBy: toy_post@2\nsunset: 2027-06-30\n"
	manifests, err := schemas.Load(fstest.MapFS{"a.yaml": {Data: []byte(first)}, "b.yaml": {Data: []byte(second)}})
	require.NoError(t, err)
	reg := registry.New()
	for _, m := range manifests {
		reg.MustRegister(runtime.Define(m, func(_ context.Context, call *runtime.Call, _ board) (any, error) {
			call.Receipt.MessageIDs = []string{call.MessageID("e", 0)}
			return map[string]any{"seen": map[string]any{"by": m.Major()}}, nil
		}))
	}
	rt, err := runtime.New(reg, runtime.Source("main", board{}))
	require.NoError(t, err)
	defer rt.Close(t.Context())
	for ref, title := range map[string]string{"toy_post": "headline", "toy_post@2": "headline", "toy_post@1": "title"} {
		res, err := rt.Invoke(t.Context(), ref, runtime.Map{title: "Hi"}, runtime.InvocationID("i"))
		require.NoError(t, err, ref)
		require.Equal(t, "toy_post", res.Receipt.Block)
		if title == "headline" {
			require.JSONEq(t, `{"seen":{"by":2}}`, string(res.Output))
			require.Equal(t, "2.0.0", res.Receipt.Version)
			require.Empty(t, res.Receipt.Warnings)
			continue
		}
		require.JSONEq(t, `{"seen":{"by":1}}`, string(res.Output))
		require.Equal(t, "1.0.0", res.Receipt.Version)
		require.Equal(t, []schemas.Violation{{
			Code: "deprecated_block",
			Message: "the block is deprecated: Titles are headlines now. Use toy_post@2 instead. " +
				"It may be gone from 2027-06-30 on.",
		}}, res.Receipt.Warnings)
	}
	err = rt.Validate(t.Context(), "toy_post", runtime.Map{"title": "Hi"})
	require.ErrorContains(t, err, "/title")
	_, err = rt.Invoke(t.Context(), "toy_post@3", good)
	require.EqualError(t, err, "toy_post has no major version 3 here, only 2.0.0 and 1.0.0")
	require.Equal(t, []string{"toy_post"}, rt.Sources()[0].Blocks)
}

func TestMessageID(t *testing.T) {
	ids := map[string]int{}
	rt := start(t, func(_ context.Context, call *runtime.Call, _ board) (any, error) {
		for _, endpoint := range []string{"a", "b"} {
			for number := range 2 {
				ids[call.MessageID(endpoint, number)]++
			}
		}
		return map[string]any{"seen": map[string]any{}}, nil
	})
	for _, id := range []string{"i", "i", "j"} {
		_, err := rt.Invoke(t.Context(), "toy_post", good, runtime.InvocationID(id))
		require.NoError(t, err)
	}
	require.Len(t, ids, 8)
	for id := range ids {
		require.Len(t, id, 32)
	}
}

func TestNewRefusesWhatCannotBeASource(t *testing.T) {
	_, err := runtime.New(nil)
	require.EqualError(t, err,
		"new runtime: the registry must not be nil: make one with registry.New, and register blocks")
	for want, source := range map[string]any{
		"must not be nil":                       nil,
		"must not be a nil *runtime_test.board": (*board)(nil),
		"must not be a plain string":            "hush-hush",
	} {
		plain, emulated := runtime.Source("prod", source), runtime.EmulatedSource("prod", source)
		for _, option := range []runtime.Option{plain, emulated} {
			_, err = runtime.New(registry.New(), option)
			require.EqualError(t, err, `new runtime: source "prod" `+want+
				"; give a value of the vendor's type of source, such as tracking.Source")
		}
	}
}
