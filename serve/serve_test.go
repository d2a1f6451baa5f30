package serve_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
	"github.com/aacflow/segment-blocks/serve"
	"github.com/aacflow/segment-blocks/serve/guard"
	"github.com/aacflow/segment-blocks/serve/mcp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	alias     = `{"userId":"u-42","previousId":"u-41"}`
	aliasREST = "/v1/blocks/segment_alias/invoke"
)

// start returns a server whose blocks send to an emulator.
func start(t *testing.T, cfg serve.Config) (*serve.Server, *emulator.Server) {
	t.Helper()
	segment, err := emulator.Start()
	require.NoError(t, err)
	reg := registry.New()
	blocks.MustRegister(reg)
	options := []runtime.Option{
		runtime.Source("prod", tracking.Source{WriteKey: "S3cretS3cretS3cretS3cretS3cretS3", Endpoint: segment.URL}),
	}
	if cfg.Invocations != nil {
		options = append(options, runtime.Observe(cfg.Invocations.Observe))
	}
	rt, err := runtime.New(reg, options...)
	require.NoError(t, err)
	server, err := serve.New(rt, reg, cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, rt.Close(ctx))
		require.NoError(t, segment.Close(ctx))
		http.DefaultClient.CloseIdleConnections()
	})
	return server, segment
}

// ask sends a request, a POST if it has a body.
func ask(t *testing.T, url, body string) (int, string) {
	t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(data)
}

func guarded(t *testing.T, cfg guard.Config) *guard.Guard {
	t.Helper()
	g, err := guard.New(cfg)
	require.NoError(t, err)
	return g
}

