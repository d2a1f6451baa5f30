package retry

import (
	"context"
	"net/http"
	"time"
)

// Attempt is what went over the wire in one attempt, and what came back. It holds the credentials
// of the request. What its fields refer to must not be changed.
type Attempt struct {
	StartedAt time.Time
	// Waited is how long the request waited before this attempt, since the one before it.
	Waited time.Duration
	// Duration lasts until the answer was read, or the attempt given up.
	Duration time.Duration

	Method, URL string
	Header      http.Header
	// Body is as it was sent, so it may be compressed.
	Body []byte
	// Answer is nil where none came. AnswerCut tells that its body is not the whole of it.
	Answer    *Answer
	AnswerCut bool
	// Err says what went wrong, apart from the status of the answer.
	Err error
}

type onAttemptKey struct{}

// OnAttempt returns a context that has tell called after each attempt of a request sent with it.
// Requests that are sent side by side may call it at the same time. With nil, nobody is told.
func OnAttempt(ctx context.Context, tell func(Attempt)) context.Context {
	return context.WithValue(ctx, onAttemptKey{}, tell)
}
