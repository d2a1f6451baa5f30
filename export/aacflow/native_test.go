package aacflow_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/export/aacflow"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
)

func TestExamplesAreFresh(t *testing.T) {
	reg := segmentBlocks(t)
	files, err := aacflow.Native(reg, aacflow.Segment(), aacflow.Sim08)
	require.NoError(t, err)
	want := map[string]string{}
	for _, f := range files {
		want[filepath.Join("aacflow", filepath.FromSlash(f.Path))] = string(f.Content)
	}
	workflow, err := aacflow.Workflow(reg, "segment_track")
	require.NoError(t, err)
	want[filepath.Join("aacflow-workflow", "segment_track.json")] = string(workflow)

	got := map[string]string{}
	root := filepath.Join("..", "..", "examples")
	for _, folder := range []string{"aacflow", "aacflow-workflow"} {
		require.NoError(t,
			filepath.WalkDir(filepath.Join(root, folder), func(path string, d os.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				content, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				rel, err := filepath.Rel(root, path)
				got[rel] = string(content)
				return err
			}))
	}
	require.Equal(t, want, got, "stale: run go generate ./export/aacflow")
}

// TestTypesFindFaults: the compiler really looks at the generated files, and at what was added to
// the fork's own.
func TestTypesFindFaults(t *testing.T) {
	f := build(t, aacflow.Segment(), aacflow.Sim08, segmentBlocks(t))
	faults := map[string]struct{ file, old, new, says string }{
		"a parameter that the tool does not have": {
			"tools/segment/track.ts", "event: params.event", "event: params.evnt", "'evnt'",
		},
		"a type that the form does not have": {
			"blocks/blocks/segment.ts", "type: 'long-input'", "type: 'json-input'", `"json-input"`,
		},
		"a tool that is not imported": {
			"tools/registry.ts", "segment_track: segmentTrackTool", "segment_track: segmentTrack", "'segmentTrack'",
		},
		"an output that is not declared": {
			"tools/segment/types.ts", "output: SegmentTrackOutput", "output: SegmentTrakOutput", "'SegmentTrakOutput'",
		},
		"a name that is not used": {
			"tools/segment/alias.ts", "\nexport", "const spare = 1\nexport", "'spare'",
		},
		"an edge that starts nowhere": {"workflow.ts", `"source": "start",`, "", "'source'"},
	}
	for _, fault := range faults {
		path := filepath.Join(f.root, filepath.FromSlash(fault.file))
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Contains(t, string(content), fault.old)
		require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(content), fault.old, fault.new, 1)), 0o600))
	}
	out, err := f.compile(t)
	require.Error(t, err)
	for name, fault := range faults {
		require.Regexp(t, "(?m)^"+fault.file+`\(.*`+fault.says, out, name)
	}
}

