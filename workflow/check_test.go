package workflow_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/workflow"
)

func TestCheckFindsAllAtOnce(t *testing.T) {
	rt := runtimeTo(t, "http://127.0.0.1:9")
	options := workflow.CheckOptions{Registry: registered(), Runtime: rt, Variables: []string{"PLAN"}}
	_, err := workflow.Check(t.Context(), "f.yaml", []byte(`name: x
start: {n: 1, blank: "", list: [1]}
nodes:
  a: {block: segment_trak}
  b: {block: segment_track@9, with: {userId: u, event: e}}
  c:
    block: segment_track
    with: {event: <d.succes>, evnt: x, userId: <d.success>, properties: <e.groupId>, timestamp: soon}
  d: {block: segment_identify, with: {userId: <start.n>, traits: [1]}}
  e: {block: segment_group, with: {userId: "<start.blank>", groupId: "{{PLAN}} {{OTHER}}"}}
  f: {block: segment_track, with: {event: e}}
  g: {block: segment_track, needs: [a], when: d.userI == "x", with: {userId: <d.userId.x>, event: "<each.event>"}}
  each: {block: segment_track, forEach: <start.list>, with: {userId: <d.anonymousId>, event: "E<loop.currentItem>"}}
  h: {with: {x: <i.nope>}}
  i: {with: {y: 1}}
  j: {block: segment_track, with: {userId: u, event: "", properties: "{\"a\":"}}
`), options)
	require.Equal(t, []string{
		`f.yaml:4:14: segment_trak is not a known block; did you mean "segment_track"?`,
		`f.yaml:5:14: segment_track has no major version 9 here, only 1.0.0`,
		`f.yaml:8:19: <d.succes> leads nowhere; did you mean "success"?; <d> has success, userId, anonymousId`,
		`f.yaml:8:31: segment_track evnt is not a known parameter; did you mean "event"?`,
		`f.yaml:8:48: <d.success> is a boolean, and userId of segment_track must be a string`,
		`f.yaml:8:97: segment_track timestamp must be an ISO 8601 time such as 2026-01-31T09:30:00Z: "soon"`,
		`f.yaml:9:47: segment_identify userId must be a string: 1`,
		`f.yaml:9:66: segment_identify traits must be an object: [1]`,
		`f.yaml:10:70: {{OTHER}}: the workflow may not use this variable, allow it with --env OTHER`,
		`f.yaml:11:35: segment_track must have userId or anonymousId`,
		`f.yaml:12:47: unknown field userI, at character 3`,
		`f.yaml:12:78: <d.userId.x> leads nowhere: <d.userId> has no members, it is a string or null`,
		`f.yaml:12:99: <each.event> leads nowhere; <each> has results`,
		`f.yaml:14:17: <i.nope> leads nowhere; <i> has y`,
		`f.yaml:16:54: segment_track event must not be empty: ""`,
		`f.yaml:16:70: segment_track properties must be valid JSON if it is text: it ends too early, after byte 5`,
	}, faultsOf(t, err))
}

// The faults of a file of its own and those of its blocks come together.
func TestCheckAndParseTogether(t *testing.T) {
	text := "name: x\nnodes: {a: {block: nope, needs: [b]}, c: {needs: [c]}}"
	_, err := workflow.Check(t.Context(), "f.yaml", []byte(text), workflow.CheckOptions{Registry: registered()})
	require.Equal(t, []string{
		`f.yaml:2:20: nope is not a known block`, `f.yaml:2:34: no node has this id: "b"`,
		`f.yaml:2:39: needs itself: c needs c`,
	}, faultsOf(t, err))
}

func TestCheckTakesWhatRuns(t *testing.T) {
	rt := runtimeTo(t, "http://127.0.0.1:9")
	options := workflow.CheckOptions{Registry: registered(), Runtime: rt, Variables: []string{"PLAN"}}
	for name, text := range map[string]string{
		"values that are known only when it runs": `{name: x, start: {when: null, who: ""}, nodes: {
			a: {block: segment_track@1, with: {userId: <start.who>, event: e, timestamp: <start.when>}},
			b: {block: segment_identify, with: {userId: <a.userId>, traits: {plan: "{{PLAN}}", event: <a.event>}}}}}`,
		"JSON as text": `{name: x, start: {n: 1}, nodes: {
			a: {block: segment_track, with: {userId: u, event: e, properties: '{"n": <start.n>}'}}}}`,
		"what a condition guards": `{name: x, start: {when: soon}, nodes: {
			a: {block: segment_track, when: start.when != "soon",
				with: {userId: u, event: e, timestamp: <start.when>}}}}`,
		"errors": `{name: x, nodes: {a: {block: segment_track, onError: branch, with: {userId: u, event: e}},
			b: {block: segment_track, needs: [a.error], with: {userId: u, event: "<a.error.code>"}}}}`,
		"a batch": `{name: x, start: {l: [{type: track, event: e, userId: u}]}, nodes: {
			a: {block: segment_batch, with: {batch: <start.l>}},
			b: {block: segment_batch, with: {batch: [{type: track, event: "<start.l[0].event>", userId: u}]}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := workflow.Check(t.Context(), "f.yaml", []byte(text), options)
			require.NoError(t, err)
		})
	}
	_, err := workflow.Check(t.Context(), "f.yaml", []byte(order), workflow.CheckOptions{
		Registry: registered(), Runtime: rt, Input: json.RawMessage(`{"userID":"u"}`),
	})
	require.EqualError(t, err,
		`the workflow has no input "userID"; did you mean "userId"?; its start has userId, order`)
	_, err = workflow.Check(t.Context(), "f.yaml", []byte(order), workflow.CheckOptions{
		Registry: registered(), Runtime: rt, Input: json.RawMessage(`{"userId":7}`),
	})
	require.Contains(t, strings.Join(faultsOf(t, err), "\n"), "segment_track userId must be a string: 7")
}
