package rest

import (
	"net/http"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/serve/internal/idempotency"
)

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
// Three rules are behind it. A status of 4xx means that nothing was sent, and that the request must change before it is tried again; where
// something was sent it is 5xx whatever the code, because there are clients that repeat a request blindly, or mended, after some
// 4xx. 401 and 403 are left to who guards this server: a host must not take a faulty write key for a faulty token of its own. So
// is 429, which then always means that the client asked this server too often, and that nothing was looked at; where the receiver
// is who slows down it is 503. And partial_failure is not 207: a client that asks only for 2xx would take it for success.
//
// 502 and 503 make some clients try again by themselves. That is harmless with an Idempotency-Key.
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
	case runtime.InvalidOutput, runtime.Internal:
		return http.StatusInternalServerError
	}
	return http.StatusInternalServerError
}

// statusOf is Status, but never 4xx where something was sent.
func statusOf(e *runtime.Error) int {
	status := Status(e.Code)
	if status < http.StatusInternalServerError && idempotency.Sent(e) {
		return http.StatusBadGateway
	}
	return status
}