// testDeclarations holds what the host gets to know of the blocks to their manifests.
func testDeclarations(t *testing.T, f fork) {
	told := f.run(t, nil)
	block := told.Blocks["segment"]
	ids := map[string]bool{}
	for _, sub := range block.SubBlocks {
		require.False(t, ids[sub.ID], "two fields have the id %s", sub.ID)
		ids[sub.ID] = true
		require.Contains(t, block.Inputs, sub.ID)
		require.Equal(t, "string", block.Inputs[sub.ID].Type, "the engine reads nothing else as it is")
	}
	require.Len(t, block.Inputs, len(ids))
	meta := told.Metas["segment"]
	require.Equal(t, []string{"data-analytics", "events", "marketing"}, meta.Tags)
	require.GreaterOrEqual(t, len(meta.Templates), 7)
	require.GreaterOrEqual(t, len(meta.Skills), 5)
	named := regexp.MustCompile(`segment_\w+`)
	for _, text := range meta.Templates {
		require.NotEmpty(t, named.FindAllString(text.Prompt, -1))
		require.Subset(t, block.Tools.Access, named.FindAllString(text.Prompt, -1))
	}
	for _, text := range meta.Skills {
		require.NotEmpty(t, named.FindAllString(text.Content, -1))
		require.Subset(t, block.Tools.Access, named.FindAllString(text.Content, -1))
	}

	entries := segmentBlocks(t).Catalog()
	require.Len(t, told.Tools, len(entries)+3, "the fork has three of its own")
	require.Len(t, block.Tools.Access, len(entries))
	outputs := map[string]bool{}
	advanced := map[string]bool{}
	for _, e := range entries {
		tool := told.Tools[e.ID]
		require.Equal(t, []string{e.ID, e.Name, e.Version}, []string{tool.ID, tool.Name, tool.Version})
		require.Contains(t, block.Tools.Access, e.ID)
		require.Contains(t, tool.Description, e.Summary)
		require.LessOrEqual(t, len([]rune(tool.Description)), 170)
		requireSentence(t, block.SubBlocks, block.CanvasPresentation.Sentences.ByOperation, e.ID)
		require.Len(t, tool.Params, len(e.Input)+2, "and source and invocationId")
		for _, f := range e.Input {
			require.Equal(t, declared{f.Type, flat(f.Description), f.FilledBy, false}, tool.Params[f.Name])
			sub := fieldOf(t, block.SubBlocks, e.ID, f.Name)
			require.Equal(t, f.Secret, sub.Password)
			require.Equal(t, flat(f.Description), sub.Description)
			require.NotEmpty(t, sub.Placeholder)
			require.Equal(t, f.Hint != "", sub.WandConfig != nil, f.Name)
			require.Equal(t, map[bool]string{true: "long-input", false: "short-input"}[f.Type == "json"], sub.Type)
			if sub.Mode == "advanced" {
				advanced[f.Name] = true
			}
			require.Equal(
				t, advanced[f.Name], sub.Mode == "advanced", "advanced in one operation and not in another: %s", f.Name,
			)
		}
		for _, name := range []string{"source", "invocationId"} {
			require.Equal(t, "user-only", tool.Params[name].Visibility, "no model chooses these")
			require.Equal(t, "advanced", fieldOf(t, block.SubBlocks, e.ID, name).Mode)
		}
		require.Len(t, tool.Outputs, len(e.Output))
		for _, f := range e.Output {
			require.Equal(t, declared{Type: f.Type, Description: flat(f.Description)}, tool.Outputs[f.Name])
			require.Equal(t, f.Type, block.Outputs[f.Name].Type)
			require.Contains(t, block.Outputs[f.Name].Description, flat(f.Description))
			outputs[f.Name] = true
		}
	}
	require.Len(t, block.Outputs, len(outputs))
	require.Equal(t, map[string]bool{"context": true, "integrations": true, "timestamp": true}, advanced)
}

// requireSentence holds the card's sentence to the host's rules: its fields are those of the
// operation, and what is core is shown on a new card.
func requireSentence(t *testing.T, subs []subBlock, sentences map[string][]any, id string) {
	t.Helper()
	operation := strings.TrimPrefix(id, "segment_")
	always := 0
	for _, clause := range sentences[operation] {
		c, ok := clause.(map[string]any)
		if !ok {
			always++
			continue
		}
		fields, several := c["field"].([]any)
		if !several {
			fields = []any{c["field"]}
		}
		for _, field := range fields {
			i := slices.IndexFunc(subs, func(s subBlock) bool { return s.ID == field && s.shown(operation) })
			require.GreaterOrEqual(t, i, 0, "%s: %s", operation, field)
			if c["core"] == true {
				require.NotEqual(t, "advanced", subs[i].Mode, "%s: %s", operation, field)
				always++
			}
		}
	}
	require.Positive(t, always, "the card of %s may be empty", operation)
}

func flat(text string) string { return strings.Join(strings.Fields(text), " ") }

// fieldOf returns the one field that an operation shows for a parameter.
func fieldOf(t *testing.T, subs []subBlock, id, param string) subBlock {
	t.Helper()
	operation := strings.TrimPrefix(id, "segment_")
	var found []subBlock
	for _, sub := range subs {
		if sub.shown(operation) &&
			(sub.ID == param || sub.ID == operation+upper(param) || sub.ID == "common"+upper(param)) {
			found = append(found, sub)
		}
	}
	require.Len(t, found, 1, "%s shows no single field for %s", id, param)
	return found[0]
}

