package importer_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/importer"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

const key = tracking.WriteKey("importImportImportImportImportIm")

// invoker returns a function that invokes segment_batch with a receiver.
func invoker(t testing.TB, url string) func(context.Context, runtime.JSON) (*runtime.Receipt, error) {
	return retrying(t, url, 2)
}

// retrying is like invoker, with a number of retries, -1 for none.
func retrying(t testing.TB, url string, retries int) func(context.Context, runtime.JSON) (*runtime.Receipt, error) {
	reg := registry.New()
	blocks.MustRegister(reg)
	rt, err := runtime.New(reg, runtime.Source("test", tracking.Source{
		WriteKey: key, Endpoint: url, InFlight: 1,
		Retry: retry.Policy{MaxRetries: retries, BaseDelay: time.Millisecond},
	}))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, rt.Close(context.Background())) })
	return func(ctx context.Context, batch runtime.JSON) (*runtime.Receipt, error) {
		res, err := rt.Invoke(ctx, "segment_batch", batch)
		if err != nil {
			return runtime.ErrorOf(err).Receipt, err
		}
		return res.Receipt, nil
	}
}

// sink returns the URL of a server that accepts everything unread.
func sink(t testing.TB) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"success":true}`)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// receiver remembers the messages that arrived, in their order.
type receiver struct {
	URL string

	mu     sync.Mutex
	first  []arrival // each messageId once
	seen   map[string]int
	answer func(request int) int // the status, 0 to store and answer 200
	count  int
}

type arrival struct{ id, user, event string }

func newReceiver(t testing.TB) *receiver {
	r := &receiver{seen: map[string]int{}}
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	r.URL = s.URL
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // it was cut off
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	if r.answer != nil {
		if status := r.answer(r.count); status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	list, _ := rawjson.At(body, "/batch")
	for _, raw := range rawjson.OpenArray(list) {
		m := rawjson.OpenObject(raw)
		id := m.Text("messageId")
		if r.seen[id]++; r.seen[id] == 1 {
			r.first = append(r.first, arrival{id, m.Text("userId"), m.Text("event")})
		}
	}
	_, _ = io.WriteString(w, `{"success":true}`)
}

func (r *receiver) events() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, a := range r.first {
		out = append(out, a.event)
	}
	return out
}

// file writes a file of events.
func file(t testing.TB, name, text string) (path string) {
	path = filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// tracks writes n track calls of some users, in NDJSON.
func tracks(n, users, padding int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b,
			`{"type":"track","event":"E%d","userId":"u-%d","timestamp":"2026-01-31T09:31:12Z","properties":`+
				`{"n":%d.50,"list":[{"sku":"007"}],"note":"%s"}}`+"\n",
			i, i%users, i, strings.Repeat("x", padding))
	}
	return b.String()
}

// run imports, and requires that nothing goes wrong.
func run(t testing.TB, o importer.Options) importer.Counts {
	t.Helper()
	o.Key = key
	im, err := importer.New(o)
	require.NoError(t, err)
	counts, err := im.Run(t.Context())
	require.NoError(t, err)
	return counts
}
