package rest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The media types of answers.
const (
	typeJSON     = "application/json"
	typeSchema   = "application/schema+json"
	typeMarkdown = "text/markdown; charset=utf-8"
	typeResult   = "application/vnd.aacflow.result+json"
	typeEvents   = "text/event-stream"
)

// encode returns v as JSON, without the escapes that only HTML needs. Its callers give it only what
// can be encoded.
func encode(v any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic(err) // the guard answers 500
	}
	return b.Bytes()
}

// writeCached answers a GET or HEAD with a body that a client may keep, provided that it asks each
// time whether the body has changed.
func writeCached(w http.ResponseWriter, r *http.Request, mediaType string, body []byte) {
	sum := sha256.Sum256(body)
	h := w.Header()
	h.Set("ETag", `"`+hex.EncodeToString(sum[:12])+`"`)
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Type", mediaType)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// writeFresh answers a POST.
func writeFresh(w http.ResponseWriter, mediaType string, body []byte) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", mediaType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // fails only if the client has left
}

// prefers reports whether a request asks for a media type by its name, and does not prefer JSON. A
// wildcard means JSON, and so does a type that the API lacks: an answer is better than a 406.
func prefers(r *http.Request, mediaType string) bool {
	wanted, other := 0.0, 0.0
	for _, header := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(header, ",") {
			name, params, err := mime.ParseMediaType(part)
			if err != nil {
				continue
			}
			quality := 1.0
			if q, ok := params["q"]; ok {
				if quality, err = strconv.ParseFloat(q, 64); err != nil {
					continue
				}
			}
			switch name {
			case mediaType:
				wanted = max(wanted, quality)
			case typeJSON:
				other = max(other, quality)
			}
		}
	}
	return wanted > 0 && wanted >= other
}
