package importer_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/importer"
)

// A file that only grew since it was imported goes on where it was, and one that was edited is
// refused; neither sends anything twice.
func TestGrownFile(t *testing.T) {
	line := func(n int) string { return fmt.Sprintf(`{"type":"track","event":"E%d","userId":"u"}`, n) }
	for name, c := range map[string]struct {
		file, first, more, edited string
	}{
		"lines":               {"a.ndjson", line(0) + "\n", line(1) + "\n", line(2) + "\n"},
		"no last line break":  {"a.ndjson", line(0), "\n" + line(1), line(2)},
		"a list and another":  {"a.json", "[" + line(0) + "]", "[" + line(1) + "]", "[" + line(2) + "]"},
		"rows":                {"a.csv", "userId,event\nu,E0\n", "u,E1\n", "userId,event\nu,E2\n"},
		"packed":              {"a.ndjson.gz", pack(t, line(0)+"\n"), pack(t, line(1)+"\n"), pack(t, line(2)+"\n")},
		"nothing, then lines": {"a.ndjson", "", line(0) + "\n" + line(1) + "\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t)
			in := file(t, c.file, c.first)
			o := importer.Options{
				Files: []string{in}, Invoke: invoker(t, r.URL), Key: key, Type: "track", StatePath: in + ".state",
				RejectsPath: in + ".rejects",
			}
			first := run(t, o)
			require.NoError(t, os.WriteFile(in, []byte(c.first+c.more), 0o600))
			counts := run(t, o)
			require.EqualValues(t, 2, first.Accepted+counts.Accepted)
			require.Equal(t, []string{"E0", "E1"}, r.events())
			requests := r.count
			require.Equal(t, counts.Accepted, run(t, o).Accepted, "it is finished")
			require.Equal(t, requests, r.count)
			if c.edited == "" {
				return
			}
			before, err := os.ReadFile(o.StatePath)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(in, []byte(c.edited+c.more+c.more), 0o600))
			im, err := importer.New(o)
			require.NoError(t, err)
			_, err = im.Run(t.Context())
			var input *importer.InputError
			require.ErrorAs(t, err, &input)
			require.ErrorContains(t, err, "has changed since; --restart begins again")
			require.Equal(t, requests, r.count)
			after, err := os.ReadFile(o.StatePath)
			require.NoError(t, err)
			require.Equal(t, string(before), string(after))
		})
	}
}

// A last line that was imported, and goes on since, would be half an event.
func TestFileThatGrowsInsideALine(t *testing.T) {
	r := newReceiver(t)
	in := file(t, "a.csv", "userId,event\nu,E")
	o := importer.Options{
		Files: []string{in}, Invoke: invoker(t, r.URL), Key: key, Type: "track", StatePath: in + ".state",
	}
	run(t, o)
	require.NoError(t, os.WriteFile(in, []byte("userId,event\nu,Event\n"), 0o600))
	im, err := importer.New(o)
	require.NoError(t, err)
	_, err = im.Run(t.Context())
	require.ErrorContains(t, err, "has changed since")
	require.Equal(t, []string{"E"}, r.events())
}

// The rejects of what a file grew by stand behind those of before, if these are as they were.
func TestRejectsOfAGrownFile(t *testing.T) {
	r := newReceiver(t)
	in := file(t, "a.ndjson", "none\n")
	o := importer.Options{
		Files: []string{in}, Invoke: invoker(t, r.URL), Key: key, StatePath: in + ".state", RejectsPath: in + ".rejects",
	}
	grow := func(n int) {
		require.NoError(t, os.WriteFile(in, []byte(strings.Repeat("none\n", n)), 0o600))
	}
	run(t, o)
	grow(2)
	require.EqualValues(t, 1, run(t, o).Rejected)
	require.Len(t, readRejects(t, o.RejectsPath), 2)
	require.NoError(t, os.WriteFile(o.RejectsPath, []byte("mended\n"), 0o600))
	grow(3)
	im, err := importer.New(o)
	require.NoError(t, err)
	_, err = im.Run(t.Context())
	require.ErrorContains(t, err, "rejects of an earlier import, which would be lost")
	require.NoError(t, os.Remove(o.RejectsPath))
	require.EqualValues(t, 1, run(t, o).Rejected)
	require.Equal(t, 3, readRejects(t, o.RejectsPath)[0].Line)
}

