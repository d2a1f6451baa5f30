package tracking

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind says what a caller can do about an [Error].
type Kind string

// The kinds of errors.
const (
	// KindInvalid: messages break Segment's rules; nothing was sent. See Problems.
	KindInvalid Kind = "invalid"
	// KindTooLarge: messages exceed a size limit and nothing was sent, or the receiver answered 413.
	KindTooLarge Kind = "too_large"
	// KindCredentialMissing: the source has no write key; nothing was sent.
	KindCredentialMissing Kind = "credential_missing"
	// KindSource: the source's settings contradict themselves; nothing was sent.
	KindSource Kind = "source_invalid"
	// KindUnauthorized: the receiver answered 401, 403 or 511.
	KindUnauthorized Kind = "unauthorized"
	// KindRejected: the receiver answered that it does not want the request, and would again; or a
	// 2xx that does not say that it took the messages.
	KindRejected Kind = "rejected"
	// KindRateLimited: the receiver asks to wait, by a 429 or a Retry-After, and that did not fit.
	// RetryAfter says how long.
	KindRateLimited Kind = "rate_limited"
	// KindUnavailable: no answer, one that cannot be read, or one that asks to try again, until the
	// retry policy or the deadline ended it.
	KindUnavailable Kind = "unavailable"
	// KindCanceled: the caller's context was cancelled.
	KindCanceled Kind = "canceled"
	// KindDeadline: the caller's deadline passed.
	KindDeadline Kind = "deadline"
	// KindClosed: the [Sender] has been closed; nothing was sent or stored.
	KindClosed Kind = "closed"
)

// Retryable reports whether the same call may succeed later without any change.
func (k Kind) Retryable() bool {
	switch k {
	case KindRateLimited, KindUnavailable, KindCanceled, KindDeadline:
		return true
	}
	return false
}

// Error is every error of this package. Its text is one line in which no write key stands.
type Error struct {
	Kind Kind
	// Status is the HTTP status of the last answer, 0 when there was none.
	Status int
	// Endpoint is the base URL that was tried.
	Endpoint string
	// Text is what the receiver said with it: at most 300 characters, one line, the write key replaced.
	Text string
	// RetryAfter is how long the receiver asks to wait before the next try, at most 300 s; 0 when it did not say.
	RetryAfter time.Duration
	// Attempts is how many times the request that failed was tried.
	Attempts int
	// Problems lists what is wrong with the messages, by message. After the 1,000th the rest of the call is not looked at.
	Problems []Problem
	// Accepted, Unconfirmed and Total count messages of the call. Accepted below Total and above 0 means that a batch
	// was delivered in part: the [Report] names which.
	Accepted, Unconfirmed, Total int
	// Err is the cause, if there is one beside the receiver's answer: the context's error, a network error.
	Err error

	ending string // why no further try was made
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Retryable reports whether calling again, unchanged, may succeed. With the same invocation id, what had been
// accepted before is not counted twice.
func (e *Error) Retryable() bool { return e.Kind.Retryable() }

func (e *Error) Error() string {
	if len(e.Problems) > 0 {
		return e.refusal()
	}
	var b strings.Builder
	if e.Total > 1 && e.Accepted+e.Unconfirmed > 0 {
		fmt.Fprintf(&b, "%s of %s messages were accepted", grouped(e.Accepted), grouped(e.Total))
		if e.Unconfirmed > 0 {
			fmt.Fprintf(&b, ", %s more may have been", grouped(e.Unconfirmed))
		}
		b.WriteString(": ")
	}
	switch {
	case e.Status != 0:
		b.WriteString(e.receiver() + " answered " + strconv.Itoa(e.Status))
		if name := http.StatusText(e.Status); name != "" {
			b.WriteString(" (" + strings.ToLower(name) + ")")
		}
		if e.Text != "" {
			b.WriteString(": " + e.Text)
		}
		if e.Err != nil {
			b.WriteString("; " + causeText(e.Err))
		}
	case e.Err != nil && e.Attempts > 0:
		b.WriteString("no answer from " + e.receiver() + ": " + causeText(e.Err))
	case e.Err != nil:
		b.WriteString(causeText(e.Err))
	case e.ending == "":
		b.WriteString("segment call failed: " + string(e.Kind))
	}
	if e.ending != "" {
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		b.WriteString(e.ending)
	}
	return b.String()
}

// causeText says in words what the errors of a context leave to the reader.
func causeText(err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "the call was canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "the time for it ran out"
	}
	return err.Error()
}

func (e *Error) receiver() string {
	if e.Endpoint == "" {
		return "the receiver"
	}
	return e.Endpoint
}

