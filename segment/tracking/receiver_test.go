package tracking_test

import (
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testKey = tracking.WriteKey("Zx81Qw92Er73Ty64Ui55Op46As37Df28")

// posted is a request as it arrived.
type posted struct {
	method, path string
	header       http.Header
	body         []byte
	at           time.Time
}

func (p posted) fields(t testing.TB) map[string]any {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal(p.body, &m), "%s", p.body)
	return m
}

// messages returns the messages of a batch body.
func (p posted) messages(t testing.TB) []map[string]any {
	t.Helper()
	var m struct{ Batch []map[string]any }
	require.NoError(t, json.Unmarshal(p.body, &m))
	return m.Batch
}

// reply is what the receiver does with a request. The zero value is Segment's 200.
type reply struct {
	status int
	header map[string]string
	body   string
	delay  time.Duration // before the answer
	stall  time.Duration // between the header and the end of the body
	reset  bool          // break the connection instead of answering
}

// receiver is an HTTP server that records what it gets and answers by a script.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	got      []posted
	inFlight int
	most     int // requests under way at once
	answer   func(n int, p posted) reply
}

// newReceiver answers the requests with replies in turn, and the rest with the last one.
func newReceiver(t testing.TB, replies ...reply) *receiver {
	return newReceiverFunc(t, func(n int, _ posted) reply {
		if len(replies) == 0 {
			return reply{}
		}
		return replies[min(n, len(replies)-1)]
	})
}

func newReceiverFunc(t testing.TB, answer func(n int, p posted) reply) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	p := posted{method: req.Method, path: req.URL.Path, header: req.Header, body: body, at: time.Now()}
	r.mu.Lock()
	n := len(r.got)
	r.got = append(r.got, p)
	r.inFlight++
	r.most = max(r.most, r.inFlight)
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.inFlight--
		r.mu.Unlock()
	}()

	a := r.answer(n, p)
	wait(req, a.delay)
	if a.reset {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
		return
	}
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	if a.status == http.StatusOK && a.body == "" {
		a.body = `{"success":true}`
	}
	w.WriteHeader(a.status)
	if a.stall > 0 {
		_, _ = io.WriteString(w, a.body[:len(a.body)/2])
		w.(http.Flusher).Flush()
		wait(req, a.stall)
		a.body = a.body[len(a.body)/2:]
	}
	_, _ = io.WriteString(w, a.body)
}

func wait(req *http.Request, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-req.Context().Done():
	}
}

func (r *receiver) requests() []posted {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]posted(nil), r.got...)
}

func (r *receiver) mostInFlight() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.most
}

// source retries without waiting long.
func (r *receiver) source() tracking.Source {
	return tracking.Source{
		WriteKey: testKey, Endpoint: r.URL,
		Retry: retry.Policy{BaseDelay: time.Millisecond, MaxRetries: 3},
	}
}

func (r *receiver) client(opts ...tracking.Option) *tracking.Client {
	return tracking.NewClient(resty.NewWithClient(r.Client()).SetRedirectPolicy(resty.NoRedirectPolicy()), opts...)
}

func object(t testing.TB, text string) rawjson.Object {
	t.Helper()
	obj, err := rawjson.ParseObject([]byte(text), rawjson.Limits{})
	require.NoError(t, err, text)
	return obj
}

// item makes a message from its JSON, type included.
func item(t testing.TB, text string) tracking.Message {
	t.Helper()
	return tracking.NewMessage("", object(t, text))
}

func order(t testing.TB) tracking.Message {
	return item(t, `{"type":"track","event":"Order Completed","userId":"u-42","properties":{"total":42.50}}`)
}

// retryCounts lists the X-Retry-Count of each request, "-" where there was none.
func retryCounts(got []posted) []string {
	var out []string
	for _, p := range got {
		if v, ok := p.header["X-Retry-Count"]; ok {
			out = append(out, v[0])
		} else {
			out = append(out, "-")
		}
	}
	return out
}

// failure returns err as the package's error and checks that its text is fit for a person and holds
// no secret.
func failure(t testing.TB, err error) *tracking.Error {
	t.Helper()
	var e *tracking.Error
	require.ErrorAs(t, err, &e)
	requireClean(t, err.Error())
	require.NotContains(t, err.Error(), "\n")
	return e
}

func requireClean(t testing.TB, text string) {
	t.Helper()
	for _, secret := range (tracking.Source{WriteKey: testKey}).Secrets() {
		require.NotContains(t, text, secret)
	}
}

func statuses(r tracking.Report) map[tracking.Status]int {
	out := map[tracking.Status]int{}
	for _, m := range r.Messages {
		out[m.Status]++
	}
	return maps.Clone(out)
}

// alone is a call of one message, to the path of its type.
func alone(m tracking.Message) tracking.Call {
	return tracking.Call{Messages: []tracking.Message{m}, Alone: true}
}

// cause returns what package retry says of a request that failed.
func cause(t testing.TB, err error) *retry.Error {
	t.Helper()
	var e *retry.Error
	require.ErrorAs(t, err, &e)
	return e
}

func finding(index int, path, code, message string) tracking.Finding {
	return tracking.Finding{Index: index, Violation: schemas.Violation{Path: path, Code: code, Message: message}}
}
