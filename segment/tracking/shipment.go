package tracking

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// shipment brings one request home: it tries, waits and tries again.
type shipment struct {
	client   *Client
	target   *target
	path     string
	body     []byte
	messages int
	failed   <-chan struct{} // closed when the call has failed elsewhere

	attempts       int
	counted        int           // retries that count against MaxRetries
	limited        time.Duration // waited for rate limits
	since          time.Time     // the first failure
	limitedAtFirst time.Duration // limited by then
	sent           bool          // a byte may have left
	doubtful       bool          // an attempt may have been taken without telling
	written        bool          // the transport reads the last body no more
	last           *Error
}

// deliver returns what became of the messages, and the error unless they were accepted. When the call failed elsewhere
// before the first try, it returns Unsent without an error of its own.
func (s *shipment) deliver(ctx context.Context) (Status, *Error) {
	for {
		if err := s.awaitTurn(ctx); err != nil {
			return s.status(), err
		}
		select {
		case <-s.failed:
			if s.attempts == 0 {
				return Unsent, nil
			}
		default:
		}
		if ctx.Err() != nil {
			return s.status(), s.interrupted(ctx)
		}
		accepted, final, wait := s.try(ctx)
		if accepted {
			return Accepted, nil
		}
		if ctx.Err() != nil {
			return s.status(), s.interrupted(ctx)
		}
		if final {
			return s.status(), s.giveUp()
		}
		if err := s.pauseFor(ctx, wait); err != nil {
			return s.status(), err
		}
	}
}

// awaitTurn waits while the source is rate limited, through whichever request that came to light.
func (s *shipment) awaitTurn(ctx context.Context) *Error {
	for {
		wait := s.client.pauses.remaining(s.target.pauseKey(), s.client.now())
		if wait <= 0 {
			return nil
		}
		if s.limited+wait > s.target.retry.RateLimitBudget {
			return s.rateLimited(wait, "the "+briefly(max(0, s.target.retry.RateLimitBudget))+" that may be spent waiting for it")
		}
		if left, short := shortOf(ctx, s.client.now(), wait); short {
			return s.rateLimited(wait, "the "+briefly(left)+" left until the deadline")
		}
		s.limited += wait
		s.tell(ctx, wait)
		var failed <-chan struct{}
		if s.attempts == 0 {
			failed = s.failed
		}
		if !sleep(ctx, wait, failed) {
			if ctx.Err() != nil {
				return s.interrupted(ctx)
			}
			return nil // the call failed elsewhere
		}
	}
}

// try makes one attempt and says how to go on: done, over, or after which wait. A wait of 0 leaves it to awaitTurn.
func (s *shipment) try(ctx context.Context) (accepted, final bool, wait time.Duration) {
	c, t := s.client, s.target
	body := s.next()
	s.attempts++
	var w writes
	sending := ctx
	if lent(body) {
		sending = w.watch(ctx)
	}
	a, err := c.attempt(sending, t, s.path, body, s.messages, s.attempts-1)
	s.written = w.over()
	said := unusable
	if err == nil && judge(a.status) == verdictAccepted {
		if said = a.acceptance(s.messages); said == taken {
			return true, true, 0
		}
	}
	if s.since.IsZero() {
		s.since, s.limitedAtFirst = c.now(), s.limited
	}
	if err != nil {
		left := !neverSent(err)
		s.sent = s.sent || left
		s.doubtful = s.doubtful || left
		s.last = &Error{Kind: KindUnavailable, Endpoint: t.base, Err: networkError(err, t.WriteKey)}
		if permanent(err) {
			return false, true, 0
		}
		return s.again()
	}
	s.sent = true
	s.last = &Error{
		Kind: kindOf(a.status), Status: a.status, Endpoint: t.base, Text: a.text(t.WriteKey), RetryAfter: a.retryAfter,
	}
	if judge(a.status) == verdictAccepted {
		return s.notTaken(a, said)
	}
	s.doubtful = s.doubtful || inDoubt(a.status)
	if a.status >= 300 && a.status < 400 {
		s.last.Err = redirected(a.location, t.WriteKey)
	}
	if judge(a.status) != verdictRetry {
		return false, true, 0
	}
	if a.retryAfter > 0 {
		c.pauses.set(t.pauseKey(), c.now(), a.retryAfter)
		return false, s.attempts >= t.retry.mostTries(), 0
	}
	return s.again()
}

