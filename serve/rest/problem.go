package rest

import (
	"net/http"
	"strings"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/serve/guard"
)

// Problem is what a failed request gets, as application/problem+json (RFC 9457). Its type is the path /v1/errors/{code} of the same server,
// its instance the request id, its detail the one line of the error.
type Problem struct { //nolint:errname // RFC 9457 calls it a problem
	guard.Problem
	// Violations are all that is wrong with the input, their paths being JSON Pointers into it; for invalid_request they are JSON
	// Pointers into the body. Never null.
	Violations []schemas.Violation `json:"violations"`
	// UnlistedViolations counts the violations beyond those listed.
	UnlistedViolations int `json:"unlistedViolations,omitempty"`
	// Items are the outcomes of the messages of a batch, where something was sent.
	Items []runtime.Item `json:"items,omitempty"`
	// UpstreamStatus is the HTTP status of the receiver's last answer.
	UpstreamStatus int `json:"upstreamStatus,omitempty"`
	// RetryAfterSeconds repeats the header Retry-After, not rounded.
	RetryAfterSeconds float64 `json:"retryAfterSeconds,omitempty"`
	// Receipt says what was tried; absent where it did not come to that.
	Receipt *runtime.Receipt `json:"receipt,omitempty"`
}

// problemOf returns the problem for the error of an invocation.
func problemOf(e *runtime.Error) Problem {
	return Problem{
		Problem: guard.Problem{
			Type: errorPath(string(e.Code)), Title: titleOf(string(e.Code)), Status: statusOf(e),
			Detail: e.Error(), Code: string(e.Code), Retryable: e.Retryable, RetryAfter: e.RetryAfter,
		},
		Violations: append([]schemas.Violation{}, e.Violations...), UnlistedViolations: e.UnlistedViolations, Items: e.Items,
		UpstreamStatus: e.Status, RetryAfterSeconds: e.RetryAfter.Seconds(), Receipt: e.Receipt,
	}
}

// Write answers r with p.
func (p Problem) Write(w http.ResponseWriter, r *http.Request) {
	p.Fill(r)
	guard.WriteProblem(w, p.Problem, p)
}

// The codes of faulty requests, beside those of package runtime.
const (
	codeRequest   = "invalid_request"
	codeNotFound  = "not_found"
	codeMethod    = "method_not_allowed"
	codeMediaType = "unsupported_media_type"
	codeKeyReused = "idempotency_key_reused"
)

// fault is what is wrong with a request itself.
type fault struct {
	status int
	code   string
	detail string
}

func (f fault) problem(violations ...schemas.Violation) *Problem {
	return &Problem{
		Problem: guard.Problem{
			Type: errorPath(f.code), Title: titleOf(f.code), Status: f.status, Detail: f.detail, Code: f.code,
		},
		Violations: append([]schemas.Violation{}, violations...),
	}
}

func (f fault) write(w http.ResponseWriter, r *http.Request) { f.problem().Write(w, r) }

// titleOf is the first sentence of what a code means, which is the same for all problems of its type.
func titleOf(code string) string {
	for _, d := range Errors() {
		if d.Code == code {
			return strings.TrimSuffix(d.Meaning, ".")
		}
	}
	return code
}
