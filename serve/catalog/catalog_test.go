package catalog_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/serve/catalog"
)

func ask(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestFilesAreKeptAndAskedForAgain(t *testing.T) {
	h := catalog.New(catalog.Config{})
	require.Contains(t, h.Paths(), "/app.js")
	for _, path := range h.Paths() {
		w := ask(h, http.MethodGet, path)
		require.Equal(t, http.StatusOK, w.Code, path)
		require.NotEmpty(t, w.Body.Bytes(), path)
		if path == "/" {
			continue
		}
		require.Equal(t, "no-cache", w.Header().Get("Cache-Control"), path)
		again := ask(h, http.MethodGet, path, "If-None-Match", w.Header().Get("ETag"))
		require.Equal(t, http.StatusNotModified, again.Code, path)
	}
	require.Equal(t, http.StatusNotFound, ask(h, http.MethodGet, "/index.html").Code)
	require.Equal(t, http.StatusNotFound, ask(h, http.MethodGet, "/emulator/v1/events").Code, "there is none")
	require.Equal(t, http.StatusMethodNotAllowed, ask(h, http.MethodPost, "/").Code)
}

// TestFirstLoad: the JavaScript, gzipped, that a deep link to each screen loads before it can be
// used. The flow browse.mjs measures it in a browser. The editor comes on top, where a
// screen has a JSON field.
func TestFirstLoad(t *testing.T) {
	h := catalog.New(catalog.Config{})
	static := regexp.MustCompile(`(?:from|import)"\./(\w+\.js)"`)
	size := func(files ...string) (n int) {
		for i := 0; i < len(files); i++ {
			body := ask(h, http.MethodGet, "/"+files[i]).Body.Bytes()
			for _, m := range static.FindAllSubmatch(body, -1) {
				if name := string(m[1]); !slices.Contains(files, name) {
					files = append(files, name)
				}
			}
			var packed bytes.Buffer
			w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
			require.NoError(t, err)
			_, err = w.Write(body)
			require.NoError(t, err)
			require.NoError(t, w.Close())
			n += packed.Len()
		}
		return n
	}
	for _, screen := range []string{"blocks", "block", "watch", "history", "workflows", "workflowrun"} {
		n := size("app.js", screen+".js")
		t.Logf("%s %d bytes", screen, n)
		require.LessOrEqual(t, n, 15_000, screen)
	}
	require.LessOrEqual(t, size("style.css"), 8_000)
}

func TestAACFlow(t *testing.T) {
	h := catalog.New(catalog.Config{AACFlow: func(block string) ([]byte, error) {
		if block != "segment_track" {
			return nil, errors.New("no block has this id")
		}
		return []byte(`{"version":"1.0"}`), nil
	}})
	require.Contains(t, ask(h, http.MethodGet, "/").Body.String(), "data-aacflow")
	w := ask(h, http.MethodGet, "/aacflow/segment_track")
	require.Equal(t, `{"version":"1.0"}`, w.Body.String())
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.Equal(t, http.StatusNotFound, ask(h, http.MethodGet, "/aacflow/other").Code)
	require.NotContains(t, h.Paths(), "/aacflow/segment_track", "which needs the token")
	without := catalog.New(catalog.Config{})
	require.NotContains(t, ask(without, http.MethodGet, "/").Body.String(), "data-aacflow")
	require.Equal(t, http.StatusNotFound, ask(without, http.MethodGet, "/aacflow/segment_track").Code)
}

func TestThePolicyLetsNothingElseIn(t *testing.T) {
	h := catalog.New(catalog.Config{API: `/api/"><script>`})
	one, two := ask(h, http.MethodGet, "/"), ask(h, http.MethodGet, "/")
	require.Contains(t, one.Header().Get("Content-Security-Policy"), "default-src 'self'; ")
	require.NotContains(t, one.Header().Get("Content-Security-Policy"), "unsafe")
	require.NotEqual(t, one.Header().Get("Content-Security-Policy"), two.Header().Get("Content-Security-Policy"))
	require.Equal(t, "no-store", one.Header().Get("Cache-Control"))
	require.Contains(t, one.Body.String(), `data-api="/api/&#34;&gt;&lt;script&gt;"`)
}
