package mcp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
	"github.com/aacflow/segment-blocks/serve/mcp"
)

const (
	firstKey   = "kQ3vT9xW2mZ7bN5cR8dL1fH6jP4sY0aE"
	secondKey  = "pL0mN9bV8cX7zA6sD5fG4hJ3kL2qW1eR"
	headersKey = "tR7yU6iO5pA4sD3fG2hJ1kL0zX9cV8bN"
)

// stdioTarget makes the test binary a stdio server that sends to the emulator at this address.
const stdioTarget = "SEGMENT_BLOCKS_MCP_TARGET"

func TestMain(m *testing.M) {
	if target := os.Getenv(stdioTarget); target != "" {
		if err := serveStdio(target); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func serveStdio(target string) error {
	rt, reg, err := blocksTo(target, retry.Policy{})
	if err != nil {
		return err
	}
	server, err := mcp.New(rt, reg, mcp.Config{})
	if err != nil {
		return err
	}
	return server.Serve(context.Background(), os.Stdin, os.Stdout)
}

// blocksTo returns the Segment blocks with two sources: the first, and the second named "web shop".
func blocksTo(target string, retry retry.Policy) (*runtime.Runtime, *registry.Registry, error) {
	reg := registry.New()
	blocks.MustRegister(reg)
	rt, err := runtime.New(
		reg,
		runtime.Source("first", tracking.Source{WriteKey: firstKey, Endpoint: target, Retry: retry}),
		runtime.Source("web shop", tracking.Source{WriteKey: secondKey, Endpoint: target, Retry: retry}),
		runtime.Source("keyless", tracking.Source{Endpoint: target, Retry: retry}),
	)
	return rt, reg, err
}

// house is a server over HTTP before an emulator.
type house struct {
	segment *emulator.Server
	server  *mcp.Server
	url     string
	reg     *registry.Registry
	rt      *runtime.Runtime
}

func build(t *testing.T, configs ...mcp.Config) *house {
	t.Helper()
	var cfg mcp.Config
	for _, given := range configs {
		cfg = given
	}
	cfg.Sources, cfg.Version = []string{"first", "web shop", "keyless"}, "1.2.3"
	segment, err := emulator.Start(emulator.KnownWriteKeys(firstKey, secondKey, headersKey))
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, segment.Close(ctx))
	})
	rt, reg, err := blocksTo(segment.URL, retry.Policy{})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, rt.Close(ctx))
	})
	server, err := mcp.New(rt, reg, cfg)
	require.NoError(t, err)
	web := httptest.NewServer(server)
	t.Cleanup(func() {
		web.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return &house{segment, server, web.URL, reg, rt}
}

// headers adds headers to each request.
type headers struct {
	http.RoundTripper
	add http.Header
}

func (h headers) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, values := range h.add {
		r.Header[name] = values
	}
	return h.RoundTripper.RoundTrip(r)
}

// connect opens a session at a path, with headers given as names and values in turn.
func (h *house) connect(t *testing.T, path, version string, pairs ...string) *sdk.ClientSession {
	t.Helper()
	add := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		add.Add(pairs[i], pairs[i+1])
	}
	base := &http.Transport{}
	client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(
		t.Context(),
		&sdk.StreamableClientTransport{
			Endpoint:   h.url + path,
			HTTPClient: &http.Client{Transport: headers{base, add}},
			MaxRetries: -1,
		},
		&sdk.ClientSessionOptions{ProtocolVersion: version},
	)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = session.Close()
		base.CloseIdleConnections()
	})
	return session
}

func call(t *testing.T, s *sdk.ClientSession, tool string, input any) *sdk.CallToolResult {
	t.Helper()
	res, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: tool, Arguments: input})
	require.NoError(t, err)
	return res
}

func text(t *testing.T, res *sdk.CallToolResult, i int) string {
	t.Helper()
	require.Greater(t, len(res.Content), i)
	content, ok := res.Content[i].(*sdk.TextContent)
	require.True(t, ok)
	return content.Text
}

// receipt returns the receipt of a result.
func receipt(t *testing.T, res *sdk.CallToolResult) map[string]any {
	t.Helper()
	r, ok := res.Meta[mcp.MetaReceipt].(map[string]any)
	require.True(t, ok, "%v", res.Meta)
	return r
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}
