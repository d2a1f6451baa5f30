package emulator

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// gif is one transparent pixel.
const gif = "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00\x21\xf9\x04\x01\x00\x00\x00\x00" +
	"\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

// servePixel takes a message from an image's address and answers the image,
// whatever it thinks of the message: a mail reader cannot be told.
// Segment Pixel Tracking API.
func (e *Emulator) servePixel(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/v1/pixel/")
	switch {
	case !isMessageType(name):
		e.answerRecorded(w, r, notFound("no such pixel: "+show([]byte(name))))
		return
	case r.Method != http.MethodGet:
		e.serveMethod(w, r, "GET, OPTIONS")
		return
	}
	body, err := decodePixel(r.URL.Query().Get("data"))
	e.handle(w, r, name, body, 0, func(c *call) {
		switch {
		case err != nil:
			c.refuse(refusal{400, CodeBadRequest, "", "data must be base64"})
		case len(body) > MaxMessageBytes:
			c.refuse(refusal{400, CodeBadRequest, "", "data must be at most 32768 bytes"})
		default:
			c.take(body, http.Header{})
		}
		c.answer = answer{
			status: http.StatusOK, body: []byte(gif),
			header: http.Header{"Content-Type": {"image/gif"}},
		}
	})
}

// decodePixel takes either alphabet, padded or not.
func decodePixel(data string) ([]byte, error) {
	// A "+" that was not escaped has become a space.
	data = strings.NewReplacer("-", "+", "_", "/", " ", "+").Replace(strings.TrimRight(data, "="))
	return base64.RawStdEncoding.DecodeString(data)
}
