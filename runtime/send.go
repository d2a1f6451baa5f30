package runtime

import (
	"cmp"
	"context"
	"errors"

	"github.com/aacflow/segment-blocks/runtime/retry"
)

// Send sends one HTTP request through the shared client until it is accepted, refused or out of
// budget: it waits and tries again as package retry says. The requests of all blocks of a runtime
// with the same Endpoint and Credential wait together when the receiver asks one of them to.
//
// Send adds the request, its attempts and bytes to the receipt, and sets the endpoint there where
// it is empty. How many messages were accepted is for the executor to say. Secrets of the input and
// the source do not get into errors. The error is an *[Error] that the executor can return as it
// is: its code, status, retryability and time to wait are those of the failure. The requests of one
// call are to be sent one after the other.
//
// A request may arrive more than once. What makes a repeat harmless, such as an idempotency key, is
// to be derived from InvocationID.
func (c *Call) Send(ctx context.Context, request retry.Request) (*retry.Answer, error) {
	if body := request.Body; body != nil {
		request.Body = func() ([]byte, error) {
			made, err := body()
			c.Receipt.Bytes += int64(len(made))
			return made, err
		}
	}
	if request.Redact == nil {
		request.Redact = c.redactor.text
	}
	c.Receipt.Endpoint = cmp.Or(c.Receipt.Endpoint, request.Endpoint)
	answer, err := Once(c, retry.New).Send(ctx, &request)
	if failed, ok := errors.AsType[*retry.Error](err); ok {
		c.count(failed.Attempts)
		return nil, ErrorOf(err)
	}
	c.count(answer.Attempts)
	return answer, nil
}

func (c *Call) count(attempts int) {
	c.Receipt.Attempts += attempts
	c.Receipt.Requests += min(attempts, 1)
}
