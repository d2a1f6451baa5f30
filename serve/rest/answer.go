package rest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// The media types of answers.
const (
	typeJSON     = "application/json"
	typeSchema   = "application/schema+json"
	typeMarkdown = "text/markdown; charset=utf-8"
	typeResult   = "application/vnd.aacflow.result+json"
)

// encode writes v as JSON without escaping what only HTML minds. All that is given to it can be encoded.
func encode(v any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic(err) // what recovers answers 500
	}
	return b.Bytes()
}

// writeCached answers a GET or HEAD with what a client may keep as long as it asks whether that has changed.
func writeCached(w http.ResponseWriter, r *http.Request, mediaType string, body []byte) {
	sum := sha256.Sum256(body)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", "no-cache")
	if noneMatch(r.Header.Values("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	write(w, http.StatusOK, mediaType, body)
}

// noneMatch reports whether one of the tags in If-None-Match is this one. It compares weakly, as RFC 9110 says.
func noneMatch(headers []string, tag string) bool {
	for _, header := range headers {
		for given := range strings.SplitSeq(header, ",") {
			given = strings.TrimSpace(given)
			if given == "*" || strings.TrimPrefix(given, "W/") == tag {
				return true
			}
		}
	}
	return false
}

// writeFresh answers a POST.
func writeFresh(w http.ResponseWriter, mediaType string, body []byte) {
	w.Header().Set("Cache-Control", "no-store")
	write(w, http.StatusOK, mediaType, body)
}

func write(w http.ResponseWriter, status int, mediaType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone away gets nothing
}
