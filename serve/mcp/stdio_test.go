package mcp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/emulator"
)

const handshake = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
`

func TestEveryExampleOverStreams(t *testing.T) {
	h := build(t)
	s, _, done := h.streams(t.Context(), t)
	requireExamples(t, h, s)
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

func TestInputThatIsNoMessageEndsServing(t *testing.T) {
	h := build(t)
	var out bytes.Buffer
	err := h.server.Serve(t.Context(), strings.NewReader(handshake+"not json\n"), &out)
	require.ErrorContains(t, err, "serve mcp: ")
	require.False(t, errors.Is(err, io.EOF))
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
