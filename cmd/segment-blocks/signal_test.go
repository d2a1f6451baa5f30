//go:build unix

package main

import (
	"bufio"
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A hang-up drains the server as SIGTERM does, and further ones do not kill it.
func TestHangUpDrains(t *testing.T) {
	// Where the tests run under nohup, a child would ignore hang-ups as well. One that is handled here is not ignored there.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	cmd := exec.CommandContext(t.Context(), built(t, ""), "serve", "--addr", "127.0.0.1:0", "--drain-delay", "3s")
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"HOME=" + cmd.Dir}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines, url := bufio.NewScanner(stdout), ""
	for url == "" && lines.Scan() {
		if fields := strings.Fields(lines.Text()); fields[0] == "REST" {
			url = strings.TrimSuffix(fields[1], "/v1/blocks")
		}
	}
	require.NotEmpty(t, url)
	require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
	require.Eventually(t, func() bool {
		res, err := http.Get(url + "/readyz")
		return err == nil && res.Body.Close() == nil && res.StatusCode == http.StatusServiceUnavailable
	}, 5*time.Second, 5*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
	require.NoError(t, cmd.Wait(), "it ends with 0")
	require.Contains(t, stderr.String(), "stopped: every request has been answered")
}
