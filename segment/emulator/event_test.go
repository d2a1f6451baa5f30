package emulator_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/emulator"
)

func basic(key string) string { return base64.StdEncoding.EncodeToString([]byte(key + ":")) }

func compress(t *testing.T, body []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	_, err := zw.Write(body)
	require.NoError(t, err)
	require.NoError(t, zw.Close())
	return buf.Bytes()
}

func TestMessageIsKeptAsItWasSent(t *testing.T) {
	srv := start(t)
	message := "{ \"event\" : \"\\u00c9t\\u00e9 <b>\",\n\t\"userId\":\"u\"," +
		"\"properties\":{\"z\":1.0,\"a\":12345678901234567890.10,\"e\":1E+2,\"s\":\"a\u2028b\"}}"
	require.Equal(t, 200, post(t, srv, "/v1/track", "  "+message+"\n").status)
	ev := srv.Events(emulator.Filter{})[0]
	require.Equal(t, message, string(ev.Message))
	require.Equal(t, "Été <b>", ev.Name)

	item := strings.Replace(message, "{", `{"type":"track",`, 1)
	require.Equal(t, 200, post(t, srv, "/v1/batch", `{"batch":[ `+item+` ]}`).status)
	require.Equal(t, item, string(srv.Events(emulator.Filter{})[1].Message))

	// Over HTTP only line breaks between tokens become spaces.
	require.Contains(t, get(t, srv, "/emulator/v1/events").body, strings.ReplaceAll(message, "\n", " "))
}

func TestEventFields(t *testing.T) {
	srv := start(t, emulator.Clock(fixedClock("2026-01-02T03:04:05Z")))
	require.Equal(t, 200, post(t, srv, "/v1/batch", `{"sentAt":"2026-01-02T03:05:05Z","batch":[
		{"type":"identify","userId":"u","anonymousId":"a","messageId":"m-1"},
		{"type":"screen","anonymousId":"a","name":"Home","messageId":7}]}`).status)
	events := srv.Events(emulator.Filter{})
	require.Len(t, events, 2)
	first, second := events[0], events[1]
	require.Equal(t, uint64(1), first.Seq)
	require.Equal(t, uint64(1), first.Request)
	require.Equal(t, "/v1/batch", first.Path)
	require.Equal(t, emulator.Fingerprint(testKey), first.Source)
	require.Equal(t, "m-1", first.MessageID)
	require.False(t, first.Minted)
	require.Equal(t, []string{"u", "a"}, []string{first.UserID, first.AnonymousID})
	require.Equal(t, first.ReceivedAt, first.Timestamp)
	require.Equal(t, 1, second.Index)
	require.Equal(t, "Home", second.Name)
	require.True(t, second.Minted)
	require.NotEmpty(t, second.MessageID)
	require.Equal(t, []string{"messageId must be a non-empty string, another was minted: 7"}, second.Notes)
}

func TestTimestampIsCorrectedForTheClientsClock(t *testing.T) {
	tests := []struct {
		name, sentAt, timestamp string
		want                    string
		notes                   int
	}{
		{"slow clock", `"2026-01-01T00:00:10Z"`, `"2026-01-01T00:00:00Z"`, "2026-06-01T11:59:50Z", 0},
		{"other zone", `"2026-01-01T01:00:10+01:00"`, `"2026-01-01T00:00:00.000Z"`, "2026-06-01T11:59:50Z", 0},
		{"no sentAt", `null`, `"2026-01-01T00:00:00Z"`, "2026-01-01T00:00:00Z", 0},
		{"no timestamp", `"2026-01-01T00:00:10Z"`, `null`, "2026-06-01T12:00:00Z", 0},
		{"date only", `"2026-06-01"`, `"2026-05-31"`, "2026-05-31T12:00:00Z", 0},
		{"not a date", `"2026-01-01T00:00:10Z"`, `"yesterday"`, "2026-06-01T12:00:00Z", 1},
		{"a number", `null`, `1767225600`, "2026-06-01T12:00:00Z", 1},
		{"ages apart", `"0001-01-01T00:00:01Z"`, `"9999-01-01T00:00:00Z"`, "9999-01-01T00:00:00Z", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := start(t, emulator.Clock(fixedClock("2026-06-01T12:00:00Z")))
			body := fmt.Sprintf(`{"sentAt":%s,"batch":[{"type":"identify","userId":"u","timestamp":%s}]}`,
				tt.sentAt, tt.timestamp)
			require.Equal(t, 200, post(t, srv, "/v1/batch", body).status)
			ev := srv.Events(emulator.Filter{})[0]
			require.Equal(t, tt.want, ev.Timestamp.Format(time.RFC3339Nano))
			require.Len(t, ev.Notes, tt.notes)
		})
	}
}

