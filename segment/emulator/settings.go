package emulator

import (
	"net/http"
	"strings"
)

// serveSettings answers what Segment's CDN answers to analytics.js before it
// sends anything: a document that makes it send here. Point the browser client
// at the emulator with
//
//	AnalyticsBrowser.load({ writeKey, cdnURL: "http://127.0.0.1:PORT" })
func (e *Emulator) serveSettings(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		e.serveMethod(w, r, "GET, OPTIONS")
		return
	}
	key := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/v1/projects/"), "/settings")
	if e.cfg.judge(key) != keyKnown {
		// The CDN's own words, which clients are known to look for.
		e.answerRecorded(w, r, refusal{404, CodeUnknownSource, "", "Invalid path or write key provided."}.answer())
		return
	}
	protocol := "http"
	if r.TLS != nil {
		protocol = "https"
	}
	type enabled struct {
		Default struct {
			Enabled bool `json:"enabled"`
		} `json:"__default"`
	}
	on := enabled{}
	on.Default.Enabled = true
	none := struct{}{}
	body := appendValue(nil, map[string]any{
		"integrations": map[string]any{
			"Segment.io": map[string]any{
				"apiKey":                key,
				"apiHost":               r.Host + "/v1",
				"protocol":              protocol,
				"addBundledMetadata":    true,
				"unbundledIntegrations": []string{},
				"maybeBundledConfigIds": none,
				"bundledConfigIds":      []string{},
				"unbundledConfigIds":    []string{},
				"versionSettings":       map[string]any{"version": "4.4.7", "componentTypes": []string{"browser"}},
			},
		},
		"plan":                      map[string]enabled{"track": on, "identify": on, "group": on},
		"edgeFunction":              none,
		"analyticsNextEnabled":      true,
		"middlewareSettings":        none,
		"enabledMiddleware":         none,
		"metrics":                   map[string]any{"sampleRate": 0},
		"legacyVideoPluginsEnabled": false,
		"remotePlugins":             []string{},
	})
	e.answerRecorded(w, r, answer{status: http.StatusOK, body: body})
}
