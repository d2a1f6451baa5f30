package rest

import (
	"net/http"
	"strings"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/serve/guard"
	"github.com/aacflow/segment-blocks/serve/internal/idempotency"
)

// Problem is what a failed request gets, as application/problem+json (RFC 9457). Its type is the
// path /v1/errors/{code} of the same server, its instance the request id, its detail the one line
// of the error.
type Problem struct { //nolint:errname // RFC 9457 calls it a problem
	guard.Problem
	// Violations are the violations of the input. Their paths are JSON Pointers into the input; for
	// invalid_request they are JSON Pointers into the body. Never null.
	Violations []schemas.Violation `json:"violations"`
	// UnlistedViolations counts the violations beyond those listed.
	UnlistedViolations int `json:"unlistedViolations,omitempty"`
	// Items are the outcomes of the messages of a batch, if something was sent.
	Items []runtime.Item `json:"items,omitempty"`
	// UpstreamStatus is the HTTP status of the receiver's last answer.
	UpstreamStatus int `json:"upstreamStatus,omitempty"`
	// RetryAfterSeconds repeats the header Retry-After, not rounded.
	RetryAfterSeconds float64 `json:"retryAfterSeconds,omitempty"`
	// Receipt says what was tried. It is absent if nothing was.
	Receipt *runtime.Receipt `json:"receipt,omitempty"`
	// Attempts are what went over the wire, if the request has asked for them.
	Attempts []runtime.Attempt `json:"attempts,omitzero"`
}

// newProblem returns a problem with the status and title of its code.
func newProblem(code, detail string, violations ...schemas.Violation) *Problem {
	doc := docOf(code)
	return &Problem{
		Problem: guard.Problem{
			Type: "/v1/errors/" + code, Title: strings.TrimSuffix(doc.Meaning, "."),
			Status: doc.Status, Detail: detail, Code: code,
		},
		Violations: append([]schemas.Violation{}, violations...),
	}
}

// wrap returns the problem for one of package guard. Those that can be retried, such as that the
// server is full, have no document in this API.
func wrap(p *guard.Problem) *Problem {
	if p.Retryable {
		return &Problem{Problem: *p, Violations: []schemas.Violation{}}
	}
	return newProblem(p.Code, p.Detail)
}

// problemOf returns the problem for the error of an invocation. Its status is never 4xx if
// something was sent.
func problemOf(e *runtime.Error) *Problem {
	p := newProblem(string(e.Code), e.Error(), e.Violations...)
	if p.Status < http.StatusInternalServerError && idempotency.Sent(e) {
		p.Status = http.StatusBadGateway
	}
	p.Retryable, p.RetryAfter, p.RetryAfterSeconds = e.Retryable, e.RetryAfter, e.RetryAfter.Seconds()
	p.UnlistedViolations, p.Items, p.UpstreamStatus, p.Receipt = e.UnlistedViolations, e.Items, e.Status, e.Receipt
	return p
}

// Write answers r with p.
func (p Problem) Write(w http.ResponseWriter, r *http.Request) {
	p.Fill(r)
	guard.WriteProblem(w, p.Problem, p)
}

// Status returns the HTTP status for the code of an error:
//
//	unknown_block                            404
//	unknown_source                           422  the body names it, the path is right
//	invalid_input, unresolved_reference      422
//	too_large                                413
//	missing_credential                       422  the input may give one
//	unauthorized, rejected                   502
//	rate_limited, unavailable                503
//	partial_failure                          502
//	deadline_exceeded                        504
//	canceled, closed                         503
//	invalid_output, internal, any other      500
//
// It follows three rules. A status of 4xx means that nothing was sent, and that the request must
// change before it is tried again. If something was sent the status is 5xx whatever the code,
// because some clients repeat a request blindly, or corrected, after some 4xx.
//
// 401 and 403 are left to the guard of this server: a host must not take a wrong write key for a
// wrong token of its own. So is 429, which always means that the client asked this server too
// often, and that nothing was done. A receiver that slows down is 503.
//
// And partial_failure is not 207: a client that asks only for 2xx would take that for success.
//
// 502 and 503 make some clients try again on their own. That is harmless with an Idempotency-Key.
func Status(code runtime.Code) int {
	switch code {
	case runtime.UnknownBlock:
		return http.StatusNotFound
	case runtime.UnknownSource, runtime.InvalidInput, runtime.UnresolvedReference, runtime.MissingCredential:
		return http.StatusUnprocessableEntity
	case runtime.TooLarge:
		return http.StatusRequestEntityTooLarge
	case runtime.Unauthorized, runtime.Rejected, runtime.PartialFailure:
		return http.StatusBadGateway
	case runtime.RateLimited, runtime.Unavailable, runtime.Canceled, runtime.Closed:
		return http.StatusServiceUnavailable
	case runtime.DeadlineExceeded:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}
