package clients_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

const page = `<!doctype html><meta charset="utf-8"><title>Shop</title>` +
	`<link rel="icon" href="data:,"><script src="/analytics.js"></script>`

// servePage serves a page of another origin than the emulator's.
func servePage(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, page)
	})
	mux.HandleFunc("GET /analytics.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "node_modules/@segment/analytics-next/dist/umd/index.js")
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL + "/"
}

func TestAnalyticsNext(t *testing.T) {
	node, chromium := needNode(t), needChromium(t)
	batching := func(size, timeout int) map[string]any {
		return map[string]any{"integrations": map[string]any{"Segment.io": map[string]any{
			"deliveryStrategy": map[string]any{
				"strategy": "batching", "config": map[string]any{"size": size, "timeout": timeout},
			},
		}}}
	}
	for _, tt := range []struct {
		name    string
		options map[string]any
		leave   bool
		paths   []string
	}{
		{"one by one", map[string]any{}, false, []string{"/v1/a", "/v1/g", "/v1/i", "/v1/p", "/v1/s", "/v1/t"}},
		{"in a batch", batching(6, 60_000), false, []string{"/v1/b"}},
		{"on leaving the page", batching(100, 60_000), true, []string{"/v1/b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := start(t)
			runScript(t, node, "browser.mjs", map[string]any{
				"chromium": chromium, "page": servePage(t), "leave": tt.leave, "options": tt.options,
				"url": srv.URL, "writeKey": writeKey, "calls": json.RawMessage(callsJSON),
			})
			requireComplete(t, srv, decode(t, callsJSON).([]any))

			var paths []string
			for _, r := range srv.Requests() {
				t.Logf("%s %v: %s", r.Path, r.Header, r.Body)
				if r.Method == http.MethodPost {
					require.NotEmpty(t, r.Header.Get("Origin"), "it is another origin's page")
					paths = append(paths, r.Path)
				}
			}
			slices.Sort(paths)
			require.Equal(t, tt.paths, paths)
		})
	}
}
