package importer_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/importer"
)

// The import of a file that only grew continues behind the imported part, and a file that was
// edited is refused. Neither sends anything twice.
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
			require.ErrorContains(t, err, "has changed since; --restart starts again")
			require.Equal(t, requests, r.count)
			after, err := os.ReadFile(o.StatePath)
			require.NoError(t, err)
			require.Equal(t, string(before), string(after))
		})
	}
}

// If the last imported line has grown, its rest would be half an event.
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

// The rejects of a file that has grown are written behind the earlier ones, if these are unchanged.
func TestRejectsOfAGrownFile(t *testing.T) {
	r := newReceiver(t)
	in := file(t, "a.ndjson", "none\n")
	o := importer.Options{
		Files: []string{in}, Invoke: invoker(t, r.URL), Key: key, StatePath: in + ".state",
		RejectsPath: in + ".rejects",
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
	require.ErrorContains(t, err, "the rejects of an earlier import would be lost")
	require.NoError(t, os.Remove(o.RejectsPath))
	require.EqualValues(t, 1, run(t, o).Rejected)
	require.Equal(t, 3, readRejects(t, o.RejectsPath)[0].Line)
}
