package rest_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"github.com/stretchr/testify/require"
)

// TestTypedSchemas: the schemas of the description are written for generators, and must judge as
// those of the manifests do. Each example and each refused input is tried, whole and with one
// member less or of another kind.
func TestTypedSchemas(t *testing.T) {
	b := start(t)
	var doc struct {
		Components struct{ Schemas map[string]json.RawMessage }
	}
	b.ask("GET", "/openapi.json", "").into(t, &doc)
	for _, block := range b.registry.List() {
		m := block.Manifest()
		t.Run(m.ID, func(t *testing.T) {
			ours, described := compile(t, m.Input.JSON()), compile(t, doc.Components.Schemas[m.ID+"_input"])
			require.NotContains(t, string(doc.Components.Schemas[m.ID+"_input"]), "writeOnly")
			verdicts := map[bool]int{}
			judge := func(v any) {
				good := ours.Validate(v) == nil
				verdicts[good]++
				require.Equal(t, good, described.Validate(v) == nil, "%v", v)
			}
			for _, input := range inputsOf(t, b, m.ID) {
				eachVariant(input, judge)
				batch, _ := input["batch"].([]any)
				for i, message := range batch {
					if object, ok := message.(map[string]any); ok {
						eachVariant(object, func(v any) {
							changed := maps.Clone(input)
							changed["batch"] = append(append([]any{}, batch[:i]...), v)
							judge(changed)
						})
					}
				}
			}
			require.Positive(t, verdicts[true])
			require.Positive(t, verdicts[false])
		})
	}
}

func compile(t *testing.T, schema []byte) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.Draft = jsonschema.Draft2020
	require.NoError(t, compiler.AddResource("schema.json", strings.NewReader(string(schema))))
	compiled, err := compiler.Compile("schema.json")
	require.NoError(t, err)
	return compiled
}

// inputsOf returns the inputs that a manifest shows.
func inputsOf(t *testing.T, b *bench, id string) (inputs []map[string]any) {
	t.Helper()
	var entry struct {
		Examples, Refused []struct{ Input map[string]any }
	}
	b.ask("GET", "/v1/blocks/"+id, "").into(t, &entry)
	for _, x := range append(entry.Examples, entry.Refused...) {
		inputs = append(inputs, x.Input)
	}
	return inputs
}

// eachVariant calls f with an object, and with what it becomes when a member is missing, changed or
// added.
func eachVariant(object map[string]any, f func(any)) {
	f(object)
	names := append([]string{
		"type", "event", "userId", "anonymousId", "groupId", "previousId", "context", "properties", "traits",
		"writeKey",
		"batch", "other",
	}, slices.Collect(maps.Keys(object))...)
	for _, name := range names {
		changed := maps.Clone(object)
		delete(changed, name)
		f(changed)
		for _, value := range []any{
			"", "x", nil, 1.0, true,
			[]any{},
			map[string]any{},
			map[string]any{"a": nil},
			"track", "identify", "page", "screen", "group", "alias",
			"Segment Consent Preference Updated",
		} {
			changed := maps.Clone(object)
			changed[name] = value
			f(changed)
		}
	}
}
