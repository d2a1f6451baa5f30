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

// Attempt is one HTTP attempt of an invocation, with its secrets redacted.
type Attempt struct {
	StartedAt time.Time `json:"startedAt"`
	// WaitedMS is how long the request waited before the attempt, for a retry or a rate limit.
	WaitedMS   float64        `json:"waitedMs"`
	DurationMS float64        `json:"durationMs"`
	Request    AttemptRequest `json:"request"`
	// Response is nil where no answer came.
	Response *AttemptResponse `json:"response,omitempty"`
	// Error says what went wrong, apart from the status of the answer.
	Error string `json:"error,omitempty"`
}

// AttemptRequest is what was sent. The body is shown before compression.
type AttemptRequest struct {
	Method  string              `json:"method"`
	URL     string              `json:"url"`
	Headers map[string][]string `json:"headers"`
	Body    string              `json:"body"`
	// Truncated says that the body was longer.
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

// RecordAttempts has Invoke set *list to the HTTP attempts of the invocation, in the order of their
// ends: the first 50, with up to 64 KiB of each body and 256 KiB of all bodies.
//
// A request that a source has shared among invocations is not recorded, nor what it stores to be
// sent later. Dry runs make no attempts.
func RecordAttempts(list *[]Attempt) InvokeOption {
	return func(inv *invocation) {
		*list = []Attempt{}
		OnAttempt(func(a Attempt) { *list = append(*list, a) })(inv)
	}
}

// OnAttempt has Invoke call f with each HTTP attempt when it ends, one after the other: those that
// [RecordAttempts] would list. The invocation waits for f, which is not called any more once Invoke
// has returned.
func OnAttempt(f func(Attempt)) InvokeOption {
	return func(inv *invocation) {
		inv.attempts.tell = append(inv.attempts.tell, f)
		inv.attempts.left, inv.attempts.room = maxAttempts, maxAttemptBodies
	}
}

// attempts tells of the attempts of one invocation.
type attempts struct {
	tell []func(Attempt)

	mu   sync.Mutex
	left int // that may still be told of; 0 when the invocation has ended
	room int // bytes of bodies that may still be told
}

// attempted tells of an attempt.
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

// shown redacts a body before it cuts it: half of a secret would not be recognized.
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
