package mcp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
	"github.com/aacflow/segment-blocks/serve/guard"
	"github.com/aacflow/segment-blocks/serve/mcp"
)

const toy = `id: %s
name: Toy
summary: Do as it is told
description: Does as it is told.
whenToUse: In tests.
version: 1.0.0
category: toys
tags: [toys]
input:
  type: object
  additionalProperties: false
  properties:
    text: {type: string, description: Text., examples: [a], x-filled-by: user-or-llm, x-aacflow-type: string}
output:
  type: object
  additionalProperties: true
  properties:
    fine: {type: boolean, description: Whether it went well., x-aacflow-type: boolean}
examples:
  - {title: Nothing, input: {text: a}, output: {fine: true}}
`

// explosive panics where it is encoded.
type explosive struct{}

func (explosive) MarshalJSON() ([]byte, error) { panic("while encoding") }

// toys is a server of blocks that need no source, beside a source named prod.
func toys(t *testing.T, log io.Writer, cfg mcp.Config) (*mcp.Server, string) {
	t.Helper()
	reg := registry.New()
	for id, execute := range map[string]func() (any, error){
		"toy_fine":    func() (any, error) { return map[string]any{"fine": true}, nil },
		"toy_panics":  func() (any, error) { panic("while executing") },
		"toy_encodes": func() (any, error) { return map[string]any{"x": explosive{}}, nil },
	} {
		manifests, err := schemas.Load(fstest.MapFS{"toy.yaml": {Data: fmt.Appendf(nil, toy, id)}})
		require.NoError(t, err)
		reg.MustRegister(
			runtime.Define(
				manifests[0],
				func(context.Context, *runtime.Call, runtime.NoSource) (any, error) { return execute() },
			),
		)
	}
	rt, err := runtime.New(reg, runtime.Source("prod", tracking.Source{WriteKey: firstKey}))
	require.NoError(t, err)
	cfg.Sources, cfg.Logger = []string{"prod"}, slog.New(slog.NewTextHandler(log, nil))
	server, err := mcp.New(rt, reg, cfg)
	require.NoError(t, err)
	web := httptest.NewServer(server)
	t.Cleanup(func() {
		web.Close()
		http.DefaultClient.CloseIdleConnections()
		require.NoError(t, rt.Close(context.Background()))
	})
	return server, web.URL
}

func TestBlocksWithoutASourceAtThePathOfASource(t *testing.T) {
	_, url := toys(t, io.Discard, mcp.Config{})
	h := &house{url: url}
	for _, path := range []string{"/mcp", "/mcp/prod", "/mcp/prod/agent"} {
		status, _, body := h.post(
			t,
			path,
			`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"toy_fine","arguments":{}}}`,
		)
		require.Equal(t, 200, status)
		require.Contains(t, body, `"structuredContent":{"fine":true}`, path)
	}
}

// buffer is written to and read at once.
type buffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

// TestPanicsStayInside: the SDK runs handlers in goroutines of its own, where a panic ends the
// process.
func TestPanicsStayInside(t *testing.T) {
	var log buffer
	server, url := toys(t, &log,
		mcp.Config{CallContext: func(ctx context.Context, meta map[string]any) context.Context {
			if meta["panic"] != nil {
				panic(meta["panic"])
			}
			return ctx
		}})
	var lines []string
	for _, params := range []string{
		`{"name":"toy_panics","arguments":{}}`,
		`{"name":"toy_encodes","arguments":{}}`,
		`{"name":"toy_fine","arguments":{},"_meta":{"panic":"the key is hunter2"}}`,
	} {
		lines = append(lines, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":`+params+`}`)
	}
	requireInternal := func(body string) {
		t.Helper()
		var answer struct {
			Result struct {
				IsError bool
				Content []struct{ Text string }
			}
		}
		require.NoError(t, json.Unmarshal([]byte(body), &answer), body)
		require.True(t, answer.Result.IsError, body)
		require.Contains(t, answer.Result.Content[1].Text, `"code":"internal"`)
		require.NotContains(t, body, "hunter2")
	}
	h := &house{url: url}
	for _, line := range lines {
		_, _, body := h.post(t, "/mcp", line)
		requireInternal(body)
	}
	for _, line := range lines {
		var out bytes.Buffer
		require.NoError(t, server.Serve(t.Context(), strings.NewReader(handshake+line+"\n"), &out))
		_, answer, _ := strings.Cut(out.String(), "\n")
		requireInternal(answer)
	}
	require.Contains(t, log.String(), "bounds_test.go", "the stack")
	require.NotContains(t, log.String(), "hunter2")
}

// TestBatchesAreRefused: one request of thousands of calls would pass any limit on requests.
func TestBatchesAreRefused(t *testing.T) {
	h := build(t)
	for _, version := range []string{"", "2025-03-26", "2025-06-18"} {
		var pairs []string
		if version != "" {
			pairs = []string{"Mcp-Protocol-Version", version}
		}
		status, header, body := h.post(t, "/mcp", " \n["+track+","+track+"]", pairs...)
		require.Equal(t, http.StatusBadRequest, status)
		require.Equal(t, "application/json", header.Get("Content-Type"))
		require.Contains(t, body, "must be one message")
	}
	require.Empty(t, h.segment.Requests())
}

func TestAnswersAreBounded(t *testing.T) {
	h := build(t)
	long := strings.Repeat("segment_track", (1<<20)/13)
	for name, message := range map[string]string{
		"an id": `{"jsonrpc":"2.0","id":"` + long + `","method":"tools/call",` +
			`"params":{"name":"segment_track","arguments":{}}}`,
		"a tool": `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + long +
			`","arguments":{}}}`,
		"a tool, shadowed": `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + long +
			`","Name":"a","arguments":{}}}`,
		"a tool, first": `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + long +
			`","name":"a","arguments":{}}}`,
		"a tool, last": `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"` + long +
			`","arguments":{}}}`,
		"a method":   `{"jsonrpc":"2.0","id":1,"method":"` + long + `"}`,
		"a resource": `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"` + long + `"}}`,
		"a protocol version": `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"` + long +
			`","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`,
		"no message":     `"` + long + `"`,
		"half a message": `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + long,
		"an invocation id": `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"segment_track",` +
			`"arguments":{},"_meta":{"` + mcp.MetaInvocationID + `":"` + long + `"}}}`,
		"a member of params": `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"segment_track",` +
			`"arguments":{},"` + long + `":1}}`,
		"parameters that cannot be decoded": `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{` +
			`"name":"segment_track","arguments":{"event":"` + long + `"},"inputResponses":[]}}`,
		"a _meta that is no object": `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{` +
			`"name":"segment_track","arguments":{"event":"` + long + `"},"_meta":[]}}`,
		"an argument of text": `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"segment_track",` +
			`"arguments":"` + long + `"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, _, body := h.post(t, "/mcp", message)
			require.Less(t, len(body), 16<<10)
		})
	}
	for _, path := range []string{"/mcp/" + strings.Repeat("x", 20_000), "/mcp/-/" + strings.Repeat("x", 20_000)} {
		_, _, body := h.post(t, path, track)
		require.Less(t, len(body), 1<<10)
	}
	require.Empty(t, h.segment.Requests())
}

