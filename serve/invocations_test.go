package serve_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/serve"
	"github.com/aacflow/segment-blocks/serve/guard"
	"github.com/aacflow/segment-blocks/serve/invocations"
)

// page is an answer of /v1/invocations.
type page struct {
	Invocations    []invocations.Invocation
	Cursor, Missed uint64
}

func list(t *testing.T, url, query string) page {
	t.Helper()
	status, body := ask(t, url+"/v1/invocations"+query, "")
	require.Equal(t, 200, status, body)
	var p page
	require.NoError(t, json.Unmarshal([]byte(body), &p))
	return p
}

func aliasOf(user int) string {
	return fmt.Sprintf(`{"input":{"userId":"u-%d","previousId":"planted-id","writeKey":"plantedKeyplantedKeyplantedKey42"}}`, user)
}

func TestInvocations(t *testing.T) {
	log := invocations.New(invocations.Config{})
	server, segment := start(t, serve.Config{Invocations: log})
	url, _ := serving(t, server)
	require.Equal(t, page{Invocations: []invocations.Invocation{}}, list(t, url, ""))

	status, body := ask(t, url+aliasREST, aliasOf(1))
	require.Equal(t, 200, status, body)
	require.NoError(t, segment.Script(emulator.Fault{Status: 400}))
	status, _ = ask(t, url+"/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"segment_alias",`+
		`"arguments":`+alias+`,"_meta":{"io.github.aacflow/invocationId":"run-7"}}}`)
	require.Equal(t, 200, status)
	status, _ = ask(t, url+aliasREST, `{"input":{"userId":"planted-id"}}`)
	require.Equal(t, 422, status)
	all := list(t, url, "")
	require.EqualValues(t, 3, all.Cursor)
	require.Len(t, all.Invocations, 3)
	first, second, third := all.Invocations[0], all.Invocations[1], all.Invocations[2]
	require.Equal(t, "segment_alias", first.Block)
	require.Equal(t, "prod", first.Source)
	require.Equal(t, "succeeded", first.Status)
	require.Equal(t, []int{1, 1}, []int{first.Attempts, first.Messages})
	require.Equal(t, segment.Events(emulator.Filter{})[0].MessageID, first.MessageID)
	require.WithinDuration(t, time.Now(), first.StartedAt, time.Minute)
	require.Equal(t, "run-7", second.ID, "over MCP too")
	require.Equal(t, []string{"failed", "rejected"}, []string{second.Status, string(second.Code)})
	require.Equal(t, []string{"failed", "invalid_input"}, []string{third.Status, string(third.Code)})
	_, body = ask(t, url+"/v1/invocations", "")
	require.NotContains(t, body, "planted")

	require.EqualValues(t, 2, list(t, url, "?after=1&limit=1").Invocations[0].Seq)
	require.EqualValues(t, 2, list(t, url, "?after=1&limit=1").Cursor)
	require.EqualValues(t, 3, list(t, url, "?limit=1").Invocations[0].Seq)
	require.Equal(t, page{Invocations: []invocations.Invocation{}, Cursor: 3}, list(t, url, "?after=3"))
	require.Len(t, list(t, url, "?after=99").Invocations, 3, "the number is from another process")
	for query, says := range map[string]string{
		"?after=x": "after must be a whole number", "?after=-1": "after must be",
		"?limit=0":   "limit must be a whole number from",
		"?limit=501": "from 1 to 500", "?limit=1e2": "limit must be", "?aftr=1": `did you mean \"after\"?`,
		"?%zz": "readable",
	} {
		status, body := ask(t, url+"/v1/invocations"+query, "")
		require.Equal(t, 400, status, query)
		require.Contains(t, body, says)
	}
	status, _ = ask(t, url+"/v1/invocations/stream?after=x", "")
	require.Equal(t, 400, status)
}

func TestInvocationsWithInputs(t *testing.T) {
	server, _ := start(t, serve.Config{Invocations: invocations.New(invocations.Config{KeepInputs: true})})
	url, _ := serving(t, server)
	for _, body := range []string{
		aliasOf(1), `{"input":{"userId":"x","previousId":"` + strings.Repeat("y", 40<<10) + `"}}`,
		`{"input":{"userId":"S3cretS3cretS3cretS3cretS3cretS3"}}`,
	} {
		ask(t, url+aliasREST, body)
	}
	got := list(t, url, "").Invocations
	require.Len(t, got, 3)
	require.JSONEq(t, `{"userId":"u-1","previousId":"planted-id"}`, string(got[0].Input))
	require.Empty(t, got[1].Input, "too large to keep")
	require.JSONEq(t, `{"userId":"[redacted]"}`, string(got[2].Input), "a key in the wrong place")
}

