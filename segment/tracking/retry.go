package tracking

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// RetryPolicy bounds what one request of a call may cost in tries and in time. A zero field is its default.
//
// Tried again are network errors, timeouts and the statuses 408, 410, 429, 460 and 5xx, save 501,
// 505 and 511. All other answers are final. So is a 2xx that says that the messages were not
// accepted; one that cannot be read is tried again.
//
// A Retry-After with any of these statuses pauses the source: all its calls wait for so long, at
// most 300 s, in place of the delays below.
type RetryPolicy struct {
	// MaxRetries is how many tries may follow the first. Default 10; negative for none. A retry
	// after a Retry-After is not counted, but never do more than MaxRetries + 20 tries follow the
	// first.
	MaxRetries int
	// BaseDelay is the longest wait before the first retry; each further one doubles it. Default 500 ms. The wait is drawn
	// between half of that and all of it, lest many callers come back at once.
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
	// AttemptTimeout bounds one try, from dialling to the end of the answer. Default 15 s; negative for none.
	AttemptTimeout time.Duration
}

// maxRetryAfter is the longest wait that Segment's libraries grant a receiver.
const maxRetryAfter = 300 * time.Second

// uncountedRetries bounds the tries that a receiver could make endless by naming a Retry-After over
// and over.
const uncountedRetries = 20

func (p RetryPolicy) withDefaults() RetryPolicy {
	fill := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	switch {
	case p.MaxRetries == 0:
		p.MaxRetries = 10
	case p.MaxRetries < 0:
		p.MaxRetries = 0
	}
	fill(&p.BaseDelay, 500*time.Millisecond)
	fill(&p.MaxDelay, 60*time.Second)
	fill(&p.Budget, 2*time.Minute)
	fill(&p.RateLimitBudget, 2*time.Minute)
	fill(&p.AttemptTimeout, 15*time.Second)
	return p
}

// mostTries is the first try and all retries, counted or not.
func (p RetryPolicy) mostTries() int {
	if p.MaxRetries == 0 {
		return 1
	}
	return 1 + p.MaxRetries + uncountedRetries
}

// delay is the wait before counted retry n, from 0.
func (p RetryPolicy) delay(n int) time.Duration {
	d := p.MaxDelay
	if n < 30 {
		if doubled := p.BaseDelay << n; doubled > 0 && doubled>>n == p.BaseDelay {
			d = min(d, doubled)
		}
	}
	return d/2 + rand.N(d/2+1)
}

// verdict is what an HTTP status says about trying again.
type verdict uint8

const (
	verdictAccepted verdict = iota
	verdictRetry
	verdictFinal
)

func judge(status int) verdict {
	switch {
	case status >= 200 && status < 300:
		return verdictAccepted
	case status == 501, status == 505, status == 511:
		return verdictFinal
	case status >= 500, status < 200, status == 408, status == 410, status == 429, status == 460:
		return verdictRetry
	}
	return verdictFinal
}

// inDoubt tells whether a receiver that answers so may have taken the request all the same: it ran out of time or failed
// on the way, or a gateway in front of it says so after having passed the request on.
func inDoubt(status int) bool {
	switch status {
	case 408, 460:
		return true
	case 501, 505, 511:
		return false
	}
	return status >= 500 || status < 200
}

func kindOf(status int) Kind {
	switch {
	case status == 401, status == 403, status == 511:
		return KindUnauthorized
	case status == 413:
		return KindTooLarge
	case status == 429:
		return KindRateLimited
	case judge(status) == verdictRetry:
		return KindUnavailable
	}
	return KindRejected
}

// parseRetryAfter reads seconds or an HTTP date; 0 for anything else, and for what has passed.
func parseRetryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	if header == "" {
		return 0
	}
	if n, err := strconv.ParseUint(header, 10, 64); err == nil || isDigits(header) {
		if err != nil || n > uint64(maxRetryAfter/time.Second) {
			return maxRetryAfter
		}
		return time.Duration(n) * time.Second
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

func isDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }
