package rest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
	"github.com/aacflow/segment-blocks/serve/guard"
	"github.com/aacflow/segment-blocks/serve/rest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const writeKey = "0123456789abcdefghijABCDEFGHIJ42"

// bench is a server, and the emulator that it sends to. Its sources are prod, other with a key of
// its own, and keyless.
type bench struct {
	t        testing.TB
	registry *registry.Registry
	runtime  *runtime.Runtime
	handler  http.Handler
	segment  *emulator.Server
	url      string
}

func start(t testing.TB) *bench { return startWith(t, rest.Config{}) }

func startWith(t testing.TB, cfg rest.Config) *bench {
	t.Helper()
	segment, err := emulator.Start()
	require.NoError(t, err)
	reg := registry.New()
	blocks.MustRegister(reg)
	source := func(key string) tracking.Source {
		retry := retry.Policy{MaxRetries: 1, BaseDelay: time.Millisecond, RateLimitBudget: time.Second}
		return tracking.Source{WriteKey: tracking.WriteKey(key), Endpoint: segment.URL, Retry: retry, InFlight: 1}
	}
	options := []runtime.Option{
		runtime.Source("prod", source(writeKey)), runtime.Source("other", source(strings.ToUpper(writeKey))),
		runtime.Source("keyless", source("")),
	}
	if cfg.Invocations != nil {
		options = append(options, runtime.Observe(cfg.Invocations.Observe))
	}
	rt, err := runtime.New(reg, options...)
	require.NoError(t, err)
	g, err := guard.New(guard.Config{Rate: -1})
	require.NoError(t, err)
	handler := rest.New(rt, reg, cfg)
	t.Cleanup(func() {
		ctx := context.Background()
		require.NoError(t, rt.Close(ctx))
		require.NoError(t, segment.Close(ctx))
		http.DefaultClient.CloseIdleConnections()
	})
	b := &bench{t, reg, rt, handler, segment, ""}
	b.serve(g.Server(handler))
	return b
}

// serve makes a server the one that is asked.
func (b *bench) serve(config *http.Server) {
	server := httptest.NewUnstartedServer(nil)
	server.Config = config
	server.Start()
	b.t.Cleanup(server.Close)
	b.url = server.URL
}

type answer struct {
	*http.Response
	text string
}

func (a answer) into(t testing.TB, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(a.text), v), a.text)
}