func TestInvocationsAreBounded(t *testing.T) {
	server, _ := start(t, serve.Config{
		Invocations: invocations.New(invocations.Config{}), Guard: guarded(t, guard.Config{Rate: -1}),
	})
	web := httptest.NewServer(server)
	defer web.Close()
	for range invocations.Most + 10 {
		ask(t, web.URL+aliasREST, `{"input":{}}`)
	}
	p := list(t, web.URL, "?after=5&limit=500")
	require.Len(t, p.Invocations, invocations.Most)
	require.EqualValues(t, 5, p.Missed)
	require.EqualValues(t, invocations.Most+10, p.Cursor)
}

// event is one of a stream.
type event struct{ id, name, data string }

// stream opens one, and returns its events and a function that ends it. The channel closes when the
// stream ends.
func stream(t *testing.T, url, lastID string) (<-chan event, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	require.NoError(t, err)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.Equal(t, 200, res.StatusCode)
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	events := make(chan event, 1000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(events)
		defer res.Body.Close()
		e := event{}
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch {
			case name == "id":
				e.id = value
			case name == "event":
				e.name = value
			case name == "data":
				e.data = value
			case lines.Text() == "" && e != event{}:
				events <- e
				e = event{}
			}
		}
	}()
	stop := func() { cancel(); <-done }
	t.Cleanup(stop)
	return events, stop
}

func next(t *testing.T, events <-chan event) event {
	t.Helper()
	select {
	case e, ok := <-events:
		require.True(t, ok, "the stream has ended")
		return e
	case <-time.After(10 * time.Second):
		require.Fail(t, "no event came")
		return event{}
	}
}

func TestStreamOfInvocations(t *testing.T) {
	server, _ := start(t, serve.Config{
		Invocations: invocations.New(invocations.Config{}), Guard: guarded(t, guard.Config{Rate: -1}),
	})
	url, stop := serving(t, server)
	path := url + "/v1/invocations/stream"
	ask(t, url+aliasREST, aliasOf(1))
	live, _ := stream(t, path, "")
	ask(t, url+aliasREST, aliasOf(2))
	e := next(t, live)
	require.Equal(t, event{id: "2", data: e.data}, e, "the first came before")
	var i invocations.Invocation
	require.NoError(t, json.Unmarshal([]byte(e.data), &i))
	require.Equal(t, list(t, url, "?after=1").Invocations[0], i)

	from, end := stream(t, path+"?after=0", "")
	require.Equal(t, "1", next(t, from).id)
	end()
	resumed, _ := stream(t, path+"?after=0", "1")
	require.Equal(t, "2", next(t, resumed).id, "the browser's own header counts for more")

	for range invocations.Most + 1 { // the first two are forgotten
		ask(t, url+aliasREST, `{"input":{}}`)
	}
	late, _ := stream(t, path, "1")
	require.Equal(t, event{name: "gap", data: `{"missed":2}`}, next(t, late))
	require.Equal(t, "4", next(t, late).id)

	req, err := http.NewRequest(http.MethodHead, path, nil)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 200, res.StatusCode, "it ends")

	require.NoError(t, stop(), "open streams do not hold up the end")
	for range resumed { // ends
	}
}

// TestStreamsAreCapped also shows that a client that reads nothing holds up nobody. Each address is
// a client of its own.
func TestStreamsAreCapped(t *testing.T) {
	server, _ := start(t, serve.Config{
		Invocations: invocations.New(invocations.Config{}), Guard: guarded(t, guard.Config{Rate: -1}),
	})
	url, _ := serving(t, server)
	open := func(client int) string {
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(client))}}
		conn, err := from.DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		_, err = fmt.Fprint(conn, "GET /v1/invocations/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
		require.NoError(t, err)
		answer, err := bufio.NewReader(conn).ReadString('\n')
		require.NoError(t, err)
		return answer
	}
	for range 16 {
		require.Contains(t, open(1), "200")
	}
	status, body := ask(t, url+"/v1/invocations/stream", "")
	require.Equal(t, 503, status)
	require.Contains(t, body, "this client has as many streams as it may: 16")
	for i := range 48 {
		require.Contains(t, open(2+i/16), "200", "another client has room")
	}
	require.Contains(t, open(5), "503", "the server has none")
	status, _ = ask(t, url+aliasREST, aliasOf(1))
	require.Equal(t, 200, status)
}

func TestNoInvocations(t *testing.T) {
	server, _ := start(t, serve.Config{})
	url, _ := serving(t, server)
	status, body := ask(t, url+"/v1/invocations", "")
	require.Equal(t, 404, status)
	require.Contains(t, body, `"not_found"`)
}