func TestInvocationIDOfAnotherInputIsRefused(t *testing.T) {
	h := build(t)
	s, named := h.connect(t, "/mcp", ""), h.connect(t, "/mcp/first", "") // the default source, by its name too
	call := func(s *sdk.ClientSession, tool, event string) *sdk.CallToolResult {
		input := map[string]any{"userId": "u"}
		if tool == "segment_track" {
			input["event"] = event
		}
		res, err := s.CallTool(
			t.Context(),
			&sdk.CallToolParams{Name: tool, Arguments: input, Meta: sdk.Meta{mcp.MetaInvocationID: "run-7"}},
		)
		require.NoError(t, err)
		return res
	}
	require.True(t, call(s, "segment_track", "").IsError)
	require.False(t, call(s, "segment_track", "mended").IsError, "nothing had been sent")
	require.False(t, call(s, "segment_track", "mended").IsError)
	for _, res := range []*sdk.CallToolResult{
		call(s, "segment_track", "another"), call(s, "segment_identify", ""), call(named, "segment_track", "another"),
	} {
		require.True(t, res.IsError)
		require.Contains(
			t,
			text(t, res, 0),
			"refused its input, nothing was sent: /invocationId was used for another input",
		)
		require.Contains(t, text(t, res, 1), `"code":"idempotency_key_reused"`)
	}
	require.Len(t, h.segment.Events(emulator.Filter{}), 1)
}

// TestCallsOfClientsThatLeftCount: before 2026-07-28 they go on, so that they must not make room
// for more.
func TestCallsOfClientsThatLeftCount(t *testing.T) {
	h := build(t)
	g, err := guard.New(guard.Config{MaxInFlight: 1})
	require.NoError(t, err)
	web := httptest.NewUnstartedServer(nil)
	web.Config = g.Server(h.server)
	web.Start()
	t.Cleanup(web.Close)
	unguarded := h.url
	h.url = web.URL
	require.NoError(t, h.segment.Script(emulator.Fault{Delay: time.Minute}))

	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+"/mcp", strings.NewReader(track))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Mcp-Session-Id", "s")
	left := make(chan error, 1)
	go func() {
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			res.Body.Close()
		}
		left <- err
	}()
	require.Eventually(t, func() bool { return len(h.segment.Faults()) == 0 }, 10*time.Second, 5*time.Millisecond)
	leave()
	require.ErrorIs(t, <-left, context.Canceled)
	status, header, body := h.post(t, "/mcp", track)
	require.Equal(t, http.StatusServiceUnavailable, status, body)
	require.Equal(t, "1", header.Get("Retry-After"))
	closing, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	h.url = unguarded
	status, _, _ = h.post(
		t,
		"/mcp",
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`,
		"Mcp-Session-Id",
		"s",
	)
	require.Equal(t, http.StatusAccepted, status)
	require.NoError(t, h.rt.Close(closing))
}

// A message that is refused for its size must not have been decoded into many times its memory.
func TestRefusedMessagesStayBytes(t *testing.T) {
	server, _ := toys(t, io.Discard, mcp.Config{HostChecked: true})
	lists := "[" + strings.Repeat("[],", 2<<20) + "[]]"
	for _, body := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"ping","others":` + lists + `}`,
		`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"others":` + lists + `}}`,
		`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"others":` + lists + `}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"toy_fine","_meta":{"others":` + lists + `}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"toy_fine","inputResponses":{"a":` +
			`{"action":"accept","content":{"b":` + lists + `}}}}}`,
	} {
		req := httptest.NewRequest(http.MethodPost, "/mcp", strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		res := httptest.NewRecorder()
		var before, after goruntime.MemStats
		goruntime.ReadMemStats(&before)
		server.ServeHTTP(res, req)
		goruntime.ReadMemStats(&after)
		require.Equal(t, http.StatusRequestEntityTooLarge, res.Code, res.Body)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8*len(body)))
	}
}
