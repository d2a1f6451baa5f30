package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/emulator"
)

func TestAPI(t *testing.T) {
	h, segment := start(t)
	api, err := newAPI(h.runtime, h.registry)
	require.NoError(t, err)
	web := httptest.NewServer(api)
	defer web.Close()
	for path, body := range map[string]string{
		"/workflows": "",
		"/segment/v1/blocks/segment_alias/invoke": `{"input":{"userId":"u-42","previousId":"u-41"}}`,
		"/segment/mcp/prod": `{"jsonrpc":"2.0","id":1,"method":"tools/call",
			"params":{"name":"segment_alias","arguments":{"userId":"u-42","previousId":"u-41"}}}`,
	} {
		method := http.MethodPost
		if body == "" {
			method = http.MethodGet
		}
		req, err := http.NewRequestWithContext(t.Context(), method, web.URL+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		res, err := web.Client().Do(req)
		require.NoError(t, err)
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusOK, res.StatusCode, "%s: %s", path, text)
	}
	require.Len(t, segment.Events(emulator.Filter{}), 2)
}

func TestServeAlone(t *testing.T) {
	h, _ := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, serveAlone(ctx, h.runtime, h.registry, "127.0.0.1:0", "a-token-that-is-long-enough"))
	require.ErrorContains(
		t,
		serveAlone(ctx, h.runtime, h.registry, "127.0.0.1:0", "short"),
		"a token must have at least 16 characters",
	)
}
