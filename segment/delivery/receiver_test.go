package delivery_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

const testKey = tracking.WriteKey("Zx81Qw92Er73Ty64Ui55Op46As37Df28")

// message has the members of a message that a receiver reads.
type message struct {
	MessageID string `json:"messageId"`
	UserID    string `json:"userId"`
	Event     string `json:"event"`
}

// reply says how a receiver answers a request. The zero value is Segment's 200.
type reply struct {
	status     int
	retryAfter string
	body       string
	delay      time.Duration
	reset      bool
}

// receiver is an HTTP server that keeps the batches it gets and answers by a script.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	batches [][]message
	answer  func(n int, batch []message) reply
}

func newReceiver(t testing.TB, answer func(n int, batch []message) reply) *receiver {
	r := &receiver{answer: answer}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(r.serve))
	r.Config.ErrorLog = nil
	r.Start()
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	var sent struct{ Batch []message }
	_ = json.Unmarshal(body, &sent)
	r.mu.Lock()
	n := len(r.batches)
	r.batches = append(r.batches, sent.Batch)
	r.mu.Unlock()
	var a reply
	if r.answer != nil {
		a = r.answer(n, sent.Batch)
	}
	if a.delay > 0 {
		select {
		case <-time.After(a.delay):
		case <-req.Context().Done():
			return
		}
	}
	if a.reset {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
		return
	}
	if a.retryAfter != "" {
		w.Header().Set("Retry-After", a.retryAfter)
	}
	if a.status == 0 {
		a.status, a.body = 200, `{"success":true}`
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

func (r *receiver) got() [][]message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([][]message{}, r.batches...)
}

func (r *receiver) source() tracking.Source {
	return tracking.Source{WriteKey: testKey, Endpoint: r.URL, Retry: retry.Policy{BaseDelay: time.Millisecond}}
}

func newClient(t testing.TB) *tracking.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 256}
	t.Cleanup(transport.CloseIdleConnections)
	return tracking.NewClient(resty.New().SetTransport(transport))
}

func track(t testing.TB, user, event string) tracking.Message {
	t.Helper()
	input := `{"type":"track","event":"` + event + `","userId":"` + user + `"}`
	fields, err := rawjson.ParseObject([]byte(input), rawjson.Limits{})
	require.NoError(t, err)
	return tracking.NewMessage("", fields)
}

func one(m tracking.Message) tracking.Call {
	return tracking.Call{Messages: []tracking.Message{m}, Alone: true}
}

// coalesced is a source whose calls share requests, with the function that closes it.
type coalesced struct {
	tracking.Sender
	Close func(context.Context) error
}

func coalesce(source tracking.Source, options delivery.CoalesceOptions) *coalesced {
	sender, closeSource := delivery.Coalesce(source, options)
	return &coalesced{sender, closeSource}
}

// Validate and Secrets are methods that a runtime calls.
func (c *coalesced) Validate() error   { return validate(c.Sender) }
func (c *coalesced) Secrets() []string { return secrets(c.Sender) }

func validate(sender tracking.Sender) error { return sender.(interface{ Validate() error }).Validate() }

func secrets(sender tracking.Sender) []string {
	return sender.(interface{ Secrets() []string }).Secrets()
}

// soon returns a context for work that should not take long.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}
