package schemas_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/schemas"
)

// Together, the examples of the keys are a manifest. Only a key with a default may be omitted.
func TestKeysAreWhatTheLoaderKnows(t *testing.T) {
	whole := func(without ...string) error {
		if slices.Contains(without, "deprecated") { // they need it
			without = append(without, "replacedBy", "sunset")
		}
		var lines []string
		for _, k := range schemas.Keys() {
			if !slices.Contains(without, k.Name) && !strings.Contains(k.Name, "[]") {
				lines = append(lines, k.Example)
			}
		}
		_, err := schemas.Load(fstest.MapFS{"greet.yaml": {Data: []byte(strings.Join(lines, "\n"))}})
		return err
	}
	require.NoError(t, whole())
	for _, k := range schemas.Keys() {
		require.NotEmpty(t, k.Meaning, k.Name)
		switch {
		case strings.Contains(k.Name, "[]"):
		case k.Default == "":
			require.ErrorContains(t, whole(k.Name), k.Name+" must be given")
		default:
			require.NoError(t, whole(k.Name), k.Name)
		}
	}
}

func TestOwnKeywordsAreDescribed(t *testing.T) {
	var described []string
	for _, k := range schemas.OwnKeywords() {
		described = append(described, k.Name)
	}
	for _, name := range schemas.Keywords() {
		if strings.HasPrefix(name, "x-") {
			require.Contains(t, described, name)
		}
	}
}