func TestBatchContextIsMergedIntoTheMessages(t *testing.T) {
	srv := start(t)
	post(t, srv, "/v1/batch", `{
		"context":{"library":{"name":"lib","version":"1"},"ip":"1.2.3.4","app":{"build":1.10}},
		"integrations":{"All":false},
		"batch":[
			{"type":"identify","userId":"u","context":{"library":{"version":"2"},"ip":null,"app":"none"},
				"integrations":{"All":true,"X":{}}},
			{"type":"identify","userId":"u"}]}`)
	events := srv.Events(emulator.Filter{})
	require.Equal(t, `{"library":{"name":"lib","version":"2"},"ip":null,"app":"none"}`, string(events[0].Context))
	require.Equal(t, `{"All":true,"X":{}}`, string(events[0].Integrations))
	require.JSONEq(t, `{"library":{"name":"lib","version":"1"},"ip":"1.2.3.4","app":{"build":1.10}}`,
		string(events[1].Context))
	require.Contains(t, string(events[1].Context), "1.10")
	require.NotContains(t, string(events[1].Message), "context", "the message itself is left alone")
}

// A batch's context counts for each of its messages, against the limit of a message and against one
// of the emulator's own.
func TestMergedContextsAreBounded(t *testing.T) {
	srv := start(t)
	post(t, srv, "/v1/batch", `{"context":{"a":"`+pad(20_000)+`"},"batch":[
		{"type":"identify","userId":"u","context":{"b":"`+pad(13_000)+`"}},
		{"type":"identify","userId":"u","context":{"a":"`+pad(13_000)+`"}},
		{"type":"identify","userId":"u"}]}`)
	discards := srv.Discards(emulator.DiscardFilter{})
	require.Len(t, discards, 1)
	require.Equal(t, "/batch/0", discards[0].Problems[0].Pointer)
	require.Regexp(t, `^must be at most 32768 bytes: 330\d\d$`, discards[0].Problems[0].Text)
	require.Len(t, srv.Events(emulator.Filter{}), 2)

	require.NoError(t, srv.Clear())
	post(t, srv, "/v1/batch", `{"context":{"a":"`+pad(20_000)+`"},"batch":[`+
		strings.TrimSuffix(strings.Repeat(`{"type":"identify","userId":"u"},`, 2_000), ",")+`]}`)
	stored := srv.Stats().Stored
	require.Equal(t, uint64(16<<20/20_008), stored)
	require.Equal(t, 2_000-stored, srv.Stats().Discarded)
}

func TestDuplicates(t *testing.T) {
	var mu sync.Mutex
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	srv := start(t, emulator.Clock(clock), emulator.DedupWindow(time.Hour))
	const one = `{"userId":"u","event":"E","messageId":"m-1"}`
	require.Equal(t, 200, post(t, srv, "/v1/track", one).status)
	// Across sources, and inside one batch.
	require.Equal(t, 200, post(t, srv, "/v1/track", one, "Authorization: Basic "+basic("another-source")).status)
	require.Equal(t, 200, post(t, srv, "/v1/batch", `{"batch":[
		{"type":"identify","userId":"u","messageId":"m-2"},
		{"type":"identify","userId":"u","messageId":"m-2"}]}`).status)
	require.Len(t, srv.Events(emulator.Filter{}), 2)
	dups := srv.Discards(emulator.DiscardFilter{Code: "duplicate"})
	require.Len(t, dups, 2)
	require.Equal(t, "/messageId", dups[0].Problems[0].Pointer)
	require.Equal(t, "/batch/1/messageId", dups[1].Problems[0].Pointer)
	stats := srv.Stats()
	require.Equal(t, uint64(2), stats.Duplicates)
	require.Zero(t, stats.Discarded)

	mu.Lock()
	now = now.Add(time.Hour)
	mu.Unlock()
	post(t, srv, "/v1/track", one)
	require.Len(t, srv.Events(emulator.Filter{MessageID: "m-1"}), 2, "the window is over")

	off := start(t, emulator.DedupWindow(0))
	post(t, off, "/v1/track", one)
	post(t, off, "/v1/track", one)
	require.Len(t, off.Events(emulator.Filter{}), 2)
}

