package guard

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Problem is a problem document (RFC 9457): what every refused request gets, as application/problem+json. An API may embed it in a
// type with more members.
type Problem struct { //nolint:errname // RFC 9457 calls it a problem
	// Type is a URI reference that names the kind of problem. Default about:blank, which leaves it to the status and the code.
	Type string `json:"type"`
	// Title says the same in words, and is the same for all problems of a type. Default the status in words.
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail is one line about this occurrence.
	Detail string `json:"detail"`
	// Instance is the request id, which the log has too.
	Instance string `json:"instance,omitempty"`
	// Code is stable and fit to be matched against.
	Code string `json:"code"`
	// Retryable tells that the same request may succeed later, unchanged.
	Retryable bool `json:"retryable"`
	// RetryAfter is how long to wait before, 0 where that is not known. It is sent as the header Retry-After, in whole seconds.
	RetryAfter time.Duration `json:"-"`
}

// Error returns the detail.
func (p *Problem) Error() string { return p.Detail }

// Write answers r with p.
func (p Problem) Write(w http.ResponseWriter, r *http.Request) {
	p.Fill(r)
	WriteProblem(w, p, p)
}

// Fill sets what is left empty to its default.
func (p *Problem) Fill(r *http.Request) {
	if p.Type == "" {
		p.Type = "about:blank"
	}
	if p.Title == "" {
		p.Title = http.StatusText(p.Status)
	}
	if p.Instance == "" {
		p.Instance = RequestID(r.Context())
	}
}

// WriteProblem answers with document, a filled p or a struct that embeds one, under the status and headers of p.
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
