package mcp_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/serve/mcp"
)

// post sends one message as a client without a session does.
func (h *house) post(t *testing.T, path, body string, pairs ...string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, h.url+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i < len(pairs); i += 2 {
		r.Header.Set(pairs[i], pairs[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, resp.Header, string(raw)
}

func TestStateless(t *testing.T) {
	h := build(t)
	status, header, body := h.post(
		t,
		"/mcp",
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"segment_alias","arguments":{"userId":"u",`+
			`"previousId":"p"}}}`,
	)
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, "application/json", header.Get("Content-Type"))
	require.Contains(t, body, `"structuredContent":{"success":true,"userId":"u","previousId":"p"}`)

	status, _, body = h.post(
		t,
		"/mcp",
		`{"jsonrpc":"2.0","id":"x","method":"ping"}`,
		"Mcp-Session-Id",
		"of a server long gone",
	)
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"jsonrpc":"2.0","id":"x","result":{}}`, body)

	status, header, body = h.post(
		t,
		"/mcp/",
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},`+
			`"clientInfo":{"name":"c","version":"1"}}}`,
	)
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"version":"1.2.3"`)
	require.NotEmpty(t, header.Get("Mcp-Session-Id"))
	status, _, _ = h.post(t, "/mcp", `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	require.Equal(t, http.StatusAccepted, status)

	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		r, err := http.NewRequest(method, h.url+"/mcp", nil)
		require.NoError(t, err)
		r.Header.Set("Accept", "text/event-stream")
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
	}
}

func TestPaths(t *testing.T) {
	h := build(t)
	const message = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"segment_track",` +
		`"arguments":{"event":"E","userId":"u"}}}`
	for path, key := range map[string]string{
		"/mcp": firstKey, "/mcp/": firstKey, "/mcp/-": firstKey, "/mcp/-/strict": firstKey, "/mcp/first": firstKey,
		"/mcp/web%20shop": secondKey, "/mcp/web%20shop/agent": secondKey, "/mcp/web%20shop?profile=strict": secondKey,
	} {
		require.NoError(t, h.segment.Clear())
		status, _, body := h.post(t, path, message)
		require.Equal(t, http.StatusOK, status, body)
		require.Len(t, h.segment.Events(emulator.Filter{Source: emulator.Fingerprint(key)}), 1, path)
	}
	require.NoError(t, h.segment.Clear())
	for path, says := range map[string]string{
		"/mcp/webshop":      `there is no source of this name: \"webshop\"; did you mean \"web shop\"?`,
		"/mcp/sim":          `there is no source of this name: \"sim\"`,
		"/mcp/first/lax":    `the profile must be sim, agent or strict: \"lax\"`,
		"/mcp?profile=lax":  `the profile must be sim, agent or strict: \"lax\"`,
		"/mcp/first/sim/no": `the profile must be sim, agent or strict: \"sim/no\"`,
		"/mcpx":             `not found`,
		"/":                 `not found`,
	} {
		status, header, body := h.post(t, path, message)
		require.Equal(t, http.StatusNotFound, status, path)
		require.Equal(t, "application/json", header.Get("Content-Type"))
		require.Equal(t, `{"error":{"code":-32600,"message":"`+says+`"},"id":null,"jsonrpc":"2.0"}`, body)
	}
	require.Empty(t, h.segment.Requests())
}

func TestDefaultSource(t *testing.T) {
	h := build(t, mcp.Config{DefaultSource: "web shop", Mount: "/tools/segment/"})
	status, _, body := h.post(
		t,
		"/tools/segment",
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"segment_track","arguments":{"event":"E",`+
			`"userId":"u"}}}`,
	)
	require.Equal(t, http.StatusOK, status, body)
	require.Len(t, h.segment.Events(emulator.Filter{Source: emulator.Fingerprint(secondKey)}), 1)
}

func TestMessagesAreBounded(t *testing.T) {
	h := build(t, mcp.Config{MaxBytes: 1000})
	status, header, body := h.post(
		t,
		"/mcp",
		`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"`+strings.Repeat("x", 1000)+`"}}`,
	)
	require.Equal(t, http.StatusRequestEntityTooLarge, status)
	require.Equal(t, "application/json", header.Get("Content-Type"))
	require.Contains(t, body, "the body must have at most 1000 bytes")
}

func TestRebindingIsRefused(t *testing.T) {
	for _, checked := range []bool{false, true} {
		h := build(t, mcp.Config{HostChecked: checked})
		r, err := http.NewRequest(
			http.MethodPost,
			h.url+"/mcp",
			strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`),
		)
		require.NoError(t, err)
		r.Host = "evil.example"
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, map[bool]int{false: 403, true: 200}[checked], resp.StatusCode)
	}
}

func TestConfigIsChecked(t *testing.T) {
	h := build(t)
	for says, cfg := range map[string]mcp.Config{
		`new mcp server: the mount point must begin with a slash: "mcp"`:  {Mount: "mcp"},
		`new mcp server: a source's name must be unique and not "-": "-"`: {Sources: []string{"-"}},
		`new mcp server: a source's name must be unique and not "-": "a"`: {Sources: []string{"a", "a"}},
		`new mcp server: the profile must be sim, agent or strict: "lax"`: {DefaultProfile: "lax"},
	} {
		_, err := mcp.New(h.rt, h.reg, cfg)
		require.EqualError(t, err, says)
	}
}
