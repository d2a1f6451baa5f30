package emulator_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/emulator"
)

func messageIDs(t *testing.T, body string) []string {
	t.Helper()
	var page struct{ Events []emulator.Event }
	require.NoError(t, json.Unmarshal([]byte(body), &page), body)
	ids := make([]string, 0, len(page.Events))
	for _, ev := range page.Events {
		ids = append(ids, ev.MessageID)
	}
	return ids
}

func TestQueryEvents(t *testing.T) {
	srv := start(t)
	post(t, srv, "/v1/batch", `{"batch":[
		{"type":"track","userId":"u-1","event":"Order Completed","messageId":"m-1","properties":{"coupon":"SPRING"}},
		{"type":"track","userId":"u-2","event":"Order Refunded","messageId":"m-2"},
		{"type":"page","anonymousId":"a-1","name":"Home","messageId":"m-3"}]}`)
	post(t, srv, "/v1/track", `{"userId":"u-1","event":"Order Completed","messageId":"m/4 é"}`,
		"Authorization: Basic "+basic("another-source"))
	for query, want := range map[string][]string{
		"":                                {"m-1", "m-2", "m-3", "m/4 é"},
		"type=track":                      {"m-1", "m-2", "m/4 é"},
		"userId=u-1":                      {"m-1", "m/4 é"},
		"anonymousId=a-1":                 {"m-3"},
		"name=Order+Completed&userId=u-1": {"m-1", "m/4 é"},
		"name=Home":                       {"m-3"},
		"messageId=m-2":                   {"m-2"},
		"text=spring":                     {"m-1"},
		"since=2":                         {"m-3", "m/4 é"},
		"limit=2":                         {"m-1", "m-2"},
		"limit=2&order=desc":              {"m/4 é", "m-3"},
		"type=alias":                      {},
		"source=" + emulator.Fingerprint("another-source"): {"m/4 é"},
	} {
		got := get(t, srv, "/emulator/v1/events?"+query)
		require.Equal(t, 200, got.status)
		require.Equal(t, want, messageIDs(t, got.body), query)
		require.Empty(t, got.header.Get("Access-Control-Allow-Origin"))
	}
	for _, query := range []string{"limit=x", "since=-1", "order=up", "userID=u", "type=%zz"} {
		require.Equal(t, 400, get(t, srv, "/emulator/v1/events?"+query).status, query)
	}
	got := get(t, srv, "/emulator/v1/events/"+url.PathEscape("m/4 é"))
	require.Equal(t, 200, got.status)
	require.Equal(t, "m/4 é", got.field(t, "messageId"))
}

func TestQueryDiscardsAndStats(t *testing.T) {
	srv := start(t)
	post(t, srv, "/v1/track", `{"userId":"u","messageId":"m-1"}`)
	post(t, srv, "/v1/track", `{"event":"E"}`)
	post(t, srv, "/v1/identify", `{"userId":"u"}`)
	post(t, srv, "/v1/identify", `{`)
	var page struct{ Discards []emulator.Discard }
	require.NoError(t, json.Unmarshal([]byte(get(t, srv, "/emulator/v1/discards?code=event_not_defined").body), &page))
	require.Len(t, page.Discards, 1)
	require.Equal(t, "m-1", page.Discards[0].MessageID)
	require.JSONEq(t, `{"userId":"u","messageId":"m-1"}`, string(page.Discards[0].Message))

	var stats emulator.Stats
	require.NoError(t, json.Unmarshal([]byte(get(t, srv, "/emulator/v1/stats").body), &stats))
	require.Equal(t, emulator.Stats{
		Mode: emulator.Segment, Requests: 4, Refused: 1, Stored: 1, Kept: 1, Discarded: 3, LastSeq: 1,
		ByType: map[string]uint64{"identify": 1},
		ByCode: map[string]uint64{"event_not_defined": 1, "no_user_anon_id": 1, "bad_request": 1},
	}, stats)
	require.Equal(t, stats, srv.Stats())
}

