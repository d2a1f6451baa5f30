package emulator

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
)

// A counter counts the bytes read from a body as they were on the wire.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// readBody reads and decompresses at most limit bytes, whatever they were
// compressed from, and returns what it has even when it refuses. The size is
// that on the wire.
func readBody(r *http.Request, limit int) (body []byte, size int64, bad *refusal) {
	wire := &counter{r: r.Body}
	defer func() { size = wire.n }()
	// Reading on lets a client that is still sending hear the refusal, instead of
	// a reset.
	defer func() { _, _ = io.CopyN(io.Discard, wire, maxDrain) }()

	var src io.Reader = wire
	switch encoding := contentEncoding(r.Header); {
	case encoding == "", encoding == "identity":
	case isGzip(r.Header):
		// What has compressed to more than the limit is over it.
		zr, err := gzip.NewReader(bufio.NewReader(io.LimitReader(wire, int64(limit)+1<<10)))
		if err != nil {
			return nil, 0, refused(400, "body must be gzip, as Content-Encoding says")
		}
		src = zr
	default:
		return nil, 0, refused(415, "Content-Encoding must be gzip or identity: %q", encoding)
	}
	body, err := io.ReadAll(io.LimitReader(src, int64(limit)+1))
	if len(body) > limit {
		return body[:limit], 0, refused(413, "body must be at most %d bytes", limit)
	}
	switch {
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), src != wire && err != nil:
		return body, 0, refused(400, "body must be whole gzip, as Content-Encoding says")
	case err != nil:
		return body, 0, refused(400, "body could not be read to its end")
	}
	return body, 0, nil
}

// checkContentType takes what clients of the API send: JSON, under its own name
// or, from browsers that avoid a preflight, as plain text. axios calls bytes that
// its caller has compressed a form, and so does @rudderstack/rudder-sdk-node, which
// is built on it; a form that was really compressed is nothing that a browser or
// curl sends by mistake. Segment HTTP API: headers.
func checkContentType(h http.Header) *refusal {
	declared := h.Get("Content-Type")
	media, _, err := mime.ParseMediaType(declared)
	if err == nil || errors.Is(err, mime.ErrInvalidMediaParameter) {
		switch {
		case media == "application/json", media == "text/plain":
			return nil
		case media == "application/x-www-form-urlencoded" && isGzip(h):
			return nil
		}
	}
	return refused(415, "Content-Type must be application/json: %q", declared)
}

func contentEncoding(h http.Header) string {
	return strings.ToLower(strings.TrimSpace(h.Get("Content-Encoding")))
}

func isGzip(h http.Header) bool {
	encoding := contentEncoding(h)
	return encoding == "gzip" || encoding == "x-gzip"
}
