package runtime

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/schemas"
)

// Code says what kind of failure an [Error] is. Codes are stable; docs/errors.md is generated from
// [Codes].
type Code = retry.Code

// The codes.
const (
	UnknownBlock        Code = "unknown_block"
	UnknownSource       Code = "unknown_source"
	InvalidInput        Code = "invalid_input"
	UnresolvedReference Code = "unresolved_reference"
	MissingCredential   Code = "missing_credential"
	TooLarge            Code = retry.TooLarge
	Unauthorized        Code = retry.Unauthorized
	Rejected            Code = retry.Rejected
	RateLimited         Code = retry.RateLimited
	Unavailable         Code = retry.Unavailable
	Canceled            Code = retry.Canceled
	DeadlineExceeded    Code = retry.DeadlineExceeded
	PartialFailure      Code = "partial_failure"
	InvalidOutput       Code = "invalid_output"
	Closed              Code = "closed"
	Internal            Code = "internal"
)

// CodeInfo documents a code.
type CodeInfo struct {
	Code Code `json:"code"`
	// Meaning says in a sentence when the code is returned, Remedy what to do.
	Meaning string `json:"meaning"`
	Remedy  string `json:"remedy"`
	// Sent says whether anything was sent: no, maybe or yes.
	Sent string `json:"sent"`
}

//go:embed codes.yaml
var codesFile []byte

// codes reads the file once: servers look codes up for each error that they answer with.
var codes = sync.OnceValue(func() (list []CodeInfo) {
	if err := yaml.Unmarshal(codesFile, &list); err != nil {
		panic(err) // the file is part of the program, and a test reads it
	}
	return list
})

// Codes returns all codes, in the order of the steps of an invocation.
func Codes() []CodeInfo { return slices.Clone(codes()) }

// Error is what every failed invocation returns.
type Error struct {
	Code Code `json:"code"`
	// Message is one line, and may be all that a person sees. In JSON it begins with the block's
	// id.
	Message string `json:"message"`
	// Retryable means that the same invocation may succeed later, unchanged.
	Retryable bool `json:"retryable"`
	// Status is the HTTP status of the receiver's last answer, or 0.
	Status int `json:"status,omitempty"`
	// RetryAfter is how long the receiver asks to wait, or 0.
	RetryAfter time.Duration `json:"-"` // retryAfterSeconds in JSON
	// Violations lists what is wrong with the input, or with the output for invalid_output: at most
	// 100 violations.
	Violations []schemas.Violation `json:"violations"`
	// UnlistedViolations counts the violations beyond those listed. Validation stops looking at
	// 1,000, so there may be more.
	UnlistedViolations int `json:"unlistedViolations,omitempty"`
	// Items has the outcome of each message, if there were several and something was sent.
	Items []Item `json:"items,omitempty"`
	// Block is the id of the block.
	Block string `json:"block,omitempty"`
	// Receipt says what happened. It is nil if nothing was tried.
	Receipt *Receipt `json:"receipt,omitempty"`
	// Err is the cause, or nil.
	Err error `json:"-"`
}

// Item is the outcome of one message of a batch.
type Item struct {
	Index     int        `json:"index"`
	MessageID string     `json:"messageId"`
	Status    ItemStatus `json:"status"`
}

// ItemStatus is what became of one message.
type ItemStatus string

// What can become of a message.
const (
	ItemAccepted ItemStatus = "accepted"
	ItemRejected ItemStatus = "rejected"
	// ItemUnconfirmed was sent, but no answer settles whether it was accepted.
	ItemUnconfirmed ItemStatus = "unconfirmed"
	ItemUnsent      ItemStatus = "unsent"
)

// Error returns the block's id and the message as one line of plain text. It escapes what an input
// may have put there, such as a line break in a parameter's name.
func (e *Error) Error() string {
	return text.Escape(strings.TrimPrefix(text.Clip(e.Block, 80)+" ", " ") + e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// errorJSON is an Error as JSON.
type errorJSON struct {
	plainError
	RetryAfter float64 `json:"retryAfterSeconds,omitempty"`
}

type plainError Error

// MarshalJSON writes the error as hosts and the command line show it. It always has the keys code,
// message, retryable and violations.
func (e *Error) MarshalJSON() ([]byte, error) {
	j := errorJSON{plainError(*e), e.RetryAfter.Seconds()}
	j.Message, j.Violations = e.Error(), append([]schemas.Violation{}, e.Violations...)
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON has written, perhaps in another process. Only the cause is
// lost.
func (e *Error) UnmarshalJSON(data []byte) error {
	var j errorJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*e = Error(j.plainError)
	e.Message = strings.TrimPrefix(e.Message, text.Clip(e.Block, 80)+" ")
	e.RetryAfter = time.Duration(math.Round(j.RetryAfter * float64(time.Second)))
	return nil
}

// ErrorOf returns the *Error in err's chain. Without one, it makes one from the *retry.Error in the
// chain, or else an internal error that wraps err.
func ErrorOf(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if failed, ok := errors.AsType[*retry.Error](err); ok {
		return &Error{
			Code: failed.Code, Message: "failed: " + err.Error(), Retryable: failed.Code.Retryable(),
			Status: failed.Status, RetryAfter: failed.RetryAfter, Err: err,
		}
	}
	return &Error{Code: Internal, Message: "failed: " + err.Error(), Err: err}
}

// Refuse returns the error for an input with violations. If all of them have the code
// unresolved_reference, or all missing_credential, or all too_large, that is the error's code. Else
// it is invalid_input. The error lists the first 100 violations, with long texts cut, and counts
// the others.
func Refuse(violations []schemas.Violation) *Error {
	const told = 5
	e := &Error{Code: InvalidInput}
	e.list(violations)
	for _, code := range []Code{UnresolvedReference, MissingCredential, TooLarge} {
		if !slices.ContainsFunc(violations, func(v schemas.Violation) bool { return v.Code != string(code) }) {
			e.Code = code
		}
	}
	var parts []string
	for _, v := range e.Violations[:min(told, len(e.Violations))] {
		parts = append(parts, strings.TrimSpace(text.Clip(v.Path, 100)+" "+v.Message))
	}
	if more := len(violations) - len(parts); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	e.Message = "refused its input, nothing was sent: " + strings.Join(parts, "; ")
	return e
}

// list adds the first 100 violations, and counts the others.
func (e *Error) list(violations []schemas.Violation) {
	const most = 100
	for _, v := range violations[:min(most, len(violations))] {
		v.Path, v.Message = text.Clip(v.Path, maxPath), text.Clip(v.Message, maxSentence)
		e.Violations = append(e.Violations, v)
	}
	e.UnlistedViolations = len(violations) - len(e.Violations)
}

// How much of a JSON Pointer and of a sentence is shown, in characters.
const (
	maxPath     = 300
	maxSentence = 1000
)
