package traces_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/observe/traces"
	"github.com/aacflow/segment-blocks/observe/traces/otlp"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
	"github.com/aacflow/segment-blocks/serve/mcp"
	"github.com/aacflow/segment-blocks/serve/rest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	writeKey = "S3cretS3cretS3cretS3cretS3cretS3"
	content  = "what-the-event-says"

	callerTrace = "0af7651916cd43dd8448eb211c80319c"
	callerSpan  = "b7ad6b7169203331"
	traceparent = "00-" + callerTrace + "-" + callerSpan + "-01"
)

// house is a runtime whose traces go to a collector.
type house struct {
	*runtime.Runtime
	blocks   *registry.Registry
	segment  *emulator.Server
	provider *otlp.Provider
	wire     *wire
	logs     *bytes.Buffer
}

func build(t *testing.T, endpoint string, retry retry.Policy) *house {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
	h := &house{blocks: registry.New(), logs: &bytes.Buffer{}, wire: &wire{Transport: runtime.NewTransport()}}
	blocks.MustRegister(h.blocks)
	var err error
	var on bool
	h.provider, on, err = otlp.Start(
		t.Context(), otlp.Service{Name: "engine", Version: "1.2.3"}, slog.New(slog.NewTextHandler(h.logs, nil)),
	)
	require.NoError(t, err)
	require.True(t, on)
	h.segment, err = emulator.Start()
	require.NoError(t, err)
	made := traces.New(h.blocks, h.provider)
	transport := made.Transport(h.wire)
	retry.BaseDelay = time.Millisecond
	source := tracking.Source{WriteKey: writeKey, Endpoint: h.segment.URL, Retry: retry}
	h.Runtime, err = runtime.New(
		h.blocks, runtime.Observe(made.Observe), runtime.Transport(transport), runtime.Source("test", source),
	)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, h.Close(context.Background()))
		transport.(interface{ CloseIdleConnections() }).CloseIdleConnections()
		require.NoError(t, h.segment.Close(context.Background()))
		h.flush(t)
	})
	return h
}

// flush exports the waiting spans. It may be called more than once.
func (h *house) flush(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	require.NoError(t, h.provider.Shutdown(ctx))
}

func TestRetriedInvocation(t *testing.T) {
	sink := collect(t)
	h := build(t, sink.URL, retry.Policy{})
	require.NoError(t, h.segment.Script(emulator.Fault{Status: http.StatusInternalServerError}))

	api := httptest.NewServer(traces.Handler(rest.New(h.Runtime, h.blocks, rest.Config{})))
	defer api.Close()
	status := post(t, api.URL+"/v1/blocks/segment_track/invoke", map[string]string{
		"Traceparent": traceparent, "Idempotency-Key": "order-1",
	},
		`{"input": {"event": "`+content+`", "userId": "`+content+`", "properties": {"`+content+`": "`+content+`"}}}`)
	require.Equal(t, http.StatusOK, status)
	h.flush(t)

	spans := sink.received(t)
	require.Len(t, spans, 2)
	require.Len(t, spans["invoke segment_track"], 1)
	invocation := spans["invoke segment_track"][0]
	require.Equal(t, callerTrace, hex.EncodeToString(invocation.TraceId))
	require.Equal(t, callerSpan, hex.EncodeToString(invocation.ParentSpanId))
	require.Equal(t, tracepb.Status_STATUS_CODE_UNSET, invocation.Status.GetCode())
	for name, want := range map[string]any{
		"segment_blocks.block": "segment_track", "segment_blocks.outcome": "ok", "segment_blocks.source": "test",
		"segment_blocks.invocation_id": "rest/segment_track//order-1", "segment_blocks.requests": 1,
		"segment_blocks.attempts": 2,
		"segment_blocks.accepted": 1, "error.type": nil,
		"service.name": "engine", "service.version": "1.2.3", "telemetry.sdk.language": "go",
	} {
		require.Equal(t, want, attribute(invocation, name), name)
	}
	require.Positive(t, attribute(invocation, "segment_blocks.bytes"))

	attempts := spans["POST"]
	require.Len(t, attempts, 2)
	at, err := url.Parse(h.segment.URL)
	require.NoError(t, err)
	port, err := strconv.Atoi(at.Port())
	require.NoError(t, err)
	for i, want := range []map[string]any{
		{"http.response.status_code": 500, "http.request.resend_count": nil, "error.type": "500"},
		{"http.response.status_code": 200, "http.request.resend_count": 1, "error.type": nil},
	} {
		require.Equal(t, invocation.SpanId, attempts[i].ParentSpanId)
		require.Equal(t, invocation.TraceId, attempts[i].TraceId)
		require.Equal(t, tracepb.Span_SPAN_KIND_CLIENT, attempts[i].Kind)
		want["http.request.method"], want["server.address"], want["server.port"] = "POST", at.Hostname(), port
		want["url.full"] = h.segment.URL + "/v1/track"
		for name, value := range want {
			require.Equal(t, value, attribute(attempts[i], name), name)
		}
		require.Equal(t, i == 0, attempts[i].Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR)
	}
	requireClean(t, sink)
	require.Len(t, h.wire.headers, 2)
	for _, header := range h.wire.headers {
		require.Empty(t, header.Values("Traceparent"), "the receiver must not get our ids")
	}
}

