package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// upload sends a few spans to a collector that answers by a function.
func upload(t *testing.T, change func(*config), answer http.HandlerFunc) error {
	server := httptest.NewServer(answer)
	defer server.Close()
	endpoint, err := url.Parse(server.URL)
	require.NoError(t, err)
	c := &config{endpoint: endpoint, timeout: 10 * time.Second, headers: map[string]string{"authorization": "s3cret"}}
	change(c)
	client := newClient(c)
	defer func() { require.NoError(t, client.Stop(t.Context())) }()
	return client.UploadTraces(t.Context(), []*tracepb.ResourceSpans{{SchemaUrl: "spans"}})
}

func TestUpload(t *testing.T) {
	for _, zip := range []bool{false, true} {
		var spans tracepb.TracesData
		err := upload(t, func(c *config) { c.gzip = zip }, func(w http.ResponseWriter, r *http.Request) {
			body := io.Reader(r.Body)
			if r.Header.Get("Content-Encoding") == "gzip" {
				body, _ = gzip.NewReader(body)
			}
			data, _ := io.ReadAll(body)
			if r.Header.Get("Authorization") != "s3cret" || proto.Unmarshal(data, &spans) != nil {
				w.WriteHeader(http.StatusBadRequest)
			}
		})
		require.NoError(t, err)
		require.Equal(t, "spans", spans.ResourceSpans[0].SchemaUrl)
	}
}

func TestUploadTriesAgain(t *testing.T) {
	tries := 0
	err := upload(t, func(*config) {}, func(w http.ResponseWriter, _ *http.Request) {
		if tries++; tries == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	require.NoError(t, err)
	require.Equal(t, 2, tries)
}

func TestUploadGivesUp(t *testing.T) {
	// Field 1 of an answer is about a part that was not taken; its field 1 says how many spans.
	partial := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType),
		protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 3))
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter)
		want   string
	}{
		"refused": {
			func(w http.ResponseWriter) { http.Error(w, "s3cret", http.StatusUnauthorized) },
			"the collector answered 401 Unauthorized",
		},
		"a redirect": {
			func(w http.ResponseWriter) { w.Header().Set("Location", "/x"); w.WriteHeader(http.StatusFound) },
			"the collector answered 302 Found",
		},
		"in part": {func(w http.ResponseWriter) { w.Write(partial) }, "the collector rejected 3 spans"},
		"out of time": {func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusTooManyRequests)
		}, "the collector answered 429 Too Many Requests"},
		"not an answer": {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, "no answer: EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			err := upload(
				t, func(c *config) { c.timeout = 300 * time.Millisecond },
				func(w http.ResponseWriter, _ *http.Request) { c.answer(w) },
			)
			require.EqualError(t, err, c.want)
		})
	}
}

func TestRejectedSpansOfNonsense(t *testing.T) {
	for _, answer := range []string{"", "\x0a", "\x0a\xff", "{}", "\x0a\x02\x08", "\xff\xff\xff"} {
		require.Zero(t, rejectedSpans([]byte(answer)), "%q", answer)
	}
}

// failing is an exporter that fails while it has an error.
type failing struct{ err error }

func (f *failing) ExportSpans(context.Context, []sdk.ReadOnlySpan) error { return f.err }
func (f *failing) Shutdown(context.Context) error                        { return nil }

func TestFailuresAreLoggedOnceAMinute(t *testing.T) {
	var out bytes.Buffer
	now := time.Now()
	collector := &failing{errors.New("no answer")}
	l := &logged{
		SpanExporter: collector, logger: slog.New(slog.NewTextHandler(&out, nil)), endpoint: "host",
		now: func() time.Time { return now },
	}
	export := func() []string {
		out.Reset()
		require.NoError(t, l.ExportSpans(t.Context(), make([]sdk.ReadOnlySpan, 2)))
		return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	}
	require.Contains(t, export()[0], `msg="traces cannot be exported" endpoint=host error="no answer" droppedSpans=2`)
	require.Equal(t, []string{""}, export())
	now = now.Add(quiet)
	require.Contains(t, export()[0], "droppedSpans=4")
	require.Equal(t, []string{""}, export())
	collector.err = nil
	require.Contains(t, export()[0], `msg="traces are exported again" endpoint=host droppedSpans=2`)
	require.Equal(t, []string{""}, export())
}
