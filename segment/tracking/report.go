package tracking

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/schemas"
)

// Status is the outcome of a message.
type Status string

// Outcomes of a message.
const (
	// Accepted: a 2xx answer accepted it. Segment confirms receipt, not delivery to destinations.
	Accepted Status = "accepted"
	// Rejected: every answer said that the receiver did not accept it.
	Rejected Status = "rejected"
	// Unconfirmed: it was sent and may have been accepted, but no answer says so. The connection
	// broke, time ran out, a gateway gave up (408, 460 and most 5xx), or a 2xx is unreadable or
	// accepted part of a batch without saying which. Sending it again with the same messageId is
	// safe.
	Unconfirmed Status = "unconfirmed"
	// Unsent: it was not sent.
	Unsent Status = "unsent"
	// Stored: it is on this machine's disk, and will be sent.
	Stored Status = "stored"
)

// Report says what happened in a call. It comes with an error too.
type Report struct {
	// Delivery is the kind of delivery: [Direct], or one of package delivery.
	Delivery string
	// Endpoint is the base URL, "" when the source is not valid.
	Endpoint string
	// Requests counts the distinct bodies that were posted, Attempts the HTTP requests, including
	// retries.
	Requests, Attempts int
	// Bytes sums the bodies of all attempts, uncompressed, without headers.
	Bytes int
	// Accepted and Stored count the messages with these statuses.
	Accepted, Stored int
	// Messages has one entry for each message of the call, in the caller's order.
	Messages []Outcome
	// Warnings lists the warnings about sent messages, by message: at most 100, and a last one that
	// counts the rest.
	Warnings []Finding
}

// Outcome is the outcome of the message at the same position in the call.
type Outcome struct {
	// MessageID is the id as sent, the same in every attempt, or "" if the message was refused for
	// its id.
	MessageID string
	Status    Status
	// Request is the request that carried it, numbered from 0 within the call, or -1.
	Request int
}

// Count returns how many messages have the status.
func (r *Report) Count(status Status) (n int) {
	for _, m := range r.Messages {
		if m.Status == status {
			n++
		}
	}
	return n
}

// Finding is a problem of a message, for which it is refused, or a warning. Its path is a JSON
// Pointer inside the message, or inside the [Call] if Index is -1.
type Finding struct {
	// Index is the message's position in the call, from 0, or -1 for the whole call.
	Index int
	schemas.Violation
}

// Codes of an [Error], besides those of package retry. Nothing was sent.
const (
	// InvalidInput: messages break Segment's rules. See Problems.
	InvalidInput retry.Code = "invalid_input"
	// MissingCredential: the source has no write key.
	MissingCredential retry.Code = "missing_credential"
	// InvalidSource: the source's settings contradict themselves.
	InvalidSource retry.Code = "unknown_source"
	// Closed: the [Sender] has been closed; nothing was stored either.
	Closed retry.Code = "closed"
)

// Error is the error type of this package. Its text is one line without the write key.
type Error struct {
	// Code says what a caller can do about it. It is also retry.TooLarge if nothing was sent
	// because messages exceed a size limit.
	Code retry.Code
	// Problems lists the problems, by message. Checking stops after the 1,000th.
	Problems []Finding
	// Accepted, Unconfirmed and Total count messages of the call. If Accepted is above 0 and below
	// Total, part of a batch was delivered: the [Report] says which.
	Accepted, Unconfirmed, Total int
	// Err is the cause: a [*retry.Error] with the receiver's answer if a request failed.
	Err error

	unsent bool // the text should say so
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Refusal returns the error of a receiver that permanently refuses the content of a request, by its
// status (400, 413 or 422) or in the body of a 2xx. Sent separately, its other messages may be
// accepted. For any other error, which concerns every message, it returns nil.
func Refusal(err error) *Error {
	e, ok := errors.AsType[*Error](err)
	answered, failed := errors.AsType[*retry.Error](err)
	if !ok || !failed || answered.Code != retry.Rejected && answered.Code != retry.TooLarge {
		return nil
	}
	switch status := answered.Status; {
	case status/100 == 2, status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge,
		status == http.StatusUnprocessableEntity:
		return e
	}
	return nil
}

func (e *Error) Error() string {
	if len(e.Problems) > 0 {
		return e.refusal()
	}
	said := string(e.Code)
	if e.Err != nil {
		said = e.Err.Error()
	}
	if e.unsent {
		said += "; nothing was sent"
	}
	if e.Total <= 1 || e.Accepted+e.Unconfirmed == 0 {
		return said
	}
	more := ""
	if e.Unconfirmed > 0 {
		more = fmt.Sprintf(", %s more may have been", grouped(e.Unconfirmed))
		if e.Accepted == 0 {
			more = fmt.Sprintf(", %s may have been", grouped(e.Unconfirmed))
		}
	}
	return fmt.Sprintf("%s of %s messages were accepted%s: %s", grouped(e.Accepted), grouped(e.Total), more, said)
}

// interrupted is the error of a call whose context ended before anything was sent.
func interrupted(ctx context.Context, total int) *Error {
	cause := retry.Interrupted("", 0, ctx.Err())
	return &Error{Code: cause.Code, Total: total, Err: cause, unsent: true}
}

// refusal describes the first problems in full, and lists every message that has one.
func (e *Error) refusal() string {
	const told = 5
	var bad []int
	for _, p := range e.Problems {
		if p.Index >= 0 {
			bad = append(bad, p.Index)
		}
	}
	slices.Sort(bad)
	bad = slices.Compact(bad)
	said := "nothing was sent: "
	if e.Total != 1 && len(bad) > 0 {
		least := ""
		if len(e.Problems) >= maxProblems {
			least = "at least "
		}
		said = fmt.Sprintf("nothing was sent, %s%s of %s messages are not valid: ",
			least, grouped(len(bad)), grouped(e.Total))
	}
	var parts []string
	for _, p := range e.Problems[:min(told, len(e.Problems))] {
		part := strings.TrimPrefix(p.Path+" "+p.Message, " ")
		if p.Index >= 0 && e.Total != 1 {
			part = fmt.Sprintf("message %d: %s", p.Index, part)
		}
		parts = append(parts, part)
	}
	if more := len(e.Problems) - told; more > 0 {
		part := fmt.Sprintf("and %s more problems", grouped(more))
		if len(bad) > 1 {
			part += ", the messages in question are " + enumerate(bad)
		}
		parts = append(parts, part)
	}
	return said + strings.Join(parts, "; ")
}

// enumerate lists sorted indexes, and runs of them as 3-7. It stops after 100 runs.
func enumerate(sorted []int) string {
	const most = 100
	var runs []string
	for i := 0; i < len(sorted); {
		if len(runs) == most {
			return strings.Join(runs, ", ") + fmt.Sprintf(" and %s more", grouped(len(sorted)-i))
		}
		j := i
		for j+1 < len(sorted) && sorted[j+1] == sorted[j]+1 {
			j++
		}
		run := strconv.Itoa(sorted[i])
		if j > i {
			run += "-" + strconv.Itoa(sorted[j])
		}
		runs = append(runs, run)
		i = j + 1
	}
	return strings.Join(runs, ", ")
}

func grouped(n int) string { return text.Grouped(int64(n)) }
