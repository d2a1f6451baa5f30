package mcp_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/serve/mcp"
)

const track = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"segment_track",` +
	`"arguments":{"event":"E","userId":"u"}}}`

func TestHeaderCarriesTheKey(t *testing.T) {
	h := build(t)
	for _, version := range versions() {
		require.NoError(t, h.segment.Clear())
		s := h.connect(t, "/mcp/keyless", version, "X-Segment-Write-Key", headersKey)
		res := call(t, s, "segment_track", map[string]any{"event": "E", "userId": "u"})
		require.False(t, res.IsError, res.Content)
		require.Len(t, h.segment.Events(emulator.Filter{Source: emulator.Fingerprint(headersKey)}), 1)
		require.NotContains(t, marshal(t, res), headersKey)
	}
	_, _, body := h.post(t, "/mcp/first", track, "X-Segment-Write-Key", headersKey)
	require.NotContains(t, body, `"isError":true`)
	require.Len(
		t,
		h.segment.Events(emulator.Filter{Source: emulator.Fingerprint(headersKey)}),
		2,
		"it goes before the source's own",
	)

	for value, says := range map[string]string{
		"":            "/writeKey must not be empty where the request has the header X-Segment-Write-Key",
		"  ":          "/writeKey must not be empty where the request has the header X-Segment-Write-Key",
		"{{KEY}}":     "/writeKey must be resolved by the host before the call",
		"has a space": "/writeKey must hold visible ASCII characters only, and no colon",
	} {
		_, _, body := h.post(t, "/mcp/first", track, "X-Segment-Write-Key", value)
		require.Contains(t, body, "segment_track refused its input, nothing was sent: "+says)
	}
	_, _, body = h.post(t, "/mcp/keyless", track)
	require.Contains(t, body, "missing_credential")
	require.Len(t, h.segment.Requests(), 2)
}

func TestHeaderOfAnotherName(t *testing.T) {
	h := build(t, mcp.Config{CredentialHeader: "X-Key"})
	_, _, body := h.post(t, "/mcp/keyless", track, "X-Key", headersKey)
	require.Contains(t, body, `"success":true`)
}

func TestModelMayNotGiveAKey(t *testing.T) {
	h := build(t)
	res := call(t, h.connect(t, "/mcp", ""), "segment_track", map[string]any{"event": "E", "writeKey": headersKey})
	require.True(t, res.IsError)
	require.Equal(
		t,
		"segment_track refused its input, nothing was sent: /writeKey must not be given by the caller: it comes "+
			"from the source or "+
			"the request header X-Segment-Write-Key; must have userId or anonymousId",
		text(t, res, 0),
	)
	require.NotContains(t, marshal(t, res), headersKey)
	require.Empty(t, h.segment.Requests())
}

func TestCredentialInput(t *testing.T) {
	h := build(t, mcp.Config{CredentialInput: true})
	s := h.connect(t, "/mcp", "")
	res := call(t, s, "segment_track", map[string]any{"event": "E", "userId": "u", "writeKey": headersKey})
	require.False(t, res.IsError, res.Content)
	require.Len(t, h.segment.Events(emulator.Filter{Source: emulator.Fingerprint(headersKey)}), 1)

	s = h.connect(t, "/mcp", "", "X-Segment-Write-Key", secondKey)
	res = call(t, s, "segment_track", map[string]any{"event": "E", "userId": "u", "writeKey": headersKey})
	require.Contains(t, text(t, res, 0), "/writeKey must not be given by the caller")
	require.NotContains(t, marshal(t, res), headersKey)
	require.Len(t, h.segment.Requests(), 1)
}

// A receiver that says the key back must not have it passed on.
func TestNoAnswerHoldsASecret(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, _, _ := r.BasicAuth()
		http.Error(w, `{"message":"no such key: `+key+` `+r.Header.Get("Authorization")+`"}`, http.StatusUnauthorized)
	}))
	defer receiver.Close()
	rt, reg, err := blocksTo(receiver.URL, retry.Policy{})
	require.NoError(t, err)
	defer rt.Close(t.Context())
	server, err := mcp.New(rt, reg, mcp.Config{})
	require.NoError(t, err)
	web := httptest.NewServer(server)
	defer web.Close()
	defer http.DefaultClient.CloseIdleConnections()
	h := &house{url: web.URL}
	for _, pairs := range [][]string{nil, {"X-Segment-Write-Key", headersKey}} {
		status, header, body := h.post(t, "/mcp", track, pairs...)
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, body, `"isError":true`)
		for _, key := range []string{firstKey, headersKey} {
			for _, form := range []string{key, base64.StdEncoding.EncodeToString([]byte(key + ":"))} {
				require.NotContains(t, body+marshal(t, header), form)
			}
		}
	}
}
