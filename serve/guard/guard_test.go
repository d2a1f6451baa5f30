package guard_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aacflow/segment-blocks/serve/guard"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "correct-horse-battery-staple"

// echo answers with the body of the request.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	w.Header().Set("X-Seen-Id", guard.RequestID(r.Context()))
	w.Write(body)
}

func start(t *testing.T, cfg guard.Config, handler http.HandlerFunc, open ...string) *httptest.Server {
	t.Helper()
	g, err := guard.New(cfg)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(nil)
	server.Config = g.Server(handler, open...)
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// ask sends a request with headers, given as name, value, and so on. The name Host sets the host.
func ask(t *testing.T, server *httptest.Server, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, server.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Add(headers[i], headers[i+1])
	}
	res, err := server.Client().Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(data)
}

func requireProblem(t *testing.T, res *http.Response, body string, status int, code string) {
	t.Helper()
	require.Equal(t, status, res.StatusCode, body)
	require.Equal(t, "application/problem+json", res.Header.Get("Content-Type"))
	var p guard.Problem
	require.NoError(t, json.Unmarshal([]byte(body), &p))
	require.Equal(t, code, p.Code)
	require.Equal(t, status, p.Status)
	require.Equal(t, "about:blank", p.Type)
	require.Equal(t, http.StatusText(status), p.Title)
	require.NotEmpty(t, p.Detail)
	require.Equal(t, res.Header.Get("X-Request-Id"), p.Instance)
	require.NotEmpty(t, p.Instance)
}

func TestToken(t *testing.T) {
	server := start(t, guard.Config{Tokens: []string{token, "the-next-token-in-line"}}, echo, "/healthz")
	for name, c := range map[string]struct {
		path    string
		headers []string
		status  int
	}{
		"none":                {"/", nil, 401},
		"wrong":               {"/", []string{"Authorization", "Bearer wrong-wrong-wrong-wrong"}, 401},
		"a part of it":        {"/", []string{"Authorization", "Bearer " + token[:20]}, 401},
		"empty":               {"/", []string{"Authorization", "Bearer "}, 401},
		"basic":               {"/", []string{"Authorization", "Basic " + token}, 401},
		"another header":      {"/", []string{"X-Api-Key", token}, 401},
		"in the query":        {"/?token=" + token, nil, 401},
		"right":               {"/", []string{"Authorization", "Bearer " + token}, 200},
		"scheme in lower":     {"/", []string{"Authorization", "bearer " + token}, 200},
		"the second":          {"/", []string{"Authorization", "Bearer the-next-token-in-line"}, 200},
		"open path":           {"/healthz", nil, 200},
		"below the open path": {"/healthz/more", nil, 401},
		"around to it":        {"/x/../healthz", nil, 401},
	} {
		t.Run(name, func(t *testing.T) {
			res, body := ask(t, server, "GET", c.path, "", c.headers...)
			if c.status == 401 {
				requireProblem(t, res, body, 401, "unauthenticated")
				require.Equal(t, "Bearer", res.Header.Get("WWW-Authenticate"))
				require.NotContains(t, body, token)
			}
			require.Equal(t, c.status, res.StatusCode)
		})
	}
}

func TestHost(t *testing.T) {
	server := start(t, guard.Config{Hosts: []string{"blocks.internal", "2001:db8::1"}}, echo, "/healthz")
	for host, ok := range map[string]bool{
		"localhost": true, "LOCALHOST:8787": true, "localhost.": true, "127.0.0.1:1": true, "127.9.9.9": true,
		"[::1]:8787": true, "[::1]": true,
		"blocks.internal:80": true, "[2001:db8::1]:80": true,
		"evil.example": false, "evil.example:8787": false, "localhost.evil.example": false, "127.0.0.1.nip.io": false,
		"10.0.0.1":          false,
		"x.blocks.internal": false, "0.0.0.0:8787": false,
	} {
		res, body := ask(t, server, "POST", "/", "{}", "Host", host)
		if ok {
			require.Equal(t, 200, res.StatusCode, host)
			continue
		}
		requireProblem(t, res, body, 403, "host_not_allowed")
		res, _ = ask(t, server, "GET", "/healthz", "", "Host", host)
		require.Equal(t, 200, res.StatusCode, "a probe knows only an address")
	}
	anyHost := start(t, guard.Config{Hosts: []string{guard.AnyHost}, Tokens: []string{token}}, echo)
	res, _ := ask(t, anyHost, "GET", "/", "", "Host", "whatever.example", "Authorization", "Bearer "+token)
	require.Equal(t, 200, res.StatusCode)
}

