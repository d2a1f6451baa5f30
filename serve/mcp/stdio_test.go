package mcp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/serve/mcp"
)

const handshake = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{` +
	`"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
`

func TestEveryExampleOverStreams(t *testing.T) {
	h := build(t)
	s, _, done := h.streams(t.Context(), t)
	requireExamples(t, h, s, mcp.Sim)
	requireRefusals(t, h, s)
	require.NoError(t, s.Close())
	require.NoError(t, <-done)
}

// streams serves a client over pipes.
func (h *house) streams(ctx context.Context, t *testing.T) (*sdk.ClientSession, io.Closer, <-chan error) {
	t.Helper()
	fromClient, toServer := io.Pipe()
	fromServer, toClient := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- h.server.Serve(ctx, fromClient, toClient) }()
	s, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil).
		Connect(t.Context(), &sdk.IOTransport{Reader: fromServer, Writer: toServer}, nil)
	require.NoError(t, err)
	return s, toClient, done
}

func TestPipedRequestsAreAnswered(t *testing.T) {
	h := build(t)
	require.NoError(t, h.segment.Script(emulator.Fault{Delay: 200 * time.Millisecond}))
	var out bytes.Buffer
	require.NoError(t, h.server.Serve(t.Context(), strings.NewReader(handshake+track+"\n"), &out))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 2)
	require.Contains(t, lines[1], `"structuredContent":{"success":true,`)
}

// A line that is no message is answered, and the session goes on. A message may be split between
// reads, and a line may be as long as the limit.
func TestLinesThatAreNoMessages(t *testing.T) {
	h := build(t)
	var out bytes.Buffer
	in := "not json\n" + handshake +
		"{\"jsonrpc\":\"2.0\",\n\n\r\n5\n{}\n[]\n{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}\n" +
		track + strings.Repeat(" ", 10_000) + "\r\n" + "\xff\xfe"
	require.NoError(t, h.server.Serve(t.Context(), iotest.HalfReader(strings.NewReader(in)), &out))
	var codes []string
	for line := range strings.Lines(out.String()) {
		var answer struct {
			ID    json.RawMessage
			Error *struct{ Code int }
		}
		require.NoError(t, json.Unmarshal([]byte(line), &answer), line)
		code := "ok"
		if answer.Error != nil {
			code = strconv.Itoa(answer.Error.Code)
		}
		codes = append(codes, code+" "+string(answer.ID))
	}
	require.ElementsMatch(t, []string{
		"-32700 null", "ok 0", "-32700 null", "-32600 null", "-32600 null", "-32600 null", "-32600 null", "ok 1",
		"-32700 null",
	}, codes)
	require.Contains(t, out.String(), `"structuredContent":{"success":true,`)
}

func TestEndOfContextCancels(t *testing.T) {
	h := build(t)
	ctx, cancel := context.WithCancel(t.Context())
	s, toClient, done := h.streams(ctx, t)
	require.NoError(t, h.segment.Script(emulator.Fault{Delay: time.Minute}))
	failed := make(chan error, 1)
	go func() {
		_, err := s.CallTool(
			t.Context(),
			&sdk.CallToolParams{Name: "segment_track", Arguments: map[string]any{"event": "E", "userId": "u"}},
		)
		failed <- err
	}()
	require.Eventually(t, func() bool { return len(h.segment.Faults()) == 0 }, 5*time.Second, 5*time.Millisecond)
	cancel()
	select {
	case err := <-done:
		require.NoError(t, err)
	case <-time.After(5 * time.Second):
		t.Fatal("Serve goes on")
	}
	_ = toClient.Close()
	<-failed
	_ = s.Close()
}
