package workflow_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/workflow"
)

// A journal that is read-only tells how far its run has come, and a run with it invokes nothing.
func TestReadOnlyJournal(t *testing.T) {
	segment := newReceiver(t)
	rt := runtimeTo(t, segment.url)
	segment.Script(emulator.Fault{Status: http.StatusUnauthorized, Path: "/v1/group"})
	const text = `{name: x, start: {n: 1}, nodes: {a: {block: segment_track, with: {userId: u, event: "e<start.n>"}},
		each: {forEach: 3, block: segment_page, with: {userId: u}},
		bad: {block: segment_group, with: {userId: u, groupId: g}},
		behind: {block: segment_track, needs: [bad], with: {userId: u, event: f}}}}`
	g, folder := checked(t, rt, text), t.TempDir()
	j := journal(t, folder, "R", workflow.JournalOptions{Target: "here"})
	require.Zero(t, j.Summary())
	res, err := workflow.Run(t.Context(), g, json.RawMessage(`{"n": 7}`),
		workflow.Options{Invoke: workflow.Invoker(rt), RunID: "R", Journal: j})
	require.NoError(t, err)
	require.NoError(t, j.Close())
	want, err := json.Marshal(res)
	require.NoError(t, err)
	sent := len(segment.requests())

	for range 2 { // which leaves the journal as it was
		j = journal(t, folder, "R", workflow.JournalOptions{ReadOnly: true})
		was := j.Summary()
		require.Equal(t, "x here failed", was.Name+" "+was.Target+" "+string(was.Status))
		require.WithinRange(t, was.Ended, was.Began, time.Now())
		seen := 0
		res, err = workflow.Run(t.Context(), g, j.Input(),
			workflow.Options{RunID: "R", Journal: j, Observe: func(workflow.Event) { seen++ }})
		require.NoError(t, err)
		got, err := json.Marshal(res)
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(got))
		require.Equal(t, 4+3, seen)
		_, err = workflow.Run(t.Context(), checked(t, rt, text+"\n"), j.Input(),
			workflow.Options{RunID: "R", Journal: j})
		require.ErrorContains(t, err, `the file has changed since the run "R" began`)
		require.NoError(t, j.Close())
	}
	require.Len(t, segment.requests(), sent)

	require.NoError(t, journal(t, folder, "S", workflow.JournalOptions{}).Close())
	_, err = workflow.OpenJournal(folder, "S", workflow.JournalOptions{ReadOnly: true})
	require.ErrorContains(t, err, "no run has begun in the journal")
	_, err = workflow.OpenJournal(folder, "T", workflow.JournalOptions{ReadOnly: true})
	require.ErrorContains(t, err, "no run has this id")
}