// A list that was stopped goes on behind any of its events, also where it is mended further on.
func TestListGoesOn(t *testing.T) {
	const events = 20_000
	r := newReceiver(t)
	r.answer = func(request int) int {
		if request > 5 {
			return 401
		}
		return 0
	}
	list := "[" + strings.ReplaceAll(strings.TrimSpace(tracks(events, 50, 200)), "}\n", "},\n ") + "]"
	broken := strings.TrimSuffix(list, "}]")
	in := file(t, "events.json", broken)
	o := importer.Options{Files: []string{in}, Invoke: invoker(t, r.URL), Key: key, StatePath: in + ".state"}
	im, err := importer.New(o)
	require.NoError(t, err)
	_, err = im.Run(t.Context())
	require.Error(t, err)
	o.Resume, r.answer = true, nil
	im, err = importer.New(o)
	require.NoError(t, err)
	counts, err := im.Run(t.Context())
	require.ErrorIs(t, err, importer.ErrCut)
	require.ErrorContains(t, err, fmt.Sprintf("the event that begins at line %d is never closed: %s", events, in))
	require.EqualValues(t, events-1, counts.Accepted)
	require.NoError(t, os.WriteFile(in, []byte(list), 0o600))
	require.EqualValues(t, events, run(t, o).Accepted)
	requireOrder(t, r, events)
	for id, n := range r.seen {
		require.LessOrEqual(t, n, 2, id)
	}
}

// The state of an older release would send events under other ids.
func TestStateOfAnotherRelease(t *testing.T) {
	r := newReceiver(t)
	in := file(t, "a.ndjson", tracks(10, 1, 0))
	o := importer.Options{Files: []string{in}, Invoke: invoker(t, r.URL), Key: key, StatePath: in + ".state"}
	run(t, o)
	state, err := os.ReadFile(o.StatePath)
	require.NoError(t, err)
	old := strings.Replace(string(state), `"version": 3`, `"version": 2`, 1)
	require.NoError(t, os.WriteFile(o.StatePath, []byte(old), 0o600))
	im, err := importer.New(o)
	require.NoError(t, err)
	_, err = im.Run(t.Context())
	require.ErrorContains(t, err, "the state is that of another release, which gives events other messageIds")
	o.Restart = true
	run(t, o)
	require.Len(t, r.seen, 10, "the ids are those of the file")
}

// A row that does not fit the columns keeps its cells, and is not sent until somebody has looked
// at it.
func TestRaggedRowsCanBeMended(t *testing.T) {
	r := newReceiver(t)
	in := file(t, "a.csv", "userId,event,plan\nu,\"A\nB\"\nu,C,x,y\n")
	o := importer.Options{
		Files: []string{in}, Invoke: invoker(t, r.URL), Type: "track", RejectsPath: in + ".rejects.ndjson",
	}
	require.EqualValues(t, 2, run(t, o).Rejected)
	rejects := readRejects(t, o.RejectsPath)
	require.JSONEq(t, `{"type":"track","userId":"u","event":"A\nB"}`, string(rejects[0].Message))
	require.Equal(t, "u,\"A\nB\"", rejects[0].Text)
	require.JSONEq(t, `{"type":"track","userId":"u","event":"C","properties":{"plan":"x"}}`, string(rejects[1].Message))
	require.Equal(t, "u,C,x,y", rejects[1].Text)

	text, err := os.ReadFile(o.RejectsPath)
	require.NoError(t, err)
	mended := strings.Replace(string(text), `,"text":"u,C,x,y"`, "", 1)
	o.Files, o.RejectsPath = []string{file(t, "m.ndjson", mended)}, in+".left"
	counts := run(t, o)
	require.EqualValues(t, 1, counts.Rejected)
	require.Equal(t, []string{"C"}, r.events())
	left := readRejects(t, o.RejectsPath)
	require.Equal(t, rejects[0].Text, left[0].Text)
	require.Equal(t, rejects[0].Origin, left[0].Origin)
	require.Contains(t, left[0].Reasons[0].Message, "must be corrected by the text beside it")
}
