package guard_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/serve/guard"
)

func serve(t *testing.T, change func(*http.Server), handler http.HandlerFunc) string {
	g, err := guard.New(guard.Config{})
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(nil)
	server.Config = g.Server(handler)
	change(server.Config)
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// TestServerHasLimits keeps the limits from being removed. The tests below show that they work.
func TestServerHasLimits(t *testing.T) {
	g, err := guard.New(guard.Config{})
	require.NoError(t, err)
	s := g.Server(http.NotFoundHandler())
	require.Equal(t, 5*time.Second, s.ReadHeaderTimeout)
	require.Equal(t, 30*time.Second, s.ReadTimeout)
	require.NotZero(t, s.WriteTimeout)
	require.NotZero(t, s.IdleTimeout)
	require.Equal(t, 32<<10, s.MaxHeaderBytes)
	require.NotNil(t, s.ErrorLog)
}

// requireCut requires that the server closes the connection by itself.
func requireCut(t *testing.T, conn net.Conn) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
	_, err := io.ReadAll(conn)
	var timeout net.Error
	require.False(t, errorsAs(err, &timeout) && timeout.Timeout(), "the connection must have been cut")
}

func errorsAs(err error, target *net.Error) bool {
	e, ok := err.(net.Error) //nolint:errorlint // straight from the connection
	*target = e
	return ok
}

func TestSlowClientsAreCut(t *testing.T) {
	soon := func(s *http.Server) { s.ReadHeaderTimeout, s.ReadTimeout = 50*time.Millisecond, 150*time.Millisecond }
	addr := serve(t, soon, echo)
	for name, part := range map[string]string{
		"headers": "GET / HTTP/1.1\r\nHost: local",
		"body":    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", addr)
			require.NoError(t, err)
			defer conn.Close()
			_, err = io.WriteString(conn, part)
			require.NoError(t, err)
			requireCut(t, conn)
		})
	}
}

func TestLargeHeadersAreRefused(t *testing.T) {
	addr := serve(t, func(*http.Server) {}, echo)
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	go fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Big: %s\r\n\r\n", strings.Repeat("x", 64<<10))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, res.StatusCode)
}

func TestClientsThatDoNotReadAreCut(t *testing.T) {
	g, err := guard.New(guard.Config{WriteTimeout: 50 * time.Millisecond})
	require.NoError(t, err)
	failed := make(chan error, 1)
	server := httptest.NewUnstartedServer(nil)
	server.Config = g.Server(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 10_000 {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}))
	server.Start()
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	select {
	case err := <-failed:
		require.ErrorContains(t, err, "timeout")
	case <-time.After(5 * time.Second):
		require.Fail(t, "the handler is still writing")
	}
}

// The read timeout limits only the request. A handler may run longer, such as for an invocation
// that waits for a rate limit.
func TestHandlersOutliveTheReadTimeout(t *testing.T) {
	addr := serve(
		t,
		func(s *http.Server) { s.ReadTimeout = 50 * time.Millisecond },
		func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				return
			}
			select {
			case <-r.Context().Done():
				http.Error(w, "canceled", http.StatusTeapot)
			case <-time.After(200 * time.Millisecond):
			}
		},
	)
	defer http.DefaultClient.CloseIdleConnections()
	for range 2 { // on one connection
		for _, body := range []string{"", "body"} {
			res, err := http.Post("http://"+addr, "", strings.NewReader(body))
			require.NoError(t, err)
			res.Body.Close()
			require.Equal(t, 200, res.StatusCode)
		}
	}
}

// Streams outlive the write timeout, because each write has its own deadline.
func TestStreamsOutliveTheWriteTimeout(t *testing.T) {
	addr := serve(
		t,
		func(s *http.Server) { s.WriteTimeout = 50 * time.Millisecond },
		func(w http.ResponseWriter, _ *http.Request) {
			flusher, ok := w.(http.Flusher)
			for range 4 {
				if _, err := io.WriteString(w, "tick "); err != nil || !ok {
					return
				}
				flusher.Flush()
				time.Sleep(30 * time.Millisecond)
			}
		},
	)
	res, err := http.Get("http://" + addr)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	http.DefaultClient.CloseIdleConnections()
	require.NoError(t, err)
	require.Equal(t, "tick tick tick tick ", string(body))
}
