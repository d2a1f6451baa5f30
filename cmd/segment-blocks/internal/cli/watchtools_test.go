package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// askMCP makes a request of JSON-RPC, and returns its result.
func askMCP(t *testing.T, url, method, params string) (result struct {
	Tools             []struct{ Name string }
	IsError           bool
	Content           []struct{ Text string }
	StructuredContent json.RawMessage
},
) {
	t.Helper()
	body := `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":` + params + `}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/mcp", strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	answer := struct{ Result any }{&result}
	require.NoError(t, json.Unmarshal(text, &answer), "%s", text)
	return result
}

func TestWatchTools(t *testing.T) {
	s := startServing(t, nil, "--quiet", "--mcp-watch")
	call := func(name, arguments string) (failed bool, text string) {
		t.Helper()
		r := askMCP(t, s.url, "tools/call", `{"name":"`+name+`","arguments":`+arguments+`}`)
		if !r.IsError {
			require.JSONEq(t, r.Content[0].Text, string(r.StructuredContent))
		}
		return r.IsError, r.Content[0].Text
	}
	ok := func(name, arguments string) string {
		t.Helper()
		failed, text := call(name, arguments)
		require.False(t, failed, text)
		return text
	}
	var names []string
	for _, tool := range askMCP(t, s.url, "tools/list", `{}`).Tools {
		names = append(names, tool.Name)
	}
	require.Subset(t, names, []string{"list_runs", "list_events", "wait_for_event", "explain_discard", "segment_track"})

	require.JSONEq(t, `{"runs":[]}`, ok("list_runs", "null"))
	require.JSONEq(t, `{"event":null}`, ok("wait_for_event", `{"timeoutSeconds":0.1}`))
	waited := make(chan string, 1)
	go func() {
		_, text := call("wait_for_event", `{"event":"Order Completed","timeoutSeconds":20}`)
		waited <- text
	}()
	ok("segment_track", `{"event":"Other","userId":"u"}`)
	track := `{"event":"Order Completed","userId":"u","properties":{"n":12345678901234567890}}`
	ok("segment_track", track)
	require.Contains(t, <-waited, `"n":12345678901234567890`)
	require.Contains(t, ok("list_runs", `{"after":1}`), `"seq":2`)
	require.NotContains(t, ok("list_runs", `{}`), "Order Completed")
	var list struct {
		Events []struct {
			Seq             int
			Name, MessageID string
		}
		Stored int
	}
	require.NoError(t, json.Unmarshal([]byte(ok("list_events", `{"limit":1}`)), &list))
	require.Equal(t, 2, list.Stored)
	require.Len(t, list.Events, 1)
	require.Equal(t, "Order Completed", list.Events[0].Name, "the newest")
	require.Contains(t, ok("list_events", `{"after":0,"type":"track","event":"Other"}`), `"seq":1`)
	require.Contains(t, ok("list_events", `{"userId":"nobody"}`), `"events":[]`)

	// What arrives by another way than a block may be discarded.
	res, err := http.Post(s.emulator(t)+"/v1/track", "application/json",
		strings.NewReader(`{"writeKey":"`+emulatorKey+`","event":"E","messageId":"m-1"}`))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Contains(t, ok("explain_discard", `{"messageId":"m-1"}`), `"code":"no_user_anon_id"`)
	require.Contains(t, ok("explain_discard", `{}`), `"m-1"`)
	for arguments, says := range map[string]string{
		`{"messageId":"` + list.Events[0].MessageID + `"}`: "it is stored",
		`{"messageId":"m-2"}`:                              "may not have been sent",
		`{"limit":0}`:                                      "limit must be at least 1: 0",
		`{"limit":51}`:                                     "limit must be at most 50: 51",
		`{"messageID ":1}`:                                 "messageID  is not a known parameter",
		`[]`:                                               "must be a JSON object",
	} {
		failed, text := call("explain_discard", arguments)
		require.True(t, failed, text)
		require.Contains(t, text, says)
	}
	for _, arguments := range []string{`{"timeoutSeconds":31}`, `{"timeoutSeconds":-1}`, `{"timeoutSeconds":"x"}`} {
		failed, text := call("wait_for_event", arguments)
		require.True(t, failed, text)
	}
}

func TestNoWatchToolsUnasked(t *testing.T) {
	s := startServing(t, nil, "--quiet")
	for _, tool := range askMCP(t, s.url, "tools/list", `{}`).Tools {
		require.True(t, strings.HasPrefix(tool.Name, "segment_"), tool.Name)
	}
	// Without an emulator there is nothing of it to tell.
	elsewhere := []string{"SEGMENT_WRITE_KEY=" + emulatorKey, "SEGMENT_ENDPOINT=http://127.0.0.1:1"}
	s = startServing(t, elsewhere, "--quiet", "--mcp-watch")
	for _, tool := range askMCP(t, s.url, "tools/list", `{}`).Tools {
		require.True(t, strings.HasPrefix(tool.Name, "segment_") || tool.Name == "list_runs", tool.Name)
	}
}

// emulator returns the URL of the emulator behind the server.
func (s *serving) emulator(t *testing.T) string {
	t.Helper()
	var at struct{ Target string }
	require.NoError(t, json.NewDecoder(strings.NewReader(s.stdout.String())).Decode(&at))
	return at.Target
}
