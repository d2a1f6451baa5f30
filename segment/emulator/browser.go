package emulator

import (
	"cmp"
	_ "embed"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
)

// allowCORS lets any web page send events, as Segment's API does; the query API
// is never given this.
func allowCORS(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Add("Vary", "Origin")
	h.Set("Access-Control-Allow-Origin", cmp.Or(r.Header.Get("Origin"), "*"))
	h.Set("Access-Control-Expose-Headers", "Retry-After, X-RateLimit-Reset")
}

// preflight answers OPTIONS. It answers 200 with a body where 204 would do, so
// that every answer is JSON.
func preflight(w http.ResponseWriter, r *http.Request, methods string) answer {
	h := w.Header()
	h.Set("Allow", methods)
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Content-Encoding, X-Retry-Count, X-Strict-Mode")
	h.Set("Access-Control-Max-Age", "600")
	// Chromium asks this before a public page may reach a local server.
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
	return success()
}

// gif is one transparent pixel.
const gif = "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00\x21\xf9\x04\x01\x00\x00\x00\x00" +
	"\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

// servePixel takes a message from the address of an image, and always answers
// with the image: a mail reader could not show an error.
// Segment Pixel Tracking API.
func (e *Emulator) servePixel(w http.ResponseWriter, r *http.Request, name string) {
	// Either alphabet, padded or not; a "+" that was not escaped has become a space.
	data := strings.TrimRight(r.URL.Query().Get("data"), "=")
	data = strings.NewReplacer("-", "+", "_", "/", " ", "+").Replace(data)
	body, err := base64.RawStdEncoding.DecodeString(data)
	var bad *refusal
	if err != nil {
		bad = refused(400, "data must be base64")
	} else if len(body) > MaxMessageBytes {
		bad = refused(400, "data must be at most %d bytes", MaxMessageBytes)
	}
	e.handle(w, r, name, body, 0, func(c *call) {
		c.take(body, nil, bad)
		c.answer = answer{
			status: http.StatusOK, body: []byte(gif),
			header: http.Header{"Content-Type": {"image/gif"}},
		}
	})
}

// serveSettings answers what Segment's CDN answers to analytics.js before it
// sends anything: a document that makes it send here. Point the browser client
// at the emulator with
//
//	AnalyticsBrowser.load({ writeKey, cdnURL: "http://127.0.0.1:PORT" })
func (e *Emulator) serveSettings(w http.ResponseWriter, r *http.Request, key string) {
	if !e.cfg.known(key) {
		// The CDN's own words, which clients are known to look for.
		e.answerRecorded(w, r, refusal{404, unknownSource, "", "Invalid path or write key provided."}.answer())
		return
	}
	protocol := "http"
	if r.TLS != nil {
		protocol = "https"
	}
	body := fmt.Sprintf(settingsDocument, rawjson.Quote(key), rawjson.Quote(r.Host+"/v1"), protocol)
	e.answerRecorded(w, r, ok([]byte(body)))
}

// settingsDocument lacks the key, the address and the scheme.
//
//go:embed settings.json.tmpl
var settingsDocument string
