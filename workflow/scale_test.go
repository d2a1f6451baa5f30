package workflow_test

import (
	"context"
	"encoding/json"
	"fmt"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/workflow"
)

// nothing is a block that is done at once.
func nothing(context.Context, workflow.Call) workflow.Outcome {
	return workflow.Outcome{Output: json.RawMessage(`{"success":true}`), Receipt: json.RawMessage(`{"accepted":1}`)}
}

func chain(nodes int) string {
	var b strings.Builder
	b.WriteString("name: chain\nstart: {u: u}\nnodes:\n  n0: {block: segment_track, with: {userId: <start.u>}}\n")
	for i := 1; i < nodes; i++ {
		fmt.Fprintf(&b,
			"  n%d: {block: segment_track, with: {userId: <start.u>, ok: <n%d.success>}, when: n%d.success}\n",
			i, i-1, i/2)
	}
	return b.String()
}

// heap returns the most memory in use, in MiB, while something runs.
func heap(do func(sample func())) uint64 {
	var most uint64
	do(func() {
		var m goruntime.MemStats
		goruntime.GC()
		goruntime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc>>20)
	})
	return most
}

func TestTenThousandNodes(t *testing.T) {
	g := graphOf(t, chain(10_000))
	most := heap(func(sample func()) {
		ended := 0
		res, err := workflow.Run(t.Context(), g, nil,
			workflow.Options{Invoke: nothing, Observe: func(e workflow.Event) {
				if e.Status == workflow.Succeeded {
					if ended++; ended%2500 == 0 {
						sample()
					}
				}
			}})
		require.NoError(t, err)
		require.Equal(t, workflow.Succeeded, res.Status)
		require.Equal(t, 10_000, ended)
	})
	t.Logf("at most %d MiB in use", most)
	require.Less(t, most, uint64(150))
	require.NotEmpty(t, g.Mermaid())
	require.NotEmpty(t, g.SVG())
}

func TestHundredThousandIterations(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a while on a slow disk")
	}
	g := graphOf(t, `{name: x, start: {n: 100000, u: u}, nodes: {each: {block: segment_track, forEach: <start.n>,
		concurrency: 100, with: {userId: <start.u>, event: "e<loop.index>"}},
		last: {with: {r: "<each.results[99999].success>"}}}}`)
	j := journal(t, t.TempDir(), "R", workflow.JournalOptions{})
	defer func() { require.NoError(t, j.Close()) }()
	most := heap(func(sample func()) {
		ended := 0
		res, err := workflow.Run(t.Context(), g, nil, workflow.Options{
			Invoke: nothing, Journal: j, RunID: "R", Observe: func(e workflow.Event) {
				if e.Iteration != nil && e.Status == workflow.Succeeded {
					if ended++; ended%25_000 == 0 {
						sample()
					}
				}
			},
		})
		require.NoError(t, err)
		require.Equal(t, workflow.Succeeded, res.Status)
		require.Equal(t, 100_000, ended)
		require.JSONEq(t, `{"r":true}`, string(res.State.Nodes[1].Output))
	})
	t.Logf("at most %d MiB in use", most)
	require.Less(t, most, uint64(150))
}

// A file full of faults is answered in time and memory that its size explains.
func TestManyFaults(t *testing.T) {
	var b strings.Builder
	b.WriteString("name: x\nnodes:\n")
	for i := range 10_000 {
		fmt.Fprintf(&b, "  n%d: {needs: [m%d], with: {x: \"<k%d.y>\"}, when: \"1 +\"}\n", i, i, i)
	}
	_, err := workflow.Parse("f.yaml", []byte(b.String()))
	var faults *workflow.FileError
	require.ErrorAs(t, err, &faults)
	require.Len(t, faults.Faults, 200)
	require.Equal(t, 29_800, faults.Unlisted)
}

// However a large file is made, it is answered: no part of it is looked at once for
// each other part.
func TestLargeFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a while")
	}
	fill := func(head, tail string, each func(i int) string) []byte {
		var b strings.Builder
		b.WriteString(head)
		for i := 0; b.Len() < workflow.MaxFile/4; i++ {
			b.WriteString(each(i))
		}
		return []byte(b.String() + tail)
	}
	text := func(format string) func(int) string {
		return func(i int) string { return strings.ReplaceAll(format, "%", fmt.Sprint(i)) }
	}
	for name, file := range map[string][]byte{
		"needs":      fill("name: x\nnodes: {a: {}, b: {needs: [a", "]}}", text(",a")),
		"references": fill("name: x\nnodes: {a: {with: {y: 1}}, b: {with: {x: [", "]}}}", text(`"<a.y>",`)),
		"unknown":    fill("name: x\nnodes: {b: {with: {x: [", "]}}}", text(`"<a%.y>",`)),
		"inputs":     fill("name: x\nnodes: {b: {}}\nstart: {", "}", text("a%: 1, ")),
		"conditions": fill("name: x\nstart: {a: 1}\nnodes: {", "}", text("a%: {when: start.a > 3 && start.a < 4}, ")),
		"keys":       fill("name: x\nnodes: {a: {}}\n", "", text("a%: 1\n")),
		"blocks": fill(`{"edges":[{"source":"s","target":"b0"}],"blocks":{"s":{"type":"starter"},`, `"z":{}}}`,
			text(`"b%":{"type":"segment","name":"Segment"},`)),
		"edges": fill(`{"blocks":{"s":{"type":"starter"},"a":{"type":"agent"}},"edges":[`, `{}]}`,
			text(`{"source":"s","target":"a"},`)),
		"connected": fill(`{"blocks":{"s":{"type":"starter"}`, `},"edges":[]}`,
			text(`,"b%":{"type":"starter","name":"Start"}`)),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := workflow.Parse(name, file)
			if !slices.Contains([]string{"references", "conditions", "blocks", "connected"}, name) {
				require.Error(t, err)
			}
		})
	}
}
