package cli

import (
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// Parameters of any vendor's block become flags, whatever their names and types are.
func TestParametersOfAnyBlock(t *testing.T) {
	p := &Program{Console: &console.Console{}, inputs: map[*cobra.Command]*blockInput{}}
	in := p.blockCommand("run", "")
	addSource(p, in.Command)
	field := func(name string, kinds ...rawjson.Kind) schemas.Field { return schemas.Field{Name: name, Kinds: kinds} }
	in.describe("toy", []schemas.Field{
		field("apiURL", rawjson.StringKind), field("count", rawjson.NumberKind), field("dryRun", rawjson.BooleanKind),
		field("anything"), field("list", rawjson.ArrayKind), field("api_url", rawjson.StringKind),
		field("source", rawjson.StringKind), field("input", rawjson.StringKind), field("help", rawjson.StringKind),
		{Name: "token", Secret: true, Kinds: []rawjson.Kind{rawjson.StringKind}},
	})
	var flags, values []string
	require.NoError(t, in.ParseFlags([]string{
		"--api-url", "1", "--count=1.50", "--dry-run", "--anything", "as it is", "--list", `["é"]`,
	}))
	for _, one := range in.parameters {
		flags, values = append(flags, one.flag+" "+one.Type()), append(values, string(one.value))
	}
	require.Equal(t, []string{"api-url string", "count number", "dry-run bool", "anything json", "list json"}, flags,
		"those that are secret, or would hide a flag of the command, have none")
	require.Equal(t, []string{`"1"`, "1.50", "true", `"as it is"`, `["é"]`}, values)

	require.ErrorContains(t, in.ParseFlags([]string{"--count", "many"}), "must be given once")
	in.parameters[1].value = nil
	require.ErrorContains(t, in.ParseFlags([]string{"--count", "many"}), "must be valid JSON")
	require.ErrorContains(t, in.ParseFlags([]string{"--count", `"1"`}), "must be JSON of type number, not string")
}
