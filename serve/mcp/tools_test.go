package mcp_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/serve/mcp"
)

func tools(t *testing.T, h *house, path string) []*sdk.Tool {
	t.Helper()
	res, err := h.connect(t, path, "").ListTools(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, res.NextCursor)
	return res.Tools
}

func compile(t *testing.T, schema any) *schemas.Schema {
	t.Helper()
	s, err := schemas.Compile("https://example.com/schema", json.RawMessage(marshal(t, schema)))
	require.NoError(t, err)
	return s
}

func TestToolsComeFromTheManifests(t *testing.T) {
	h := build(t)
	entries := h.reg.Catalog()
	for _, p := range mcp.Profiles() {
		list := tools(t, h, "/mcp/first/"+string(p))
		require.Len(t, list, len(entries))
		for i, tool := range list {
			e := entries[i]
			require.Equal(t, []string{e.ID, e.Name}, []string{tool.Name, tool.Title}, "in the order of ids")
			require.True(
				t,
				strings.HasPrefix(tool.Description, e.Summary+".\n\n"+strings.Join(strings.Fields(e.WhenToUse), " ")),
			)
			for _, rule := range e.Rules {
				require.Contains(t, tool.Description, "- "+rule+".")
			}
			require.JSONEq(
				t,
				`{"readOnlyHint":false,"destructiveHint":false,"idempotentHint":false,"openWorldHint":true}`,
				marshal(t, tool.Annotations),
			)

			input, output := compile(t, tool.InputSchema), compile(t, tool.OutputSchema)
			var names, want []string
			for _, f := range input.Fields() {
				names = append(names, f.Name)
			}
			for _, f := range e.Input {
				if !f.Secret {
					want = append(want, f.Name)
				}
			}
			slices.Sort(names) // the client decodes schemas into maps
			slices.Sort(want)
			require.Equal(t, want, names)
			require.NotRegexp(t, regexp.MustCompile(`"x-[a-z-]+":`), marshal(t, tool))
			if p != mcp.Strict {
				require.NotRegexp(
					t,
					regexp.MustCompile(`"(allOf|anyOf|oneOf|if|not|\$ref|minLength|examples|writeKey)"`),
					marshal(t, tool.InputSchema),
				)
			}
			if p == mcp.Sim {
				require.Equal(t, tool.Description, tool.InputSchema.(map[string]any)["description"])
			}
			for _, x := range e.Examples {
				require.Empty(t, output.Validate(t.Context(), x.Output))
				if p == mcp.Sim {
					require.Empty(t, input.Validate(t.Context(), x.Input), x.Title)
				}
			}
		}
	}
	require.Equal(t, marshal(t, tools(t, h, "/mcp")), marshal(t, tools(t, h, "/mcp/-/sim")), "sim is the default")
	require.NotEqual(t, marshal(t, tools(t, h, "/mcp")), marshal(t, tools(t, h, "/mcp?profile=strict")))
}

func TestProfilesOfTrack(t *testing.T) {
	h := build(t)
	schemaOf := func(path, id string) map[string]any {
		list := tools(t, h, path)
		i := slices.IndexFunc(list, func(tool *sdk.Tool) bool { return tool.Name == id })
		return list[i].InputSchema.(map[string]any)
	}
	sim := schemaOf("/mcp/-/sim", "segment_track")
	properties := sim["properties"].(map[string]any)
	require.Equal(t, []any{"object", "string", "null"}, properties["properties"].(map[string]any)["type"])
	require.Equal(t, []any{"string", "null"}, properties["userId"].(map[string]any)["type"])
	require.NotContains(t, sim, "required")
	require.Equal(t, false, sim["additionalProperties"])

	agent := schemaOf("/mcp/-/agent", "segment_track")
	require.Equal(t, []any{"event"}, agent["required"])
	require.Equal(t, "object", agent["properties"].(map[string]any)["properties"].(map[string]any)["type"])
	batch := schemaOf("/mcp/-/agent", "segment_batch")["properties"].(map[string]any)["batch"].(map[string]any)
	items := batch["items"].(map[string]any)
	require.Equal(t, []any{"type"}, items["required"])
	require.Equal(t, "string", items["properties"].(map[string]any)["type"].(map[string]any)["type"])
	require.Contains(t, items["properties"], "event")
	require.NotContains(t, items["properties"], "writeKey")

	strict := compile(t, schemaOf("/mcp/-/strict", "segment_track"))
	require.NotEmpty(
		t,
		strict.Validate(t.Context(), rawjson.Object{{Name: "event", Value: rawjson.Quote("E")}}),
		"the rules are in it",
	)
	require.Empty(
		t,
		strict.Validate(
			t.Context(),
			rawjson.Object{{Name: "event", Value: rawjson.Quote("E")}, {Name: "userId", Value: rawjson.Quote("u")}},
		),
	)
}

// AACFlow's form hands references to objects over as text, and empty fields as null or empty text.
func TestSimTakesTextForJSON(t *testing.T) {
	h := build(t)
	s := h.connect(t, "/mcp", "")
	input := map[string]any{
		"event": "E", "userId": "u", "anonymousId": nil, "timestamp": "", "context": nil, "integrations": "",
		"properties": `{"total": 42.50}`,
	}
	list := tools(t, h, "/mcp")
	i := slices.IndexFunc(list, func(tool *sdk.Tool) bool { return tool.Name == "segment_track" })
	obj, err := rawjson.ParseObject([]byte(marshal(t, input)), rawjson.Limits{})
	require.NoError(t, err)
	require.Empty(t, compile(t, list[i].InputSchema).Validate(t.Context(), obj))
	res := call(t, s, "segment_track", input)
	require.False(t, res.IsError, res.Content)
	res = call(t, s, "segment_batch", map[string]any{"batch": `[{"type":"page","anonymousId":"a"}]`})
	require.False(t, res.IsError, res.Content)
}

func TestOptionalInputsAreListed(t *testing.T) {
	h := build(t, mcp.Config{CredentialInput: true, InvocationIDInput: true, DefaultProfile: mcp.Strict})
	for _, p := range mcp.Profiles() {
		for _, tool := range tools(t, h, "/mcp/-/"+string(p)) {
			properties := tool.InputSchema.(map[string]any)["properties"].(map[string]any)
			require.Equal(t, "password", properties["writeKey"].(map[string]any)["format"])
			require.Contains(t, properties, "invocationId")
		}
	}
}

func TestPagesAreResources(t *testing.T) {
	h := build(t)
	s := h.connect(t, "/mcp", "")
	list, err := s.ListResources(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, list.Resources, len(h.reg.List()))
	for _, r := range list.Resources {
		res, err := s.ReadResource(t.Context(), &sdk.ReadResourceParams{URI: r.URI})
		require.NoError(t, err)
		require.Equal(t, "segment-blocks://blocks/"+r.Name, r.URI)
		require.Equal(t, "text/markdown", res.Contents[0].MIMEType)
		require.EqualValues(t, r.Size, len(res.Contents[0].Text))
		require.Contains(t, res.Contents[0].Text, "## Rules")
		require.NotContains(t, res.Contents[0].Text, "`writeKey`")
	}
	_, err = s.ReadResource(t.Context(), &sdk.ReadResourceParams{URI: "segment-blocks://blocks/none"})
	require.Error(t, err)
}