func TestQueryIsNotForStrangers(t *testing.T) {
	srv := start(t, emulator.AllowHosts("emulator.test"))
	for _, tt := range []struct {
		header string
		status int
	}{
		{"Host: localhost:1", 200},
		{"Host: app.localhost", 200},
		{"Host: 127.0.0.1", 200},
		{"Host: 127.8.8.8:9", 200},
		{"Host: [::1]:80", 200},
		{"Host: emulator.test:80", 200},
		{"Host: evil.example", 403},
		{"Host: localhost.evil.example", 403},
		{"Host: 10.0.0.1", 403},
		{"Host: 0.0.0.0", 403},
		{"Origin: " + srv.URL, 200},
		{"Origin: https://evil.example", 403},
		{"Origin: null", 403},
		{"Sec-Fetch-Site: same-origin", 200},
		{"Sec-Fetch-Site: none", 200}, // the address bar
		{"Sec-Fetch-Site: cross-site", 403},
		{"Sec-Fetch-Site: same-site", 403}, // another port of localhost
	} {
		got := get(t, srv, "/emulator/v1/events", tt.header)
		require.Equal(t, tt.status, got.status, tt.header)
		require.Empty(t, got.header.Get("Access-Control-Allow-Origin"))
	}
	for _, path := range []string{"events/m-1", "discards", "requests", "stats", "stream", "faults"} {
		got := get(t, srv, "/emulator/v1/"+path, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate")
		require.Equal(t, 403, got.status, path)
	}
	require.Equal(t, 403, send(t, "DELETE", srv.URL+"/emulator/v1/events", "", "Sec-Fetch-Site: same-site").status)
	shop := post(t, srv, "/v1/track", oneTrack, "Origin: https://shop.example", "Sec-Fetch-Site: cross-site")
	require.Equal(t, 200, shop.status)
	require.Equal(t, 405, send(t, "OPTIONS", srv.URL+"/emulator/v1/events", "").status)
	require.Equal(t, 200, post(t, srv, "/v1/track", oneTrack, "Host: evil.example").status, "tracking is for all")
}

func TestQueryToken(t *testing.T) {
	srv := start(t, emulator.Token("s3cret"))
	require.Equal(t, 401, get(t, srv, "/emulator/v1/events").status)
	require.Equal(t, 401, get(t, srv, "/emulator/v1/events", "Authorization: Bearer s3cre").status)
	require.Equal(t, 200, get(t, srv, "/emulator/v1/events", "Authorization: Bearer s3cret").status)
	require.Equal(t, 200, post(t, srv, "/v1/track", oneTrack).status)
}

func TestSettings(t *testing.T) {
	srv := start(t, emulator.KnownWriteKeys(testKey))
	got := get(t, srv, "/v1/projects/"+testKey+"/settings")
	require.Equal(t, 200, got.status)
	var doc struct {
		Integrations map[string]struct{ APIKey, APIHost, Protocol string }
		Plan         map[string]map[string]struct{ Enabled bool }
	}
	require.NoError(t, json.Unmarshal([]byte(got.body), &doc))
	segment := doc.Integrations["Segment.io"]
	require.Equal(t, testKey, segment.APIKey)
	require.Equal(t, srv.URL+"/v1", segment.Protocol+"://"+segment.APIHost)
	require.True(t, doc.Plan["track"]["__default"].Enabled)
	require.Equal(t, "*", got.header.Get("Access-Control-Allow-Origin"))

	unknown := get(t, srv, "/v1/projects/unknown-unknown/settings")
	require.Equal(t, 404, unknown.status)
	require.Equal(t, "Invalid path or write key provided.", unknown.field(t, "message"))
	require.Equal(t, "/v1/projects/sha256:"+emulator.Fingerprint(testKey)+"/settings", srv.Requests()[0].Path)
}

func TestPixel(t *testing.T) {
	message := fmt.Sprintf(`{"writeKey":%q,"userId":"ü>?","event":"Email Opened"}`, testKey)
	for name, enc := range map[string]*base64.Encoding{
		"standard": base64.StdEncoding, "raw": base64.RawStdEncoding,
		"URL": base64.URLEncoding, "raw URL": base64.RawURLEncoding,
	} {
		t.Run(name, func(t *testing.T) {
			srv := start(t, emulator.Mode(emulator.Strict))
			got := get(t, srv, "/v1/pixel/track?data="+enc.EncodeToString([]byte(message)))
			require.Equal(t, 200, got.status)
			require.Equal(t, "image/gif", got.header.Get("Content-Type"))
			require.Equal(t, "GIF89a", got.body[:6])
			events := srv.Events(emulator.Filter{})
			require.Len(t, events, 1)
			require.Equal(t, "Email Opened", events[0].Name)
			require.Equal(t, "ü>?", events[0].UserID)
		})
	}
	srv := start(t)
	encode := base64.StdEncoding.EncodeToString
	for _, data := range []string{"", "!!!", encode([]byte(`{`)), encode([]byte(`{"userId":"u"}`))} {
		got := get(t, srv, "/v1/pixel/track?data="+url.QueryEscape(data))
		require.Equal(t, 200, got.status)
		require.Equal(t, "image/gif", got.header.Get("Content-Type"))
	}
	require.Empty(t, srv.Events(emulator.Filter{}))
	require.Len(t, srv.Discards(emulator.DiscardFilter{}), 4)
}

// TestListsAreStreamed: the answer is never in memory as a whole.
func TestListsAreStreamed(t *testing.T) {
	srv := start(t)
	item := `{"type":"identify","userId":"u","traits":{"p":"` + pad(30_000) + `"}},`
	batch := `{"batch":[` + strings.TrimSuffix(strings.Repeat(item, 16), ",") + `]}`
	for range 10 {
		post(t, srv, "/v1/batch", batch)
	}
	before, events := allocated(), 0
	for range 4 {
		resp, err := client.Get(srv.URL + "/emulator/v1/events?limit=10000")
		require.NoError(t, err)
		dec := json.NewDecoder(resp.Body)
		for range 3 { // { "events" [
			_, err := dec.Token()
			require.NoError(t, err)
		}
		for ; dec.More(); events++ {
			var ev struct{ Seq uint64 }
			require.NoError(t, dec.Decode(&ev))
		}
		require.NoError(t, resp.Body.Close())
	}
	require.Equal(t, 4*16*10, events)
	require.Less(t, allocated()-before, 15<<20, "four answers of 5 MB")
}
