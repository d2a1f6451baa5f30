package cli

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
)

// collect starts a receiver of traces. The function returns the spans, and which service they are
// from.
func collect(t *testing.T) (url string, received func() (spans []*tracepb.Span, service string)) {
	var mu sync.Mutex
	var bodies [][]byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		bodies = append(bodies, body)
	}))
	t.Cleanup(server.Close)
	return server.URL, func() (spans []*tracepb.Span, service string) {
		mu.Lock()
		defer mu.Unlock()
		for _, body := range bodies {
			var data tracepb.TracesData
			require.NoError(t, proto.Unmarshal(body, &data))
			for _, of := range data.ResourceSpans {
				for _, a := range of.Resource.Attributes {
					if a.Key == "service.name" {
						service = a.Value.GetStringValue()
					}
				}
				for _, by := range of.ScopeSpans {
					spans = append(spans, by.Spans...)
				}
			}
		}
		return spans, service
	}
}

const (
	callerTrace = "0af7651916cd43dd8448eb211c80319c"
	traceparent = "00-" + callerTrace + "-b7ad6b7169203331-01"
)

func TestServeExportsTraces(t *testing.T) {
	endpoint, received := collect(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
	s := startServing(t, nil)
	request := func(path, body string) {
		r, err := http.NewRequest(http.MethodPost, s.url+path, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		r.Header.Set("Traceparent", traceparent)
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusOK, res.StatusCode)
	}
	request("/v1/blocks/segment_track/invoke", `{"input": {"event": "e", "userId": "u"}}`)
	request(
		"/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call",`+
			`"params":{"name":"segment_page","arguments":{"userId":"u"}}}`,
	)
	s.stop(t)

	spans, service := received()
	require.Equal(t, "segment-blocks", service)
	var names []string
	for _, span := range spans {
		names = append(names, span.Name)
		require.Equal(t, callerTrace, hex.EncodeToString(span.TraceId))
	}
	require.ElementsMatch(t, []string{"invoke segment_track", "POST", "invoke segment_page", "POST"}, names)
	require.Equal(t, 2, strings.Count(s.stderr.String(), "trace_id="+callerTrace), "%s", &s.stderr)
}

func TestMCPExportsTraces(t *testing.T) {
	endpoint, received := collect(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
	t.Setenv("OTEL_SERVICE_NAME", "agent")
	var stdout, stderr lockedBuffer
	stdin := strings.Join([]string{
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},` +
			`"clientInfo":{"name":"c","version":"1"}}}`,
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`,
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"segment_page","arguments":{"userId":"u"},` +
			`"_meta":{"traceparent":"` + traceparent + `"}}}`, "",
	}, "\n")
	p := &Program{Console: &console.Console{
		Args: []string{"mcp"}, Environ: []string{"HOME=" + t.TempDir()}, Stdin: strings.NewReader(stdin),
		Stdout: &stdout, Stderr: &stderr,
	}}
	require.Zero(t, Run(t.Context(), p), "%s", &stderr)
	spans, service := received()
	require.Equal(t, "agent", service)
	require.Len(t, spans, 2, "%s", &stdout)
	require.Equal(t, callerTrace, hex.EncodeToString(spans[0].TraceId))
}

func TestTracesUsage(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	for _, args := range [][]string{{"serve", "--addr", "127.0.0.1:0"}, {"mcp"}} {
		code, said := runFor(t, nil, args...)
		require.Equal(t, int(console.ExitUsage), code, said)
		require.Contains(
			t, said, `OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf or http/json, `+
				`since gRPC is not spoken here: "grpc"`,
		)
	}
}
