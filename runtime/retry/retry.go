// Package retry sends one HTTP request until it is accepted, refused, or out of budget.
//
//	client := retry.New(resty.New())
//	answer, err := client.Send(ctx, &retry.Request{
//		URL:        "https://board.example.com/notes",
//		Credential: token,
//		Header:     http.Header{"Authorization": {"Bearer " + token}},
//		Body:       func() ([]byte, error) { return note, nil },
//	})
//
// A vendor says what to send and, with [Request.Judge], what an answer means. The package does the
// rest: it waits between attempts, obeys Retry-After, keeps within a [Policy], ends with the
// caller's context, and bounds what it reads. It knows nothing of blocks; an executor calls
// runtime.Call.Send, which adds the receipt.
package retry

import (
	"cmp"
	"context"
	"maps"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/go-resty/resty/v2"
)

// Request says what to send, and how to judge an answer. It must not be changed while it is sent.
type Request struct {
	// Method is POST where it is empty.
	Method string
	URL    string
	// Endpoint names the receiver in texts, such as the base URL.
	Endpoint string
	// Credential is what the receiver limits by, such as an API key; it is never shown. All
	// requests of a [Client] with the same Endpoint and Credential wait together when one gets a
	// Retry-After.
	Credential string
	// Header is sent with each attempt. From the second on there is an X-Retry-Count too, from 1.
	Header http.Header
	// Body makes the body of one attempt, so that it may hold the time of that attempt. An HTTP
	// transport may read a body after its attempt is over, so nobody may change it later. An error
	// ends the request. Nil: no body.
	Body func() ([]byte, error)
	// MaxAnswer bounds, in bytes, what is read of an answer with a 2xx status. Default 64 KiB. Of
	// other answers 64 KiB are read, for the words in them.
	MaxAnswer int
	// Judge says what an answer means. Default: [Judge]. It is not asked about an answer with a 2xx
	// status that was cut off or is too long: such a request is tried again.
	Judge func(*Answer) Decision
	// Redact takes secrets out of a text from outside, before it is cut and put into an error.
	Redact func(text string) string
	Policy Policy
}

// Policy bounds what one request may cost in attempts and in time. A zero field is its default.
//
// What is tried again: network errors, timeouts, and the answers that [Request.Judge] names. A
// Retry-After in one of those answers replaces the delays below. It is obeyed up to 300 s.
type Policy struct {
	// MaxRetries is how many attempts may follow the first. Default 10; negative for none. A retry
	// after a Retry-After is not counted, but never do more than MaxRetries + 20 attempts follow
	// the first.
	MaxRetries int
	// BaseDelay is the longest wait before the first retry; each further one doubles it. Default
	// 500 ms. The wait is drawn between half of that and all of it, so that many callers do not
	// come back at once.
	BaseDelay time.Duration
	// MaxDelay caps the doubling. Default 60 s.
	MaxDelay time.Duration
	// Budget is how long to keep trying after the first failure, waits for a Retry-After aside.
	// Default 2 min; negative for none. A wait that would end beyond it is not begun.
	Budget time.Duration
	// RateLimitBudget is how long a request may wait because of Retry-After headers, in sum.
	// Default 2 min; negative for none. A wait that does not fit is not begun: the error says when
	// to come back.
	RateLimitBudget time.Duration
	// AttemptTimeout bounds one attempt, from dialling to the end of the answer. Default 15 s;
	// negative for none.
	AttemptTimeout time.Duration
}

// uncountedRetries bounds the attempts that a receiver could make endless by naming a Retry-After
// over and over.
const uncountedRetries = 20

func (p Policy) withDefaults() Policy {
	p.MaxRetries = max(0, cmp.Or(p.MaxRetries, 10))
	p.BaseDelay = cmp.Or(max(0, p.BaseDelay), 500*time.Millisecond)
	p.MaxDelay = cmp.Or(max(0, p.MaxDelay), time.Minute)
	p.Budget = max(0, cmp.Or(p.Budget, 2*time.Minute))
	p.RateLimitBudget = max(0, cmp.Or(p.RateLimitBudget, 2*time.Minute))
	p.AttemptTimeout = cmp.Or(p.AttemptTimeout, 15*time.Second)
	return p
}

