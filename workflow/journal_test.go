package workflow_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
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
	require.ErrorContains(t, err, "no run has this id")
	_, err = workflow.OpenJournal(folder, "T", workflow.JournalOptions{ReadOnly: true})
	require.ErrorContains(t, err, "no run has this id")
}

// A journal that has been cut off or damaged is refused, or what is left of it is taken; nothing
// crashes, and no resume begins a run anew.
func TestDamagedJournal(t *testing.T) {
	segment := newReceiver(t)
	rt := runtimeTo(t, segment.url)
	g := checked(t, rt,
		`{name: x, nodes: {a: {forEach: 60, block: segment_track, with: {userId: u, event: "e<loop.index>"}}}}`)
	folder := t.TempDir()
	path := filepath.Join(folder, "R.db")
	try := func(data []byte, readOnly bool) error {
		// Bbolt keeps the lock of a file on which it has panicked, so each file is another one.
		require.NoError(t, os.Remove(path))
		require.NoError(t, os.WriteFile(path, data, 0o600))
		j, err := workflow.OpenJournal(folder, "R", workflow.JournalOptions{MustExist: true, ReadOnly: readOnly})
		if err != nil {
			return err
		}
		defer func() { _ = j.Close() }()
		_, err = workflow.Run(t.Context(), g, j.Input(),
			workflow.Options{Invoke: workflow.Invoker(rt), RunID: "R", Journal: j})
		return err
	}
	j := journal(t, folder, "R", workflow.JournalOptions{})
	_, err := workflow.Run(t.Context(), g, nil, workflow.Options{Invoke: workflow.Invoker(rt), RunID: "R", Journal: j})
	require.NoError(t, err)
	require.NoError(t, j.Close())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	sent := len(segment.requests())
	for _, readOnly := range []bool{true, false} {
		require.NoError(t, try(whole, readOnly))
		require.ErrorContains(t, try(nil, readOnly), "no run has this id")
		for _, size := range []int{1, 100, 4 << 10, 8 << 10, 16 << 10, 20_000, 32 << 10} {
			require.ErrorContains(t, try(whole[:size], readOnly), "R.db", size)
		}
		for at := 0; at < len(whole); at += 4 << 10 {
			damaged := slices.Clone(whole)
			clear(damaged[at : at+4<<10])
			if err := try(damaged, readOnly); err != nil {
				require.ErrorContains(t, err, "R.db")
			}
		}
	}
	require.Len(t, segment.requests(), sent)
}

// A journal that is cut off while it is open is an error, where reading it would end the process.
func TestJournalCutOffWhileOpen(t *testing.T) {
	rt := runtimeTo(t, newReceiver(t).url)
	g := checked(t, rt,
		`{name: x, nodes: {a: {forEach: 60, block: segment_track, with: {userId: u, event: "e<loop.index>"}}}}`)
	folder := t.TempDir()
	j := journal(t, folder, "R", workflow.JournalOptions{})
	run := workflow.Options{Invoke: workflow.Invoker(rt), RunID: "R", Journal: j}
	_, err := workflow.Run(t.Context(), g, nil, run)
	require.NoError(t, err)
	require.NoError(t, j.Close())
	run.Journal, err = workflow.OpenJournal(folder, "R", workflow.JournalOptions{ReadOnly: true})
	require.NoError(t, err)
	defer func() { _ = run.Journal.Close() }()
	require.NoError(t, os.Truncate(filepath.Join(folder, "R.db"), 8<<10))
	_, err = workflow.Run(t.Context(), g, run.Journal.Input(), run)
	require.ErrorContains(t, err, "it is damaged")
}

// A run id that is used again, for another file or input, does not repeat messageIds: Segment would
// drop the messages.
func TestSameRunIDOfAnotherRun(t *testing.T) {
	segment := newReceiver(t)
	rt := runtimeTo(t, segment.url)
	for _, name := range []string{"x", "y"} {
		g := checked(t, rt, `{name: `+name+`, start: {event: e}, nodes: {
			a: {block: segment_track, with: {userId: u, event: <start.event>}}}}`)
		for _, input := range []string{`{"event": "e"}`, `{"event": "f"}`, `{"event":"f"}`} {
			_, err := workflow.Run(t.Context(), g, json.RawMessage(input),
				workflow.Options{Invoke: workflow.Invoker(rt), RunID: "R"})
			require.NoError(t, err)
		}
	}
	require.Len(t, segment.requests(), 6)
	require.Len(t, segment.Events(emulator.Filter{}), 4)
}

// What has followed from the failure of a loop stays when the run is resumed.
func TestResumeAfterFailedLoop(t *testing.T) {
	segment := newReceiver(t)
	rt := runtimeTo(t, segment.url)
	g := checked(t, rt, `{name: x, nodes: {
		each: {forEach: 2, onError: branch, nodes: {a: {block: segment_page, with: {userId: u}}}},
		good: {block: segment_track, needs: [each], with: {userId: u, event: good}},
		bad: {block: segment_track, needs: [each.error], with: {userId: u, event: bad}}}}`)
	require.NoError(t, segment.Script(emulator.Fault{Status: http.StatusUnauthorized, Times: 1}))
	folder := t.TempDir()
	for range 2 {
		j := journal(t, folder, "R", workflow.JournalOptions{})
		res, err := workflow.Run(t.Context(), g, nil,
			workflow.Options{Invoke: workflow.Invoker(rt), RunID: "R", Journal: j})
		require.NoError(t, err)
		require.NoError(t, j.Close())
		require.Equal(t, "each failed, good skipped, bad succeeded", statusesOf(g, res.State))
	}
	require.Len(t, segment.requests(), 2)
}
