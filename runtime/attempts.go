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
	return func(inv *invocation) { inv.recorder().into = list }
}

// OnAttempt has Invoke call f with each HTTP attempt when it ends, one after the other: those that
// [RecordAttempts] would list. The invocation waits for f, which is not called any more once Invoke
// has returned.
func OnAttempt(f func(Attempt)) InvokeOption {
	return func(inv *invocation) { inv.recorder().tell = f }
}

// recorder returns that of the invocation, which has one if somebody asks for its attempts.
func (inv *invocation) recorder() *attemptRecorder {
	if inv.attempts == nil {
		inv.attempts = &attemptRecorder{redactor: &inv.redactor, list: []Attempt{}, room: maxAttemptBodies}
	}
	return inv.attempts
}

// attemptRecorder keeps the attempts of one invocation.
type attemptRecorder struct {
	redactor *redactor
	into     *[]Attempt    // may be nil
	tell     func(Attempt) // may be nil

	mu   sync.Mutex
	over bool // the invocation has ended
	list []Attempt
	room int // bytes of bodies that may still be kept
}

func (r *attemptRecorder) add(seen retry.Attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || len(r.list) == maxAttempts {
		return
	}
	a := Attempt{
		StartedAt: seen.StartedAt.UTC(), WaitedMS: milliseconds(seen.Waited), DurationMS: milliseconds(seen.Duration),
		Request: AttemptRequest{
			Method: seen.Method, URL: r.redactor.text(seen.URL), Headers: r.redactor.headers(seen.Header),
		},
	}
	a.Request.Body, a.Request.Truncated = r.body(plainBody(seen))
	if answer := seen.Answer; answer != nil {
		a.Response = &AttemptResponse{Status: answer.Status, Headers: r.redactor.headers(answer.Header)}
		a.Response.Body, a.Response.Truncated = r.body(answer.Body)
		a.Response.Truncated = a.Response.Truncated || seen.AnswerCut
	}
	if seen.Err != nil {
		a.Error = r.redactor.text(seen.Err.Error())
	}
	r.list = append(r.list, a)
	if r.tell != nil {
		r.tell(a)
	}
}

// body redacts before it cuts: half of a secret would not be recognized.
func (r *attemptRecorder) body(data []byte) (body string, truncated bool) {
	body = strings.ToValidUTF8(r.redactor.text(string(data)), "\uFFFD")
	if most := min(maxAttemptBody, r.room); len(body) > most {
		body, truncated = strings.ToValidUTF8(body[:most], ""), true
	}
	r.room -= len(body)
	return strings.Clone(body), truncated
}

// finish hands the list to the caller.
func (r *attemptRecorder) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	if r.into != nil {
		*r.into = r.list
	}
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