func TestCapacityForgetsTheOldest(t *testing.T) {
	srv := start(t, emulator.Capacity(3))
	for i := range 10 {
		post(t, srv, "/v1/track", fmt.Sprintf(`{"userId":"u","event":"E%d"}`, i))
	}
	events := srv.Events(emulator.Filter{})
	require.Len(t, events, 3)
	require.Equal(t, "E7", events[0].Name)
	stats := srv.Stats()
	require.Equal(t, 3, stats.Kept)
	require.Equal(t, uint64(7), stats.Forgotten)
	require.Equal(t, uint64(10), stats.Stored)
}

func TestWriteKeysAreNeverShown(t *testing.T) {
	const bodyKey, itemKey = "BodyBodyBodyBodyBodyBodyBodyBody", "ItemItemItemItemItemItemItemItem"
	log := t.TempDir() + "/events.ndjson"
	srv := start(t, emulator.LogTo(log), emulator.KnownWriteKeys(testKey, bodyKey, itemKey))
	post(t, srv, "/v1/batch", `{"writeKey":"`+bodyKey+`","batch":[
		{"type":"identify","userId":"u","writeKey":"`+itemKey+`","traits":{"note":"my key is `+testKey+`"}},
		{"type":"track","userId":"`+bodyKey+`","event":"`+itemKey+`",
			"timestamp":"`+testKey+`","messageId":"`+testKey+`"},
		{"type":"track","userId":["`+bodyKey+`"]}]}`, "X-Write-Key: "+testKey, "Cookie: k="+testKey)
	post(t, srv, "/v1/track", `{"writeKey": "`+itemKey+`", "userId":`)
	post(t, srv, "/v1/track", `{"write\u004bey":"`+bodyKey+`","userId":"u","event":"E"}`)
	post(t, srv, "/v1/track", `{"writeKey":"NobodyNobodyNobodyNobody","userId":"u","event":"E"}`)
	get(t, srv, "/v1/projects/"+testKey+"/settings")
	get(t, srv, "/v1/projects/"+testKey+"/nothing")
	data := base64.StdEncoding.EncodeToString([]byte(`{"writeKey":"` + bodyKey + `","userId":"u","event":"E"}`))
	get(t, srv, "/v1/pixel/track?data="+url.QueryEscape(data))

	all := fmt.Sprintf("%+v %+v %+v",
		srv.Events(emulator.Filter{}), srv.Discards(emulator.DiscardFilter{}), srv.Requests())
	for _, r := range srv.Requests() {
		all += string(r.Body)
	}
	for _, path := range []string{"events", "discards", "requests", "stats"} {
		all += get(t, srv, "/emulator/v1/"+path).body
	}
	all += readFile(t, log)
	for _, key := range []string{testKey, bodyKey, itemKey, "NobodyNobody", basic(testKey), "k=" + testKey} {
		require.NotContains(t, all, key)
	}
	require.Len(t, srv.Events(emulator.Filter{}), 4)
	require.Contains(t, string(srv.Events(emulator.Filter{})[0].Message),
		`"writeKey":"sha256:`+emulator.Fingerprint(itemKey)+`"`)
	require.Equal(t, "Basic sha256:"+emulator.Fingerprint(testKey), srv.Requests()[0].Header.Get("Authorization"))
}

