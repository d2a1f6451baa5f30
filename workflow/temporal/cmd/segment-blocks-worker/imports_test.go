package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"
	sdkflow "go.temporal.io/sdk/workflow"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/importer"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

const importEvents = 4000

// testImport kills one of two workers in the middle of an import. The events must be those of the
// same import in one process.
func testImport(t *testing.T, s *temporalServer) {
	segment, folder := newEmulator(t), t.TempDir()
	var text strings.Builder
	for i := range importEvents {
		fmt.Fprintf(&text, `{"type":"track","event":"E%d","userId":"u-%d"}`+"\n", i, i%7)
		if i%1000 == 999 {
			text.WriteString("no message\n")
		}
	}
	file := filepath.Join(folder, "events.ndjson")
	require.NoError(t, os.WriteFile(file, []byte(text.String()), 0o600))
	require.NoError(t, segment.Script(emulator.Fault{Delay: 500 * time.Millisecond, Times: -1}))
	first := startWorker(t, s, segment.URL, "import", "--imports", folder)
	run := func(more ...string) (importProgress, error) {
		out, _, err := runCommand(patiently(t), append([]string{
			"import", "events.ndjson", "--address", s.address(),
			"--task-queue", "import", "--part-bytes", "20000", "--at-once", "2",
		}, more...)...)
		var done importProgress
		if out != "" && !strings.Contains(strings.Join(more, " "), "detach") {
			require.NoError(t, json.Unmarshal([]byte(out), &done), out)
		}
		return done, err
	}
	_, err := run("--run", "import-1", "--detach")
	require.NoError(t, err)
	_, err = segment.Wait(patiently(t), importEvents/4)
	require.NoError(t, err)
	require.NoError(t, first.Process.Kill())
	_, _ = first.Process.Wait()
	// It was killed after it had written rejects, before it could write their number. The other
	// worker has the folder at another path.
	rejects, err := filepath.Glob(file + ".import/*.rejects.ndjson")
	require.NoError(t, err)
	require.NotEmpty(t, rejects)
	for _, name := range rejects {
		kept, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(name, append(kept, "{}\n"...), 0o600))
	}
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	require.NoError(t, os.Rename(folder, elsewhere))
	file = filepath.Join(elsewhere, "events.ndjson")
	startWorker(t, s, segment.URL, "import", "--imports", elsewhere)
	done, err := run("--run", "import-1")
	require.ErrorContains(t, err, "4 events were rejected: the files events.ndjson.import/*.rejects.ndjson")
	require.Greater(t, done.Parts, 5)
	require.EqualValues(t, importEvents, done.Accepted)
	require.EqualValues(t, importEvents, segment.Stats().Stored)
	require.Equal(t, importedHere(t, file), ids(segment))
	stats := segment.Stats()
	t.Logf("%d parts, %d requests, %d repeats recognised", done.Parts, stats.Requests, stats.Duplicates)

	// Another import of the file finds that all of it is done.
	requests := stats.Requests
	_, err = run("--part-bytes", "5000")
	require.ErrorContains(t, err, "4 events were rejected")
	require.Equal(t, requests, segment.Stats().Requests)
	require.NoError(t, os.WriteFile(file, []byte("{}\n"), 0o600))
	_, err = run()
	require.ErrorContains(t, err, "the file has changed since an import of it began")
	out, _, err := runCommand(patiently(t), "import", "../events.ndjson", "--address", s.address(),
		"--task-queue", "import")
	require.ErrorContains(t, err, `must be in the workers' folder of imports: "../events.ndjson"`)
	require.Empty(t, out)
}

// TestRecordedImport replays an import of an earlier release; see the test of that name for graphs.
func TestRecordedImport(t *testing.T) {
	replayer := worker.NewWorkflowReplayer()
	replayer.RegisterWorkflowWithOptions(importFile, sdkflow.RegisterOptions{Name: importWorkflow})
	require.NoError(t, replayer.ReplayWorkflowHistoryFromJSONFile(nil, "testdata/import.history.json"))
}

// importedHere imports a file in this process, and returns the messageIds.
func importedHere(t *testing.T, file string) map[string]int {
	t.Helper()
	segment := newEmulator(t)
	reg := registry.New()
	require.NoError(t, blocks.Register(reg))
	source := tracking.Source{WriteKey: writeKey, Endpoint: segment.URL}
	rt, err := runtime.New(reg, runtime.Source("prod", source))
	require.NoError(t, err)
	defer rt.Close(context.Background())
	im, err := importer.New(importer.Options{
		Files: []string{file}, Key: writeKey,
		Invoke: func(ctx context.Context, batch runtime.JSON) (*runtime.Receipt, error) {
			res, err := rt.Invoke(ctx, "segment_batch", batch)
			if err != nil {
				return nil, err
			}
			return res.Receipt, nil
		},
	})
	require.NoError(t, err)
	_, err = im.Run(t.Context())
	require.NoError(t, err)
	return ids(segment)
}

// ids counts the messages that an emulator has stored, by messageId.
func ids(segment *emulator.Server) map[string]int {
	found := map[string]int{}
	for _, e := range segment.Events(emulator.Filter{}) {
		found[e.MessageID]++
	}
	return found
}
