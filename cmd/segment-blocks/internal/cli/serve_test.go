package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/segment/emulator"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url) //nolint:gosec // its own server
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body)
}

func TestClientRate(t *testing.T) {
	s := startServing(t, nil, "--client-rate", "1")
	statuses := map[int]int{}
	var last string
	for range 5 {
		status, body := get(t, s.url+"/v1/blocks")
		if statuses[status]++; status != http.StatusOK {
			last = body
		}
	}
	require.Positive(t, statuses[http.StatusTooManyRequests], statuses)
	require.Contains(t, last, "1 requests a second and sends more")

	unlimited := startServing(t, nil, "--client-rate", "0", "--quiet")
	for range 1500 {
		status, _ := get(t, unlimited.url+"/v1/blocks/segment_alias/schema/output")
		require.Equal(t, http.StatusOK, status)
	}

	code, said := runFor(t, nil, "serve", "--client-rate", "-1")
	require.Equal(t, int(console.ExitUsage), code)
	require.Contains(t, said, `--client-rate must be a number, 0 or more: "-1"`)
}

// Quiet is about requests. What goes wrong, such as with traces, is logged all the same.
func TestQuietLogsWhatGoesWrong(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1") // OpenTelemetry asks the process
	s := startServing(t, nil, "--quiet", "--drain", "3s")
	res, err := http.Post(
		s.url+"/v1/blocks/segment_alias/invoke",
		"application/json",
		strings.NewReader(`{"input":{"userId":"u-42","previousId":"u-41"}}`),
	) //nolint:gosec // its own server
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
	s.stop(t)
	require.Contains(t, s.stderr.String(), "traces cannot be exported")
	require.NotContains(t, s.stderr.String(), "msg=request")
}

// Nothing that an emulator takes passes for sent.
func TestEmulatedIsSaid(t *testing.T) {
	s := startServing(t, nil)
	post := func(path, body, accept string) string {
		t.Helper()
		req, err := http.NewRequest(http.MethodPost, s.url+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", accept)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, res.StatusCode, "%s", text)
		return string(text)
	}
	const alias = `{"userId":"u-42","previousId":"u-41"}`
	receipt := post("/v1/blocks/segment_alias/invoke", `{"input":`+alias+`}`, "application/json")
	require.Contains(t, receipt, `"emulated":true`)
	require.Contains(t, receipt, `"code":"emulated"`)
	require.Contains(
		t,
		post("/v1/blocks/segment_alias/invoke", `{"input":`+alias+`}`, "application/vnd.aacflow.result+json"),
		`"emulated":true`,
	)
	require.Contains(
		t,
		post("/v1/blocks/segment_alias/invoke", `{"input":{}}`, "application/vnd.aacflow.result+json"),
		`"emulated":true`,
	)
	require.Contains(
		t,
		post("/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call",`+
			`"params":{"name":"segment_alias","arguments":`+alias+`}}`,
			"application/json, text/event-stream"),
		"warning: the source is an emulator",
	)
	_, metrics := get(t, s.url+"/metrics")
	require.Contains(
		t,
		metrics,
		`segment_blocks_invocations_total{block="segment_alias",emulated="true",outcome="ok",source="emulator"} 3`,
	)
	require.Contains(
		t,
		metrics,
		`segment_blocks_http_requests_total{code="200",method="post",route="/v1/blocks/{id}/invoke"} 3`,
	)
	require.Contains(t, metrics, "segment_blocks_build_info{")
	_, ready := get(t, s.url+"/readyz")
	require.JSONEq(t, `{"status":"ready","emulated":true}`, ready)
}

// A call that the receiver refuses is a line in the log, over MCP, where the status is 200 all the
// same, and under --quiet too.
func TestFailedInvocationsAreLogged(t *testing.T) {
	segment, err := emulator.Start()
	require.NoError(t, err)
	defer func() { require.NoError(t, segment.Close(context.Background())) }()
	require.NoError(t, segment.Script(emulator.Fault{Status: http.StatusUnauthorized, Times: 2}))
	s := startServing(
		t,
		[]string{"SEGMENT_ENDPOINT=" + segment.URL, "SEGMENT_WRITE_KEY=" + placeholderKey},
		"--quiet",
		"--log",
		"json",
	)
	for path, body := range map[string]string{
		"/mcp": `{"jsonrpc":"2.0","id":1,"method":"tools/call",` +
			`"params":{"name":"segment_alias","arguments":{"userId":"u-42","previousId":"u-41"}}}`,
		"/v1/blocks/segment_alias/invoke": `{"input":{"userId":"u-42","previousId":"u-41"}}`,
	} {
		req, err := http.NewRequest(http.MethodPost, s.url+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/vnd.aacflow.result+json, application/json, text/event-stream")
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusOK, res.StatusCode)
	}
	s.stop(t)
	lines := 0
	for line := range strings.Lines(s.stderr.String()) {
		var logged map[string]any
		if json.Unmarshal([]byte(line), &logged) != nil {
			continue
		}
		lines++
		require.Equal(
			t,
			[]any{"WARN", "invocation failed", "segment_alias", "environment", "unauthorized", 401.0, 1.0},
			[]any{
				logged["level"], logged["msg"], logged["block"], logged["source"], logged["code"], logged["status"],
				logged["attempts"],
			},
			line,
		)
		require.Contains(t, logged["messageId"], "sb1-")
		require.NotEmpty(t, logged["invocationId"])
	}
	require.Equal(t, 2, lines, "%s", &s.stderr)
	require.NotContains(t, s.stderr.String(), placeholderKey)
}

// The limits of a store are those of the file, so sources that share one cannot have different
// ones.
func TestSharedStoreHasOneSetOfLimits(t *testing.T) {
	dir := t.TempDir()
	source := func(rate int) string {
		return fmt.Sprintf(
			"{region: eu, writeKeyEnv: SHARED_KEY, delivery: durable, store: one.store, durable: {rate: %d}}",
			rate,
		)
	}
	config := filepath.Join(dir, "segment-blocks.yaml")
	require.NoError(
		t,
		os.WriteFile(config, []byte("defaultSource: a\nsources:\n  a: "+source(10)+"\n  b: "+source(20)+"\n"), 0o600),
	)
	environ := []string{"SHARED_KEY=" + placeholderKey}
	code, said := runFor(t, environ, "serve", "--addr", "127.0.0.1:0", "--config", config)
	require.Equal(t, int(console.ExitUsage), code, said)
	require.Contains(t, said, "the sources a and b share a store and must have the same limits below durable: ")
}
