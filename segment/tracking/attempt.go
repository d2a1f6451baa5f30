package tracking

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-resty/resty/v2"
)

var jsonContent = []string{"application/json"}

// attempt posts body once. The body belongs to the transport from here on, even after an error.
func (c *Client) attempt(
	ctx context.Context, t *target, path string, body []byte, messages, retries int,
) (*answer, error) {
	most := longestAnswer(messages, len(body))
	timeout := t.retry.AttemptTimeout
	if deadline, ok := ctx.Deadline(); timeout > 0 && (!ok || time.Until(deadline) > timeout) {
		// Only when the caller's own deadline does not come first: a timer costs more than the rest of the request's set-up.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, errAttemptTimeout)
		defer cancel()
	}
	compressed := t.Gzip && len(body) >= gzipBytes
	if compressed {
		var err error
		if body, err = c.compressor.compress(body); err != nil {
			return nil, &localError{fmt.Errorf("compress the body: %w", err)}
		}
	}
	// The answer is read here, up to a bound, rather than by resty, which would read all of it or fail.
	req := c.http.R().SetContext(ctx).SetDoNotParseResponse(true).SetBody(bytes.NewReader(body))
	req.SetDebug(false) // resty's debug log shows the Authorization header
	req.Header["Authorization"] = t.auth
	req.Header["Content-Type"] = jsonContent
	req.Header["Accept"] = jsonContent // resty would find out the same by a regular expression
	req.Header["User-Agent"] = c.userAgent
	if compressed {
		req.Header["Content-Encoding"] = gzipEncoding
	}
	if retries > 0 {
		req.Header["X-Retry-Count"] = []string{strconv.Itoa(retries)}
	}
	resp, err := req.Post(t.url(path))
	if resp != nil && resp.RawResponse != nil {
		a, err := c.read(resp.RawResponse, err, most)
		if err == nil && a.unread != nil && errors.Is(context.Cause(ctx), errAttemptTimeout) {
			a.unread = fmt.Errorf("the answer did not end within %s", timeout)
		}
		return a, err
	}
	switch {
	case resp == nil: // a hook of the resty client, or its rate limiter: nothing was sent
		return nil, &localError{err}
	case errors.Is(context.Cause(ctx), errAttemptTimeout):
		return nil, fmt.Errorf("no answer within %s", timeout) // not wrapped: the caller's deadline has not passed
	}
	return nil, err
}

// localError is a refusal by the resty client itself.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

var errAttemptTimeout = errors.New("attempt timed out")

// read takes the answer in and leaves the connection fit for the next request.
func (c *Client) read(raw *http.Response, err error, most int) (*answer, error) {
	a := &answer{
		status:     raw.StatusCode,
		retryAfter: parseRetryAfter(raw.Header.Get("Retry-After"), c.now()),
		location:   raw.Header.Get("Location"),
	}
	if err != nil {
		// The client came back with an answer and an error: it refuses to follow a redirect, and has closed the body.
		if a.status >= 300 && a.status < 400 {
			return a, nil
		}
		_ = raw.Body.Close()
		return nil, err
	}
	defer func() { _ = raw.Body.Close() }()
	if req := raw.Request; req != nil && req.Response != nil && req.Method != http.MethodPost {
		// The client followed a redirect, and the POST became a GET without a body: whatever the answer says, it is
		// not about our messages.
		a.status, a.location = req.Response.StatusCode, req.URL.String()
		return a, nil
	}
	if judge(a.status) == verdictAccepted {
		a.body, a.unread = readAnswer(raw.Body, most)
		return a, nil
	}
	if a.body, err = readAnswer(raw.Body, maxRefusalBytes); errors.Is(err, errLongAnswer) {
		_, _ = io.CopyN(io.Discard, raw.Body, maxRefusalBytes) // what is longer still costs the connection
	}
	return a, nil
}

// maxRefusalBytes is what is read of an answer whose status says enough, for the words in it.
const maxRefusalBytes = 64 << 10

// longestAnswer is what is read of an answer with a 2xx status. It may repeat what was sent, and
// say a thousand characters about each message.
func longestAnswer(messages, sent int) int { return 64<<10 + sent + 1<<10*messages }

var errLongAnswer = errors.New("the answer is too long")

// readAnswer returns an answer. The error says why that is not all of it.
func readAnswer(body io.Reader, most int) ([]byte, error) {
	var short [128]byte // Segment's has 16
	n := 0
	for n < len(short) {
		m, err := body.Read(short[n:])
		if n += m; errors.Is(err, io.EOF) {
			return bytes.Clone(short[:n]), nil
		} else if err != nil {
			return bytes.Clone(short[:n]), fmt.Errorf("the answer broke off: %w", err)
		}
	}
	rest, err := io.ReadAll(io.LimitReader(body, int64(most-n+1)))
	read := append(bytes.Clone(short[:]), rest...)
	switch {
	case err != nil:
		return read, fmt.Errorf("the answer broke off: %w", err)
	case len(read) > most:
		return read[:most], fmt.Errorf("%w: it has more than %s bytes", errLongAnswer, grouped(most))
	}
	return read, nil
}

// permanent tells whether err would come again however often one tries.
func permanent(err error) bool {
	var (
		certificate *tls.CertificateVerificationError
		local       *localError
	)
	return errors.As(err, &certificate) || errors.Is(err, http.ErrSchemeMismatch) ||
		errors.As(err, &local) && !errors.Is(err, resty.ErrRateLimitExceeded)
}

// neverSent tells whether err came up before a byte of the request left.
func neverSent(err error) bool {
	var (
		op          *net.OpError
		dns         *net.DNSError
		certificate *tls.CertificateVerificationError
		local       *localError
	)
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect") ||
		errors.As(err, &dns) || errors.As(err, &certificate) || errors.Is(err, http.ErrSchemeMismatch) ||
		errors.As(err, &local)
}

// networkError strips what net/http puts around a cause, and the write key should it be in there.
func networkError(err error, key WriteKey) error {
	var transport *url.Error
	if errors.As(err, &transport) {
		err = transport.Err
	}
	text := err.Error()
	if clean := clip(oneLine(key.scrub(text)), maxAnswerText); clean != text {
		return errors.New(clean) // the original would still say it when unwrapped
	}
	return err
}