// A host mounts a server in its own mux, below a path of its choice.
func TestMounted(t *testing.T) {
	var routes []string
	server, segment := start(t, serve.Config{
		MCP: mcp.Config{Sources: []string{"prod"}}, Version: "1.2.3", Emulated: true,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\n") }),
		Middleware: func(next http.Handler, route func(*http.Request) string) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				routes = append(routes, route(r))
				next.ServeHTTP(w, r)
			})
		},
	})
	mux := http.NewServeMux()
	mux.Handle("/tools/", http.StripPrefix("/tools", server))
	web := httptest.NewServer(mux)
	defer web.Close()

	const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"segment_alias","arguments":` + alias +
		`}}`
	for _, c := range []struct {
		path, body, route, says string
		status                  int
	}{
		{"/healthz", "", "/healthz", `{"status":"ok","emulated":true}`, 200},
		{"/readyz", "", "/readyz", `{"status":"ready","emulated":true}`, 200},
		{"/metrics", "", "/metrics", "up 1", 200},
		{"/openapi.json", "", "/openapi.json", `"1.2.3"`, 200},
		{"/v1/blocks", "", "/v1/blocks", `"segment_alias"`, 200},
		{"/v1/blocks/segment_alias/schema/input", "", "/v1/blocks/{id}/schema/input", `"previousId"`, 200},
		{aliasREST, `{"input":` + alias + `}`, "/v1/blocks/{id}/invoke", `"accepted":1`, 200},
		{"/mcp", call, "/mcp", `"structuredContent":{"success":true`, 200},
		{"/mcp/prod", call, "/mcp/{source}", `"structuredContent":{"success":true`, 200},
		{"/mcpx", "", "other", `"not_found"`, 404},
		{"//healthz", "", "other", `"not_found"`, 404},
	} {
		routes = nil
		req, err := http.NewRequest(http.MethodGet, "http://localhost"+c.path, nil)
		require.NoError(t, err)
		if strings.HasPrefix(c.path, "//") { // the mux of the host would clean the path
			recorder := httptest.NewRecorder()
			server.ServeHTTP(recorder, req)
			require.Equal(t, c.status, recorder.Code, c.path)
			continue
		}
		status, body := ask(t, web.URL+"/tools"+c.path, c.body)
		require.Equal(t, c.status, status, "%s: %s", c.path, body)
		require.Contains(t, body, c.says)
		require.Equal(t, []string{c.route}, routes)
	}
	require.Len(t, segment.Events(emulator.Filter{}), 3)

	rebound := httptest.NewRequest(http.MethodGet, "http://evil.example/v1/blocks", nil)
	recorder := httptest.NewRecorder()
	server.ServeHTTP(recorder, rebound)
	require.Equal(t, http.StatusForbidden, recorder.Code, "the guard is in front")
}

func TestWithoutMetricsThereIsNoSuchPath(t *testing.T) {
	server, _ := start(t, serve.Config{})
	recorder := httptest.NewRecorder()
	server.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "http://localhost/metrics", nil))
	require.Equal(t, http.StatusNotFound, recorder.Code)
}

func TestConfigIsChecked(t *testing.T) {
	reg := registry.New()
	rt, err := runtime.New(reg)
	require.NoError(t, err)
	_, err = serve.New(rt, reg, serve.Config{MCP: mcp.Config{DefaultProfile: "lax"}})
	require.EqualError(t, err, `serve: new mcp server: the profile must be sim, agent or strict: "lax"`)
}

// serving lets a server serve a listener, and returns its URL and what ends it.
func serving(t *testing.T, server *serve.Server) (url string, stop func() error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, ln) }()
	stop = func() error {
		cancel()
		select {
		case err := <-ended:
			ended <- err
			return err
		case <-time.After(20 * time.Second):
			t.Fatal("the server does not stop")
			return nil
		}
	}
	t.Cleanup(func() { _ = stop() })
	return "http://" + ln.Addr().String(), stop
}

// hold invokes a block whose receiver answers after a delay, and returns once the receiver has the
// request.
func hold(t *testing.T, segment *emulator.Server, url string, delay time.Duration) <-chan int {
	t.Helper()
	require.NoError(t, segment.Script(emulator.Fault{Delay: delay, Store: true, Status: 200, Body: `{"success":true}`}))
	answered := make(chan int, 1)
	go func() {
		res, err := http.Post(url+aliasREST, "application/json", strings.NewReader(`{"input":`+alias+`}`))
		if err != nil {
			answered <- 0
			return
		}
		_ = res.Body.Close()
		answered <- res.StatusCode
	}()
	require.Eventually(t, func() bool { return len(segment.Faults()) == 0 }, 10*time.Second, time.Millisecond)
	return answered
}

func TestHealthAnswersWhileFull(t *testing.T) {
	server, segment := start(t, serve.Config{
		Guard: guarded(t, guard.Config{MaxInFlight: 1, Rate: 1.5}),
	})
	url, _ := serving(t, server)
	running := hold(t, segment, url, 2*time.Second)
	status, body := ask(t, url+aliasREST, `{"input":`+alias+`}`)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, body, `"overloaded"`)
	status, body = ask(t, url+"/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
	require.Equal(t, http.StatusServiceUnavailable, status, body)
	for range 5 { // more than the rate, too
		for _, path := range []string{"/healthz", "/readyz"} {
			status, _ = ask(t, url+path, "")
			require.Equal(t, http.StatusOK, status, path)
		}
	}
	require.Equal(t, http.StatusOK, <-running)
}

// The end of the context costs no answer, and load balancers learn of it first.
func TestServeDrains(t *testing.T) {
	var delay atomic.Int64
	server, segment := start(t, serve.Config{
		DrainDelay: time.Second, OnDrain: func(d time.Duration) { delay.Store(int64(d)) },
	})
	url, stop := serving(t, server)
	running := hold(t, segment, url, 3*time.Second)
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	require.Eventually(t, func() bool {
		status, body := ask(t, url+"/readyz", "")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "stopping")
	}, 10*time.Second, time.Millisecond)
	require.Equal(t, int64(time.Second), delay.Load())
	status, _ := ask(t, url+aliasREST, `{"input":`+alias+`}`)
	require.Equal(t, http.StatusOK, status, "requests are still taken")
	require.Equal(t, http.StatusOK, <-running)
	require.NoError(t, <-ended)
	_, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	require.Error(t, err)
}

func TestServeCutsOffAtTheEndOfDrain(t *testing.T) {
	server, segment := start(t, serve.Config{Drain: 100 * time.Millisecond, DrainDelay: -1})
	url, stop := serving(t, server)
	running := hold(t, segment, url, time.Minute)
	require.ErrorContains(t, stop(), "requests were cut off: context deadline exceeded")
	require.Zero(t, <-running)
}

func TestServeRefusesToBeOpen(t *testing.T) {
	server, _ := start(t, serve.Config{})
	ln, err := net.Listen("tcp", "0.0.0.0:0")
	require.NoError(t, err)
	require.ErrorContains(t, server.Serve(t.Context(), ln), "off loopback the server must have a token")
	require.Error(t, ln.Close(), "it is closed")
}

func TestServeReportsAListenerThatFails(t *testing.T) {
	server, _ := start(t, serve.Config{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	require.ErrorIs(t, server.Serve(t.Context(), ln), net.ErrClosed)
}

// A Unix socket has no filter for handshakes, and drains as it can.
func TestServeOnAUnixSocket(t *testing.T) {
	server, _ := start(t, serve.Config{})
	path := t.TempDir() + "/s"
	ln, err := net.Listen("unix", path)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, ln) }()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get("http://localhost/readyz")
	require.NoError(t, err)
	var ready struct{ Status string }
	require.NoError(t, json.NewDecoder(res.Body).Decode(&ready))
	require.NoError(t, res.Body.Close())
	require.Equal(t, "ready", ready.Status)
	cancel()
	require.NoError(t, <-ended)
}
