package yamljson_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/rawjson/yamljson"
)

func ExampleRead() {
	file := yamljson.Read([]byte("total: 42.50\nitems:\n  - {sku: a-1, count: .inf}\n"))
	fmt.Println(string(file.JSON))
	for _, fault := range file.Faults {
		fmt.Println(fault.Line, fault.Path, fault.Message)
	}
	fmt.Println(file.Value("/items"))
	fmt.Println(file.Key("/items"))
	fmt.Println(file.Value("/items/0/price")) // is not there: what should hold it
	// Output:
	// {"total":42.50,"items":[{"sku":"a-1","count":null}]}
	// 3 /items/0/count must be a JSON value, or text in quotes: .inf
	// 3 3
	// 2 1
	// 3 5
}

// A tag says what a value is, whatever it looks like, and may be wrong. None may become JSON that
// is not valid, or get lost.
func TestReadRefusesTags(t *testing.T) {
	const says = "tags, anchors and aliases are not allowed"
	for text, want := range map[string]string{
		"a: !!bool yes\nb: 1":      says,
		"a: !!int true\nb: 1":      says,
		"a: !!int '{}'\nb: 1":      says,
		"a: !!set {x, y}\nb: 1":    says,
		"a: !mine [1]\nb: 1":       says,
		"!!str a: 1\nb: 1":         "a key must be plain text",
		"? [a]\n: 1\nb: 1":         "a key must be plain text",
		"a: <<\nb: 1":              "must be a JSON value, or text in quotes: <<",
		"a: 1_000\nb: 1":           "must be a JSON value, or text in quotes: 1_000",
		"a: 0o7\nb: 1":             "must be a JSON value, or text in quotes: 0o7",
		"a: 0\n<<: {a: 1}\nb: 1":   "a key must be plain text",
		"a: yes\nb: 1":             "",
		"a: ! yes\nb: 1":           "",
		"a: 2026-01-31\nb: 1\n...": "",
	} {
		file := yamljson.Read([]byte(text))
		obj, err := rawjson.ParseObject(file.JSON, rawjson.Limits{})
		require.NoError(t, err, text)
		b, _ := obj.Get("b")
		require.Equal(t, "1", string(b), text)
		if want == "" {
			require.Empty(t, file.Faults, text)
			continue
		}
		require.Len(t, file.Faults, 1, text)
		require.Equal(t, want, file.Faults[0].Message, text)
	}
}

// What follows the first document would be lost.
func TestReadRefusesWhatFollows(t *testing.T) {
	for text, want := range map[string]yamljson.Fault{
		"a: 1\n---\nb: 2\n": {Line: 2, Column: 1, Message: "must hold one document, not several"},
		"a: 1\n---\nb: [\n": {Line: 3, Column: 1, Message: "must be valid YAML: did not find expected node content"},
	} {
		require.Equal(t, []yamljson.Fault{want}, yamljson.Read([]byte(text)).Faults, text)
	}
}
