package workflow_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aacflow/segment-blocks/workflow"
)

func graphOf(t testing.TB, text string) *workflow.Graph {
	t.Helper()
	g, err := workflow.Parse("test.yaml", []byte(text))
	require.NoError(t, err)
	return g
}

// answer says what comes of a task, and depends on nothing else: its input echoed, or an error for
// those whose input says so.
func answer(t testing.TB, task workflow.Task) workflow.Outcome {
	input, err := task.Input(func(name string) (string, bool) { return "value of " + name, name == "OK" })
	if err != nil {
		return workflow.Failure("unresolved_reference", err.Error())
	}
	var says struct {
		Fail any `json:"fail"`
	}
	require.NoError(t, json.Unmarshal(input, &says))
	if says.Fail == true {
		return workflow.Failure("rejected", "failed as told")
	}
	return workflow.Outcome{
		Output: json.RawMessage(`{"echo":` + string(input) + `}`), Receipt: json.RawMessage(`{"n":1}`),
	}
}

// finish drives a run to its end. Pick says which of the tasks that run ends next.
func finish(t testing.TB, g *workflow.Graph, s *workflow.State, most int, pick func(running int) int) {
	var running []workflow.Task
	for {
		running = append(running, g.Next(s, most-len(running))...)
		switch {
		case len(running) > 0:
		case len(s.Ready) > 0:
			continue
		default:
			require.NotEqual(t, workflow.Running, g.Status(s))
			return
		}
		i := pick(len(running))
		task := running[i]
		running = slices.Delete(running, i, i+1)
		require.NoError(t, g.Complete(s, task.Node, task.Iteration, answer(t, task)))
	}
}

func inOrder(int) int { return 0 }

func run(t testing.TB, text string) (*workflow.Graph, *workflow.State) {
	g := graphOf(t, text)
	s, err := g.Begin(nil)
	require.NoError(t, err)
	finish(t, g, s, 4, inOrder)
	return g, s
}

func statusesOf(g *workflow.Graph, s *workflow.State) string {
	var out []string
	for i, n := range g.Nodes {
		out = append(out, n.ID+" "+string(s.Nodes[i].Status))
	}
	return strings.Join(out, ", ")
}

func TestNeedsWhenAndErrors(t *testing.T) {
	for _, c := range []struct{ name, nodes, want string }{
		{
			"a condition that holds", `{a: {block: b}, c: {block: b, when: 'a.echo == {} && start.n > 1'}}`,
			"a succeeded, c succeeded",
		},
		{
			"one that does not, and what is behind", `{a: {block: b, when: start.n > 2}, c: {needs: [a]}}`,
			"a skipped, c skipped",
		},
		{"one that is no condition", `{a: {when: start.n}}`, "a failed"},
		{
			"fail", `{a: {block: b, with: {fail: true}}, c: {needs: [a]}, d: {block: b}}`,
			"a failed, c skipped, d succeeded",
		},
		{
			"continue", `{a: {block: b, onError: continue, with: {fail: true}}, c: {needs: [a]}}`,
			"a failed, c succeeded",
		},
		{
			"branch taken",
			`{a: {block: b, onError: branch, with: {fail: true}}, ok: {needs: [a]}, no: {needs: [a.error]}}`,
			"a failed, ok skipped, no succeeded",
		},
		{
			"branch not taken", `{a: {block: b, onError: branch}, ok: {needs: [a]}, no: {needs: [a.error]}}`,
			"a succeeded, ok succeeded, no skipped",
		},
		{
			"a branch by reference",
			`{a: {block: b, onError: branch, with: {fail: true}}, no: {with: {why: <a.error.message>}}}`,
			"a failed, no succeeded",
		},
		{
			"join any",
			`{a: {when: start.n > 9}, c: {block: b}, d: {needs: [a, c], join: any}, e: {needs: [a], join: any}}`,
			"a skipped, c succeeded, d succeeded, e skipped",
		},
		{
			"join any waits for what references name, and takes null for it",
			`{a: {when: start.n > 9}, c: {block: b}, d: {needs: [c], join: any, with: {x: <a.y>, z: "<a.y>!"}}}`,
			"a skipped, c succeeded, d succeeded",
		},
		{"a reference that leads nowhere", `{a: {block: b}, c: {with: {x: <a.nope.x>}}}`, "a succeeded, c failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, s := run(t, "{name: x, start: {n: 2}, nodes: "+c.nodes+"}")
			require.Equal(t, c.want, statusesOf(g, s))
		})
	}
}

