package tracking

import (
	"context"
	"strconv"
	"time"
)

// Retry is a wait before a request is sent again.
type Retry struct {
	// Attempt is the number of the attempt that comes after the wait, Of how many there may be in all.
	Attempt, Of int
	// In is how long the wait is.
	In time.Duration
	// Cause says in a few words what makes it necessary, such as 503.
	Cause string
}

type onRetryKey struct{}

// OnRetry returns a context that has tell called whenever a request that is sent with it begins to wait: for a retry, or for a rate limit to
// clear. The requests of a batch may call it at the same time. What package delivery sends later does not call it.
func OnRetry(ctx context.Context, tell func(Retry)) context.Context {
	return context.WithValue(ctx, onRetryKey{}, tell)
}

// tell tells whoever wants to know of a wait.
func (s *shipment) tell(ctx context.Context, wait time.Duration) {
	tell, ok := ctx.Value(onRetryKey{}).(func(Retry))
	if !ok {
		return
	}
	next := s.attempts + 1
	r := Retry{Attempt: next, Of: next + s.target.retry.MaxRetries - s.counted, In: wait, Cause: "the source is rate limited"}
	switch {
	case s.last == nil:
	case s.last.Status != 0:
		r.Cause = strconv.Itoa(s.last.Status)
	case s.last.Err != nil:
		r.Cause = s.last.Err.Error()
	}
	tell(r)
}
