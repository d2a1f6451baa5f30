package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// messages is a list of n messages of the smallest kind. 18,170 of them once crashed whatever read them.
func messages(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,{"type":"track","userId":"u%d","event":"E"}`, i)
	}
	return "[" + b.String()[1:] + "]"
}

// A batch of a great many messages gets through every door, up to the limit of an input.
func TestManyMessagesThroughEveryDoor(t *testing.T) {
	const crashed, most = 18_170, 600_000

	t.Run("command line", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "batch.json")
		for _, n := range []int{crashed, most} {
			require.NoError(t, os.WriteFile(file, []byte(`{"batch":`+messages(n)+`}`), 0o600))
			out, err := command(t, "validate", "segment_batch", "--input", "@"+file).CombinedOutput()
			require.NoError(t, err, string(out))
		}
	})
	t.Run("import", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "events.ndjson")
		lines := strings.ReplaceAll(strings.Trim(messages(crashed), "[]"), "},{", "}\n{")
		require.NoError(t, os.WriteFile(file, []byte(lines), 0o600))
		out, err := command(t, "import", file, "--dry-run").CombinedOutput()
		require.NoError(t, err, string(out))
	})
	t.Run("servers", func(t *testing.T) {
		cmd := command(t, "serve", "--addr", "127.0.0.1:0", "--quiet")
		stdout, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		defer func() {
			require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
			require.NoError(t, cmd.Wait())
		}()
		url := addressIn(t, stdout)
		for _, n := range []int{crashed, most} {
			answer := postJSON(t, url+"/v1/blocks/segment_batch/validate", `{"input":{"batch":`+messages(n)+`}}`)
			require.JSONEq(t, `{"valid":true,"violations":[]}`, answer)
		}
		answer := postJSON(t, url+"/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"segment_batch","arguments":{"batch":`+messages(crashed)+`}}}`)
		require.Contains(t, answer, fmt.Sprintf(`"count":%d`, crashed))
	})
}

// command is this program with nothing configured.
func command(t *testing.T, args ...string) *exec.Cmd {
	path, err := exec.LookPath("segment-blocks")
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"HOME=" + cmd.Dir}
	return cmd
}

func postJSON(t *testing.T, url, body string) string {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader([]byte(body)))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%.300s", answer)
	return string(answer)
}

// addressIn reads what serve prints until it names its URL.
func addressIn(t *testing.T, out io.Reader) string {
	var seen []byte
	buf := make([]byte, 1<<10)
	for {
		n, err := out.Read(buf)
		seen = append(seen, buf[:n]...)
		if url := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).Find(seen); url != nil {
			return string(url)
		}
		require.NoError(t, err, string(seen))
	}
}
