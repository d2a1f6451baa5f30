package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// export exports a span to a collector that answers with a function, and returns the log.
func export(t *testing.T, answer http.HandlerFunc) string {
	server := httptest.NewServer(answer)
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20s3cret, x-tenant = t-1")
	var logs bytes.Buffer
	e := start(t, &logs)
	require.NoError(t, e.ExportSpans(t.Context(), tracetest.SpanStubs{{Name: "a span"}}.Snapshots()))
	require.NotContains(t, logs.String(), "s3cret")
	return logs.String()
}

func start(t *testing.T, logs io.Writer) *exporter {
	on, err := enabled()
	require.NoError(t, err)
	require.True(t, on)
	e, err := newExporter(t.Context(), slog.New(slog.NewTextHandler(logs, nil)))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Shutdown(context.Background())) })
	return e
}

func TestExport(t *testing.T) {
	for _, compression := range []string{"none", "gzip"} {
		t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", compression)
		var spans coltracepb.ExportTraceServiceRequest
		require.Empty(t, export(t, func(w http.ResponseWriter, r *http.Request) {
			body := io.Reader(r.Body)
			if r.Header.Get("Content-Encoding") == "gzip" {
				body, _ = gzip.NewReader(body)
			}
			data, _ := io.ReadAll(body)
			if r.Header.Get("Authorization") != "Bearer s3cret" || r.Header.Get("X-Tenant") != "t-1" ||
				r.URL.Path != "/v1/traces" || proto.Unmarshal(data, &spans) != nil {
				w.WriteHeader(http.StatusBadRequest)
			}
		}))
		require.Equal(t, "a span", spans.ResourceSpans[0].ScopeSpans[0].Spans[0].Name)
	}
}

func TestExportTriesAgain(t *testing.T) {
	for name, fail := range map[string]http.HandlerFunc{
		"unavailable": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"no answer":   func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			tries := 0
			require.Empty(t, export(t, func(w http.ResponseWriter, r *http.Request) {
				if tries++; tries == 1 {
					fail(w, r)
				}
			}))
			require.Equal(t, 2, tries)
		})
	}
}

func TestExportGivesUp(t *testing.T) {
	partial, err := proto.Marshal(&coltracepb.ExportTraceServiceResponse{
		PartialSuccess: &coltracepb.ExportTracePartialSuccess{RejectedSpans: 1, ErrorMessage: "s3cret"},
	})
	require.NoError(t, err)
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "300")
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter)
		want   string
	}{
		"refused": {
			func(w http.ResponseWriter) { http.Error(w, "s3cret", http.StatusUnauthorized) },
			"the collector answered 401 Unauthorized",
		},
		"a redirect": {
			func(w http.ResponseWriter) { w.Header().Set("Location", "/s3cret"); w.WriteHeader(http.StatusFound) },
			"the collector answered 302 Found",
		},
		"in part": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/x-protobuf")
			w.Write(partial)
		}, "the collector rejected some of the spans"},
		"out of time": {func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "60")
			http.Error(w, "s3cret", http.StatusTooManyRequests)
		}, "the collector answered 429 Too Many Requests"},
		"not an answer": {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, "no answer: EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			requests := 0
			logs := export(t, func(w http.ResponseWriter, _ *http.Request) { requests++; c.answer(w) })
			require.Contains(t, logs, `msg="traces cannot be exported" endpoint=127.0.0.1:`)
			require.Contains(t, logs, `error="`+c.want+`" droppedSpans=1`)
			if name == "a redirect" {
				require.Equal(t, 1, requests)
			}
		})
	}
}

// scripted is an exporter that fails as long as its error is set.
type scripted struct{ err error }

func (f *scripted) ExportSpans(context.Context, []sdk.ReadOnlySpan) error { return f.err }
func (f *scripted) Shutdown(context.Context) error                        { return nil }

func TestFailuresAreLoggedOnceAMinute(t *testing.T) {
	var out bytes.Buffer
	now := time.Now()
	collector := &scripted{io.EOF}
	e := &exporter{
		SpanExporter: collector, failure: io.EOF, logger: slog.New(slog.NewTextHandler(&out, nil)),
		now: func() time.Time { return now },
	}
	export := func() []string {
		out.Reset()
		require.NoError(t, e.ExportSpans(t.Context(), make([]sdk.ReadOnlySpan, 2)))
		return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	}
	require.Contains(t, export()[0], `msg="traces cannot be exported" error=EOF droppedSpans=2`)
	require.Equal(t, []string{""}, export())
	now = now.Add(time.Minute)
	require.Contains(t, export()[0], "droppedSpans=4")
	require.Equal(t, []string{""}, export())
	collector.err = nil
	require.Contains(t, export()[0], `msg="traces are exported again" droppedSpans=2`)
	require.Equal(t, []string{""}, export())
}