// notTaken goes on after an answer whose status is 2xx and whose body is not an acceptance.
func (s *shipment) notTaken(a *answer, said acceptance) (accepted, final bool, wait time.Duration) {
	s.doubtful = s.doubtful || said != refused
	switch said {
	case unusable: // what is missing may have said that nothing was accepted
		s.last.Kind, s.last.Text, s.last.Err = KindUnavailable, "", errBroken
		if a.unread != nil {
			s.last.Err = networkError(a.unread, s.target.WriteKey)
		}
		return s.again()
	case unclear:
		s.last.Err = errUnclear
	}
	return false, true, 0
}

func redirected(location string, key WriteKey) error {
	if location == "" {
		return errors.New("redirects are not followed")
	}
	return fmt.Errorf("redirects are not followed: %q", clip(oneLine(key.scrub(location)), 100))
}

// again counts a retry and returns the wait before it.
func (s *shipment) again() (accepted, final bool, wait time.Duration) {
	if s.counted >= s.target.retry.MaxRetries || s.attempts >= s.target.retry.mostTries() {
		return false, true, 0
	}
	wait = s.target.retry.delay(s.counted)
	s.counted++
	return false, false, wait
}

// pauseFor waits before a counted retry, if the wait fits.
func (s *shipment) pauseFor(ctx context.Context, wait time.Duration) *Error {
	if wait == 0 {
		return nil
	}
	now := s.client.now()
	if spent := now.Sub(s.since) - (s.limited - s.limitedAtFirst); spent+wait > s.target.retry.Budget {
		return s.stop(wait, "the "+briefly(max(0, s.target.retry.Budget))+" that may be spent on retrying")
	}
	if left, short := shortOf(ctx, now, wait); short {
		return s.stop(wait, "the "+briefly(left)+" left until the deadline")
	}
	s.tell(ctx, wait)
	if !sleep(ctx, wait, nil) {
		return s.interrupted(ctx)
	}
	return nil
}

// status is what can be said of messages that were not accepted.
func (s *shipment) status() Status {
	switch {
	case !s.sent:
		return Unsent
	case s.doubtful:
		return Unconfirmed
	}
	return Rejected
}

func (s *shipment) giveUp() *Error {
	e := s.last
	e.Attempts = s.attempts
	if s.attempts > 1 {
		e.ending = "gave up after " + strconv.Itoa(s.attempts) + " attempts"
	}
	return e
}

// stop ends with the last failure because the next wait does not fit.
func (s *shipment) stop(wait time.Duration, limit string) *Error {
	e := s.giveUp()
	e.ending = fmt.Sprintf("gave up after %s: the next try would be in %s, beyond %s", tries(s.attempts), briefly(wait), limit)
	return e
}

func (s *shipment) rateLimited(wait time.Duration, limit string) *Error {
	if s.attempts > 0 {
		e := s.stop(wait, limit)
		e.Kind, e.RetryAfter = KindRateLimited, max(e.RetryAfter, wait)
		return e
	}
	return &Error{
		Kind: KindRateLimited, Endpoint: s.target.base, RetryAfter: wait,
		ending: fmt.Sprintf("the receiver asked to wait another %s, beyond %s", briefly(wait), limit),
	}
}

// interrupted ends because of the caller's context.
func (s *shipment) interrupted(ctx context.Context) *Error {
	e := interrupted(ctx, s.target.base)
	if s.attempts > 0 {
		e.Attempts, e.ending = s.attempts, "stopped after "+tries(s.attempts)
		if s.last != nil && s.last.Status != 0 {
			e.Status, e.Text, e.RetryAfter = s.last.Status, s.last.Text, s.last.RetryAfter
		}
	}
	return e
}

func tries(n int) string {
	if n == 1 {
		return "1 attempt"
	}
	return strconv.Itoa(n) + " attempts"
}

// briefly writes a duration to two digits or so: 1.234567s says no more than 1.2s.
func briefly(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Millisecond).String()
}

// shortOf tells whether wait ends after the context's deadline, and how much time is left.
func shortOf(ctx context.Context, now time.Time, wait time.Duration) (left time.Duration, short bool) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0, false
	}
	left = deadline.Sub(now)
	return left, wait >= left
}

// sleep waits for d, and reports whether it did to the end.
func sleep(ctx context.Context, d time.Duration, interrupt <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-interrupt:
	}
	return false
}
