package workflow_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/workflow"
)

func TestExportFromAACFlow(t *testing.T) {
	data, err := os.ReadFile("testdata/drivers/aacflow-order.json")
	require.NoError(t, err)
	for _, c := range []struct{ name, input, statuses string }{
		{"big", ``, "segment1 succeeded, isitbig__if succeeded, isitbig__else-if-0 skipped, isitbig__else skipped, " +
			"groupthem succeeded, small skipped, item succeeded, response1 succeeded, sorry skipped"},
		{"small", `{"total":4}`, "segment1 succeeded, isitbig__if skipped, isitbig__else-if-0 skipped, " +
			"isitbig__else succeeded, groupthem skipped, small succeeded, item succeeded, response1 succeeded, sorry skipped"},
		{"nobody", `{"total":4,"userId":"nobody"}`, "segment1 succeeded, isitbig__if skipped, " +
			"isitbig__else-if-0 succeeded, isitbig__else skipped, groupthem skipped, small skipped, item succeeded, " +
			"response1 succeeded, sorry skipped"},
	} {
		t.Run(c.name, func(t *testing.T) {
			segment := newReceiver(t)
			rt := runtimeTo(t, segment.url)
			g, err := workflow.Check(t.Context(), "order.json", data, workflow.CheckOptions{Registry: registered(), Runtime: rt})
			require.NoError(t, err)
			require.Equal(t, "Track order", g.Name)
			res, err := workflow.Run(t.Context(), g, json.RawMessage(c.input), workflow.Options{Invoke: workflow.Invoker(rt)})
			require.NoError(t, err)
			require.Equal(t, workflow.Succeeded, res.Status)
			require.Equal(t, c.statuses, statusesOf(g, res.State))
			if c.name == "big" {
				require.Contains(t, segment.requests()[0]+segment.requests()[1]+segment.requests()[2],
					`"properties":{"total": 42.50, "of": "u-42"}`)
				require.JSONEq(t, `{"data":{"ok":true,"first":"Item 0: a","total":42.50},"status":"200"}`,
					string(res.State.Nodes[7].Output))
			}
		})
	}

	segment := newReceiver(t)
	rt := runtimeTo(t, segment.url)
	g, err := workflow.Parse("order.json", data)
	require.NoError(t, err)
	require.NoError(t, segment.Script(emulator.Fault{Status: 401, Path: "/v1/track", Times: 1}))
	res, err := workflow.Run(t.Context(), g, json.RawMessage(`{"items":[]}`), workflow.Options{Invoke: workflow.Invoker(rt)})
	require.NoError(t, err)
	require.Equal(t, workflow.Failed, res.State.Nodes[0].Status)
	require.Contains(t, string(res.State.Nodes[7].Error),
		"<item.results[0].event> leads nowhere: <item.results> has 0 elements")
	require.JSONEq(t, `{"success":true,"event":"Failed: unauthorized","userId":"u-42","anonymousId":null}`,
		string(res.State.Nodes[8].Output))
}

// What export aacflow writes runs here as well.
func TestOwnExport(t *testing.T) {
	segment := newReceiver(t)
	rt := runtimeTo(t, segment.url)
	file, data := example(t, "aacflow-workflow/segment_track.json")
	g, err := workflow.Check(t.Context(), file, data, workflow.CheckOptions{Registry: registered(), Runtime: rt})
	require.NoError(t, err)
	res, err := workflow.Run(t.Context(), g, json.RawMessage(`{"event":"E","userId":"u","anonymousId":"a","properties":{"n":1.0}}`),
		workflow.Options{Invoke: workflow.Invoker(rt)})
	require.NoError(t, err)
	raw, err := json.Marshal(res)
	require.NoError(t, err)
	require.Equal(t, workflow.Succeeded, res.Status, "%s", raw)
	require.Contains(t, string(raw), `"data":{"result":{"success":true,"event":"E","userId":"u","anonymousId":"a"}}`)
}

func TestExportRefusals(t *testing.T) {
	_, err := workflow.Parse("f.json", []byte(`{
"blocks": {
 "s": {"type": "starter", "name": "Start"},
 "a": {"type": "agent", "name": "Agent 1"},
 "f": {"type": "function", "name": "Function 1"},
 "off": {"type": "agent", "name": "Switched off", "enabled": false},
 "c": {"type": "condition", "name": "C", "subBlocks": {"conditions": {"value":
   [{"id":"c-if","title":"if","value":"<start.x>.length > 2"},
    {"id":"c-else-if-0","title":"else if","value":"<start.x> == 2"}]}}},
 "l": {"type": "loop", "name": "Loop 1"},
 "w": {"type": "segment", "name": "W", "data": {"parentId": "w1"}},
 "w1": {"type": "loop", "name": "While"},
 "m": {"type": "mcp", "name": "M", "subBlocks": {"tool": {"value": "Other Tool"}}}
}, "edges": [{"source": "s", "target": "a"}, {"source": "a", "target": "f"}, {"source": "s", "target": "c"},
  {"source": "s", "target": "l"}, {"source": "s", "target": "w1"}, {"source": "w1", "target": "w"},
  {"source": "s", "target": "off"}, {"source": "s", "target": "m"}],
"loops": {"w1": {"loopType": "while"}}}`))
	got := strings.Join(faultsOf(t, err), "\n")
	for _, want := range []string{
		`f.json:4:7: the block "Agent 1" cannot run here, as its type is "agent"; those that can are start, segment,`,
		`the block "Function 1" cannot run here, as its type is "function"`,
		`the condition "C" has an expression that cannot be translated, as it is more than comparisons from here on ` +
			`(.length > 2): <start.x>.length > 2`,
		`as == and != convert types, and === and !== do not: <start.x> == 2`,
		`the loop "Loop 1" has 0 blocks inside: only loops around one block run here`,
		`the loop "While" cannot run here: it must be over a list, or a number of times`,
		`"M" calls no tool that could be a block here: "Other Tool"`,
	} {
		require.Contains(t, got, want)
	}
	require.NotContains(t, got, "Switched off")
	_, err = workflow.Parse("f.json", []byte(`{"blocks":{},"edges":[]}`))
	require.Equal(t, []string{`f.json:1:11: has no start block to begin at`}, faultsOf(t, err))
	for _, text := range []string{
		`{"blocks":[],"edges":{}}`, `{"blocks":{"a":7},"edges":[1]}`, `{"state":7,"blocks":{"a":{"type":"starter"}},"edges":"x"}`,
		`{"data":{"state":{"blocks":{"s":{"type":"starter","name":""},"c":{"type":"condition"}},"edges":[{"source":"s","target":"c"}]}}}`,
	} {
		_, err = workflow.Parse("f.json", []byte(text))
		require.Error(t, err, text)
	}
}