// maxAttempts is the first attempt and all retries, counted or not.
func (p Policy) maxAttempts() int {
	if p.MaxRetries == 0 {
		return 1
	}
	return 1 + p.MaxRetries + uncountedRetries
}

// delay is the wait before counted retry n, from 0.
func (p Policy) delay(n int) time.Duration {
	d := min(p.BaseDelay, p.MaxDelay)
	for ; n > 0 && d < p.MaxDelay; n-- {
		d = min(d, p.MaxDelay/2) * 2
	}
	return d/2 + rand.N(d/2+1)
}

// Client sends requests. One serves any number of receivers and goroutines; no goroutine of its own
// outlives a call.
type Client struct {
	http *resty.Client

	mu    sync.Mutex
	until map[limit]time.Time // the end of each pause
}

// New returns a Client that sends through http.
//
// http stays the caller's: its transport, proxies, TLS settings and request hooks apply, and
// nothing in it is changed. Its retries do not apply, nor do its response hooks, nor its debug log,
// which would show credentials. It should not follow redirects (resty.NoRedirectPolicy): net/http
// turns a redirected POST into an empty GET. That is reported as a failure, but the receiver sees
// the GET. Set http up before: later changes may not take effect here.
func New(http *resty.Client) *Client {
	// The clone shares everything but the retries. resty would add its own to ours, and the second
	// time it would post what is left of a body.
	return &Client{http: http.Clone().SetRetryCount(0), until: map[limit]time.Time{}}
}

// Send sends a request until it is accepted, and returns the answer that accepted it. The error is
// always an *[Error].
//
// The same request may arrive more than once: an attempt whose answer is lost is repeated. Give it
// an id that the receiver knows repeats by.
func (c *Client) Send(ctx context.Context, request *Request) (*Answer, error) {
	s := newSending(c, request)
	for {
		if err := s.awaitTurn(ctx); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, s.interrupted(ctx)
		}
		answer, decision := s.attempt(ctx)
		if decision.Code == "" {
			answer.Attempts = s.attempts
			return answer, nil
		}
		switch {
		case ctx.Err() != nil:
			return nil, s.interrupted(ctx)
		case !decision.Retry || s.attempts >= s.Policy.maxAttempts():
			return nil, s.giveUp()
		case answer != nil && answer.RetryAfter > 0:
			c.pause(s.limit, answer.RetryAfter)
			continue
		}
		if err := s.backOff(ctx); err != nil {
			return nil, err
		}
	}
}

// limit is what a receiver limits: one credential at one place.
type limit struct{ endpoint, credential string }

// pause makes the requests under a limit wait for d from now, unless they must wait longer already.
// Pauses that have passed are forgotten, so that their number follows what is limited right now.
func (c *Client) pause(l limit, d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(c.until, func(_ limit, until time.Time) bool { return !now.Before(until) })
	if until := now.Add(d); until.After(c.until[l]) {
		c.until[l] = until
	}
}

// remaining returns how long the requests under a limit must still wait.
func (c *Client) remaining(l limit) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	until, paused := c.until[l]
	if !paused { // the usual case does not ask for the time
		return 0
	}
	return max(0, time.Until(until))
}

// Wait is a pause before an attempt.
type Wait struct {
	// Attempt is the number of the attempt that comes after it, Of how many there may be in all.
	Attempt, Of int
	// In is how long it takes.
	In time.Duration
	// Cause says in a few words what makes it necessary, such as 503, or 200 and
	// why its answer cannot be read.
	Cause string
}

type onRetryKey struct{}

// OnRetry returns a context that has tell called whenever a request sent with it begins to wait,
// for a retry or for a rate limit to clear. Requests that are sent side by side may call it at the
// same time.
func OnRetry(ctx context.Context, tell func(Wait)) context.Context {
	return context.WithValue(ctx, onRetryKey{}, tell)
}
