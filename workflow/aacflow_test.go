package workflow_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/workflow"
)

func TestExportFromAACFlow(t *testing.T) {
	data, err := os.ReadFile("testdata/drivers/aacflow-order.json")
	require.NoError(t, err)
	for _, c := range []struct{ name, input, statuses string }{
		{"big", ``, "segment1 succeeded, isitbig__if succeeded, isitbig__else-if-0 skipped, isitbig__else skipped, " +
			"groupthem succeeded, small skipped, loop1 succeeded, response1 succeeded, sorry skipped"},
		{"small", `{"total":4}`, "segment1 succeeded, isitbig__if skipped, isitbig__else-if-0 skipped, " +
			"isitbig__else succeeded, groupthem skipped, small succeeded, loop1 succeeded, response1 succeeded, " +
			"sorry skipped"},
		{"nobody", `{"total":4,"userId":"nobody"}`, "segment1 succeeded, isitbig__if skipped, " +
			"isitbig__else-if-0 succeeded, isitbig__else skipped, groupthem skipped, small skipped, loop1 succeeded, " +
			"response1 succeeded, sorry skipped"},
	} {
		t.Run(c.name, func(t *testing.T) {
			segment := newReceiver(t)
			rt := runtimeTo(t, segment.url)
			g, err := workflow.Check(t.Context(), "order.json", data,
				workflow.CheckOptions{Registry: registered(), Runtime: rt})
			require.NoError(t, err)
			require.Equal(t, "Track order", g.Name)
			res, err := workflow.Run(t.Context(), g, json.RawMessage(c.input),
				workflow.Options{Invoke: workflow.Invoker(rt)})
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
	res, err := workflow.Run(t.Context(), g, json.RawMessage(`{"items":[]}`),
		workflow.Options{Invoke: workflow.Invoker(rt)})
	require.NoError(t, err)
	require.Equal(t, workflow.Failed, res.State.Nodes[0].Status)
	require.Contains(t, string(res.State.Nodes[7].Error),
		"<loop1.results[0][0].event> leads nowhere: <loop1.results> has 0 elements")
	require.JSONEq(t, `{"success":true,"event":"Failed: unauthorized","userId":"u-42","anonymousId":null}`,
		string(res.State.Nodes[8].Output))
}

// Conditions mean what they do in JavaScript.
func TestConditionsOfAACFlow(t *testing.T) {
	parse := func(code string) (*workflow.Graph, error) {
		branches, err := json.Marshal([]map[string]string{{"id": "c-if", "title": "if", "value": code}})
		require.NoError(t, err)
		value, err := json.Marshal(string(branches))
		require.NoError(t, err)
		return workflow.Parse("f.json", []byte(`{"edges": [{"source": "s", "target": "c"}], "blocks": {
			"s": {"type": "starter", "subBlocks": {"inputFormat": {"value": [
				{"name": "n", "type": "number", "value": "40"},
				{"name": "t", "type": "string", "value": "40"}, {"name": "l", "type": "array", "value": "[\"a\",1]"},
				{"name": "true", "type": "string", "value": "true"},
				{"name": "none", "type": "string"}, {"name": "yes", "type": "boolean", "value": "true"}]}}},
			"c": {"type": "condition", "name": "C", "subBlocks": {"conditions": {"value": `+string(value)+`}}}}}`))
	}
	for code, want := range map[string]workflow.Status{
		`<start.n> === 40`: "succeeded", `<start.n> == "40"`: "succeeded", `40 == <start.t>`: "succeeded",
		`<start.n> == <start.t>`: "succeeded", `<start.t> != <start.n>`: "skipped",
		`<start.n> === <start.t>`: "skipped",
		`<start.t> == <start.l>`:  "skipped", `<start.yes> != <start.true>`: "succeeded",
		`<start.none> == <start.none>`: "succeeded", `<start.none> == <start.n>`: "skipped",
		`<start.t> === 40`: "skipped", `<start.t> != 40`: "skipped", `<start.n> != 41`: "succeeded",
		`<start.none> == null`: "succeeded", `<start.none>`: "skipped", `!<start.none>`: "succeeded",
		`<start.t>`:                       "succeeded",
		`<start.yes> && !(<start.n> < 3)`: "succeeded", `!<start.yes> || <start.l>.length >= 2`: "succeeded",
		`<start.l>.includes("a") && <start.l>.includes(1)`: "succeeded", `<start.l>.includes('1')`: "skipped",
		`"<start.t>".includes('4')`: "succeeded", `!<start.t>.includes(<start.t>)`: "skipped",
		`<start.t>.length`:                           "succeeded",
		`false || <start.n> > 3 && <start.n> <= 4e1`: "succeeded", `'it' === "it"`: "succeeded",
		`"4" == 4`: "succeeded",
	} {
		g, err := parse(code)
		require.NoError(t, err, code)
		s, err := g.Begin(nil)
		require.NoError(t, err)
		require.Equal(t, want, s.Nodes[0].Status, "%s is %s: %s", code, g.Nodes[0].When, s.Nodes[0].Error)
	}
	for code, want := range map[string]string{
		``: "as it is empty", `<start.n> +`: "more than comparisons from here on (+)",
		`(<start.n>`:               "a parenthesis in it does not end",
		`<start.t>.trim() === "x"`: "from here on (.trim() === \"x\")", `"it`: "a text in it does not end",
		`<start.l>.includes(1, 2)`: "includes takes a reference or a literal", `'a\'b' == 1`: "has an escape",
		`"n<start.n>" == 1`: "only in part a reference", `fetch("x")`: `from here on (fetch("x"))`,
		`{{KEY}} == 1`:   "cannot use variables",
		`<start.n> = 40`: "from here on (= 40)", `1 ? 2 : 3`: "from here on (? 2 : 3)", "`x` == 1": "",
		strings.Repeat("(", 5000):             "",
		strings.Repeat("!", 100_000) + "true": "",
	} {
		_, err := parse(code)
		require.ErrorContains(t, err, want, code)
	}
}

// Branches of a condition stay apart, however long its name is. An id that two nodes would get is
// refused, because edges would lead to the wrong one.
func TestBranchesOfLongNames(t *testing.T) {
	long := strings.Repeat("x", 70)
	export := func(name string) string {
		return `{"edges": [{"source": "s", "target": "c"}, {"source": "s", "target": "d"}], "blocks": {
			"s": {"type": "starter"},
			"c": {"type": "condition", "name": "` + long + `", "subBlocks": {"conditions": {"value": [
				{"id": "c-if", "title": "if", "value": "1 > 2"}, {"id": "c-else", "title": "else"}]}}},
			"d": {"type": "response", "name": "` + name + `"}}}`
	}
	g, err := workflow.Parse("f.json", []byte(export("D")))
	require.NoError(t, err)
	s, err := g.Begin(nil)
	require.NoError(t, err)
	require.Equal(t, long[:50]+"_if skipped, "+long[:50]+"_else succeeded, d succeeded", statusesOf(g, s))
	_, err = workflow.Parse("f.json", []byte(strings.ReplaceAll(export("C_if"), long, "C")))
	require.Equal(t, []string{`f.json:5:4: "c_if" is the id of another node already`}, faultsOf(t, err))
}

// References lead to blocks of any name. An edge from an error to a block that is disabled leads
// nowhere.
func TestNamesOfBlocks(t *testing.T) {
	text := `{"edges": [{"source": "s", "target": "a"}, {"source": "a", "target": "b"},
			{"source": "b", "target": "c", "sourceHandle": "condition-b-if"},
			{"source": "a", "target": "d", "sourceHandle": "error"}],
		"blocks": {"s": {"type": "starter", "name": "Start"},
			"a": {"type": "segment", "name": "1st. Größe (EU)", "subBlocks": {
				"event": {"value": "E"}, "userId": {"value": "u-1"}}},
			"b": {"type": "condition", "name": "If", "subBlocks": {"conditions": {"value": [
				{"id": "b-if", "title": "if", "value": "<1stgröße(eu).userId> === 'u-1'"}]}}},
			"c": {"type": "response", "name": "Out", "subBlocks": {"data": {"value":
				"{\"who\": <1stgröße(eu).userId>, \"what\": \"an <1st Größe(EU).event>\"}"}}},
			"d": {"type": "segment", "name": "Off", "enabled": false}}}`
	g, err := workflow.Parse("f.json", []byte(text))
	require.NoError(t, err)
	rt := runtimeTo(t, newReceiver(t).url)
	res, err := workflow.Run(t.Context(), g, nil, workflow.Options{Invoke: workflow.Invoker(rt)})
	require.NoError(t, err)
	require.Equal(t, "_1stgr__e_eu_ succeeded, if_if succeeded, out succeeded", statusesOf(g, res.State))
	require.JSONEq(t, `{"data": {"who": "u-1", "what": "an E"}}`, string(res.State.Nodes[2].Output))
}

// What a file is to come to on every driver stands beside it: what came of its nodes, and what the
// receiver has stored. UPDATE=1 writes it anew.
func TestFilesOfAllDrivers(t *testing.T) {
	files, err := filepath.Glob("testdata/drivers/*")
	require.NoError(t, err)
	require.Len(t, files, 13)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			segment := newReceiver(t)
			rt := runtimeTo(t, segment.url)
			g, err := workflow.Parse(file, data)
			require.NoError(t, err)
			res, err := workflow.Run(t.Context(), g, nil, workflow.Options{
				Invoke: workflow.Invoker(rt), RunID: "R",
				Environment: func(name string) (string, bool) { return "value", name == "TOKEN" },
			})
			require.NoError(t, err)
			var b strings.Builder
			fmt.Fprintf(&b, "%s\n", res.Status)
			for i, n := range g.Nodes {
				s := res.State.Nodes[i]
				fmt.Fprintf(&b, "%s %s %s %s\n", n.ID, s.Status, s.Output, s.Error)
			}
			var stored []string
			for _, e := range segment.Events(emulator.Filter{}) {
				message := rawjson.OpenObject(e.Message).Without("timestamp", "sentAt", "originalTimestamp",
					"context", "writeKey")
				stored = append(stored, string(message.JSON())+"\n")
			}
			slices.Sort(stored)
			b.WriteString(strings.Join(stored, ""))
			golden := filepath.Join("testdata", "golden", filepath.Base(file)+".txt")
			if os.Getenv("UPDATE") != "" {
				require.NoError(t, os.WriteFile(golden, []byte(b.String()), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), b.String())
		})
	}
}

// What export aacflow writes runs here as well. An input that is not given is not sent.
func TestOwnExport(t *testing.T) {
	segment := newReceiver(t)
	rt := runtimeTo(t, segment.url)
	file, data := example(t, "aacflow-workflow/segment_track.json")
	g, err := workflow.Check(t.Context(), file, data, workflow.CheckOptions{Registry: registered(), Runtime: rt})
	require.NoError(t, err)
	res, err := workflow.Run(t.Context(), g,
		json.RawMessage(`{"event":"E","userId":"u"}`),
		workflow.Options{Invoke: workflow.Invoker(rt)})
	require.NoError(t, err)
	raw, err := json.Marshal(res)
	require.NoError(t, err)
	require.Equal(t, workflow.Succeeded, res.Status, "%s", raw)
	require.Contains(t, string(raw), `"data":{"result":{"success":true,"event":"E","userId":"u","anonymousId":null}}`)
	require.Len(t, segment.requests(), 1)
	require.NotContains(t, segment.requests()[0], "anonymousId")
	require.NotContains(t, segment.requests()[0], "o-1001")
}

func TestExportRefusals(t *testing.T) {
	_, err := workflow.Parse("f.json", []byte(`{
"blocks": {
 "s": {"type": "starter", "name": "Start"},
 "a": {"type": "agent", "name": "Agent 1"},
 "f": {"type": "function", "name": "Function 1"},
 "off": {"type": "agent", "name": "Switched off", "enabled": false},
 "c": {"type": "condition", "name": "C", "subBlocks": {"conditions": {"value":
   [{"id":"c-if","title":"if","value":"<start.x>.trim() > 2"},
    {"id":"c-else-if-0","title":"else if","value":"{{X}} == 2"}]}}},
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
			`(.trim() > 2): <start.x>.trim() > 2`,
		`as conditions cannot use variables ({{X}}): {{X}} == 2`,
		`the loop "Loop 1" has no block inside that its start leads to`,
		`the loop "While" cannot run here: it must be over a list, or a number of times`,
		`"M" calls no tool that could be a block here: "Other Tool"`,
	} {
		require.Contains(t, got, want)
	}
	require.NotContains(t, got, "Switched off")
	_, err = workflow.Parse("f.json", []byte(`{"blocks":{},"edges":[]}`))
	require.Equal(t, []string{`f.json:1:11: has no start block to begin at`}, faultsOf(t, err))
	// Nothing that the start leads to is left out without a word.
	for parent, want := range map[string]string{
		"l":   `f.json:1:105: the block "L" cannot run here: it is inside "L", which is no loop or parallel that runs`,
		"m":   `the block "L" cannot run here: it is inside "M"`,
		"s":   `the block "L" cannot run here: it is inside "Start"`,
		"off": `the block "L" cannot run here: it is inside "Off"`,
	} {
		_, err = workflow.Parse("f.json", []byte(`{"blocks":{"s":{"type":"starter","name":"Start"},`+
			`"off":{"type":"loop","enabled":false,"name":"Off"},`+
			`"l":{"type":"loop","name":"L","data":{"parentId":"`+parent+`"}},`+
			`"m":{"type":"loop","name":"M","data":{"parentId":"l"}}},"edges":[{"source":"s","target":"l"},`+
			`{"source":"l","target":"m"}],"loops":{"l":{"loopType":"for","iterations":3}}}`))
		require.Contains(t, strings.Join(faultsOf(t, err), "\n"), want, parent)
	}
	for _, text := range []string{
		`{"blocks":[],"edges":{}}`, `{"blocks":{"a":7},"edges":[1]}`,
		`{"state":7,"blocks":{"a":{"type":"starter"}},"edges":"x"}`,
		`{"data":{"state":{"blocks":{"s":{"type":"starter","name":""},"c":{"type":"condition"}},` +
			`"edges":[{"source":"s","target":"c"}]}}}`,
	} {
		_, err = workflow.Parse("f.json", []byte(text))
		require.Error(t, err, text)
	}
}
