//go:build unix

package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A hang-up drains the server as SIGTERM does, and further ones do not kill it.
func TestHangUpDrains(t *testing.T) {
	// Where the tests run under nohup, a child would ignore hang-ups as well. One that is handled
	// here is not ignored there.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	cmd, url, stderr := serving(t, "--drain-delay", "3s")
	require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
	require.Eventually(t, func() bool {
		res, err := http.Get(url + "/readyz")
		return err == nil && res.Body.Close() == nil && res.StatusCode == http.StatusServiceUnavailable
	}, 5*time.Second, 5*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
	require.NoError(t, cmd.Wait(), "it ends with 0")
	require.Contains(t, stderr.String(), "stopped: every request has been answered")
}

// serving starts a server with an emulator behind it, and returns its URL.
func serving(t *testing.T, args ...string) (cmd *exec.Cmd, url string, stderr *bytes.Buffer) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), built(t, ""), append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"HOME=" + cmd.Dir}
	stderr = &bytes.Buffer{}
	cmd.Stderr = stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	for url == "" && lines.Scan() {
		if fields := strings.Fields(lines.Text()); fields[0] == "REST" {
			url = strings.TrimSuffix(fields[1], "/v1/blocks")
		}
	}
	require.NotEmpty(t, url)
	return cmd, url, stderr
}

// A client that opens a connection for each request loses none: whatever the kernel has connected
// is answered. Other systems than Linux have no filter that makes the kernel stop connecting.
func TestTerminationLosesNoConnection(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs a socket filter on the listener")
	}
	for range 3 {
		cmd, url, stderr := serving(t, "--quiet", "--client-rate", "0")
		var answered atomic.Int64
		var clients sync.WaitGroup
		lost := make(chan error, 1000)
		for range 64 {
			clients.Go(func() {
				for {
					conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
					if err != nil {
						return // it has stopped listening
					}
					if err := invokeOnce(conn); err != nil {
						lost <- err
						return
					}
					answered.Add(1)
				}
			})
		}
		require.Eventually(t, func() bool { return answered.Load() > 500 }, 30*time.Second, time.Millisecond)
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		clients.Wait()
		require.NoError(t, cmd.Wait(), stderr.String())
		close(lost)
		for err := range lost {
			require.NoError(t, err)
		}
	}
}

// invokeOnce sends one request on a connection, closes it, and returns an error unless the answer
// is whole.
func invokeOnce(conn net.Conn) error {
	defer conn.Close()
	const body = `{"input":{"userId":"u-42","previousId":"u-41"}}`
	req, err := http.NewRequest(
		http.MethodPost,
		"http://localhost/v1/blocks/segment_alias/invoke",
		strings.NewReader(body),
	)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Close = true
	if err := req.Write(conn); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}
