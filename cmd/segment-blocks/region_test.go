package main

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The warning that a source names no region is on stderr before anything is sent: here a proxy
// holds back the connection to Segment until it has seen the warning.
func TestRegionWarningComesBeforeTheEvent(t *testing.T) {
	path, err := exec.LookPath("segment-blocks")
	require.NoError(t, err)
	warned, inTime := make(chan struct{}), make(chan bool, 1)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-warned:
			inTime <- true
		case <-time.After(20 * time.Second):
			inTime <- false
		}
		w.WriteHeader(http.StatusBadGateway) // nothing reaches Segment
	}))
	defer proxy.Close()
	cmd := exec.CommandContext(
		t.Context(), path, "run", "segment_track", "--input", `{"event": "e", "userId": "u"}`,
	)
	cmd.Dir = t.TempDir()
	cmd.Env = append(
		os.Environ(), "HOME="+cmd.Dir, "XDG_CONFIG_HOME="+cmd.Dir, "HTTPS_PROXY="+proxy.URL,
		"https_proxy=", "NO_PROXY=",
		"no_proxy=", "SEGMENT_WRITE_KEY="+secretKey, "SEGMENT_BLOCKS_MAX_RETRIES=0",
	)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var said []string
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		said = append(said, lines.Text())
		if strings.Contains(lines.Text(), "names no region") {
			close(warned)
		}
	}
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	require.True(t, <-inTime, strings.Join(said, "\n"))
}
