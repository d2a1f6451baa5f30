package runtime

import (
	"cmp"
	"context"
	"errors"

	"github.com/aacflow/segment-blocks/runtime/retry"
)

// Send sends an HTTP request through the shared client until it is accepted or refused, or its
// budget is spent. It waits and retries as package retry describes. When the receiver asks a
// request to wait, all requests of the runtime with the same Endpoint and Credential wait.
//
// Send adds the request, its attempts and its bytes to the receipt, and sets the receipt's endpoint
// if it is empty. The executor itself sets how many messages were accepted. Send the requests of a
// call one after the other.
//
// The error is an *[Error] with the code, status and time to wait of the failure, and without
// secrets of the input or the source. The executor can return it as it is.
//
// A request may arrive more than once. Derive what makes a repeat harmless, such as an idempotency
// key, from InvocationID.
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