type documented struct{ manifest *schemas.Manifest }

func (d documented) Manifest() *schemas.Manifest { return d.manifest }

func TestNativeRefuses(t *testing.T) {
	schema := func(property string) *schemas.Schema {
		s, err := schemas.Compile(
			"test.json", json.RawMessage(`{"type":"object","properties":{"`+property+`":{"type":"string"}}}`),
		)
		require.NoError(t, err)
		return s
	}
	for name, c := range map[string]struct{ id, input, output, says string }{
		"no block": {"mixpanel_track", "event", "ok", `no block has an id that starts with "segment_"`},
		"the host's input": {
			"segment_track", "timeout", "ok",
			`the input of segment_track has a name that the host keeps for itself: "timeout"`,
		},
		"our own input":  {"segment_track", "invocationId", "ok", `keeps for itself: "invocationId"`},
		"the form's own": {"segment_track", "operation", "ok", `keeps for itself: "operation"`},
		"an output": {
			"segment_track", "event", "error",
			`the output of segment_track has a name that the host keeps for itself: "error"`,
		},
		"a stripped output":   {"segment_track", "event", "__meta", `"__meta"`},
		"a prototype":         {"segment_track", "__proto__", "ok", `"__proto__"`},
		"an output of a cost": {"segment_track", "event", "cost", `"cost"`},
		"a category that is none": {
			"segment_track", "event", "ok", `the category of segment_track must be one of the host's: ai analytics `,
		},
		"a generated file": {
			"segment_index", "event", "ok", `the block has an id whose file or type is taken: "segment_index"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registry.New()
			require.NoError(
				t, reg.Register(documented{&schemas.Manifest{
					About: schemas.About{ID: c.id}, Input: schema(c.input), Output: schema(c.output),
				}}),
			)
			_, err := aacflow.Native(reg, aacflow.Segment(), aacflow.Sim08)
			require.ErrorContains(t, err, c.says)
		})
	}
}

// TestAnotherVendor: nothing but the integration knows of Segment, and what manifests say cannot
// end a literal.
func TestAnotherVendor(t *testing.T) {
	input, err := schemas.Compile("in.json", json.RawMessage(
		`{"type":"object","properties":{
			"order-id":{"x-filled-by":"user-or-llm","x-aacflow-type":"string"},
			"proto type":{"x-filled-by":"user-or-llm","x-aacflow-type":"json"},
			"":{"x-filled-by":"user-or-llm","x-aacflow-type":"number"},
			"class":{"x-filled-by":"user-or-llm","x-aacflow-type":"boolean"},
			"note":{"type":"string","x-aacflow-type":"string","x-filled-by":"user-or-llm",
				"description":"It's \"odd\" \\ */ `+"`${x}`"+`"}}}`))
	require.NoError(t, err)
	output, err := schemas.Compile(
		"out.json",
		json.RawMessage(`{"type":"object","properties":{"ok":{"type":"boolean","x-aacflow-type":"boolean"}}}`),
	)
	require.NoError(t, err)
	reg := registry.New()
	require.NoError(t, reg.Register(documented{&schemas.Manifest{About: schemas.About{
		ID: "toy_write_down", Name: "Toy's Write Down", Summary: "Writes", Version: "1.0.0", Category: "hr",
	}, Input: input, Output: output}}))
	in := aacflow.Integration{
		ID: "toy", Name: "Toy", Summary: "Toys", Variables: "TOY", Tags: []string{"events"},
	}
	files, err := aacflow.Native(reg, in, aacflow.Sim08)
	require.NoError(t, err)
	for _, f := range files {
		require.NotContains(t, strings.ToLower(string(f.Content)), "segment_blocks")
	}
	out, err := build(t, in, aacflow.Sim08, reg).compile(t)
	require.NoError(t, err, out)
}
