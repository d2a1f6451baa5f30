package emulator

import (
	"bufio"
	"compress/gzip"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// A counter counts the bytes read from a body as they were on the wire.
type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// readBody reads and decompresses at most limit bytes, whatever they were
// compressed from, and returns what it has even when it refuses. The size is
// that on the wire.
func readBody(r *http.Request, limit int) (body []byte, size int64, bad *refusal) {
	wire := &counter{Reader: r.Body}
	body, bad = decode(wire, r.Header, limit)
	// Reading on lets a client that is still sending hear the refusal, instead of
	// a reset.
	_, _ = io.CopyN(io.Discard, wire, maxDrain)
	return body, wire.n, bad
}

func decode(wire io.Reader, h http.Header, limit int) ([]byte, *refusal) {
	src, broken := wire, "body could not be read to its end"
	if isGzip(h) {
		broken = "body must be whole gzip, as Content-Encoding says"
		// What has compressed to more than the limit is over it.
		zr, err := gzip.NewReader(bufio.NewReader(io.LimitReader(wire, int64(limit)+1<<10)))
		if err != nil {
			return nil, refused(400, "%s", broken)
		}
		src = zr
	} else if encoding := contentEncoding(h); encoding != "" && encoding != "identity" {
		return nil, refused(415, "Content-Encoding must be gzip or identity: %q", encoding)
	}
	body, err := io.ReadAll(io.LimitReader(src, int64(limit)+1))
	switch {
	case len(body) > limit:
		return body[:limit], refused(413, "body must be at most %d bytes", limit)
	case err != nil:
		return body, refused(400, "%s", broken)
	}
	return body, nil
}

// checkContentType takes what clients of the API send: JSON, under its own name
// or, from browsers that avoid a preflight, as plain text. axios calls bytes that
// its caller has compressed a form, and so does @rudderstack/rudder-sdk-node, which
// is built on it; a form that was really compressed is nothing that a browser or
// curl sends by mistake. Segment HTTP API: headers.
func checkContentType(h http.Header) *refusal {
	declared := h.Get("Content-Type")
	media, _, _ := mime.ParseMediaType(declared) // whatever its parameters are; "" for what is no type
	if media == "application/json" || media == "text/plain" ||
		media == "application/x-www-form-urlencoded" && isGzip(h) {
		return nil
	}
	return refused(415, "Content-Type must be application/json: %q", declared)
}

func contentEncoding(h http.Header) string {
	return strings.ToLower(strings.TrimSpace(h.Get("Content-Encoding")))
}

func isGzip(h http.Header) bool {
	return slices.Contains([]string{"gzip", "x-gzip"}, contentEncoding(h))
}
