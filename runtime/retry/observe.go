package retry

import (
	"context"
	"net/http"
	"time"
)

// Attempt is what was sent in one attempt, and what came back. It holds the credentials of the
// request. Do not change what its fields refer to.
type Attempt struct {
	StartedAt time.Time
	// Waited is how long the request waited between the attempt before and this one.
	Waited time.Duration
	// Duration is the time until the answer was read, or the attempt was given up.
	Duration time.Duration

	Method, URL string
	Header      http.Header
	// Body is what was sent, so it may be compressed.
	Body []byte
	// Answer is nil if none came. AnswerCut means that its body is not complete.
	Answer    *Answer
	AnswerCut bool
	// Err says what went wrong, except for what the answer's status says.
	Err error
}

type onAttemptKey struct{}

// OnAttempt returns a context that has tell called after each attempt of a request sent with it.
// Requests that are sent side by side may call it at the same time. With nil, nobody is told.
func OnAttempt(ctx context.Context, tell func(Attempt)) context.Context {
	return context.WithValue(ctx, onAttemptKey{}, tell)
}
