package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// messages is a list of n messages of the smallest kind. 18,170 of them once crashed whatever read
// them.
func messages(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,{"type":"track","userId":"u%d","event":"E"}`, i)
	}
	return "[" + b.String()[1:] + "]"
}

// A batch of a great many messages gets through every door, up to the limit of an input.
func TestManyMessagesThroughEveryDoor(t *testing.T) {
	const crashed = 18_170
	most := 600_000
	if testing.Short() {
		most = 30_000
	}

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
		answer := postJSON(t, url+"/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call",`+
			`"params":{"name":"segment_batch","arguments":{"batch":`+messages(crashed)+`}}}`)
		require.Contains(t, answer, fmt.Sprintf(`"count":%d`, crashed))
	})
}

// TestHostileCallsDoNotEndStdio: each of these once ended the process, took its memory or took
// minutes. They are calls of one client, and the last one is answered like any other.
func TestHostileCallsDoNotEndStdio(t *testing.T) {
	members := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, ","+format+":0", i)
		}
		return b.String()[1:]
	}
	calls := []string{
		`{"name":"segment_batch","arguments":{"batch":` + messages(18_170) + `}}`,
		`{"name":"segment_batch","arguments":{"batch":[` + strings.Repeat("{},", 1<<20) + `{}]}}`,
		`{"name":"segment_batch","arguments":{"batch":[` + strings.Repeat(`"",`, 100_000) + `1]}}`,
		`{"name":"segment_track","arguments":{` + members(`"k%d"`, 40_000) + `}}`,
		`{"name":"segment_track","arguments":{` + members(`"`+strings.Repeat("eventuserid", 20)+`%d"`, 4_000) + `}}`,
		`{"name":"segment_track","arguments":{"` + strings.Repeat("userId", 170_000) + `":0}}`,
		`{"name":"segment_track","arguments":{"event":"e","userId":"u","properties":` + strings.Repeat(
			`{"a":`,
			900,
		) + `1` + strings.Repeat(
			"}",
			900,
		) + `}}`,
		`{"name":"segment_track","arguments":{"event":"e","userId":"` + strings.Repeat("<a.", 300_000) + `"}}`,
	}
	var in strings.Builder
	in.WriteString(`{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{"protocolVersion":"2025-11-25",` +
		`"capabilities":{},"clientInfo":{"name":"c","version":"1"}}}` + "\n" + `{"jsonrpc":"2.0",` +
		`"method":"notifications/initialized"}` + "\n")
	for i, call := range calls {
		fmt.Fprintf(&in, `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":%s}`+"\n", i, call)
	}
	in.WriteString(`{"jsonrpc":"2.0","id":"last","method":"ping"}` + "\n")
	cmd := command(t, "mcp")
	cmd.Stdin = strings.NewReader(in.String())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%.2000s", &stderr)
	require.NotContains(t, stderr.String(), "panic")
	answers := map[string]string{}
	for line := range strings.Lines(string(out)) {
		var answer struct{ ID json.RawMessage }
		require.NoError(t, json.Unmarshal([]byte(line), &answer))
		answers[string(answer.ID)] = line
	}
	for i := range calls {
		answer := answers[strconv.Itoa(i)]
		require.NotEmpty(t, answer, "call %d", i)
		require.Less(t, len(answer), 2<<20, "call %d", i)
	}
	require.Contains(t, answers["0"], `"count":18170`)
	require.Contains(t, answers[`"last"`], `"result":{}`)
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