func TestReferences(t *testing.T) {
	for _, c := range []struct{ with, want string }{
		{`{x: <start.big>}`, `{"x":12345678901234567890.10}`},
		{`{x: " <start.big> "}`, `{"x":12345678901234567890.10}`},
		{`{x: "n=<start.big>"}`, `{"x":"n=12345678901234567890.10"}`},
		{`{x: <start.obj>}`, `{"x":{"q":"say \"hi\"","n":null,"l":[1,{"d":2}]}}`},
		{`{x: "<start.obj.l[1].d><start.obj.l[0]>"}`, `{"x":"21"}`},
		{`{x: "<start.obj.n>|"}`, `{"x":"|"}`},
		{`{x: <start.obj.n.deeper>}`, `{"x":null}`},
		{
			`{x: '{"a": "<start.obj.q>", "b": <start.obj>}'}`,
			`{"x":"{\"a\": \"say \\\"hi\\\"\", \"b\": {\"q\":\"say \\\"hi\\\"\",\"n\":null,\"l\":[1,{\"d\":2}]}}"}`,
		},
		{`{x: '[draft] <start.obj.q>'}`, `{"x":"[draft] say \"hi\""}`},
		{`{x: <start.tricky>, y: "<start.tricky>!"}`, `{"x":"<start.big> {{OK}}","y":"<start.big> {{OK}}!"}`},
		{`{x: "{{OK}} {{ OK }}", y: "{{OK}}"}`, `{"x":"value of OK value of OK","y":"value of OK"}`},
		{`{x: ["a < b", "<br>", "{{"]}`, `{"x":["a < b","<br>","{{"]}`},
	} {
		t.Run(c.with, func(t *testing.T) {
			g, s := run(t,
				`{name: x, start: {big: 12345678901234567890.10, obj: {q: 'say "hi"', n: null, l: [1, {d: 2}]}, `+
					`tricky: "<start.big> {{OK}}"}, nodes: {a: {block: b, with: `+c.with+`}}}`)
			require.Equal(t, workflow.Succeeded, g.Status(s), "%s", s.Nodes[0].Error)
			require.Equal(t, `{"echo":`+c.want+`}`, string(s.Nodes[0].Output))
		})
	}
	_, s := run(t, `{name: x, start: {o: {a: 1, b: 2}}, nodes: {a: {with: {x: <start.o.c>, y: "{{ <start.o.d>"}}}}`)
	require.Contains(t, string(s.Nodes[0].Error),
		`<start.o.c> leads nowhere: <start.o> has a, b; <start.o.d> leads nowhere`)
	_, s = run(t, `{name: x, nodes: {a: {block: b, with: {x: "{{SECRET}}"}}}}`)
	require.Contains(t, string(s.Nodes[0].Error), `{{SECRET}} is not set, or not allowed`)
}

