package aacflow_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/export/aacflow"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/serve/mcp"
)

func TestWorkflow(t *testing.T) {
	reg := segmentBlocks(t)
	for _, d := range mcp.Definitions(reg, mcp.Sim) {
		t.Run(d.Name, func(t *testing.T) {
			content, err := aacflow.Workflow(reg, d.Name)
			require.NoError(t, err)
			var file struct {
				State struct {
					Blocks map[string]struct {
						ID, Type, Name string
						Retry          any
						SubBlocks      map[string]struct {
							ID    string
							Value json.RawMessage
						}
					}
					Edges    []struct{ ID, Source, Target string }
					Metadata struct{ Name, Description string }
				}
			}
			require.NoError(t, json.Unmarshal(content, &file))
			s := file.State
			require.Contains(t, s.Metadata.Description, "choose your MCP server")
			require.Len(t, s.Blocks, 3)
			for id, b := range s.Blocks {
				require.Equal(t, id, b.ID)
				require.Nil(t, b.Retry, "a second try of the engine is another event")
				for id, sub := range b.SubBlocks {
					require.Equal(t, id, sub.ID)
				}
			}
			require.Len(t, s.Edges, 2)
			for _, e := range s.Edges {
				require.Contains(t, s.Blocks, e.Source)
				require.Contains(t, s.Blocks, e.Target)
			}
			call := s.Blocks["call"].SubBlocks
			require.JSONEq(t, `"`+aacflow.PlaceholderServer+"-"+d.Name+`"`, string(call["tool"].Value))
			require.JSONEq(t, string(d.InputSchema), string(call["_toolSchema"].Value))

			// Each argument is one that the tool has, and refers to an input that the start has.
			var arguments map[string]string
			require.NoError(t, json.Unmarshal(call["arguments"].Value, &arguments))
			var inputs []struct{ Name, Value, Description string }
			require.NoError(t, json.Unmarshal(s.Blocks["start"].SubBlocks["inputFormat"].Value, &inputs))
			require.Len(t, inputs, len(arguments))
			require.NotEmpty(t, inputs)
			block, _ := reg.Lookup(d.Name)
			for _, in := range inputs {
				require.Equal(t, "<start."+in.Name+">", arguments[in.Name])
				require.Empty(t, in.Value, "it would be sent in each run that does not give the input")
				require.NotEmpty(t, in.Description)
				f := schemas.Find(block.Manifest().Input.Fields(), in.Name)
				require.NotNil(t, f)
				require.False(t, f.Secret, "a write key is no input of a workflow")
			}
			require.Contains(t, string(s.Blocks["respond"].SubBlocks["data"].Value),
				"<"+strings.ToLower(strings.ReplaceAll(s.Blocks["call"].Name, " ", ""))+".structuredContent>")
		})
	}
	_, err := aacflow.Workflow(reg, "segment_trak")
	require.ErrorContains(t, err, `"segment_trak" is not a known block; did you mean "segment_track"?`)
}

// A name that the host cannot refer to stays out of references: they would arrive as text.
func TestWorkflowOfOddNames(t *testing.T) {
	input, err := schemas.Compile("in.json", json.RawMessage(
		`{"type":"object","properties":{"order/id":{},"utm.source":{},"a b":{},"tags[]":{},"":{},"größe-2":{"x-aacflow-type":"number"}}}`))
	require.NoError(t, err)
	output, err := schemas.Compile("out.json", json.RawMessage(`{"type":"object"}`))
	require.NoError(t, err)
	reg := registry.New()
	require.NoError(t, reg.Register(documented{&schemas.Manifest{
		About: schemas.About{ID: "toy_order_id", Name: "Create/Update v1.0", Version: "1.0.0"},
		Input: input, Output: output,
	}}))
	content, err := aacflow.Workflow(reg, "toy_order_id")
	require.NoError(t, err)
	require.Contains(t, string(content), `"name": "Toy Order ID"`)
	require.Contains(t, string(content), "<toyorderid.structuredContent>")
	require.Contains(t, string(content), `"type": "string"`, "the host takes an empty number for 0")
	references := regexp.MustCompile(`<start[^"]*`).FindAllString(string(content), -1)
	require.Equal(t, []string{"<start.größe-2>"}, references)
}