func TestGzip(t *testing.T) {
	srv := start(t)
	body := compress(t, []byte(`{"batch":[{"type":"identify","userId":"u"}]}`))
	got, err := trySend(t, "POST", srv.URL+"/v1/batch", body, "Content-Encoding: gzip")
	require.NoError(t, err)
	require.Equal(t, 200, got.status, got.body)
	r := srv.Requests()[0]
	require.Equal(t, int64(len(body)), r.Size)
	require.JSONEq(t, `{"batch":[{"type":"identify","userId":"u"}]}`, string(r.Body))

	bomb := compress(t, bytes.Repeat([]byte(" "), 20<<20))
	got, err = trySend(t, "POST", srv.URL+"/v1/batch", bomb, "Content-Encoding: gzip")
	require.NoError(t, err)
	require.Equal(t, 400, got.status)
	require.Len(t, srv.Requests()[1].Body, emulator.MaxBatchBytes)

	got, err = trySend(t, "POST", srv.URL+"/v1/batch", body[:len(body)-4], "Content-Encoding: gzip")
	require.NoError(t, err)
	require.Equal(t, 400, got.status)
	require.Len(t, srv.Events(emulator.Filter{}), 1)
}

// TestRudderStackNode sends what @rudderstack/rudder-sdk-node 3.0.13 sends by default: gzip,
// which axios calls a form.
func TestRudderStackNode(t *testing.T) {
	srv := start(t, emulator.Mode(emulator.Strict))
	body := compress(t, []byte(`{"batch":[{"userId":"u","event":"E","messageId":"m-1","type":"track",`+
		`"context":{"library":{"name":"analytics-node","version":"3.0.13"}},`+
		`"channel":"server","_metadata":{"nodeVersion":"20.20.2"},`+
		`"originalTimestamp":"2026-11-24T16:26:32.614Z","sentAt":"2026-11-24T16:26:32.614Z"}],`+
		`"timestamp":"2026-11-24T16:26:32.614Z","sentAt":"2026-11-24T16:26:32.614Z"}`))
	header := []string{
		"Accept: application/json, text/plain, */*", "Content-Type: application/x-www-form-urlencoded",
		"user-agent: analytics-node/3.0.13", "Content-Encoding: gzip", "Accept-Encoding: gzip, compress, deflate, br",
	}
	got, err := trySend(t, "POST", srv.URL+"/v1/batch", body, header...)
	require.NoError(t, err)
	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, "m-1", srv.Events(emulator.Filter{})[0].MessageID)
	got, err = trySend(t, "POST", srv.URL+"/v1/batch", []byte(`{"batch":[]}`), header...)
	require.NoError(t, err)
	require.Equal(t, 400, got.status, "it is not gzip")
}

func TestRequestsAreRecorded(t *testing.T) {
	srv := start(t)
	post(t, srv, "/v1/track?x=1", `{"userId":"u","event":"E"}`, "User-Agent: test/1")
	post(t, srv, "/v1/track", `{"userId":"u`)
	requests := srv.Requests()
	require.Len(t, requests, 2)
	require.Equal(t, "/v1/track", requests[0].Path)
	require.Equal(t, "POST", requests[0].Method)
	require.Equal(t, "test/1", requests[0].Header.Get("User-Agent"))
	require.Equal(t, emulator.Fingerprint(testKey), requests[0].Source)
	require.Equal(t, []int{200, 400}, []int{requests[0].Status, requests[1].Status})

	var page struct {
		Requests []struct {
			Seq      uint64
			Body     json.RawMessage
			BodyText string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(get(t, srv, "/emulator/v1/requests?order=desc").body), &page))
	require.Equal(t, `{"userId":"u`, page.Requests[0].BodyText)
	require.JSONEq(t, `{"userId":"u","event":"E"}`, string(page.Requests[1].Body))
}

func TestConcurrentClients(t *testing.T) {
	srv := start(t, emulator.LogTo(t.TempDir()+"/events.ndjson"))
	const clients, each = 8, 25
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := range each {
				body := fmt.Appendf(nil, `{"userId":"u","event":"E","messageId":"%d-%d"}`, c, i/2)
				_, err := trySend(t, "POST", srv.URL+"/v1/track", body)
				if err != nil {
					t.Error(err)
				}
				srv.Stats()
				srv.Requests()
			}
		})
	}
	wg.Wait()
	stats := srv.Stats()
	require.Equal(t, uint64(clients*each), stats.Stored+stats.Duplicates)
	require.Equal(t, uint64(clients*((each+1)/2)), stats.Stored)
	for i, ev := range srv.Events(emulator.Filter{}) {
		require.Equal(t, uint64(i+1), ev.Seq)
	}
}
