package cli

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
)

// The server runs the workflows of a folder, with the variables that it allows. A run that its stop
// has cut off goes on in the next process.
func TestServeWorkflows(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "plan.workflow.yaml")
	require.NoError(t, os.WriteFile(file, []byte("name: plan\nnodes:\n"+
		"  a: {block: segment_track, with: {userId: u, event: \"Plan {{PLAN}}\"}}\n"+
		"  b: {block: segment_track, needs: [a], forEach: 100000, with: {userId: u, event: E}}\n"), 0o600))
	begin := func(s *serving) int {
		res, err := http.Post(s.url+"/v1/workflows/plan.workflow.yaml/runs", "application/json",
			strings.NewReader(`{"run":"R"}`)) //nolint:gosec // its own server
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res.StatusCode
	}
	run := func(s *serving) string {
		_, text := get(t, s.url+"/v1/runs/R")
		return text
	}
	args := []string{"--workflows", folder, "--workflow-env", "PLAN", "--drain", "1s"}
	s := startServing(t, []string{"PLAN=pro"}, args...)
	require.Contains(t, s.stdout.String(), "/v1/workflows")
	require.Equal(t, http.StatusAccepted, begin(s))
	require.Eventually(t, func() bool { return strings.Contains(run(s), `"event":"Plan pro"`) },
		10*time.Second, 10*time.Millisecond)
	s.interrupt()
	require.Equal(t, int(console.ExitFailure), <-s.ended, "it was cut off")
	s.ended <- 0 // for the end of the test

	s = startServing(t, []string{"PLAN=pro"}, args...)
	require.Equal(t, http.StatusAccepted, begin(s))
	require.Eventually(t, func() bool { return strings.Contains(run(s), `"resumed":true`) },
		10*time.Second, 10*time.Millisecond)
	res, err := http.Post(s.url+"/v1/runs/R/cancel", "application/json", nil) //nolint:gosec // its own server
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Eventually(t, func() bool { return strings.Contains(run(s), `"status":"canceled"`) },
		10*time.Second, 10*time.Millisecond)

	code, said := runFor(t, nil, "serve", "--addr", "127.0.0.1:0", "--workflows", filepath.Join(folder, "none"))
	require.Equal(t, int(console.ExitUsage), code)
	require.Contains(t, said, "cannot read the folder of workflows")
}
