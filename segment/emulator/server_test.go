package emulator_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/emulator"
)

// listen opens a stream and returns its lines, without those that are empty.
func listen(t *testing.T, srv *emulator.Server, query string, header ...string) <-chan string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/emulator/v1/stream"+query, nil)
	require.NoError(t, err)
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	require.NoError(t, err)
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	require.Empty(t, resp.Header.Get("Access-Control-Allow-Origin"))
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		defer func() { _ = resp.Body.Close() }()
		for scan := bufio.NewScanner(resp.Body); scan.Scan(); {
			if scan.Text() != "" {
				lines <- scan.Text()
			}
		}
	}()
	require.Equal(t, ": connected", next(t, lines))
	return lines
}

func next(t *testing.T, lines <-chan string) string {
	t.Helper()
	select {
	case line := <-lines:
		return line
	case <-time.After(5 * time.Second):
		require.Fail(t, "nothing came")
		return ""
	}
}

func TestStream(t *testing.T) {
	srv := start(t)
	post(t, srv, "/v1/track", `{"userId":"u","event":"Before"}`)
	live := listen(t, srv, "")
	post(t, srv, "/v1/track", "{\"userId\":\"u\",\n\"event\":\"After\"}")
	require.Equal(t, "id: 2", next(t, live))
	require.Contains(t, next(t, live), `"message":{"userId":"u", "event":"After"}}`)

	for _, resumed := range []<-chan string{
		listen(t, srv, "?since=0"),
		listen(t, srv, "", "Last-Event-ID: 0"),
		listen(t, srv, "", "Last-Event-ID: 99"), // of an earlier run
	} {
		require.Equal(t, "id: 1", next(t, resumed))
		require.Contains(t, next(t, resumed), "Before")
		require.Equal(t, "id: 2", next(t, resumed))
	}
	require.Equal(t, "id: 2", next(t, listen(t, srv, "?since=0", "Last-Event-ID: 1")))
	require.Equal(t, 400, get(t, srv, "/emulator/v1/stream?since=x").status)
}

func TestStreamTellsWhatItMissed(t *testing.T) {
	srv := start(t, emulator.Capacity(2))
	for range 5 {
		post(t, srv, "/v1/identify", `{"userId":"u"}`)
	}
	lines := listen(t, srv, "?since=1")
	require.Equal(t, "event: gap", next(t, lines))
	require.Equal(t, `data: {"missed":2}`, next(t, lines))
	require.Equal(t, "id: 4", next(t, lines))
}

// TestStreamsAreBounded: one client cannot take all streams.
func TestStreamsAreBounded(t *testing.T) {
	srv := start(t)
	for range 16 {
		listen(t, srv, "")
	}
	refused := get(t, srv, "/emulator/v1/stream")
	require.Equal(t, 503, refused.status)
	require.Equal(t, "1", refused.header.Get("Retry-After"))
	require.Contains(t, refused.body, "as many streams as it may: 16")
	require.Equal(t, 16, srv.Stats().Streams)
	client.CloseIdleConnections()
}

func TestStreamsEndOnClose(t *testing.T) {
	srv, err := emulator.Start()
	require.NoError(t, err)
	lines := listen(t, srv, "")
	require.Equal(t, 1, srv.Stats().Streams)
	require.NoError(t, srv.Close(t.Context()))
	require.Empty(t, next(t, lines))
}

func TestStalledStreamHoldsNothingUp(t *testing.T) {
	srv := start(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(srv.URL, "http://"))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "GET /emulator/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return srv.Stats().Streams == 1 }, 5*time.Second, time.Millisecond)
	// It never reads, and more is sent than any buffer between takes.
	item := `{"type":"identify","userId":"u","traits":{"p":"` + pad(9000) + `"}},`
	batch := `{"batch":[` + strings.TrimSuffix(strings.Repeat(item, 50), ",") + `]}`
	for range 30 {
		require.Equal(t, 200, post(t, srv, "/v1/batch", batch).status)
	}
	require.Equal(t, uint64(1500), srv.Stats().Stored)
}

func TestWait(t *testing.T) {
	srv := start(t)
	go func() {
		for range 3 {
			_, _ = trySend(t, "POST", srv.URL+"/v1/identify", []byte(`{"userId":"u"}`))
		}
	}()
	events, err := srv.Wait(t.Context(), 3)
	require.NoError(t, err)
	require.Len(t, events, 3)

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	events, err = srv.Wait(ctx, 4)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "waited for 4 events, have 3")
	require.Len(t, events, 3)

	require.NoError(t, srv.Emulator.Close())
	_, err = srv.Wait(t.Context(), 4)
	require.ErrorIs(t, err, emulator.ErrClosed)
	require.Equal(t, 503, post(t, srv, "/v1/identify", `{"userId":"u"}`).status)
	require.ErrorIs(t, srv.Clear(), emulator.ErrClosed)
}

func TestServe(t *testing.T) {
	e, err := emulator.New()
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- e.Serve(ctx, ln) }()
	lines := listen(t, &emulator.Server{Emulator: e, URL: "http://" + ln.Addr().String()}, "")
	cancel()
	require.NoError(t, <-served)
	require.Empty(t, next(t, lines))
}

func TestServeOffLoopbackNeedsAToken(t *testing.T) {
	e, err := emulator.New()
	require.NoError(t, err)
	ln, err := net.Listen("tcp", ":0")
	require.NoError(t, err)
	require.ErrorContains(t, e.Serve(t.Context(), ln), "serving off loopback needs a token")
	_, err = ln.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestHandlerInAServerOfOnesOwn(t *testing.T) {
	e, err := emulator.New()
	require.NoError(t, err)
	srv := httptest.NewServer(e.Handler())
	require.Equal(t, 200, send(t, "POST", srv.URL+"/v1/identify", `{"userId":"u"}`).status)
	require.Len(t, e.Events(emulator.Filter{}), 1)
	require.NoError(t, e.Close())
	srv.Close()
}

func TestOptionsOutOfRange(t *testing.T) {
	_, err := emulator.Start(
		emulator.Mode("lax"), emulator.Capacity(0), emulator.OversizeItem("x"),
		emulator.DedupWindow(-1), emulator.KnownWriteKeys(""))
	for _, want := range []string{
		`mode must be segment or strict: "lax"`, "capacity must be at least 1: 0",
		`oversize policy must be refuse or drop: "x"`, "dedup window cannot be negative",
		"known write key 0 is empty",
	} {
		require.ErrorContains(t, err, want)
	}
}