// wire is a transport that records the headers of its requests.
type wire struct {
	*http.Transport
	mu      sync.Mutex
	headers []http.Header
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.headers = append(w.headers, r.Header.Clone())
	w.mu.Unlock()
	return w.Transport.RoundTrip(r)
}

func requireClean(t *testing.T, sink *collector) {
	t.Helper()
	exported := sink.raw()
	require.NotEmpty(t, exported)
	for _, secret := range []string{writeKey, base64.StdEncoding.EncodeToString([]byte(writeKey + ":"))[:40], content} {
		require.NotContains(t, exported, secret)
	}
}

func post(t *testing.T, address string, header map[string]string, body string) int {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, address, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	for name, value := range header {
		r.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer http.DefaultClient.CloseIdleConnections()
	require.NoError(t, res.Body.Close())
	return res.StatusCode
}

func TestFailedInvocations(t *testing.T) {
	sink := collect(t)
	h := build(t, sink.URL, retry.Policy{MaxRetries: -1})
	input := runtime.Map{"event": content, "userId": "u"}

	require.NoError(t, h.segment.Script(emulator.Fault{Status: http.StatusInternalServerError}))
	_, err := h.Invoke(t.Context(), "segment_track", input)
	require.Error(t, err)
	require.NoError(t, h.segment.Script(emulator.Fault{Reset: true}))
	_, err = h.Invoke(t.Context(), "segment_identify", runtime.Map{"userId": "u"})
	require.Error(t, err)
	_, err = h.Invoke(t.Context(), "segment_group", runtime.Map{"timestamp": content, content: 1})
	require.ErrorContains(t, err, content, "the caller is told")
	_, err = h.Invoke(t.Context(), "no_such_block", input)
	require.Error(t, err)
	_, _, err = h.Preview(t.Context(), "segment_page", runtime.Map{"userId": "u"})
	require.NoError(t, err)
	h.flush(t)

	spans := sink.received(t)
	require.NotContains(t, spans, "invoke segment_page", "a preview is not an invocation")
	for name, want := range map[string]struct{ code, text string }{
		"invoke segment_track":    {"unavailable", "unavailable: segment_track "},
		"invoke segment_identify": {"unavailable", "unavailable: segment_identify "},
		"invoke segment_group":    {"invalid_input", "violations: "},
		"invoke unknown":          {"unknown_block", "unknown_block: "},
	} {
		require.Len(t, spans[name], 1, name)
		span := spans[name][0]
		require.Equal(t, tracepb.Status_STATUS_CODE_ERROR, span.Status.GetCode(), name)
		require.Contains(t, span.Status.GetMessage(), want.text)
		require.Equal(t, want.code, attribute(span, "segment_blocks.outcome"))
		require.Equal(t, want.code, attribute(span, "error.type"))
	}
	require.Len(t, spans["POST"], 2)
	cut := spans["POST"][1]
	require.Nil(t, attribute(cut, "http.response.status_code"))
	require.NotEmpty(t, attribute(cut, "error.type"))
	requireClean(t, sink)
}

// A call over MCP joins the trace in its _meta or, if there is none, the trace of its HTTP request.
func TestMCPCallsJoin(t *testing.T) {
	sink := collect(t)
	h := build(t, sink.URL, retry.Policy{})
	tools, err := mcp.New(h.Runtime, h.blocks, mcp.Config{CallContext: traces.JoinMeta})
	require.NoError(t, err)
	api := httptest.NewServer(traces.Handler(tools))
	defer api.Close()
	const other = "4bf92f3577b34da6a3ce929d0e0e4736"
	call := func(name, meta string) {
		require.Equal(t, http.StatusOK, post(t, api.URL+"/mcp", map[string]string{"Traceparent": traceparent},
			`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"`+name+
				`","arguments":{"userId":"u","event":"e"}`+meta+`}}`))
	}
	call("segment_track", "")
	call("segment_page", `,"_meta":{"traceparent":"00-`+other+`-00f067aa0ba902b7-01","tracestate":"vendor=1"}`)
	call("segment_screen", `,"_meta":{"traceparent":"no such thing"}`)
	h.flush(t)

	spans := sink.received(t)
	for name, want := range map[string]string{
		"segment_track": callerTrace, "segment_page": other, "segment_screen": callerTrace,
	} {
		require.Len(t, spans["invoke "+name], 1, name)
		require.Equal(t, want, hex.EncodeToString(spans["invoke "+name][0].TraceId), name)
	}
	require.Equal(t, "vendor=1", spans["invoke segment_page"][0].TraceState)
}

func TestNothingIsExportedOfWhatIsNotSampled(t *testing.T) {
	t.Setenv("OTEL_TRACES_SAMPLER", "always_off")
	sink := collect(t)
	h := build(t, sink.URL, retry.Policy{})
	_, err := h.Invoke(t.Context(), "segment_track", runtime.Map{"event": "e", "userId": "u"})
	require.NoError(t, err)
	h.flush(t)
	require.Empty(t, sink.raw())
}

// A collector that accepts connections and never answers does not delay invocations. It delays the
// end no longer than the timeout allows.
func TestCollectorThatDoesNotAnswer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "4")
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
	h := build(t, "http://"+ln.Addr().String(), retry.Policy{})
	began := time.Now()
	for range 50 {
		_, err := h.Invoke(t.Context(), "segment_track", runtime.Map{"event": "e", "userId": "u"})
		require.NoError(t, err)
	}
	require.Less(t, time.Since(began), 5*time.Second)

	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began = time.Now()
	require.ErrorIs(t, h.provider.Shutdown(ctx), context.DeadlineExceeded)
	require.Less(t, time.Since(began), 2*time.Second)
}