func TestInputReplacesMembersOfStart(t *testing.T) {
	g := graphOf(t, `{name: x, start: {a: {x: 1, y: 2}, b: 2}, nodes: {n: {with: {a: <start.a>, b: <start.b>}}}}`)
	s, err := g.Begin(json.RawMessage(`{"a":{"x":1.0}}`))
	require.NoError(t, err)
	require.JSONEq(t, `{"a":{"x":1.0},"b":2}`, string(s.Nodes[0].Output))
	s, err = g.Begin(json.RawMessage("null"))
	require.NoError(t, err)
	require.JSONEq(t, `{"a":{"x":1,"y":2},"b":2}`, string(s.Nodes[0].Output))
	for input, want := range map[string]string{
		`{"c":1}`:       `the workflow has no input "c"; its start has a, b`,
		`[]`:            "the input of a workflow must be a JSON object",
		`{"a":1,"a":2}`: "the input of a workflow must not name a member twice",
	} {
		_, err := g.Begin(json.RawMessage(input))
		require.EqualError(t, err, want)
	}
}

func TestForEach(t *testing.T) {
	g, s := run(t, `{name: x, start: {items: [{sku: a}, {sku: b}]}, nodes: {
		each: {block: b, forEach: <start.items>, concurrency: 2,
			with: {s: <loop.currentItem.sku>, i: <loop.index>, t: "#<loop.index>"}},
		last: {with: {r: "<each.results[1].echo.s>"}}, none: {block: b, forEach: []}, twice: {block: b, forEach: 2},
		text: {block: b, forEach: "[1,2,3]", with: {n: <loop.currentItem>}},
		no: {block: b, forEach: "<start.items[0].sku>"}}}`)
	require.Equal(t, "each succeeded, last succeeded, none succeeded, twice succeeded, text succeeded, no failed",
		statusesOf(g, s))
	require.JSONEq(t, `{"results":[{"echo":{"s":"a","i":0,"t":"#0"}},{"echo":{"s":"b","i":1,"t":"#1"}}]}`,
		string(s.Nodes[0].Output))
	require.JSONEq(t, `{"r":"b"}`, string(s.Nodes[1].Output))
	require.JSONEq(t, `{"results":[]}`, string(s.Nodes[2].Output))
}

// A loop stops behind a failure, unless it goes on after errors.
func TestForEachFailures(t *testing.T) {
	nodes := `{name: x, start: {l: [false, true, false, true, false, false]}, nodes: {each: {block: b,
		forEach: <start.l>,
		concurrency: 2, with: {fail: <loop.currentItem>}, onError: %s}}}`
	_, s := run(t, fmt.Sprintf(nodes, "fail"))
	require.Equal(t, workflow.Failed, s.Nodes[0].Status)
	require.Equal(t, 3, s.Nodes[0].Loop.Next, "what is started is one beyond the failure")
	require.Contains(t, string(s.Nodes[0].Error), "iteration 1: failed as told")
	g, s := run(t, fmt.Sprintf(nodes, "continue"))
	require.Equal(t, workflow.Succeeded, g.Status(s))
	require.Equal(t, 2, s.Nodes[0].Loop.Failed)
	require.JSONEq(t, `{"results":[{"echo":{"fail":false}},null,{"echo":{"fail":false}},null,{"echo":{"fail":false}},`+
		`{"echo":{"fail":false}}]}`, string(s.Nodes[0].Output))
}

