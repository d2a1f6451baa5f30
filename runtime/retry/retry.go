// Package retry sends one HTTP request until it is accepted or refused, or its budget is spent.
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
// caller's context, and bounds what it reads. It knows nothing of blocks. Executors call
// runtime.Call.Send, which also fills in the receipt.
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

// Request says what to send, and how to judge an answer. It must not change while it is being sent.
type Request struct {
	// Method is the HTTP method. Empty means POST.
	Method string
	URL    string
	// Endpoint names the receiver in error texts. It is usually the base URL.
	Endpoint string
	// Credential is what the receiver limits by, such as an API key. It is never shown. When a
	// request gets a Retry-After, all requests of the [Client] with the same Endpoint and
	// Credential wait.
	Credential string
	// Header is sent with each attempt. Retries also have an X-Retry-Count, from 1.
	Header http.Header
	// Body makes the body of one attempt, so that it may hold the time of that attempt. An HTTP
	// transport may still read a body after its attempt is over, so it must never change. An error
	// ends the request. Nil means no body.
	Body func() ([]byte, error)
	// MaxAnswer is how many bytes of a 2xx answer are read. Default 64 KiB. Of other answers, 64
	// KiB are read, for the text in them.
	MaxAnswer int
	// Judge says what an answer means. Default [Judge]. If a 2xx answer was cut off or is too long,
	// Judge is not asked, and the request is tried again.
	Judge func(*Answer) Decision
	// Redact removes secrets from a text of the receiver or the network, before the text is cut and
	// becomes part of an error.
	Redact func(text string) string
	Policy Policy
}

// Policy bounds the attempts and the time of one request. A zero field means its default.
//
// Network errors, timeouts, and answers for which [Request.Judge] says so are tried again. A
// Retry-After in such an answer replaces the delays below. It is obeyed up to 300 s.
type Policy struct {
	// MaxRetries is how many attempts may follow the first. Default 10; negative for none. Retries
	// after a Retry-After do not count, but at most MaxRetries + 20 attempts follow the first.
	MaxRetries int
	// BaseDelay is the longest wait before the first retry. Each further retry doubles it. Default
	// 500 ms. The wait is random, between half of that and all of it, so that many callers do not
	// come back at once.
	BaseDelay time.Duration
	// MaxDelay caps the doubling. Default 60 s.
	MaxDelay time.Duration
	// Budget is how long to keep trying after the first failure, not counting waits for a
	// Retry-After. Default 2 min; negative for no time at all. A wait that would exceed it ends the
	// request at once.
	Budget time.Duration
	// RateLimitBudget is how long a request may wait in all because of Retry-After headers. Default
	// 2 min; negative for no time at all. A wait that would exceed it ends the request at once, and
	// the error says when to come back.
	RateLimitBudget time.Duration
	// AttemptTimeout bounds one attempt, from dialling to the end of the answer. Default 15 s;
	// negative for no bound.
	AttemptTimeout time.Duration
}

// uncountedRetries bounds the retries of a receiver that answers with a Retry-After again and
// again.
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

// Client sends requests to any number of receivers. It is safe for concurrent use, and starts no
// goroutine.
type Client struct {
	http *resty.Client

	mu    sync.Mutex
	until map[limit]time.Time // the end of each pause
}

// New returns a Client that sends through http.
//
// http's transport, proxies, TLS settings and request hooks apply. Its retries and response hooks
// do not, and neither does its debug log, which would show credentials. New does not change http.
// Complete its settings first, as later changes may have no effect.
//
// http should not follow redirects (resty.NoRedirectPolicy), because net/http turns a redirected
// POST into an empty GET. Send reports that as a failure, but the receiver sees the GET.
func New(http *resty.Client) *Client {
	// The clone shares everything but the retries. Those of resty would be in addition to ours, and
	// would post only the rest of a body that was partly read.
	return &Client{http: http.Clone().SetRetryCount(0), until: map[limit]time.Time{}}
}

// Send sends a request until it is accepted, and returns the answer that accepted it. The error is
// always an *[Error].
//
// A request may arrive more than once, because Send repeats an attempt whose answer is lost. Give
// the request an id by which the receiver recognises repeats.
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

// limit is what a receiver limits: a credential at an endpoint.
type limit struct{ endpoint, credential string }

// pause makes the requests under a limit wait for d from now, unless they must already wait longer.
// It forgets pauses that have passed, so there are only as many as there are limits in force.
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
	// Attempt is the number of the next attempt. Of is how many there may be in all.
	Attempt, Of int
	// In is how long the pause is.
	In time.Duration
	// Cause says in a few words why: a status such as 503, with the reason if the answer was not
	// readable, or an error.
	Cause string
}

type onRetryKey struct{}

// OnRetry returns a context for requests. Each calls tell whenever it begins to wait, for a retry
// or for the end of a rate limit. Requests that are sent in parallel may call tell at the same
// time.
func OnRetry(ctx context.Context, tell func(Wait)) context.Context {
	return context.WithValue(ctx, onRetryKey{}, tell)
}