func TestOrigin(t *testing.T) {
	server := start(
		t,
		guard.Config{Hosts: []string{"blocks.internal"}, Origins: []string{"https://app.example.com"}},
		echo,
	)
	for name, c := range map[string]struct {
		ok      bool
		headers []string
	}{
		"a program":            {true, nil},
		"loopback":             {true, []string{"Origin", "http://localhost:3000"}},
		"loopback address":     {true, []string{"Origin", "http://[::1]:3000"}},
		"its own":              {true, []string{"Origin", "https://blocks.internal", "Host", "blocks.internal"}},
		"its name, other port": {false, []string{"Origin", "https://blocks.internal:1", "Host", "blocks.internal"}},
		"allowed":              {true, []string{"Origin", "https://app.example.com"}},
		"another scheme":       {false, []string{"Origin", "http://app.example.com"}},
		"another site":         {false, []string{"Origin", "https://evil.example"}},
		"a sandbox":            {false, []string{"Origin", "null"}},
		"empty":                {false, []string{"Origin", ""}},
		"two":                  {false, []string{"Origin", "http://localhost", "Origin", "https://evil.example"}},
		"cross-site":           {false, []string{"Sec-Fetch-Site", "cross-site"}},
		"same-origin":          {true, []string{"Sec-Fetch-Site", "same-origin"}},
		"cross-site navigate":  {false, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}},
	} {
		t.Run(name, func(t *testing.T) {
			res, body := ask(t, server, "POST", "/", "{}", c.headers...)
			if c.ok {
				require.Equal(t, 200, res.StatusCode)
			} else {
				requireProblem(t, res, body, 403, "origin_not_allowed")
			}
		})
	}
	res, _ := ask(t, server, "GET", "/", "", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate")
	require.Equal(t, 200, res.StatusCode, "a link may be followed")
	res, _ = ask(t, server, "GET", "/", "", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors")
	require.Equal(t, 403, res.StatusCode, "an image may not")
}

func TestBodySize(t *testing.T) {
	server := start(t, guard.Config{MaxBody: 100, MaxBuffered: 100}, echo)
	res, body := ask(t, server, "POST", "/", strings.Repeat("x", 101))
	requireProblem(t, res, body, 413, "too_large")
	res, body = ask(t, server, "POST", "/", strings.Repeat("x", 100))
	require.Equal(t, 200, res.StatusCode)
	require.Len(t, body, 100)

	unsaid, err := server.Client().Post(server.URL, "", io.MultiReader(strings.NewReader(strings.Repeat("x", 101))))
	require.NoError(t, err)
	unsaid.Body.Close()
	require.Equal(t, 413, unsaid.StatusCode, "cut while it is read")
}

func TestRequestID(t *testing.T) {
	server := start(t, guard.Config{}, echo)
	for given, kept := range map[string]bool{
		"abc-123_x.y": true, strings.Repeat("a", 64): true,
		"": false, strings.Repeat("a", 65): false, "a b": false, `a"b`: false, "<script>": false, "a/b": false,
		"ü": false,
	} {
		res, _ := ask(t, server, "GET", "/", "", "X-Request-Id", given)
		id := res.Header.Get("X-Request-Id")
		require.NotEmpty(t, id)
		require.Equal(t, kept, id == given, given)
		require.Equal(t, id, res.Header.Get("X-Seen-Id"))
	}
	require.Empty(t, guard.RequestID(t.Context()))
}

func TestPanic(t *testing.T) {
	var log bytes.Buffer
	server := start(
		t,
		guard.Config{Logger: slog.New(slog.NewJSONHandler(&log, nil))},
		func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/":
				w.Header().Set("Content-Encoding", "gzip")
			case "/index":
				_ = []int{}[len(r.URL.RawQuery)]
			case "/begun":
				w.Write([]byte("half an ans"))
			case "/abort":
				panic(http.ErrAbortHandler)
			}
			panic("the key is hunter2")
		},
	)
	res, body := ask(t, server, "GET", "/", "")
	requireProblem(t, res, body, 500, "internal")
	require.Empty(t, res.Header.Get("Content-Encoding"))
	require.NotContains(t, body, "hunter2")
	require.NotContains(t, body, ".go")
	require.NotContains(t, log.String(), "hunter2")
	require.Contains(t, log.String(), "guard_test.go", "the stack")
	ask(t, server, "GET", "/index", "")
	require.Contains(t, log.String(), "index out of range")
	for _, path := range []string{"/begun", "/abort"} {
		res, err := server.Client().Get(server.URL + path)
		if err == nil {
			_, err = io.ReadAll(res.Body)
			res.Body.Close()
		}
		require.Error(t, err, "%s must not look like a whole answer", path)
	}
}

