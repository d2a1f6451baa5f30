package retry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// sending is one request on its way.
type sending struct {
	*Request
	client *Client
	policy Policy
	limit  limit

	attempts       int
	counted        int           // retries that count against MaxRetries
	limited        time.Duration // waited for rate limits
	since          time.Time     // the first failure
	limitedAtFirst time.Duration // limited by then
	last           Error         // what the last attempt came to; Sent and InDoubt hold for all
}

func newSending(c *Client, r *Request) *sending {
	s := &sending{Request: r, client: c, policy: r.Policy.withDefaults(), last: Error{Endpoint: r.Endpoint}}
	if r.Endpoint == "" {
		if u, err := url.Parse(r.URL); err == nil {
			s.last.Endpoint = u.Scheme + "://" + u.Host
		}
	}
	s.limit = limit{s.last.Endpoint, r.Credential}
	return s
}

// awaitTurn waits while the limit is paused, through whichever request that came to light.
func (s *sending) awaitTurn(ctx context.Context) error {
	for {
		wait := s.client.remaining(s.limit)
		if wait <= 0 {
			return nil
		}
		if budget := max(0, s.policy.RateLimitBudget); s.limited+wait > budget {
			return s.rateLimited(wait, "the "+briefly(budget)+" that may be spent waiting for it")
		}
		if left, short := shortOf(ctx, wait); short {
			return s.rateLimited(wait, "the "+briefly(left)+" left until the deadline")
		}
		s.limited += wait
		if !s.sleep(ctx, wait) {
			return s.interrupted(ctx)
		}
	}
}

// attempt makes one attempt and notes what it came to.
func (s *sending) attempt(ctx context.Context) (*Answer, Verdict) {
	s.attempts++
	answer, err := s.client.try(ctx, s)
	verdict := s.judge(answer, err)
	if verdict.Code == "" {
		return answer, verdict
	}
	if s.since.IsZero() {
		s.since, s.limitedAtFirst = time.Now(), s.limited
	}
	s.last = Error{
		Code: verdict.Code, Endpoint: s.last.Endpoint, Err: verdict.Err,
		Sent: s.last.Sent || answer != nil || !neverSent(err), InDoubt: s.last.InDoubt || verdict.InDoubt,
	}
	if answer != nil {
		s.last.Status, s.last.RetryAfter = answer.Status, answer.RetryAfter
		if !verdict.Retry || !answer.accepted() { // else it is broken
			s.last.Text = answer.text(s.redact)
		}
	}
	return answer, verdict
}

func (s *sending) judge(answer *Answer, err error) Verdict {
	if err != nil {
		return Verdict{Code: Unavailable, Retry: !permanent(err), InDoubt: !neverSent(err), Err: s.networkError(err)}
	}
	if answer.unread != nil && answer.accepted() { // what is missing may have said that nothing was accepted
		return Verdict{Code: Unavailable, Retry: true, InDoubt: true, Err: s.networkError(answer.unread)}
	}
	judge := s.Judge
	if judge == nil || answer.redirected {
		judge = Judge
	}
	verdict := judge(answer)
	if verdict.Code != "" && verdict.Err == nil && answer.Status >= 300 && answer.Status < 400 {
		verdict.Err = s.redirect(answer.Header.Get("Location"))
	}
	return verdict
}

// backOff waits before a counted retry, if the wait fits.
func (s *sending) backOff(ctx context.Context) error {
	if s.counted >= s.policy.MaxRetries {
		return s.giveUp()
	}
	wait := s.policy.delay(s.counted)
	s.counted++
	spent := time.Since(s.since) - (s.limited - s.limitedAtFirst)
	if budget := max(0, s.policy.Budget); spent+wait > budget {
		return s.stop(wait, "the "+briefly(budget)+" that may be spent on retrying")
	}
	if left, short := shortOf(ctx, wait); short {
		return s.stop(wait, "the "+briefly(left)+" left until the deadline")
	}
	if !s.sleep(ctx, wait) {
		return s.interrupted(ctx)
	}
	return nil
}

func (s *sending) giveUp() *Error {
	e := s.last
	e.Attempts = s.attempts
	if s.attempts > 1 {
		e.ending = "gave up after " + attempts(s.attempts)
	}
	return &e
}

// stop ends with the last failure because the next wait does not fit.
func (s *sending) stop(wait time.Duration, limit string) *Error {
	e := s.giveUp()
	e.ending = fmt.Sprintf("gave up after %s: the next try would be in %s, beyond %s", attempts(s.attempts), briefly(wait), limit)
	return e
}

func (s *sending) rateLimited(wait time.Duration, limit string) *Error {
	if s.attempts > 0 {
		e := s.stop(wait, limit)
		e.Code, e.RetryAfter = RateLimited, max(e.RetryAfter, wait)
		return e
	}
	return &Error{
		Code: RateLimited, Endpoint: s.last.Endpoint, RetryAfter: wait,
		ending: fmt.Sprintf("the receiver asked to wait another %s, beyond %s", briefly(wait), limit),
	}
}

// interrupted ends because of the caller's context.
func (s *sending) interrupted(ctx context.Context) *Error {
	e := s.last
	e.Code, e.Err = Canceled, ctx.Err()
	if errors.Is(e.Err, context.DeadlineExceeded) {
		e.Code = DeadlineExceeded
	}
	if e.Attempts = s.attempts; s.attempts > 0 {
		e.ending = "stopped after " + attempts(s.attempts)
	}
	return &e
}

// sleep waits for d, and reports whether it did to the end.
func (s *sending) sleep(ctx context.Context, d time.Duration) bool {
	if tell, ok := ctx.Value(onRetryKey{}).(func(Wait)); ok {
		next := s.attempts + 1
		wait := Wait{Attempt: next, Of: next + s.policy.MaxRetries - s.counted, In: d, Cause: "the receiver limits the rate"}
		switch {
		case s.last.Status != 0:
			wait.Cause = strconv.Itoa(s.last.Status)
		case s.last.Err != nil:
			wait.Cause = s.last.Err.Error()
		}
		tell(wait)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *sending) redact(text string) string {
	if s.Redact == nil {
		return text
	}
	return s.Redact(text)
}

func (s *sending) method() string { return cmp.Or(s.Method, http.MethodPost) }

// shortOf tells whether wait ends after the context's deadline, and how much time is left.
func shortOf(ctx context.Context, wait time.Duration) (left time.Duration, short bool) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0, false
	}
	left = time.Until(deadline)
	return left, wait >= left
}
