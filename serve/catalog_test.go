package serve_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/serve"
	"github.com/aacflow/segment-blocks/serve/catalog"
	"github.com/aacflow/segment-blocks/serve/guard"
)

func TestCatalog(t *testing.T) {
	g := guarded(t, guard.Config{Tokens: []string{"a-token-of-the-catalog"}})
	emulator := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.URL.Path)) })
	server, _ := start(t, serve.Config{Guard: g, Catalog: &catalog.Config{Emulator: emulator}})
	get := func(path string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1"+path, nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		return w
	}
	const bearer = "Bearer a-token-of-the-catalog"

	// Browsers are led to the page, which needs no token to be read.
	led := get("/", "Accept", "text/html,*/*")
	require.Equal(t, http.StatusFound, led.Code)
	require.Equal(t, "catalog/", led.Header().Get("Location"), "relative, so that it holds below a prefix")
	require.Equal(t, "catalog/", get("/catalog").Header().Get("Location"))
	require.Contains(t, get("/catalog/").Body.String(), "data-emulator")
	require.Equal(t, http.StatusOK, get("/catalog/app.js").Code)

	// Programs get the API's answers, and nothing with data in it is open.
	require.Equal(t, http.StatusNotFound, get("/").Code)
	require.Equal(t, http.StatusUnauthorized, get("/v1/blocks").Code)
	require.Equal(t, http.StatusUnauthorized, get("/catalog/emulator/v1/events").Code)
	require.Equal(t, "/emulator/v1/events", get("/catalog/emulator/v1/events", "Authorization", bearer).Body.String())
	require.Equal(t, http.StatusNotFound, get("/catalog/v1/batch", "Authorization", bearer).Code)

	without, _ := start(t, serve.Config{Guard: g})
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/catalog/", nil)
	r.Header.Set("Authorization", bearer)
	without.ServeHTTP(w, r)
	require.Equal(t, http.StatusNotFound, w.Code)
}

// Somebody who has the page open does not keep the server from stopping.
func TestDrainEndsWhatThePageWatches(t *testing.T) {
	emulator := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(": connected\n\n"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	server, _ := start(t, serve.Config{Catalog: &catalog.Config{Emulator: emulator}})
	web := httptest.NewServer(server)
	defer web.Close()
	for range 2 { // the page asks again
		res, err := http.Get(web.URL + "/catalog/emulator/v1/stream")
		require.NoError(t, err)
		server.Drain()
		said, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, ": connected\n\n", string(said))
	}
}