// ask sends a request with headers given as name, value, …
func (b *bench) ask(method, path, body string, headers ...string) answer {
	b.t.Helper()
	req, err := http.NewRequest(method, b.url+path, strings.NewReader(body))
	require.NoError(b.t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return b.do(req)
}

func (b *bench) do(req *http.Request) answer {
	b.t.Helper()
	res, err := http.DefaultClient.Do(req)
	require.NoError(b.t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(b.t, err)
	return answer{res, string(data)}
}

func (b *bench) post(block, verb, body string, headers ...string) answer {
	b.t.Helper()
	return b.ask("POST", "/v1/blocks/"+block+"/"+verb, body, headers...)
}

// requireProblem demands a complete problem document.
func (b *bench) requireProblem(a answer, status int, code string) rest.Problem {
	b.t.Helper()
	require.Equal(b.t, status, a.StatusCode, a.text)
	require.Equal(b.t, "application/problem+json", a.Header.Get("Content-Type"))
	var plain struct {
		rest.Problem
		Receipt json.RawMessage `json:"receipt"`
	}
	a.into(b.t, &plain)
	p := plain.Problem
	require.Equal(b.t, code, p.Code, a.text)
	require.Equal(b.t, status, p.Status)
	require.Equal(b.t, "/v1/errors/"+code, p.Type)
	require.NotEmpty(b.t, p.Title)
	require.NotEqual(b.t, code, p.Title)
	require.NotEmpty(b.t, p.Detail)
	require.NotContains(b.t, p.Detail, "\n")
	require.NotNil(b.t, p.Violations)
	require.Equal(b.t, a.Header.Get("X-Request-Id"), p.Instance)
	require.NotContains(b.t, a.text, writeKey)

	doc := b.ask("GET", p.Type, "")
	require.Equal(b.t, 200, doc.StatusCode, "its type leads somewhere")
	return p
}

func TestCatalog(t *testing.T) {
	b := start(t)
	list := func(query string) string {
		a := b.ask("GET", "/v1/blocks"+query, "")
		require.Equal(t, 200, a.StatusCode, a.text)
		require.Equal(t, "application/json", a.Header.Get("Content-Type"))
		var page struct{ Blocks []registry.Entry }
		a.into(t, &page)
		var ids []string
		for _, e := range page.Blocks {
			ids = append(ids, strings.TrimPrefix(e.ID, "segment_"))
		}
		return strings.Join(ids, " ")
	}
	for query, want := range map[string]string{
		"":                                 "alias batch group identify page screen track",
		"?search=":                         "alias batch group identify page screen track",
		"?category=analytics&tag=import":   "batch",
		"?category=mail":                   "",
		"?search=previousId":               "alias batch",
		"?search=previousId&tag=import":    "batch",
		"?search=track&category=analytics": "track batch identify page screen",
	} {
		require.Equal(t, want, list(query), query)
	}
	require.Contains(t, b.ask("GET", "/v1/blocks?category=mail", "").text, `"blocks":[]`)
	p := b.requireProblem(b.ask("GET", "/v1/blocks?categry=mail", ""), 400, "invalid_request")
	require.Contains(t, p.Detail, `did you mean "category"?`)
	b.requireProblem(b.ask("GET", "/v1/blocks?tag=a&tag=b", ""), 400, "invalid_request")
	b.requireProblem(b.ask("GET", "/v1/blocks?%zz", ""), 400, "invalid_request")
}

func TestBlock(t *testing.T) {
	b := start(t)
	a := b.ask("GET", "/v1/blocks/segment_track", "")
	var e registry.Entry
	a.into(t, &e)
	require.Equal(t, "Segment Track", e.Name)
	require.Equal(t, "Accept", a.Header.Get("Vary"))

	for accept, markdown := range map[string]bool{
		"text/markdown": true, "text/markdown, */*;q=0.1": true, "application/json;q=0.5, text/markdown": true,
		"": false, "*/*": false, "text/*": false, "text/html": false, "text/markdown;q=0": false,
		"text/markdown;q=x":                     false,
		"text/markdown;q=0.5, application/json": false, ";;,": false,
	} {
		a := b.ask("GET", "/v1/blocks/segment_track", "", "Accept", accept)
		require.Equal(t, 200, a.StatusCode)
		require.Equal(t, markdown, a.Header.Get("Content-Type") == "text/markdown; charset=utf-8", accept)
		require.Equal(t, markdown, strings.HasPrefix(a.text, "# Segment Track\n"), accept)
	}

	schema := b.ask("GET", "/v1/blocks/segment_track/schema/output", "")
	require.Equal(t, "application/schema+json", schema.Header.Get("Content-Type"))
	require.JSONEq(t, string(e.OutputSchema), schema.text)
	require.JSONEq(t, string(e.InputSchema), b.ask("GET", "/v1/blocks/segment_track/schema/input", "").text)

	p := b.requireProblem(b.ask("GET", "/v1/blocks/segment_trak", ""), 404, "unknown_block")
	require.Contains(t, p.Detail, `did you mean "segment_track"?`)
	b.requireProblem(b.ask("GET", "/v1/blocks/segment_trak/schema/input", ""), 404, "unknown_block")
}

func TestConditionalRequests(t *testing.T) {
	b := start(t)
	tags := map[string]bool{}
	for _, path := range []string{
		"/v1/blocks", "/v1/blocks/segment_track", "/v1/blocks/segment_track/schema/input",
		"/v1/errors", "/openapi.json",
	} {
		full := b.ask("GET", path, "")
		tag := full.Header.Get("ETag")
		require.False(t, tags[tag], "a tag of its own")
		tags[tag] = true
		require.Equal(t, "no-cache", full.Header.Get("Cache-Control"))

		head := b.ask("HEAD", path, "")
		require.Equal(t, 200, head.StatusCode)
		require.Empty(t, head.text)
		require.Equal(t, tag, head.Header.Get("ETag"))
		require.Equal(t, int64(len(full.text)), head.ContentLength)

		for header, status := range map[string]int{
			tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200,
			"": 200,
		} {
			a := b.ask("GET", path, "", "If-None-Match", header)
			require.Equal(t, status, a.StatusCode, header)
			require.Equal(t, tag, a.Header.Get("ETag"))
		}
	}
	markdown := b.ask("GET", "/v1/blocks/segment_track", "", "Accept", "text/markdown")
	require.False(t, tags[markdown.Header.Get("ETag")], "not that of the JSON")
}

func TestPathsAndMethods(t *testing.T) {
	b := start(t)
	for _, path := range []string{
		"/", "/v1", "/v1/blocks/", "//v1/blocks", "/v1/blocks/segment_track/",
		"/v1/blocks/segment_track/run", "/v1/blocks/segment_track/schema/both", "/v1/errors/", "/../v1/blocks",
		"/%2e%2e",
	} {
		b.requireProblem(b.ask("GET", path, ""), 404, "not_found")
	}
	p := b.requireProblem(b.ask("GET", "/v1/errors/rejectd", ""), 404, "not_found")
	require.Contains(t, p.Detail, `did you mean "rejected"?`)
	for path, allow := range map[string]string{
		"/v1/blocks": "GET, HEAD", "/openapi.json": "GET, HEAD", "/v1/blocks/segment_track/schema/input": "GET, HEAD",
		"/v1/blocks/segment_track/invoke": "POST",
	} {
		method := "POST"
		if allow == "POST" {
			method = "GET"
		}
		for _, m := range []string{method, "PUT", "OPTIONS", "BREW"} {
			a := b.ask(m, path, "")
			p := b.requireProblem(a, 405, "method_not_allowed")
			require.Contains(t, p.Detail,
				"the method of this path must be "+strings.ReplaceAll(allow, ", ", " or ")+`: "`+m)
			require.Equal(t, allow, a.Header.Get("Allow"))
		}
	}
}

// TestErrorsAreDocumented holds the list to the codes of the runtime, and the two rules of the
// table.
func TestErrorsAreDocumented(t *testing.T) {
	docs := map[runtime.Code]rest.ErrorDoc{}
	for _, d := range rest.Errors() {
		require.NotContains(t, docs, d.Code)
		docs[d.Code] = d
		require.NotContains(t, []int{401, 403, 429}, d.Status, d.Code)
		if d.Sent == "yes" {
			require.GreaterOrEqual(t, d.Status, 500, d.Code)
		}
	}
	for _, c := range runtime.Codes() {
		require.Equal(t, rest.Status(c.Code), docs[c.Code].Status)
		if c.Code != runtime.InvalidOutput && c.Code != runtime.Internal {
			require.NotEqual(t, 500, rest.Status(c.Code), "%s is missing in Status", c.Code)
		}
	}
	require.Equal(t, 500, rest.Status("something_new"))
}

// TestSubset: what the registry lacks is not served, though the runtime has it.
func TestSubset(t *testing.T) {
	b := start(t)
	subset, err := b.registry.With("segment_page")
	require.NoError(t, err)
	handler := http.StripPrefix("/blocks", rest.New(b.runtime, subset, rest.Config{}))
	w := httptest.NewRecorder()
	handler.ServeHTTP(
		w,
		httptest.NewRequest(http.MethodPost, "/blocks/v1/blocks/segment_track/invoke",
			strings.NewReader(`{"input":{}}`)),
	)
	require.Equal(t, 404, w.Code)
	w = httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/blocks/v1/blocks/segment_page", nil))
	require.Equal(t, 200, w.Code)
	require.NotEmpty(t, w.Header().Get("X-Request-Id"), "also without a guard")
}
