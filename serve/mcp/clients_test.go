package mcp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/serve/mcp"
)

// needNode skips a test whose client is not there, unless SEGMENT_BLOCKS_REQUIRE_CLIENTS=1 says
// that it must be.
func needNode(t *testing.T) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat("clients/node_modules")
	}
	if err != nil {
		const says = "needs node, and npm ci in serve/mcp/clients"
		if os.Getenv("SEGMENT_BLOCKS_REQUIRE_CLIENTS") == "1" {
			require.FailNow(t, says)
		}
		t.Skip(says)
	}
	return node
}

// clientSaid is what client.mjs reports.
type clientSaid struct {
	Server struct{ Name, Version string }
	Tools  []struct {
		Name         string
		InputSchema  json.RawMessage
		OutputSchema json.RawMessage
	}
	Pages   []string
	Results []struct {
		Content           []struct{ Text string }
		StructuredContent json.RawMessage
		IsError           bool
	}
	Cancelled string
	Errors    []string
}

func runClient(t *testing.T, input map[string]any) clientSaid {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stdin, err := json.Marshal(input)
	require.NoError(t, err)
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, needNode(t), "client.mjs")
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = "clients", bytes.NewReader(stdin), &stdout, &stderr
	cmd.WaitDelay = 10 * time.Second
	require.NoError(t, cmd.Run(), stderr.String())
	require.Empty(t, stderr.String())
	var said clientSaid
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &said), stdout.String())
	return said
}

// toCall lists each block's examples, and then its refusals.
func toCall(h *house) (calls []map[string]any, outputs []string) {
	for _, e := range h.reg.Catalog() {
		for _, x := range e.Examples {
			calls = append(calls, map[string]any{"name": e.ID, "arguments": x.Input})
			outputs = append(outputs, string(x.Output.JSON()))
		}
		for _, x := range e.Refused {
			calls = append(calls, map[string]any{"name": e.ID, "arguments": x.Input})
			outputs = append(outputs, "")
		}
	}
	return calls, outputs
}

func requireSaid(t *testing.T, h *house, p mcp.Profile, said clientSaid, outputs []string, key string) {
	t.Helper()
	require.Empty(t, said.Errors)
	entries := h.reg.Catalog()
	require.Len(t, said.Tools, len(entries))
	require.Len(t, said.Pages, len(entries))
	for i, e := range entries {
		require.Equal(t, e.ID, said.Tools[i].Name)
	}
	require.Len(t, said.Results, len(outputs))
	accepted := 0
	for i, want := range outputs {
		got := said.Results[i]
		if want == "" {
			require.True(t, got.IsError)
			require.Contains(t, got.Content[0].Text, "nothing was sent: ")
			continue
		}
		require.False(t, got.IsError, got.Content)
		if p == mcp.Sim { // it would write null into other blocks as text
			want = string(schemas.WithoutNulls([]byte(want)))
		}
		require.JSONEq(t, want, string(got.StructuredContent))
		require.JSONEq(t, want, got.Content[0].Text)
		accepted++
	}
	require.GreaterOrEqual(t, len(h.segment.Events(emulator.Filter{Source: emulator.Fingerprint(key)})), accepted)
	require.Empty(t, h.segment.Discards(emulator.DiscardFilter{}))
	require.NotContains(t, fmt.Sprint(said), key)
}

func TestTypeScriptClientOverHTTP(t *testing.T) {
	for _, p := range mcp.Profiles() {
		t.Run(string(p), func(t *testing.T) {
			h := build(t)
			calls, outputs := toCall(h)
			said := runClient(t, map[string]any{
				"url": h.url + "/mcp/keyless/" + string(
					p,
				), "headers": map[string]string{"X-Segment-Write-Key": headersKey}, "calls": calls,
			})
			requireSaid(t, h, p, said, outputs, headersKey)
			require.Equal(t, "1.2.3", said.Server.Version)
		})
	}
}

func TestTypeScriptClientCancels(t *testing.T) {
	needNode(t)
	h := build(t)
	require.NoError(t, h.segment.Script(emulator.Fault{Delay: time.Minute}))
	said := runClient(t, map[string]any{
		"url": h.url + "/mcp", "calls": []any{},
		"slow": map[string]any{"name": "segment_track", "arguments": map[string]any{"event": "E", "userId": "u"}},
	})
	require.Contains(t, said.Cancelled, "no longer wanted")
	// The POST of a call must be answered, canceled or not. This client remarks on it, the
	// specification lets it be ignored.
	for _, remark := range said.Errors {
		require.Contains(t, remark, `"code\":\"canceled`)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	require.NoError(t, h.rt.Close(ctx), "the invocation goes on")
	require.Empty(t, h.segment.Events(emulator.Filter{}))
}

func TestTypeScriptClientOverStdio(t *testing.T) {
	needNode(t)
	self, err := os.Executable()
	require.NoError(t, err)
	h := build(t)
	calls, outputs := toCall(h)
	said := runClient(
		t,
		map[string]any{"command": self, "env": map[string]string{stdioTarget: h.segment.URL}, "calls": calls},
	)
	requireSaid(t, h, mcp.Sim, said, outputs, firstKey)
}
