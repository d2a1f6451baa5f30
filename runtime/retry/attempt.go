package retry

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-resty/resty/v2"

	"github.com/aacflow/segment-blocks/internal/text"
)

// maxRead is how many bytes are read of an answer that is not 2xx, and by default of any answer.
const maxRead = 64 << 10

var (
	errAttemptTimeout = errors.New("attempt timed out")
	errLongAnswer     = errors.New("the answer is too long")
)

// localError is an error of Request.Body or the resty client, before anything was sent.
type localError struct{ error }

func (e *localError) Unwrap() error { return e.error }

// try makes one attempt, and records in seen what is sent.
func (s *sending) try(ctx context.Context, seen *Attempt) (*Answer, error) {
	// The answer is read here, up to a bound, rather than by resty, which would read all of it or
	// fail.
	req := s.client.http.R().SetDoNotParseResponse(true)
	req.SetDebug(false) // resty's debug log shows credentials
	maps.Copy(req.Header, s.Header)
	if s.attempts > 1 {
		req.Header["X-Retry-Count"] = []string{strconv.Itoa(s.attempts - 1)}
	}
	seen.Header = req.Header
	if s.Body != nil {
		body, err := s.Body()
		if err != nil {
			return nil, &localError{err}
		}
		req.SetBody(bytes.NewReader(body))
		seen.Body = body
	}
	timeout := s.Policy.AttemptTimeout
	if deadline, ok := ctx.Deadline(); timeout > 0 && (!ok || time.Until(deadline) > timeout) {
		// Only when the caller's own deadline does not come first: a timer costs more than the rest
		// of the request's set-up.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, errAttemptTimeout)
		defer cancel()
	}
	resp, err := req.SetContext(ctx).Execute(s.Method, s.URL)
	timedOut := func() bool { return errors.Is(context.Cause(ctx), errAttemptTimeout) }
	if resp != nil && resp.RawResponse != nil {
		answer, err := s.read(resp.RawResponse, err)
		if err == nil && answer.unread != nil && timedOut() {
			answer.unread = fmt.Errorf("the answer did not end within %s", timeout)
		}
		return answer, err
	}
	switch {
	case resp == nil: // a hook of the resty client, or its rate limiter
		return nil, &localError{err}
	case timedOut(): // not wrapped: the caller's deadline has not passed
		return nil, fmt.Errorf("no answer within %s", timeout)
	}
	return nil, err
}

// read reads the answer, and leaves the connection ready for the next request.
func (s *sending) read(raw *http.Response, err error) (*Answer, error) {
	defer func() { _ = raw.Body.Close() }()
	a, req := &Answer{Status: raw.StatusCode, Header: raw.Header}, raw.Request
	switch {
	case err != nil && (a.Status < 300 || a.Status >= 400):
		return nil, err
	case err != nil, a.Status == http.StatusSwitchingProtocols:
		// There is nothing to read: resty does not follow a redirect, and has closed the body. Or
		// the body is the connection itself, and neither a timeout nor the caller would end a read.
		return a, nil
	case req != nil && req.Response != nil && req.Method != s.Method:
		// resty followed a redirect, and the POST became a GET without a body: whatever the answer
		// says, it is not about this request.
		return &Answer{Status: req.Response.StatusCode, Header: http.Header{"Location": {req.URL.String()}}}, nil
	case a.accepted():
		a.Body, a.unread = readUpTo(raw.Body, s.MaxAnswer)
		return a, nil
	}
	a.RetryAfter = parseRetryAfter(raw.Header.Get("Retry-After"), time.Now())
	if a.Body, a.unread = readUpTo(raw.Body, maxRead); errors.Is(a.unread, errLongAnswer) {
		_, _ = io.CopyN(io.Discard, raw.Body, maxRead) // after a longer answer, the connection is closed
	}
	return a, nil
}

// readUpTo reads a body of up to most bytes. With an error, the body is not complete. It begins
// with little memory, because most answers are a few bytes, for which io.ReadAll would take 512.
func readUpTo(body io.Reader, most int) ([]byte, error) {
	for read := make([]byte, 0, 64); ; read = slices.Grow(read, 1) {
		n, err := body.Read(read[len(read):cap(read)])
		read = read[:len(read)+n]
		switch {
		case len(read) > most:
			return read[:most], fmt.Errorf("%w: it has more than %s bytes", errLongAnswer, text.Grouped(int64(most)))
		case err == io.EOF: // itself: an error around it would be that of a connection
			return read, nil
		case err != nil:
			return read, fmt.Errorf("the answer broke off: %w", err)
		}
	}
}

// maxRetryAfter is the longest wait that a receiver can ask for.
const maxRetryAfter = 300 * time.Second

// parseRetryAfter reads seconds or an HTTP date. Anything else, and a time that has passed, is 0.
func parseRetryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	seconds, err := strconv.ParseUint(header, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

// classify reports whether a byte of the request may have left before err, and whether every
// further attempt would fail in the same way.
func classify(err error) (sent, permanent bool) {
	_, local := errors.AsType[*localError](err)
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, dns := errors.AsType[*net.DNSError](err)
	op, ok := errors.AsType[*net.OpError](err)
	switch {
	case local:
		return false, !errors.Is(err, resty.ErrRateLimitExceeded)
	case certificate, errors.Is(err, http.ErrSchemeMismatch):
		return false, true
	case dns, ok && (op.Op == "dial" || op.Op == "proxyconnect"):
		return false, false
	}
	return true, false
}

// networkError removes what net/http puts around a cause, and any secrets.
func (s *sending) networkError(err error) error {
	if transport, ok := errors.AsType[*url.Error](err); ok {
		err = transport.Err
	}
	said := err.Error()
	if clean := s.clean(said, maxText); clean != said {
		return errors.New(clean) // the original would still say it when unwrapped
	}
	return err
}

// clean turns a text from outside into one short line without secrets.
func (s *sending) clean(said string, most int) string {
	return text.Clip(text.OneLine(s.Redact(said)), most)
}
