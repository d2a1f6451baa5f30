package mcp_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/serve/mcp"
)

// TestPlainCallsAreAnsweredAsTheSDKDoes sends each message twice: as clients commonly do, and with
// a header Accept that means the same and that only the SDK reads.
func TestPlainCallsAreAnsweredAsTheSDKDoes(t *testing.T) {
	h := build(t)
	const accept, swapped = "application/json, text/event-stream", "text/event-stream, application/json"
	const track, alias = `"name":"segment_track","arguments":{"event":"E","userId":"u"}`, `"name":"segment_alias"`
	call := func(id, params string) string {
		return `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{` + params + `}}`
	}
	meta := func(name, value string) string { return call(`1`, track+`,"_meta":{"`+name+`":`+value+`}`) }
	for name, c := range map[string]struct {
		message string
		plain   bool
		headers []string
	}{
		"a number":           {call(`7`, track), true, nil},
		"a text":             {call(`"aé\"b"`, track), true, nil},
		"a refusal":          {call(`-1`, `"name":"segment_track","arguments":{"event":""}`), true, nil},
		"a duplicate":        {call(`1`, `"name":"segment_track","arguments":{"event":"E","event":"F"}`), false, nil},
		"no UTF-8":           {call(`1`, `"name":"segment_track","arguments":{"event":"`+"\xff"+`"}`), false, nil},
		"no arguments":       {call(`1`, alias), true, nil},
		"null":               {call(`1`, alias+`,"arguments":null`), false, nil},
		"text":               {call(`1`, alias+`,"arguments":"{}"`), false, nil},
		"a list":             {call(`1`, alias+`,"arguments":[]`), false, nil},
		"an invocation id":   {meta(mcp.MetaInvocationID, `"run"`), true, nil},
		"a wrong one":        {meta(mcp.MetaInvocationID, `7`), true, nil},
		"progress":           {meta("progressToken", `1`), false, nil},
		"another protocol":   {meta("io.modelcontextprotocol/protocolVersion", `"2026-07-28"`), false, nil},
		"a member of params": {call(`1`, track+`,"task":{}`), false, nil},
		"a pinned tool":      {call(`1`, `"name":"segment_track@1"`), false, nil},
		"an unknown tool":    {call(`1`, `"name":"nothing"`), false, nil},
		"a fraction":         {call(`1.5`, track), false, nil},
		"null for an id":     {call(`null`, track), false, nil},
		"a list for an id":   {call(`[1]`, track), false, nil},
		"a notification":     {`{"jsonrpc":"2.0","method":"tools/call","params":{"name":"segment_track"}}`, false, nil},
		"JSON-RPC 1.0":       {strings.Replace(call(`1`, track), "2.0", "1.0", 1), false, nil},
		"more JSON":          {call(`1`, alias) + `{}`, false, nil},
		"a version":          {call(`1`, alias), true, []string{"Mcp-Protocol-Version", "2025-11-25"}},
		"an old version":     {call(`1`, alias), false, []string{"Mcp-Protocol-Version", "2024-11-05"}},
		"a new version":      {call(`1`, alias), false, []string{"Mcp-Protocol-Version", "2026-07-28"}},
		"no version":         {call(`1`, alias), false, []string{"Mcp-Protocol-Version", "2025-01-01"}},
		"a session":          {call(`1`, alias), true, []string{"Mcp-Session-Id", "s"}},
		"an event":           {call(`1`, alias), false, []string{"Last-Event-Id", "1"}},
		"a charset":          {call(`1`, alias), false, []string{"Content-Type", "application/json; charset=utf-8"}},
		"a write key":        {call(`1`, track), true, []string{"X-Segment-Write-Key", secondKey}},
		"an empty write key": {call(`1`, track), true, []string{"X-Segment-Write-Key", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{"Content-Type": {"application/json"}, "Accept": {accept}}
			for i := 0; i < len(c.headers); i += 2 {
				header.Set(c.headers[i], c.headers[i+1])
			}
			require.Equal(t, c.plain, h.server.Plain(header, c.message))
			status, got, body := h.post(t, "/mcp", c.message, append(c.headers, "Accept", accept)...)
			wanted, want, answer := h.post(t, "/mcp", c.message, append(c.headers, "Accept", swapped)...)
			require.Equal(t, wanted, status)
			for _, name := range []string{"Content-Type", "Cache-Control"} {
				require.Equal(t, want.Get(name), got.Get(name))
			}
			require.Equal(t, varying.ReplaceAllString(answer, ""), varying.ReplaceAllString(body, ""))
		})
	}
}

// varying is what differs between two invocations with the same input.
var varying = regexp.MustCompile(
	`(invocationId|startedAt)[\\]*":[\\]*"[^"]*"|(durationMs|bytes)[\\]*":[0-9.e-]+|"(sb1-|[0-9a-f]{8}-)[^"]*"`)