// refusal tells the first problems in full and names every message that has one.
func (e *Error) refusal() string {
	const told = 5
	var b strings.Builder
	bad := e.badMessages()
	switch {
	case e.Total == 1 || len(bad) == 0:
		b.WriteString("nothing was sent: ")
	case len(e.Problems) >= maxProblems:
		fmt.Fprintf(&b, "nothing was sent, at least %s of %s messages cannot be: ", grouped(len(bad)), grouped(e.Total))
	default:
		fmt.Fprintf(&b, "nothing was sent, %s of %s messages cannot be: ", grouped(len(bad)), grouped(e.Total))
	}
	for i, p := range e.Problems[:min(told, len(e.Problems))] {
		if i > 0 {
			b.WriteString("; ")
		}
		if p.Index >= 0 && e.Total != 1 {
			fmt.Fprintf(&b, "message %d: ", p.Index)
		}
		b.WriteString(p.sentence())
	}
	if more := len(e.Problems) - told; more > 0 {
		fmt.Fprintf(&b, "; and %s more problems", grouped(more))
		if len(bad) > 1 {
			b.WriteString(", the messages in question are " + enumerate(bad))
		}
	}
	return b.String()
}

func (e *Error) badMessages() []int {
	var bad []int
	for _, p := range e.Problems {
		if p.Index >= 0 {
			bad = append(bad, p.Index)
		}
	}
	slices.Sort(bad)
	return slices.Compact(bad)
}

// enumerate writes sorted indexes, runs of them as 3-7, and stops after a line's worth.
func enumerate(sorted []int) string {
	const most = 100
	var b strings.Builder
	for i, runs := 0, 0; i < len(sorted); runs++ {
		if runs == most {
			fmt.Fprintf(&b, " and %s more", grouped(len(sorted)-i))
			break
		}
		j := i
		for j+1 < len(sorted) && sorted[j+1] == sorted[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(sorted[i]))
		if j > i {
			b.WriteString("-" + strconv.Itoa(sorted[j]))
		}
		i = j + 1
	}
	return b.String()
}

// Problem is one thing that is wrong with one message.
type Problem struct {
	// Index is the message's place in the call, from 0; -1 for what concerns the call as a whole.
	Index int `json:"index"`
	// Pointer is the JSON Pointer of the value inside the message (or inside the batch options), "" for all of it.
	Pointer string `json:"pointer"`
	// Code is stable: one of this package's Code constants, Segment's own where it has one.
	Code string `json:"code"`
	// Text says what must be, lower case, the offending value last.
	Text string `json:"text"`
	// Value is the offending value as written, cut to 80 characters. Empty when there is none, or it is secret.
	Value string `json:"value,omitempty"`
}

func (p Problem) sentence() string {
	if p.Pointer == "" {
		return p.Text
	}
	return p.Pointer + " " + p.Text
}

// Codes of problems. The first block is Segment's own vocabulary for what it discards.
const (
	CodeNoID                = "no_user_anon_id"
	CodeEventMissing        = "event_not_defined"
	CodeEventNotString      = "event_not_string"
	CodePropertiesNotObject = "properties_not_object"
	CodeTraitsNotObject     = "traits_not_object"
	CodeNameNotString       = "name_not_string"
	CodeCategoryNotString   = "category_not_string"
	CodeIDMissing           = "id_required"
	CodeIDNotString         = "id_not_string"
	CodeEmptyBatch          = "empty_batch"
	CodeConsentMissing      = "consent_categorypreferences_should_exist"
	CodeConsentNotObject    = "consent_categorypreferences_fields_should_be_object"
	CodeConsentNotBool      = "consent_categorypreferences_fields_should_be_bool"
	CodeConsentVersion      = "consent_version_should_be_number"
	CodeAdvertisingID       = "device_advertisingid_should_be_string"
	CodeTypeMissing         = "missing_type"
	CodeTypeUnknown         = "invalid_type"

	CodeTypeMismatch          = "type_mismatch"
	CodeContextNotObject      = "context_not_object"
	CodeIntegrationsNotObject = "integrations_not_object"
	CodeMessageIDInvalid      = "invalid_message_id"
	CodeTimestampInvalid      = "invalid_timestamp"
	CodeWriteKeyInMessage     = "write_key_in_message"
	CodeNotJSON               = "invalid_json"
	CodeMessageTooLarge       = "message_too_large"
)

// grouped writes 40123 as 40,123.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// clip cuts s to at most n characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := range s {
		if n == 0 {
			return s[:i] + "…"
		}
		n--
	}
	return s
}