func TestLog(t *testing.T) {
	var log bytes.Buffer
	server := start(t, guard.Config{Tokens: []string{token}, Logger: slog.New(slog.NewJSONHandler(&log, nil))}, echo)
	ask(
		t,
		server,
		"POST",
		"/v1/x?key=secret-query",
		"secret-body",
		"Authorization",
		"Bearer "+token,
		"X-Request-Id",
		"r-1",
		"Cookie",
		"secret-cookie",
	)
	ask(t, server, "GET", "/"+strings.Repeat("p", 500), "")
	server.Close()
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	require.Len(t, lines, 2)
	var line map[string]any
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &line))
	require.Equal(t, "r-1", line["requestId"])
	require.Equal(t, "POST", line["method"])
	require.Equal(t, "/v1/x", line["path"])
	require.InDelta(t, 200, line["status"], 0)
	require.InDelta(t, len("secret-body"), line["bytes"], 0)
	require.Equal(t, "127.0.0.1", line["client"])
	require.Contains(t, lines[1], `"status":401`)
	require.Less(t, len(lines[1]), 500)
	for _, secret := range []string{"secret", token} {
		require.NotContains(t, log.String(), secret)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]guard.Config{
		"short token":         {Tokens: []string{"short"}},
		"token with a blank":  {Tokens: []string{"correct horse battery"}},
		"host with a port":    {Hosts: []string{"blocks.internal:80"}},
		"host with a scheme":  {Hosts: []string{"https://blocks.internal"}},
		"empty host":          {Hosts: []string{""}},
		"origin with a path":  {Origins: []string{"https://app.example.com/"}},
		"origin without":      {Origins: []string{"app.example.com"}},
		"any host, no token":  {Hosts: []string{guard.AnyHost}},
		"origin of no scheme": {Origins: []string{"*"}},
	} {
		_, err := guard.New(cfg)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "horse")
	}
}

func TestListen(t *testing.T) {
	for name, c := range map[string]struct {
		cfg     guard.Config
		address string
		ok      bool
	}{
		"loopback":             {guard.Config{}, "127.0.0.1:0", true},
		"everywhere":           {guard.Config{}, ":0", false},
		"everywhere by name":   {guard.Config{}, "0.0.0.0:0", false},
		"everywhere, token":    {guard.Config{Tokens: []string{token}}, ":0", true},
		"everywhere, TLS auth": {guard.Config{ClientCertificates: true}, ":0", true},
		"nowhere":              {guard.Config{}, "127.0.0.1:x", false},
	} {
		g, err := guard.New(c.cfg)
		require.NoError(t, err)
		ln, err := g.Listen(t.Context(), c.address)
		require.Equal(t, c.ok, err == nil, "%s: %v", name, err)
		if ln != nil {
			ln.Close()
		}
	}
	g, err := guard.New(guard.Config{})
	require.NoError(t, err)
	require.NoError(t, g.CheckAddress(&net.UnixAddr{Name: "/run/x.sock", Net: "unix"}))
	require.Error(t, g.CheckAddress(&net.TCPAddr{IP: net.IPv4(192, 168, 0, 1)}))
	require.Error(t, g.CheckAddress(&net.TCPAddr{}))
}
