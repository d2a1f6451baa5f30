package guard

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Problem is a problem document (RFC 9457), the application/problem+json that every refused request
// gets. An API may embed it in a type with more members.
type Problem struct { //nolint:errname // RFC 9457 calls it a problem
	// Type is a URI reference that names the kind of problem. Default about:blank, which leaves
	// that to the status and the code.
	Type string `json:"type"`
	// Title says the same in words, and is the same for all problems of a type. Default the status
	// in words.
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail is one line about this occurrence.
	Detail string `json:"detail"`
	// Message repeats the detail: many clients, AACFlow's among them, look for the reason there.
	Message string `json:"message"`
	// Instance is the request id, which is in the log too.
	Instance string `json:"instance,omitempty"`
	// Code is stable; programs should match against it.
	Code string `json:"code"`
	// Retryable says that the same request may succeed later.
	Retryable bool `json:"retryable"`
	// RetryAfter is how long to wait before, or 0 if that is not known. It is sent as the header
	// Retry-After, in whole seconds.
	RetryAfter time.Duration `json:"-"`
}

// Error returns the detail.
func (p *Problem) Error() string { return p.Detail }

// Write answers r with p.
func (p Problem) Write(w http.ResponseWriter, r *http.Request) {
	p.Fill(r)
	WriteProblem(w, p, p)
}

// Fill sets empty fields to their defaults.
func (p *Problem) Fill(r *http.Request) {
	p.Type = cmp.Or(p.Type, "about:blank")
	p.Title = cmp.Or(p.Title, http.StatusText(p.Status))
	p.Message = p.Detail
	p.Instance = cmp.Or(p.Instance, RequestID(r.Context()))
}

// WriteProblem answers with the status and headers of p. The document is p, filled, or a struct
// that embeds it.
func WriteProblem(w http.ResponseWriter, p Problem, document any) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(document); err != nil {
		body.Reset()
		_ = encoder.Encode(p) // of strings and numbers
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Set("Cache-Control", "no-store")
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(p.RetryAfter.Seconds())), 10))
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(body.Bytes())
}
