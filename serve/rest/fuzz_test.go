package rest_test

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzHandler: whatever comes, the handler does not panic, and the answer is JSON, a problem where
// it is a failure, and names no secret.
func FuzzHandler(f *testing.F) {
	b := start(f)
	f.Add("POST", "/v1/blocks/segment_track/invoke", "", "k", "application/json", "", order)
	f.Add(
		"POST",
		"/v1/blocks/segment_batch/preview",
		"",
		"",
		"application/json",
		"",
		`{"input":{"batch":[{"type":"track"}]},"source":"prod"}`,
	)
	f.Add(
		"POST",
		"/v1/blocks/segment_track/validate",
		"",
		`"q"`,
		"application/json; charset=x",
		"application/vnd.aacflow.result+json",
		`{"input":{"a":1,"a":2}}`,
	)
	f.Add("GET", "/v1/blocks", "search=a&tag=b", "", "", "text/markdown;q=0.5", "")
	f.Add("HEAD", "/v1/blocks/segment_page/schema/input", "%", "", "", "", "")
	f.Add("GET", "v1/blocks", "", "", "", "", "")
	f.Add("BREW", "//openapi.json", "", "\x00", "a/b;c", ",;=", "\xff")
	f.Fuzz(func(t *testing.T, method, path, query, key, contentType, accept, body string) {
		r := &http.Request{
			Method: method, URL: &url.URL{Path: path, RawQuery: query}, Host: "localhost", RemoteAddr: "127.0.0.1:1",
			Header: http.Header{
				"Idempotency-Key": {key},
				"Content-Type":    {contentType},
				"Accept":          {accept},
				"If-None-Match":   {key},
			},
			Body: http.NoBody,
		}
		if body != "" {
			r = httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)).WithContext(t.Context())
			r.Method, r.URL = method, &url.URL{Path: path, RawQuery: query}
			r.Header = http.Header{"Idempotency-Key": {key}, "Content-Type": {contentType}, "Accept": {accept}}
		}
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		if w.Code == http.StatusNotModified {
			return
		}
		mediaType, _, err := mime.ParseMediaType(w.Header().Get("Content-Type"))
		require.NoError(t, err)
		if mediaType != "text/markdown" && method != http.MethodHead { // which has no body
			require.True(t, json.Valid(w.Body.Bytes()), w.Body.String())
		}
		require.Equal(t, w.Code >= 400, mediaType == "application/problem+json", "%d %s", w.Code, mediaType)
		require.NotEqual(t, 500, w.Code, w.Body.String())
		require.NotContains(t, w.Body.String(), writeKey)
	})
}
