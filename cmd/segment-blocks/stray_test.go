package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// Of what a receiver sends behind its answer nothing is shown: net/http would print it to the
// standard logger as it is, and a receiver may echo the write key.
func TestWhatFollowsAnAnswerIsNotShown(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		const answer = `{"success":true}`
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s%s", len(answer), answer,
			r.Header.Get("Authorization"))
	}))
	t.Cleanup(receiver.Close)
	path, err := exec.LookPath("segment-blocks")
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), path, "run", "segment_track", "--input", `{"event":"E","userId":"u"}`)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"HOME=" + cmd.Dir, "SEGMENT_WRITE_KEY=" + secretKey, "SEGMENT_ENDPOINT=" + receiver.URL}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), `"success":true`)
	require.NotContains(t, string(out), "Unsolicited")
	require.NotContains(t, string(out), base64.StdEncoding.EncodeToString([]byte(secretKey+":")))
}