// A collector that cannot be reached is logged once.
func TestCollectorThatIsNotThere(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20"+writeKey)
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
	h := build(t, "http://"+ln.Addr().String(), retry.Policy{})
	for range 5 {
		_, err := h.Invoke(t.Context(), "segment_track", runtime.Map{"event": "e", "userId": "u"})
		require.NoError(t, err)
	}
	began := time.Now()
	h.flush(t)
	require.Less(t, time.Since(began), 3*time.Second, "nothing is tried again at the end")
	require.Equal(t, 1, strings.Count(h.logs.String(), "\n"), h.logs.String())
	require.Contains(t, h.logs.String(), "traces cannot be exported")
	require.NotContains(t, h.logs.String(), writeKey)
}

func TestLogHandler(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(traces.LogHandler(slog.NewTextHandler(&out, nil))).With("a", 1)
	handler := traces.Handler(
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { logger.InfoContext(r.Context(), "request") }),
	)
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	handler.ServeHTTP(httptest.NewRecorder(), request)
	require.NotContains(t, out.String(), "trace_id")
	request.Header.Set("Traceparent", traceparent)
	handler.ServeHTTP(httptest.NewRecorder(), request)
	require.Contains(t, out.String(), "a=1 trace_id="+callerTrace)
}

// standing is a transport that gives every request the same answer.
type standing struct{ answer *http.Response }

func (s standing) RoundTrip(*http.Request) (*http.Response, error) { return s.answer, nil }

func TestTransportCostsNothingOutsideARecordedInvocation(t *testing.T) {
	transport := traces.New(registry.New(), sdk.NewTracerProvider()).Transport(standing{&http.Response{}})
	transport.(interface{ CloseIdleConnections() }).CloseIdleConnections() // the next transport lacks it
	request := httptest.NewRequest(http.MethodPost, "/", nil)
	request.RequestURI = ""
	for _, ctx := range []context.Context{
		t.Context(),
		trace.ContextWithRemoteSpanContext(
			t.Context(),
			trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}}),
		),
	} {
		request = request.WithContext(ctx)
		require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = transport.RoundTrip(request) }))
	}
}

func TestURLsAreScrubbed(t *testing.T) {
	sink := collect(t)
	h := build(t, sink.URL, retry.Policy{})
	ctx, span := h.provider.Tracer("github.com/aacflow/segment-blocks/observe/traces").Start(t.Context(), "host")
	request, err := http.NewRequestWithContext(
		ctx, http.MethodGet, "https://me:"+writeKey+"@example.com/a%2Fb?key="+writeKey+"#"+content, nil,
	)
	require.NoError(t, err)
	res, err := traces.New(h.blocks, h.provider).Transport(
		standing{&http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody}},
	).RoundTrip(request)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	span.End()
	h.flush(t)
	require.Len(t, sink.received(t)["GET"], 1)
	get := sink.received(t)["GET"][0]
	require.Equal(t, "https://example.com/a%2Fb", attribute(get, "url.full"))
	require.Equal(t, 443, attribute(get, "server.port"))
	requireClean(t, sink)
}
