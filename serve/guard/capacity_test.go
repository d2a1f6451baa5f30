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

// held is a handler that reads the body, reports it, and answers when the test tells it to.
type held struct {
	read   chan string
	answer chan struct{}
}

func newHeld() held { return held{make(chan string, 100), make(chan struct{})} }

func (h held) handler(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		return
	}
	body, p := guard.ReadBody(w, r, 1000)
	if p != nil {
		p.Write(w, r)
		return
	}
	h.read <- fmt.Sprint(len(body))
	<-h.answer
}

// send sends a request with a body. It announces the length unless the length is negative.
func send(t *testing.T, server *httptest.Server, body string, length int64) <-chan *http.Response {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, server.URL, io.NopCloser(strings.NewReader(body)))
	require.NoError(t, err)
	req.ContentLength = length
	answered := make(chan *http.Response, 1)
	go func() {
		res, err := server.Client().Do(req)
		if err == nil {
			res.Body.Close()
		}
		answered <- res
	}()
	return answered
}

func requireOverloaded(t *testing.T, res *http.Response, body string) {
	t.Helper()
	requireProblem(t, res, body, 503, "overloaded")
	require.Equal(t, "1", res.Header.Get("Retry-After"))
	require.Contains(t, body, `"retryable":true`)
}

func TestRequestsInFlightAreCapped(t *testing.T) {
	h := newHeld()
	server := start(t, guard.Config{MaxInFlight: 2}, h.handler, "/healthz")
	var running []<-chan *http.Response
	for range 2 {
		running = append(running, send(t, server, "x", 1))
		<-h.read
	}
	res, body := ask(t, server, "POST", "/", "{}")
	requireOverloaded(t, res, body)
	require.Contains(t, body, "as many requests as it may: 2")
	for _, path := range []string{"/healthz", "/metrics"} {
		res, _ = ask(t, server, "GET", path, "")
		require.Equal(t, 200, res.StatusCode, "%s answers while the server is full", path)
	}
	close(h.answer)
	for _, answered := range running {
		require.Equal(t, 200, (<-answered).StatusCode)
	}
	res, _ = ask(t, server, "POST", "/", "{}")
	require.Equal(t, 200, res.StatusCode)
}

func TestBytesOfBodiesAreCapped(t *testing.T) {
	h := newHeld()
	server := start(t, guard.Config{MaxBody: 1000, MaxBuffered: 1500}, h.handler)
	first := send(t, server, strings.Repeat("x", 1000), 1000)
	require.Equal(t, "1000", <-h.read)
	res, body := ask(t, server, "POST", "/", strings.Repeat("x", 501))
	requireOverloaded(t, res, body)
	require.Equal(
		t,
		503,
		(<-send(t, server, strings.Repeat("x", 501), -1)).StatusCode,
		"a body that does not say how large it is",
	)
	second := send(t, server, strings.Repeat("x", 500), -1)
	require.Equal(t, "500", <-h.read)
	res, body = ask(t, server, "POST", "/", "x")
	requireOverloaded(t, res, body)
	close(h.answer)
	require.Equal(t, 200, (<-first).StatusCode)
	require.Equal(t, 200, (<-second).StatusCode)
	res, _ = ask(t, server, "POST", "/", strings.Repeat("x", 1000))
	require.Equal(t, 200, res.StatusCode, "all room is free again")
}

// Unfinished bodies count towards MaxBuffered, because memory is reserved for them.
// A refused body is read to its end, and that must not take room for ever.
func TestRefusedBodiesTakeNoRoom(t *testing.T) {
	h := newHeld()
	server := start(t, guard.Config{MaxBody: 100_000, MaxBuffered: 100_000, MaxInFlight: 1}, h.handler)
	first := send(t, server, strings.Repeat("x", 900), 900)
	require.Equal(t, "900", <-h.read)
	for _, length := range []int64{100_000, 50_000, -1} { // no room for its bytes, then for one more request
		body := strings.Repeat("x", int(max(length, 50_000)))
		require.Equal(t, 503, (<-send(t, server, body, length)).StatusCode)
	}
	close(h.answer)
	require.Equal(t, 200, (<-first).StatusCode)
	res, body := ask(t, server, "POST", "/", strings.Repeat("x", 100_000))
	requireProblem(t, res, body, 413, "too_large") // of the handler, so the guard has let it in
}