// A loop can run several nodes, which see each other, the iteration, and the graph around it.
func TestBodies(t *testing.T) {
	text := `{name: x, start: {l: [a, b, c]}, nodes: {
		before: {with: {x: 1}},
		each: {forEach: <start.l>, concurrency: 2, onError: %s, nodes: {
			one: {block: b, with: {item: <loop.currentItem>, of: <before.x>, fail: %s}},
			two: {block: b, when: 'loop.index > 0 && before.x == 1 && one != nil', with: {one: <one.echo.item>}},
			three: {needs: [one], with: {at: "<loop.index>"}}}},
		after: {with: {second: "<each.results[1].two.echo.one>", first: "<each.results[0]>"}}}}`
	g, s := run(t, fmt.Sprintf(text, "fail", "false"))
	require.Equal(t, "before succeeded, each succeeded, after succeeded", statusesOf(g, s))
	require.JSONEq(t, `{"second":"b","first":{"one":{"echo":{"item":"a","of":1,"fail":false}},"three":{"at":0}}}`,
		string(s.Nodes[2].Output))
	require.NotNil(t, g.Node("two"))

	g, s = run(t, fmt.Sprintf(text, "fail", "true"))
	require.Equal(t, "before succeeded, each failed, after skipped", statusesOf(g, s))
	require.Contains(t, string(s.Nodes[1].Error), "iteration 0: one: failed as told")
	require.Equal(t, 2, s.Nodes[1].Loop.Next, "what is started is one beyond the failure")
	g, s = run(t, fmt.Sprintf(text, "continue", "true"))
	require.Equal(t, 3, s.Nodes[1].Loop.Failed)
	require.Equal(t, workflow.Succeeded, g.Status(s))

	_, err := workflow.Parse("f.yaml", []byte(`name: x
nodes:
  a: {forEach: 2, nodes: {b: {block: b, with: {x: <nope.y>}}, c: {needs: [c]}, d: {blok: b}, a: {}}}
  e: {nodes: {f: {}}, block: b, with: {x: <b.y>}}
  g: {forEach: 2, nodes: {h: {forEach: 2, nodes: {i: {}}}, c: {with: {x: <loop.item>, y: <g.results>}}}}
`))
	require.Equal(t, []string{
		`f.yaml:3:51: <nope.y> names no node; there are start, b, c, d, a, a, e, g`,
		`f.yaml:3:63: needs itself: c needs c`,
		`f.yaml:3:84: blok is not a known key; did you mean "block"?`,
		`f.yaml:3:94: "a" is the id of another node already`,
		`f.yaml:4:14: nodes are the body of a loop: they need forEach, and stand in place of block and with`,
		`f.yaml:4:43: <b.y> is inside a loop, and only nodes there see it: refer to the results of the loop`,
		`f.yaml:5:3: needs itself: g needs g`,
		`f.yaml:5:40: a loop cannot be inside another`,
		`f.yaml:5:60: "c" is the id of another node already`,
		`f.yaml:5:74: <loop.item> leads nowhere: <loop> has index, currentItem`,
	}, faultsOf(t, err))
}

// drawGraph makes a random graph: some nodes loop, fail, branch, have conditions or join any.
func drawGraph(t *rapid.T) string {
	var b strings.Builder
	b.WriteString("name: random\nstart: {n: 3, items: [true, false, {a: 1}, 4]}\nnodes:\n")
	count := rapid.IntRange(1, 12).Draw(t, "nodes")
	branches := map[int]bool{}
	for i := range count {
		fmt.Fprintf(&b, "  n%d: {", i)
		switch kind := rapid.IntRange(0, 5).Draw(t, "kind"); kind {
		case 0:
		case 5:
			fail := rapid.SampledFrom([]string{"<loop.currentItem>", "2"}).Draw(t, "fail")
			fmt.Fprintf(&b, "forEach: <start.items>, concurrency: %d, nodes: {a%d: {block: b, with: {i: <loop.index>, "+
				"fail: %s}}, b%d: {block: b, when: loop.index > 0}, c%d: {needs: [a%d, b%d], with: {x: <a%d.echo>}}}, ",
				rapid.IntRange(1, 3).Draw(t, "concurrency"), i, fail, i, i, i, i, i)
		default:
			b.WriteString("block: b, ")
			if kind == 4 {
				fmt.Fprintf(&b, "forEach: <start.items>, concurrency: %d, ",
					rapid.IntRange(1, 3).Draw(t, "concurrency"))
			}
			switch rapid.IntRange(0, 5).Draw(t, "fails") {
			case 0:
				b.WriteString("with: {fail: true}, ")
			case 1:
				if kind == 4 {
					b.WriteString("with: {fail: <loop.currentItem>, i: <loop.index>}, ")
				}
			case 2:
				if i > 0 {
					fmt.Fprintf(&b, "with: {x: \"<n%d.echo>\"}, ", rapid.IntRange(0, i-1).Draw(t, "of"))
				}
			}
		}
		var needs []string
		for j := range i {
			switch rapid.IntRange(0, 5).Draw(t, "need") {
			case 0:
				needs = append(needs, fmt.Sprintf("n%d", j))
			case 1:
				if branches[j] {
					needs = append(needs, fmt.Sprintf("n%d.error", j))
				}
			}
		}
		fmt.Fprintf(&b, "needs: [%s], ", strings.Join(needs, ", "))
		b.WriteString(rapid.SampledFrom([]string{
			"", "join: any, ", "onError: continue, ", "when: start.n > 2, ", "when: start.n > 3, ",
		}).Draw(t, "more"))
		b.WriteString("}\n")
	}
	return b.String()
}

// Whatever order the tasks end in, however many run at once, and with the state written and read
// again in between, a graph comes to the same end.
func TestAnyOrderComesToTheSameEnd(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := drawGraph(rt)
		g, err := workflow.Parse("random.yaml", []byte(text))
		require.NoError(rt, err, text)
		want, err := g.Begin(nil)
		require.NoError(rt, err)
		finish(t, g, want, 1, inOrder)

		got, err := g.Begin(nil)
		require.NoError(rt, err)
		finish(t, g, got, rapid.IntRange(1, 9).Draw(rt, "most"), func(running int) int {
			raw, err := json.Marshal(got)
			require.NoError(rt, err)
			read := &workflow.State{}
			require.NoError(rt, json.Unmarshal(raw, read))
			again, err := json.Marshal(read)
			require.NoError(rt, err)
			require.JSONEq(rt, string(raw), string(again))
			*got = *read
			return rapid.IntRange(0, running-1).Draw(rt, "ends")
		})
		slices.Sort(want.Ended)
		slices.Sort(got.Ended)
		wantJSON, err := json.Marshal(want)
		require.NoError(rt, err)
		gotJSON, err := json.Marshal(got)
		require.NoError(rt, err)
		require.JSONEq(rt, string(wantJSON), string(gotJSON), text)
	})
}

// A run can be canceled in a long loop in which no block is invoked, and other nodes do not wait.
func TestALongLoopTakesSeveralCalls(t *testing.T) {
	g := graphOf(t, `{name: x, nodes: {each: {forEach: 50000, nodes: {in: {with: {}}}}, a: {block: b}}}`)
	s, err := g.Begin(nil)
	require.NoError(t, err)
	require.Equal(t, "a", g.Next(s, 9)[0].Node)
	calls := 1
	for ; len(s.Ready) > 0; calls++ {
		require.Empty(t, g.Next(s, 9))
	}
	require.Equal(t, workflow.Succeeded, s.Nodes[0].Status)
	require.Greater(t, calls, 4)
}

func TestCompleteRefusesWhatDoesNotRun(t *testing.T) {
	g := graphOf(t, `{name: x, nodes: {a: {block: b}, c: {block: b, forEach: 3}}}`)
	s, err := g.Begin(nil)
	require.NoError(t, err)
	require.ErrorContains(t, g.Complete(s, "a", -1, workflow.Outcome{}), `it does not run: "a"`)
	require.Len(t, g.Next(s, 9), 2)
	require.ErrorContains(t, g.Complete(s, "c", 1, workflow.Outcome{}), `it does not run: "c/1"`)
	require.ErrorContains(t, g.Complete(s, "c", -1, workflow.Outcome{}), `it does not run: "c"`)
	require.ErrorContains(t, g.Complete(s, "d", -1, workflow.Outcome{}), `no node has this id: "d"`)
	require.NoError(t, g.Complete(s, "a", -1, workflow.Outcome{Output: json.RawMessage(`{}`)}))
	require.ErrorContains(t, g.Complete(s, "a", -1, workflow.Outcome{}), `it does not run: "a"`)
}
