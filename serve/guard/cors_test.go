package guard_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/serve/guard"
)

const page = "https://app.example.com"

func TestPreflight(t *testing.T) {
	server := start(t, guard.Config{Tokens: []string{token}, Origins: []string{page}}, echo)
	ask := func(method string, headers ...string) *http.Response {
		res, _ := ask(t, server, method, "/v1/blocks", "", headers...)
		require.Empty(t, res.Header.Get("Access-Control-Allow-Credentials"))
		return res
	}
	res := ask("OPTIONS", "Origin", page, "Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", "authorization,content-type,idempotency-key",
		"Access-Control-Request-Private-Network", "true")
	require.Equal(t, 204, res.StatusCode)
	require.Equal(t, page, res.Header.Get("Access-Control-Allow-Origin"))
	require.Contains(t, res.Header.Get("Access-Control-Allow-Methods"), "POST")
	for _, name := range []string{"Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"} {
		require.Contains(t, strings.Split(res.Header.Get("Access-Control-Allow-Headers"), ", "), name)
	}
	require.Equal(t, "600", res.Header.Get("Access-Control-Max-Age"))
	require.Equal(t, "true", res.Header.Get("Access-Control-Allow-Private-Network"))
	require.Equal(t, []string{"Origin"}, res.Header.Values("Vary"))

	res = ask("GET", "Origin", page, "Authorization", "Bearer "+token)
	require.Equal(t, 200, res.StatusCode)
	require.Equal(t, page, res.Header.Get("Access-Control-Allow-Origin"))
	require.Contains(t, res.Header.Get("Access-Control-Expose-Headers"), "Idempotency-Key")
	res = ask("GET", "Origin", page)
	require.Equal(t, 401, res.StatusCode)
	require.Equal(t, page, res.Header.Get("Access-Control-Allow-Origin"), "the page can read that it needs the token")
	res = ask("OPTIONS", "Origin", page)
	require.Equal(t, 401, res.StatusCode, "that is no preflight")
	res = ask("OPTIONS", "Host", "evil.example", "Origin", page, "Access-Control-Request-Method", "POST")
	require.Equal(t, 403, res.StatusCode)
	for _, origin := range []string{"https://evil.example", "http://localhost:3000", "null", page + ".evil.example"} {
		for _, method := range []string{"OPTIONS", "GET"} {
			res = ask(method, "Origin", origin, "Access-Control-Request-Method", "POST", "Authorization",
				"Bearer "+token)
			require.Empty(t, res.Header.Get("Access-Control-Allow-Origin"), "%s %s", method, origin)
			require.Empty(t, res.Header.Get("Access-Control-Allow-Methods"))
			require.Equal(t, "Origin", res.Header.Get("Vary"))
		}
	}
	res = ask("GET", "Origin", page, "Origin", page, "Authorization", "Bearer "+token)
	require.Empty(t, res.Header.Get("Access-Control-Allow-Origin"))
}

func TestNoOriginsNoCORS(t *testing.T) {
	server := start(t, guard.Config{}, echo)
	res, _ := ask(t, server, "OPTIONS", "/", "", "Origin", "http://localhost:3000",
		"Access-Control-Request-Method", "POST")
	require.Empty(t, res.Header.Get("Access-Control-Allow-Origin"))
	require.Empty(t, res.Header.Get("Vary"))
}

// TestPageInABrowser checks with Chromium that a page of an allowed origin can send a token and a
// key and read the answer. The same page under another name cannot.
func TestPageInABrowser(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("SEGMENT_BLOCKS_REQUIRE_CLIENTS") == "1" {
			require.NoError(t, err)
		}
		t.Skip("there is no chromium")
	}
	var address atomic.Value // the address of the API, which starts later
	reports := make(chan string, 1)
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			text, _ := io.ReadAll(r.Body)
			reports <- string(text)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<script>
			fetch(%q, {method: "POST", body: '{"a":1}', headers: {
				"Authorization": "Bearer %s", "Content-Type": "application/json", "Idempotency-Key": "k-1"}})
			.then(async r => r.status + " " + r.headers.get("X-Request-Id") + " " +
				await r.text(), e => "no: " + e.name)
			.then(said => fetch("/", {method: "POST", body: said}))
		</script>`, address.Load().(string)+"/v1/blocks", token)
	}))
	defer pages.Close()
	api := start(t, guard.Config{Tokens: []string{token}, Origins: []string{pages.URL}}, echo)
	address.Store(api.URL)
	visit := func(url string) string {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
			"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
			"--user-data-dir="+t.TempDir(), "--remote-debugging-port=0", url)
		require.NoError(t, cmd.Start())
		defer func() {
			cancel()
			_ = cmd.Wait()
		}()
		select {
		case said := <-reports:
			return said
		case <-ctx.Done():
			require.Fail(t, "the page says nothing")
			return ""
		}
	}
	require.Regexp(t, `^200 [0-9a-f-]{36} \{"a":1\}$`, visit(pages.URL))
	require.Equal(t, "no: TypeError", visit(strings.Replace(pages.URL, "127.0.0.1", "localhost", 1)))
}
