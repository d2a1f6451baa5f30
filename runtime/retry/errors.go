package retry

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Code is a kind of failure. Package runtime and the vendors' packages have further codes.
type Code string

// The codes of a request that was not accepted.
const (
	// TooLarge: the receiver answered 413.
	TooLarge Code = "too_large"
	// Unauthorized: the receiver answered 401, 403 or 511.
	Unauthorized Code = "unauthorized"
	// Rejected: the receiver refused the request, and would refuse it again.
	Rejected Code = "rejected"
	// RateLimited: the receiver asks to wait, by a 429 or a Retry-After, for longer than the policy
	// or the deadline allows.
	RateLimited Code = "rate_limited"
	// Unavailable: until the policy or the deadline ended the attempts, there was no answer, none
	// that could be read, or only answers that say to try again.
	Unavailable Code = "unavailable"
	// Canceled: the caller's context was canceled.
	Canceled Code = "canceled"
	// DeadlineExceeded: the caller's deadline passed.
	DeadlineExceeded Code = "deadline_exceeded"
)

// Retryable reports whether the same call may succeed later, unchanged.
func (c Code) Retryable() bool {
	switch c {
	case RateLimited, Unavailable, Canceled, DeadlineExceeded:
		return true
	}
	return false
}

// Error is why a request was not accepted. Its text is one line.
type Error struct {
	Code Code
	// Status is the HTTP status of the last answer, or 0.
	Status int
	// Endpoint is the receiver, as [Request.Endpoint] names it.
	Endpoint string
	// Text is the text of that answer: one line of at most 300 characters, without secrets.
	Text string
	// RetryAfter is how long the receiver asks to wait before the next attempt, at most 300 s, or
	// 0.
	RetryAfter time.Duration
	// Attempts counts the attempts.
	Attempts int
	// Sent means that a byte of the request may have left. InDoubt means that the receiver may have
	// accepted the request: an attempt got no answer, or one that does not settle it.
	Sent, InDoubt bool
	// Err is a cause other than the receiver's answer, such as a network error or the context's
	// error. Without one it is nil.
	Err error

	ending string // why no further attempt was made
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func (e *Error) Error() string {
	var parts []string
	receiver := cmp.Or(e.Endpoint, "the receiver")
	switch {
	case e.Status != 0:
		said := receiver + " answered " + strconv.Itoa(e.Status)
		if name := http.StatusText(e.Status); name != "" {
			said += " (" + strings.ToLower(name) + ")"
		}
		if e.Text != "" {
			said += ": " + e.Text
		}
		parts = append(parts, said)
		if e.Err != nil {
			parts = append(parts, causeText(e.Err))
		}
	case e.Err != nil && e.Attempts > 0:
		_, address, _ := strings.Cut(receiver, "://")
		cause := strings.TrimPrefix(causeText(e.Err), "dial tcp "+address+": ") // named already
		parts = append(parts, "no answer from "+receiver+": "+cause)
	case e.Err != nil:
		parts = append(parts, causeText(e.Err))
	case e.ending == "":
		parts = append(parts, "the request failed: "+string(e.Code))
	}
	if e.ending != "" {
		parts = append(parts, e.ending)
	}
	return strings.Join(parts, "; ")
}

// Interrupted returns the error of a request that the caller's context ended. Its code is
// [DeadlineExceeded] if the context's deadline passed, else [Canceled]. Cause is the context's
// error.
func Interrupted(endpoint string, attempts int, cause error) *Error {
	code := Canceled
	if errors.Is(cause, context.DeadlineExceeded) {
		code = DeadlineExceeded
	}
	return &Error{Code: code, Endpoint: endpoint, Attempts: attempts, Err: cause}
}

// causeText puts the errors of a context into words.
func causeText(err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "the call was canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "the time for it ran out"
	}
	return err.Error()
}

func attempts(n int) string {
	if n == 1 {
		return "1 attempt"
	}
	return strconv.Itoa(n) + " attempts"
}

// briefly rounds a duration to about two digits, as 1.2s says as much as 1.234567s.
func briefly(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Millisecond).String()
}
