package workflow_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/workflow"
)

// A condition cannot run away, and cannot mean something else the next time.
func TestConditionsAreBounded(t *testing.T) {
	for _, c := range []struct{ when, want string }{
		{`all(1..1000000000, true)`, "memory budget exceeded"},
		{`all(1..9999, all(1..9999, all(1..9999, # > 0)))`, "memory budget exceeded"},
		{`len(repeat("x", 100000000)) > 1`, "memory budget exceeded"},
		{`start.o.x.y > 1`, "cannot fetch y"},
		{`start.n`, "the condition must be true or false"},
	} {
		g, s := run(t, `{name: x, start: {n: 3, o: {}}, nodes: {a: {when: '`+c.when+`'}, b: {needs: [a]}}}`)
		require.Equal(t, "a failed, b skipped", statusesOf(g, s), c.when)
		require.Contains(t, string(s.Nodes[0].Error), c.want)
	}
	for _, c := range []struct{ when, want string }{
		{`now() > date("2026-01-01")`, "unknown name now"},
		{`keys(start)[0] == "n"`, "unknown name keys"},
		{strings.Repeat("not ", 2500) + "true", "f.yaml:1:44: when must have at most 10000 characters"},
		{`a == 1`, "unknown name a"},
		{`1 + 1`, "expected bool, but got int"},
	} {
		_, err := workflow.Parse("f.yaml", []byte(`{name: x, start: {n: 3}, nodes: {b: {when: '`+c.when+`'}}}`))
		require.ErrorContains(t, err, c.want)
	}
}

func TestConditionsSeeOutputs(t *testing.T) {
	g, s := run(t, `{name: x, start: {n: 12345, f: 1.5, l: [1, a, null]}, nodes: {
		a-b: {with: {x: 1, t: text, o: {k: true}}}, c: {when: start.n > 99999},
		d: {when: '$env["a-b"].x == 1 && $env["a-b"].o.k && $env["a-b"].t startsWith "te"'},
		e: {join: any, needs: [d], when: 'c == nil && c?.x == nil'},
		f: {when: 'start.f + 1 == 2.5 && len(start.l) == 3 && "a" in start.l && start.n == 12345'}}}`)
	require.Equal(t, "a-b succeeded, c skipped, d succeeded, e succeeded, f succeeded", statusesOf(g, s))
}

func TestDrawings(t *testing.T) {
	g := graphOf(t, `{name: "<x> & \"y\"", nodes: {a: {block: segment_track, onError: branch, with: {userId: u}},
		b: {needs: [a.error], when: '"<" < ">"'}, c: {block: segment_track, needs: [a, b], join: any, forEach: 2}}}`)
	require.Equal(t, `flowchart LR
  n0["a<br/>segment_track"]
  n1["b"]
  n2["c<br/>segment_track, for each"]
  n0 -. failed .-> n1
  n0 --> n2
  n1 --> n2
`, g.Mermaid())
	svg := g.SVG()
	require.Equal(t, 3, strings.Count(svg, "<rect "))
	require.Contains(t, svg, "<title>&lt;x&gt; &amp; &#34;y&#34;</title>")
	require.Contains(t, svg, `stroke-dasharray`)
	require.Contains(t, svg, `<title>when &#34;&lt;&#34; &lt; &#34;&gt;&#34;</title>`)
}
