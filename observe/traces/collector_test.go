package traces_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector receives traces over OTLP/HTTP, and keeps them.
type collector struct {
	*httptest.Server

	mu     sync.Mutex
	bodies [][]byte
}

func collect(t *testing.T) *collector {
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" ||
			r.Header.Get("Content-Type") != "application/x-protobuf" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.bodies = append(c.bodies, body)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(c.Close)
	return c
}

// raw returns the bodies of all received requests.
func (c *collector) raw() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := ""
	for _, body := range c.bodies {
		all += string(body)
	}
	return all
}

// received returns the spans by name. The attributes of each span's resource follow its own.
func (c *collector) received(t *testing.T) map[string][]*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	spans := map[string][]*tracepb.Span{}
	for _, body := range c.bodies {
		var data tracepb.TracesData
		require.NoError(t, proto.Unmarshal(body, &data))
		for _, of := range data.ResourceSpans {
			for _, by := range of.ScopeSpans {
				require.Equal(t, "github.com/aacflow/segment-blocks/observe/traces", by.Scope.Name)
				for _, span := range by.Spans {
					span.Attributes = append(span.Attributes, of.Resource.Attributes...)
					spans[span.Name] = append(spans[span.Name], span)
				}
			}
		}
	}
	return spans
}

// attribute returns the value of an attribute, or nil if the span does not have it.
func attribute(span *tracepb.Span, name string) any {
	for _, a := range span.Attributes {
		if a.Key != name {
			continue
		}
		switch v := a.Value.Value.(type) {
		case *commonpb.AnyValue_StringValue:
			return v.StringValue
		case *commonpb.AnyValue_IntValue:
			return int(v.IntValue)
		}
	}
	return nil
}
