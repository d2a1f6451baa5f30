package blocks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testKey has the form of Segment's keys, but belongs to no source.
const testKey = "kQ3vT9xW2mZ7bN5cR8dL1fH6jP4sY0aE"

// setup is what a test may change before its bench starts.
type setup struct {
	source   tracking.Source
	emulator []emulator.Option
	runtime  []runtime.Option
}

// bench is an emulator, a tap in front of it, and a runtime whose only source sends there.
type bench struct {
	t       testing.TB
	segment *emulator.Emulator
	url     string
	rt      *runtime.Runtime
	source  tracking.Source

	mu  sync.Mutex
	tap []tapped
}

// tapped is a request as it came over the wire, before the emulator removes the write key.
type tapped struct {
	at     time.Time
	method string
	path   string
	header http.Header
	body   []byte
}

// fast is a policy whose waits are too short to notice.
func fast(retries int) retry.Policy {
	return retry.Policy{MaxRetries: retries, BaseDelay: time.Millisecond, MaxDelay: 4 * time.Millisecond}
}

func start(t testing.TB, change ...func(*setup)) *bench {
	t.Helper()
	b := &bench{t: t}
	s := setup{source: tracking.Source{WriteKey: testKey, Retry: fast(3)}}
	for _, c := range change {
		c(&s)
	}
	var err error
	b.segment, err = emulator.New(s.emulator...)
	require.NoError(t, err)
	handler := b.segment.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := time.Now()
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		b.tap = append(b.tap, tapped{at, r.Method, r.URL.Path, r.Header.Clone(), body})
		b.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		handler.ServeHTTP(w, r)
	}))
	b.url = server.URL
	s.source.Endpoint = server.URL
	b.source = s.source
	b.rt = open(t, append([]runtime.Option{runtime.Source("test", s.source)}, s.runtime...)...)
	t.Cleanup(func() {
		require.NoError(t, b.segment.Close())
		server.Close()
	})
	return b
}

// segmentBlocks is shared, because compiling the schemas takes longer than most tests.
var segmentBlocks = sync.OnceValue(func() *registry.Registry {
	reg := registry.New()
	blocks.MustRegister(reg)
	return reg
})

// open makes a runtime with the Segment blocks. When the test ends, it closes the runtime, before
// anything that was started earlier.
func open(t testing.TB, options ...runtime.Option) *runtime.Runtime {
	t.Helper()
	rt, err := runtime.New(segmentBlocks(), options...)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, rt.Close(ctx))
	})
	return rt
}

// receiver starts a server that stands for Segment, and returns a source for it.
func receiver(t testing.TB, serve http.HandlerFunc) tracking.Source {
	t.Helper()
	server := httptest.NewServer(serve)
	t.Cleanup(server.Close)
	return tracking.Source{WriteKey: testKey, Endpoint: server.URL, Retry: fast(3)}
}

func retrying(policy retry.Policy) func(*setup) {
	return func(s *setup) { s.source.Retry = policy }
}

func keeping(options ...emulator.Option) func(*setup) {
	return func(s *setup) { s.emulator = append(s.emulator, options...) }
}

func inFlight(n int) func(*setup) { return func(s *setup) { s.source.InFlight = n } }

func (b *bench) invoke(block, input string, options ...runtime.InvokeOption) (*runtime.Result, error) {
	return b.rt.Invoke(b.t.Context(), block, runtime.JSON(input), options...)
}

// accepted invokes with an input that must be accepted.
func (b *bench) accepted(block, input string, options ...runtime.InvokeOption) *runtime.Result {
	b.t.Helper()
	res, err := b.invoke(block, input, options...)
	require.NoError(b.t, err)
	return res
}

// failed invokes with an input that must fail.
func (b *bench) failed(block, input string, options ...runtime.InvokeOption) *runtime.Error {
	b.t.Helper()
	_, err := b.invoke(block, input, options...)
	return asError(b.t, err)
}

// refused is failed for an input of which nothing may be sent.
func (b *bench) refused(block, input string) *runtime.Error {
	b.t.Helper()
	before := len(b.requests())
	e := b.failed(block, input)
	require.NotEmpty(b.t, e.Violations, "%v", e)
	require.Len(b.t, b.requests(), before, "nothing may be sent: %s", input)
	return e
}

func (b *bench) script(faults ...emulator.Fault) {
	b.t.Helper()
	require.NoError(b.t, b.segment.Script(faults...))
}

// requests are those that reached the server, in order.
func (b *bench) requests() []tapped {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.tap)
}

func (b *bench) stored() []emulator.Event { return b.segment.Events(emulator.Filter{}) }

func asError(t testing.TB, err error) *runtime.Error {
	t.Helper()
	var e *runtime.Error
	require.ErrorAs(t, err, &e)
	require.NotContains(t, e.Error(), "\n", "an error must be one line")
	return e
}

// messages are those in the body of a request.
func (r tapped) messages(t testing.TB) []rawjson.Object {
	t.Helper()
	body, err := rawjson.ParseObject(r.body, rawjson.Limits{})
	require.NoError(t, err)
	if r.path != tracking.BatchPath {
		return []rawjson.Object{body}
	}
	batch, ok := body.Get("batch")
	require.True(t, ok)
	var list []rawjson.Object
	for _, item := range rawjson.OpenArray(batch) {
		list = append(list, rawjson.OpenObject(item))
	}
	return list
}

// field decodes a text in the body of a request.
func (r tapped) field(t testing.TB, name string) string {
	t.Helper()
	body, err := rawjson.ParseObject(r.body, rawjson.Limits{})
	require.NoError(t, err)
	return body.Text(name)
}

// violation is what tests compare: the path and the code.
type violation struct{ path, code string }

func violations(e *runtime.Error) []violation {
	var list []violation
	for _, v := range e.Violations {
		list = append(list, violation{v.Path, v.Code})
	}
	return list
}

// jsonOf encodes a Go value.
func jsonOf(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}

// trackBatch is an input of segment_batch with n track messages, each of another user.
func trackBatch(n int) string {
	var items []string
	for i := range n {
		items = append(items, `{"type":"track","event":"e","userId":"u-`+itoa(i)+`"}`)
	}
	return `{"batch":[` + strings.Join(items, ",") + `]}`
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}
