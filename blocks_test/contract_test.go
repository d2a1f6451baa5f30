package blocks_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// page is AACFlow's page for Segment, as data: the parameters and outputs of each tool, in the
// page's order, with its types. The page marks all parameters "Required: No".
const page = `
segment_track
	in  writeKey:string event:string userId:string anonymousId:string properties:json context:json timestamp:string
	    integrations:json
	out success:boolean event:string userId:string anonymousId:string
segment_identify
	in  writeKey:string userId:string anonymousId:string traits:json context:json timestamp:string
	out success:boolean userId:string anonymousId:string
segment_page
	in  writeKey:string userId:string anonymousId:string name:string category:string properties:json context:json
	    timestamp:string
	out success:boolean name:string userId:string anonymousId:string
segment_group
	in  writeKey:string groupId:string userId:string anonymousId:string traits:json context:json timestamp:string
	out success:boolean groupId:string userId:string anonymousId:string
segment_alias
	in  writeKey:string userId:string previousId:string context:json timestamp:string
	out success:boolean userId:string previousId:string
segment_batch
	in  writeKey:string batch:json context:json
	out success:boolean count:number
`

func TestPromiseThePagesContract(t *testing.T) {
	var got strings.Builder
	got.WriteString("\n")
	for _, id := range []string{
		"segment_track", "segment_identify", "segment_page", "segment_group", "segment_alias",
		"segment_batch",
	} {
		m := manifest(t, id)
		got.WriteString(id + "\n\tin  " + table(m.Input) + "\n\tout " + table(m.Output) + "\n")
	}
	require.Equal(t, strings.ReplaceAll(page, "\n\t    ", " "), got.String())
}

func manifest(t *testing.T, id string) *schemas.Manifest {
	t.Helper()
	b, ok := segmentBlocks().Lookup(id)
	require.True(t, ok, "%s is not registered", id)
	return b.Manifest()
}

func table(s *schemas.Schema) string {
	var columns []string
	for _, f := range s.Fields() {
		columns = append(columns, f.Name+":"+f.Type)
	}
	return strings.Join(columns, " ")
}

// The page has six tools. Segment has one more call, so there is a seventh block.
func TestPromiseSevenBlocks(t *testing.T) {
	var ids []string
	for _, b := range segmentBlocks().List() {
		ids = append(ids, b.Manifest().ID)
	}
	require.Equal(t, []string{
		"segment_alias", "segment_batch", "segment_group", "segment_identify", "segment_page", "segment_screen",
		"segment_track",
	}, ids)
	require.Equal(t, table(manifest(t, "segment_page").Input), table(manifest(t, "segment_screen").Input))
	require.Equal(t, table(manifest(t, "segment_page").Output), table(manifest(t, "segment_screen").Output))
}

func TestPromiseNoParameterIsRequired(t *testing.T) {
	for _, b := range segmentBlocks().List() {
		input := rawjson.OpenObject(b.Manifest().Input.JSON())
		required, ok := input.Get("required")
		require.False(t, ok && string(required) != "[]", "%s requires %s at its root", b.Manifest().ID, required)
		require.NotEmpty(t, b.Manifest().Input.Rules(), "what Segment needs is said in rules")
	}
}

// Hosts give these names in a tool's output a meaning of their own.
func TestPromiseOutputsUseNoReservedName(t *testing.T) {
	reserved := []string{
		"error", "selectedOption", "selectedRoute", "selectedPath", "stream", "execution", "childTraceSpans",
		"_childExecutionId",
		"cost", "_serviceCost",
	}
	for _, b := range segmentBlocks().List() {
		for _, f := range b.Manifest().Output.Fields() {
			require.False(t, slices.Contains(reserved, f.Name) || strings.HasPrefix(f.Name, "__"), "%s returns %s",
				b.Manifest().ID, f.Name)
		}
	}
}

// Only a person fills in the write key, which is the only secret. No parameter chooses where to
// send.
func TestPromiseNoParameterChoosesTheEndpoint(t *testing.T) {
	for _, b := range segmentBlocks().List() {
		for _, f := range b.Manifest().Input.Fields() {
			require.Equal(t, f.Name == "writeKey", f.Secret, f.Name)
			require.Equal(t, f.Name == "writeKey", f.FilledBy == "user-only", f.Name)
			for _, word := range []string{"url", "host", "endpoint", "region", "proxy", "redirect"} {
				require.NotContains(t, strings.ToLower(f.Name), word)
			}
		}
	}
	b := start(t)
	for _, name := range []string{"endpoint", "url", "host", "region", "apiHost", "baseUrl"} {
		for block, input := range map[string]string{
			"segment_track": `{"event":"e","userId":"u","` + name + `":"https://example.com"}`,
			"segment_batch": `{"batch":[{"type":"track","event":"e","userId":"u"}],"` + name +
				`":"https://example.com"}`,
		} {
			require.Equal(t, []violation{{"/" + name, "unknown_parameter"}}, violations(b.refused(block, input)))
		}
	}
}
