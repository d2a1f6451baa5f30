package importer_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/importer"
)

// The parts of a file together send the same events as the whole file, and reject the same lines.
func TestParts(t *testing.T) {
	text := "\xef\xbb\xbf" + tracks(700, 7, 20) + "not json\n\n  \n" + `{"type":"nope"}` + "\r\n" +
		strings.Replace(tracks(1, 1, 3<<20), "E0", "Large", 1) + `{"type":"tra` + "\n" + tracks(2000, 7, 20) +
		`{"type":"track","event":"Last","userId":"u"}`
	in := file(t, "events.ndjson", text)
	whole, rejects := newReceiver(t), filepath.Join(t.TempDir(), "rejects.ndjson")
	counts := run(t, importer.Options{Files: []string{in}, Invoke: retrying(t, whole.URL, 0), RejectsPath: rejects})
	require.EqualValues(t, 4, counts.Rejected)

	var read int64
	parts, err := importer.Split(t.Context(), in, 10_000, func(n int64) { read = n })
	require.NoError(t, err)
	require.EqualValues(t, len(text), read)
	require.Greater(t, len(parts), 20)
	divided, end := newReceiver(t), int64(0)
	var sum importer.Counts
	var found []reject
	for _, part := range parts {
		require.Equal(t, end, part.From)
		require.Greater(t, part.To, part.From)
		end = part.To
		rejects := filepath.Join(t.TempDir(), "rejects.ndjson")
		c := run(t, importer.Options{
			Files: []string{in}, Part: &part, Invoke: retrying(t, divided.URL, 0), RejectsPath: rejects,
		})
		sum.Events, sum.Accepted, sum.Rejected = sum.Events+c.Events, sum.Accepted+c.Accepted, sum.Rejected+c.Rejected
		if c.Rejected > 0 {
			found = append(found, readRejects(t, rejects)...)
		}
	}
	require.EqualValues(t, len(text), end)
	require.Equal(t, []int64{counts.Events, counts.Accepted, counts.Rejected},
		[]int64{sum.Events, sum.Accepted, sum.Rejected})
	require.Equal(t, whole.seen, divided.seen)
	require.Equal(t, readRejects(t, rejects), found)
}

func TestPartIsResumed(t *testing.T) {
	in := file(t, "events.ndjson", tracks(12_000, 7, 20))
	parts, err := importer.Split(t.Context(), in, 700_000, nil)
	require.NoError(t, err)
	require.Greater(t, len(parts), 1)
	r := newReceiver(t)
	o := importer.Options{
		Files: []string{in}, Part: &parts[1], Key: key, StatePath: filepath.Join(t.TempDir(), "state.json"),
		Resume: true,
	}
	send, stopped := retrying(t, r.URL, 0), false
	ctx, stop := context.WithCancel(t.Context())
	o.Invoke = func(ctx context.Context, batch runtime.JSON) (*runtime.Receipt, error) {
		if !stopped {
			stopped = true
			defer stop()
		}
		return send(ctx, batch)
	}
	o.Concurrency = 1
	im, err := importer.New(o)
	require.NoError(t, err)
	_, err = im.Run(ctx)
	require.ErrorIs(t, err, context.Canceled)
	sent := len(r.first)
	require.NotZero(t, sent)
	counts := run(t, o)
	require.EqualValues(t, counts.Events, len(r.first))
	require.Greater(t, len(r.first), sent)
	for id, times := range r.seen {
		require.Equal(t, 1, times, id)
	}

	o.Part = &parts[0]
	im, err = importer.New(o)
	require.NoError(t, err)
	_, err = im.Run(t.Context())
	require.NoError(t, err, "the state of a finished part does not stop another")
}

func TestFilesOfOnePart(t *testing.T) {
	for name, text := range map[string]string{
		"rows.csv":      "userId,event\nu,E\nu,F\n",
		"list.json":     "[\n" + `{"type":"track"},` + "\n" + `{"type":"track"}` + "\n]\n",
		"indented.json": "{\n  \"type\": \"track\"\n}\n{\n  \"type\": \"track\"\n}\n", "empty.ndjson": "",
		"wide.ndjson": "{\x00\"\x00\n\x00{\x00",
	} {
		parts, err := importer.Split(t.Context(), file(t, name, text), 1, nil)
		require.NoError(t, err, name)
		require.Equal(t, []importer.Part{{To: int64(len(text)), Line: 1}}, parts, name)
	}
	_, err := importer.Split(t.Context(), "missing.ndjson", 1, nil)
	require.ErrorContains(t, err, "missing.ndjson")
}
