package retry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// sending is a request that is being sent, with its defaults filled in.
type sending struct {
	Request
	client *Client
	limit  limit

	attempts int
	counted  int           // retries that count against MaxRetries
	waited   time.Duration // since the last attempt
	limited  time.Duration // waited for rate limits
	since    time.Time     // the first failure, later by what has been waited for rate limits after it
	last     Error         // what the last attempt came to; Sent and InDoubt hold for all
}

func newSending(c *Client, r *Request) sending {
	s := sending{Request: *r, client: c, limit: limit{r.Endpoint, r.Credential}, last: Error{Endpoint: r.Endpoint}}
	s.Method = cmp.Or(s.Method, http.MethodPost)
	s.MaxAnswer = cmp.Or(s.MaxAnswer, maxRead)
	s.Policy = s.Policy.withDefaults()
	if s.Judge == nil {
		s.Judge = Judge
	}
	if s.Redact == nil {
		s.Redact = func(text string) string { return text }
	}
	return s
}

// awaitTurn waits while the limit is paused, whichever request got the Retry-After.
func (s *sending) awaitTurn(ctx context.Context) error {
	for {
		wait := s.client.remaining(s.limit)
		if wait == 0 {
			return nil
		}
		if bound := exceeds(ctx, wait, s.limited, s.Policy.RateLimitBudget, "waiting for it"); bound != "" {
			ending := fmt.Sprintf("the receiver asked to wait another %s, beyond %s", briefly(wait), bound)
			if s.attempts > 0 {
				ending = s.gaveUp(wait, bound)
			}
			e := s.end(ending)
			e.Code, e.RetryAfter = RateLimited, max(e.RetryAfter, wait)
			return e
		}
		s.limited, s.since = s.limited+wait, s.since.Add(wait)
		if !s.sleep(ctx, wait) {
			return s.interrupted(ctx)
		}
	}
}

// attempt makes one attempt, and records its result.
func (s *sending) attempt(ctx context.Context) (*Answer, Decision) {
	s.attempts++
	seen := Attempt{StartedAt: time.Now(), Waited: s.waited, Method: s.Method, URL: s.URL}
	answer, err := s.try(ctx, &seen)
	sent := true
	var decision Decision
	switch {
	case err != nil:
		var permanent bool
		sent, permanent = classify(err)
		decision = Decision{Code: Unavailable, Retry: !permanent, InDoubt: sent, Err: s.networkError(err)}
	case answer.unread != nil && answer.accepted(): // what is missing may have said that nothing was accepted
		decision = Decision{Code: Unavailable, Retry: true, InDoubt: true, Err: s.networkError(answer.unread)}
	default:
		decision = s.Judge(answer)
	}
	if tell, _ := ctx.Value(onAttemptKey{}).(func(Attempt)); tell != nil {
		seen.Duration, seen.Answer, seen.Err = time.Since(seen.StartedAt), answer, decision.Err
		seen.AnswerCut = answer != nil && answer.unread != nil
		tell(seen)
	}
	s.waited = 0
	if decision.Code == "" {
		return answer, decision
	}
	if s.attempts == 1 {
		s.since = time.Now()
	}
	s.last = Error{
		Code: decision.Code, Endpoint: s.Endpoint, Err: decision.Err,
		Sent: s.last.Sent || sent, InDoubt: s.last.InDoubt || decision.InDoubt,
	}
	if answer != nil {
		s.note(answer, decision)
	}
	return answer, decision
}

// note adds to the last failure what the receiver said.
func (s *sending) note(a *Answer, decision Decision) {
	s.last.Status, s.last.RetryAfter = a.Status, a.RetryAfter
	if !decision.Retry || !a.accepted() { // else it is broken
		s.last.Text = a.text(s.Redact)
	}
	if a.Status >= 300 && a.Status < 400 && decision.Err == nil {
		s.last.Err = errors.New("redirects are not followed")
		if location := a.Header.Get("Location"); location != "" {
			s.last.Err = fmt.Errorf("%w: %q", s.last.Err, s.clean(location, 100))
		}
	}
}

// backOff waits before a retry that counts, unless the wait would be too long.
func (s *sending) backOff(ctx context.Context) error {
	if s.counted >= s.Policy.MaxRetries {
		return s.giveUp()
	}
	wait := s.Policy.delay(s.counted)
	s.counted++
	if bound := exceeds(ctx, wait, time.Since(s.since), s.Policy.Budget, "on retrying"); bound != "" {
		return s.end(s.gaveUp(wait, bound))
	}
	if !s.sleep(ctx, wait) {
		return s.interrupted(ctx)
	}
	return nil
}

// exceeds returns the bound that a wait does not fit in, or "".
func exceeds(ctx context.Context, wait, spent, budget time.Duration, purpose string) string {
	if spent+wait > budget {
		return "the " + briefly(budget) + " that may be spent " + purpose
	}
	if deadline, ok := ctx.Deadline(); ok && wait >= time.Until(deadline) {
		return "the " + briefly(time.Until(deadline)) + " left until the deadline"
	}
	return ""
}

// end returns the last failure as an error.
func (s *sending) end(ending string) *Error {
	e := s.last
	e.Attempts, e.ending = s.attempts, ending
	return &e
}

func (s *sending) giveUp() *Error {
	if s.attempts == 1 {
		return s.end("")
	}
	return s.end("gave up after " + attempts(s.attempts))
}

// gaveUp says that the next wait would be too long.
func (s *sending) gaveUp(wait time.Duration, bound string) string {
	return fmt.Sprintf("gave up after %s: the next try would be in %s, beyond %s", attempts(s.attempts), briefly(wait),
		bound)
}

// interrupted returns the error of a request that the caller's context ended.
func (s *sending) interrupted(ctx context.Context) *Error {
	ending := ""
	if s.attempts > 0 {
		ending = "stopped after " + attempts(s.attempts)
	}
	e, why := s.end(ending), Interrupted(s.Endpoint, s.attempts, ctx.Err())
	e.Code, e.Err = why.Code, why.Err
	return e
}

// sleep waits for d, and returns false if ctx ends first.
func (s *sending) sleep(ctx context.Context, d time.Duration) bool {
	if tell, ok := ctx.Value(onRetryKey{}).(func(Wait)); ok {
		next := s.attempts + 1
		of := next + s.Policy.MaxRetries - s.counted
		wait := Wait{Attempt: next, Of: of, In: d, Cause: "the receiver limits the rate"}
		switch {
		case s.last.Status != 0:
			wait.Cause = strconv.Itoa(s.last.Status)
			if s.last.Err != nil { // the answer broke off, or does not end
				wait.Cause += "; " + s.last.Err.Error()
			}
		case s.last.Err != nil:
			wait.Cause = s.last.Err.Error()
		}
		tell(wait)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		s.waited += d
		return true
	case <-ctx.Done():
		return false
	}
}
