package clients_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnalyticsNode(t *testing.T) {
	node := needNode(t)
	srv := start(t)
	runScript(t, node, "node.mjs", map[string]any{
		"url": srv.URL, "writeKey": writeKey, "calls": json.RawMessage(callsJSON),
	})
	requireComplete(t, srv, decode(t, callsJSON).([]any))
	for _, r := range srv.Requests() {
		require.Equal(t, "/v1/batch", r.Path)
		require.Equal(t, "application/json", r.Header.Get("Content-Type"))
		t.Logf("%s %v: %s", r.Path, r.Header, r.Body)
	}
}