func TestUnfinishedBodiesCount(t *testing.T) {
	entered := make(chan struct{}, 10)
	server := start(t, guard.Config{MaxBody: 1000, MaxBuffered: 1000}, func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		if _, p := guard.ReadBody(w, r, 1000); p != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx")
	require.NoError(t, err)
	<-entered
	res, body := ask(t, server, "POST", "/", "x")
	requireOverloaded(t, res, body)
	require.NoError(t, conn.Close())
	require.Eventually(t, func() bool {
		res, _ := ask(t, server, "POST", "/", "x")
		return res.StatusCode == http.StatusOK
	}, 10*time.Second, 5*time.Millisecond, "a client that leaves frees its room")
}

// Refused bodies are read to their end. Many clients read an answer only after they have sent the
// whole body, and take a closed connection for a failure.
func TestRefusedBodiesAreReadToTheirEnd(t *testing.T) {
	h := newHeld()
	server := start(t, guard.Config{MaxInFlight: 1}, h.handler)
	first := send(t, server, "x", 1)
	<-h.read
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	const size = 8 << 20
	_, err = fmt.Fprintf(
		conn,
		"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s",
		size,
		strings.Repeat("x", size),
	)
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Equal(t, 503, res.StatusCode)
	require.False(t, res.Close)
	close(h.answer)
	<-first
}

func TestConnectionsAreCapped(t *testing.T) {
	server := start(t, guard.Config{MaxConnections: 2}, echo, "/healthz")
	open := func() (net.Conn, func(method, path string) (*http.Response, string)) {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		return conn, func(method, path string) (*http.Response, string) {
			_, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", method, path)
			require.NoError(t, err)
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			return res, string(body)
		}
	}
	first, askFirst := open()
	_, askSecond := open()
	for range 2 {
		for _, ask := range []func(string, string) (*http.Response, string){askFirst, askSecond} {
			res, _ := ask("POST", "/")
			require.Equal(t, 200, res.StatusCode)
			require.False(t, res.Close)
		}
	}
	for _, path := range []string{"/healthz", "/metrics"} {
		_, ask := open()
		res, _ := ask("GET", path)
		require.Equal(t, 200, res.StatusCode, path)
	}
	conn, askThird := open()
	res, body := askThird("POST", "/")
	requireOverloaded(t, res, body)
	require.True(t, res.Close)
	requireCut(t, conn)

	require.NoError(t, first.Close())
	require.Eventually(t, func() bool {
		conn, ask := open()
		defer conn.Close()
		res, _ := ask("POST", "/")
		return res.StatusCode == http.StatusOK
	}, 10*time.Second, 5*time.Millisecond)
}

// Clients that open connections and leave them unused cannot keep others out. The server closes the
// oldest unused connections to make room.
func TestUnusedConnectionsMakeRoom(t *testing.T) {
	server := start(t, guard.Config{MaxConnections: 1}, echo, "/healthz")
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	var unused []net.Conn
	for range 1 + 64 {
		unused = append(unused, dial())
	}
	res, err := server.Client().Get(server.URL + "/healthz")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 200, res.StatusCode)
	requireCut(t, unused[0])
	_, err = fmt.Fprint(unused[64], "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	res, err = http.ReadResponse(bufio.NewReader(unused[64]), nil)
	require.NoError(t, err)
	require.Equal(t, 200, res.StatusCode)
}

// Clients that do not send the body that they announce do not hold a place either.
func TestUnsentBodiesMakeRoom(t *testing.T) {
	asked := make(chan struct{}, 200)
	server := start(t, guard.Config{MaxConnections: 1}, func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		echo(w, r)
	}, "/healthz")
	for range 1 + 64 {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		_, err = fmt.Fprint(conn, "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n{")
		require.NoError(t, err)
		<-asked
	}
	res, err := server.Client().Get(server.URL + "/healthz")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 200, res.StatusCode)
}

func TestConnectionsFarBeyondTheCapAreCut(t *testing.T) {
	busy, answer := make(chan struct{}), make(chan struct{})
	server := start(t, guard.Config{MaxConnections: 1}, func(http.ResponseWriter, *http.Request) {
		busy <- struct{}{}
		<-answer
	})
	defer close(answer)
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	for range 1 + 64 {
		_, err := fmt.Fprint(dial(), "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		require.NoError(t, err)
		<-busy
	}
	requireCut(t, dial())
}

func TestReadBodyTakesMemoryOfItsSize(t *testing.T) {
	const size = 8 << 20
	text := strings.Repeat("x", size)
	read := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text))
			body, p := guard.ReadBody(httptest.NewRecorder(), r, size)
			require.Nil(b, p)
			require.Len(b, body, size)
		}
	})
	require.Less(t, read.AllocedBytesPerOp(), int64(size+size/8))

	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text))
	_, p := guard.ReadBody(httptest.NewRecorder(), r, size-1)
	require.Equal(t, "too_large", p.Code)
	r = httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text))
	r.ContentLength = -1
	_, p = guard.ReadBody(httptest.NewRecorder(), r, size-1)
	require.Equal(t, "too_large", p.Code)
}
