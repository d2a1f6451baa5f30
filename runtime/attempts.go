package runtime

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/aacflow/segment-blocks/runtime/retry"
)

// Attempt is an HTTP attempt of an invocation, with its secrets redacted.
type Attempt struct {
	StartedAt time.Time `json:"startedAt"`
	// WaitedMS is how long the request waited before the attempt, for a retry or a rate limit.
	WaitedMS   float64        `json:"waitedMs"`
	DurationMS float64        `json:"durationMs"`
	Request    AttemptRequest `json:"request"`
	// Response is nil if no answer came.
	Response *AttemptResponse `json:"response,omitempty"`
	// Error says what went wrong, except for what the answer's status says.
	Error string `json:"error,omitempty"`
}

// AttemptRequest is what was sent. The body is the one before compression.
type AttemptRequest struct {
	Method  string              `json:"method"`
	URL     string              `json:"url"`
	Headers map[string][]string `json:"headers"`
	Body    string              `json:"body"`
	// Truncated means that the body was longer.
	Truncated bool `json:"truncated,omitempty"`
}

// AttemptResponse is what came back.
type AttemptResponse struct {
	Status    int                 `json:"status"`
	Headers   map[string][]string `json:"headers"`
	Body      string              `json:"body"`
	Truncated bool                `json:"truncated,omitempty"`
}

// How much is kept of the attempts of one invocation.
const (
	maxAttempts      = 50
	maxAttemptBody   = 64 << 10
	maxAttemptBodies = 256 << 10 // of all together, so that a busy server stays within its memory
)

// RecordAttempts makes Invoke set *list to the HTTP attempts of the invocation, in the order in
// which they end. It keeps the first 50, with up to 64 KiB of each body and 256 KiB of all bodies.
//
// Requests that a source shares among invocations are not recorded, and neither are those of
// messages that it stores first. Dry runs make no attempts.
func RecordAttempts(list *[]Attempt) InvokeOption {
	return func(inv *invocation) {
		*list = []Attempt{}
		OnAttempt(func(a Attempt) { *list = append(*list, a) })(inv)
	}
}

// OnAttempt makes Invoke call f at the end of each HTTP attempt that [RecordAttempts] would list,
// one call at a time. The invocation waits for f. After Invoke has returned, f is not called.
func OnAttempt(f func(Attempt)) InvokeOption {
	return func(inv *invocation) {
		inv.attempts.tell = append(inv.attempts.tell, f)
		inv.attempts.left, inv.attempts.room = maxAttempts, maxAttemptBodies
	}
}

// attempts passes the attempts of one invocation on.
type attempts struct {
	tell []func(Attempt)

	mu   sync.Mutex
	left int // attempts that may still be passed on; 0 when the invocation has ended
	room int // bytes of bodies that may still be passed on
}

// attempted passes an attempt on, without secrets.
func (inv *invocation) attempted(seen retry.Attempt) {
	inv.attempts.mu.Lock()
	defer inv.attempts.mu.Unlock()
	if inv.attempts.left == 0 {
		return
	}
	inv.attempts.left--
	r := &inv.redactor
	a := Attempt{
		StartedAt: seen.StartedAt.UTC(), WaitedMS: milliseconds(seen.Waited), DurationMS: milliseconds(seen.Duration),
		Request: AttemptRequest{Method: seen.Method, URL: r.text(seen.URL), Headers: r.headers(seen.Header)},
	}
	a.Request.Body, a.Request.Truncated = inv.shown(plainBody(seen))
	if answer := seen.Answer; answer != nil {
		a.Response = &AttemptResponse{Status: answer.Status, Headers: r.headers(answer.Header)}
		a.Response.Body, a.Response.Truncated = inv.shown(answer.Body)
		a.Response.Truncated = a.Response.Truncated || seen.AnswerCut
	}
	if seen.Err != nil {
		a.Error = r.text(seen.Err.Error())
	}
	for _, tell := range inv.attempts.tell {
		tell(a)
	}
}

// shown redacts a body, and then cuts it, because half a secret would not be recognized.
func (inv *invocation) shown(data []byte) (body string, truncated bool) {
	body = strings.ToValidUTF8(inv.redactor.text(string(data)), "\uFFFD")
	if most := min(maxAttemptBody, inv.attempts.room); len(body) > most {
		body, truncated = strings.ToValidUTF8(body[:most], ""), true
	}
	inv.attempts.room -= len(body)
	return strings.Clone(body), truncated
}

// plainBody returns the body of a request before compression.
func plainBody(seen retry.Attempt) []byte {
	if seen.Header.Get("Content-Encoding") != "gzip" {
		return seen.Body
	}
	const most = 4 << 20
	plain, err := gzip.NewReader(bytes.NewReader(seen.Body))
	if err != nil {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(plain, most))
	return body
}
