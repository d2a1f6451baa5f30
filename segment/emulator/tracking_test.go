package emulator_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/emulator"
)

func pad(n int) string { return strings.Repeat("x", n) }

// TestAnswers is the table of what is answered to what, in both modes.
func TestAnswers(t *testing.T) {
	const track = `{"userId":"u","event":"E"}`
	big := func(n int) string {
		return `{"type":"track","userId":"u","event":"E","properties":{"p":"` + pad(n) + `"}}`
	}
	consent := func(context string) string {
		return `{"userId":"u","event":"Segment Consent Preference Updated","context":` + context + `}`
	}
	tests := []struct {
		name            string
		path, body      string
		header          []string
		segment, strict int
		code            string // of the first problem; "" when the messages are stored
		pointer         string
		stored          int // in mode segment
	}{
		{"track", "/v1/track", track, nil, 200, 200, "", "", 1},
		{"track short", "/v1/t", track, nil, 200, 200, "", "", 1},
		{"identify", "/v1/identify", `{"userId":"u"}`, nil, 200, 200, "", "", 1},
		{"identify short", "/v1/i", `{"anonymousId":"a","traits":{}}`, nil, 200, 200, "", "", 1},
		{"page", "/v1/page", `{"userId":"u"}`, nil, 200, 200, "", "", 1},
		{"page short", "/v1/p", `{"userId":"u","name":"Home"}`, nil, 200, 200, "", "", 1},
		{"screen", "/v1/screen", `{"userId":"u"}`, nil, 200, 200, "", "", 1},
		{"screen short", "/v1/s", `{"userId":"u"}`, nil, 200, 200, "", "", 1},
		{"group", "/v1/group", `{"userId":"u","groupId":"g"}`, nil, 200, 200, "", "", 1},
		{"group short", "/v1/g", `{"userId":"u","groupId":"g"}`, nil, 200, 200, "", "", 1},
		{"alias", "/v1/alias", `{"userId":"u","previousId":"p"}`, nil, 200, 200, "", "", 1},
		{"alias short", "/v1/a", `{"userId":"u","previousId":"p"}`, nil, 200, 200, "", "", 1},
		{
			"batch", "/v1/batch",
			`{"batch":[{"type":"track","userId":"u","event":"E"},{"type":"page","userId":"u"}]}`, nil, 200, 200,
			"", "", 2,
		},
		{"batch short", "/v1/b", `{"batch":[{"type":"identify","userId":"u"}]}`, nil, 200, 200, "", "", 1},
		{"import", "/v1/import", `{"batch":[{"type":"identify","userId":"u"}]}`, nil, 200, 200, "", "", 1},
		{
			"nulls are absent", "/v1/page",
			`{"userId":null,"anonymousId":"a","name":null,"category":null,"properties":null}`, nil, 200, 200, "",
			"", 1,
		},
		{"of a beacon", "/v1/t", track, []string{"Content-Type: text/plain;charset=UTF-8"}, 200, 200, "", "", 1},
		{"charset", "/v1/t", track, []string{"Content-Type: application/json; charset=utf-8"}, 200, 200, "", "", 1},

		{"no id", "/v1/track", `{"event":"E"}`, nil, 200, 400, "no_user_anon_id", "", 0},
		{"id a number", "/v1/track", `{"event":"E","userId":42}`, nil, 200, 400, "id_not_string", "/userId", 0},
		{
			"id empty", "/v1/track", `{"event":"E","userId":"","anonymousId":"a"}`, nil, 200, 400,
			"id_not_string", "/userId", 0,
		},
		{"no event", "/v1/track", `{"userId":"u"}`, nil, 200, 400, "event_not_defined", "/event", 0},
		{"event empty", "/v1/track", `{"userId":"u","event":""}`, nil, 200, 400, "event_not_defined", "/event", 0},
		{"event a number", "/v1/track", `{"userId":"u","event":7}`, nil, 200, 400, "event_not_string", "/event", 0},
		{
			"properties an array", "/v1/track", `{"userId":"u","event":"E","properties":[1]}`, nil, 200, 400,
			"properties_not_object", "/properties", 0,
		},
		{
			"traits a string", "/v1/identify", `{"userId":"u","traits":"x"}`,
			nil, 200, 400, "traits_not_object", "/traits", 0,
		},
		{"name empty", "/v1/page", `{"userId":"u","name":""}`, nil, 200, 400, "name_not_string", "/name", 0},
		{
			"category a number", "/v1/screen", `{"userId":"u","category":1}`, nil, 200, 400,
			"category_not_string", "/category", 0,
		},
		{"no groupId", "/v1/group", `{"userId":"u"}`, nil, 200, 400, "id_required", "/groupId", 0},
		{"no previousId", "/v1/alias", `{"userId":"u"}`, nil, 200, 400, "id_required", "/previousId", 0},
		{
			"context a string", "/v1/identify", `{"userId":"u","context":"x"}`,
			nil, 200, 400, "bad_request", "/context", 0,
		},
		{"empty batch", "/v1/batch", `{"batch":[]}`, nil, 200, 400, "empty_batch", "/batch", 0},
		{"no batch", "/v1/batch", `{}`, nil, 200, 400, "empty_batch", "/batch", 0},
		{"batch an object", "/v1/batch", `{"batch":{}}`, nil, 200, 400, "bad_request", "/batch", 0},
		{"item a number", "/v1/batch", `{"batch":[1]}`, nil, 200, 400, "bad_request", "/batch/0", 0},
		{
			"item without type", "/v1/batch", `{"batch":[{"userId":"u"}]}`,
			nil, 200, 400, "missing_type", "/batch/0/type", 0,
		},
		{
			"item of unknown type", "/v1/batch", `{"batch":[{"userId":"u","type":"merge"}]}`, nil, 200, 400,
			"invalid_type", "/batch/0/type", 0,
		},
		{
			"one bad of two", "/v1/batch",
			`{"batch":[{"type":"identify","userId":"u"},{"type":"track","userId":"u"}]}`, nil, 200, 400,
			"event_not_defined", "/batch/1/event", 1,
		},
		{
			"too many", "/v1/batch", `{"batch":[` + strings.Repeat(`{},`, emulator.MaxBatchMessages) + `{}]}`,
			nil, 200, 400, "bad_request", "/batch", 0,
		},
		{
			"consent missing", "/v1/track", consent(`null`), nil, 200, 400,
			"consent_categorypreferences_should_exist", "/context/consent/categoryPreferences", 0,
		},
		{
			"consent no object", "/v1/track", consent(`{"consent":{"categoryPreferences":[]}}`), nil, 200, 400,
			"consent_categorypreferences_fields_should_be_object", "/context/consent/categoryPreferences", 0,
		},
		{
			"consent no bool", "/v1/track", consent(`{"consent":{"categoryPreferences":{"a/b":1}}}`), nil, 200,
			400, "consent_categorypreferences_fields_should_be_bool",
			"/context/consent/categoryPreferences/a~1b", 0,
		},
		{
			"consent version", "/v1/track", consent(`{"consent":{"version":"2","categoryPreferences":{}}}`), nil,
			200, 400, "consent_version_should_be_number", "/context/consent/version", 0,
		},
		{
			"advertisingId", "/v1/track",
			consent(`{"device":{"advertisingId":1},"consent":{"categoryPreferences":{}}}`), nil, 200, 400,
			"device_advertisingid_should_be_string", "/context/device/advertisingId", 0,
		},

		{"bad JSON", "/v1/track", `{"userId":`, nil, 400, 400, "bad_request", "", 0},
		{"empty body", "/v1/track", ``, nil, 400, 400, "bad_request", "", 0},
		{"an array", "/v1/track", `[1]`, nil, 400, 400, "bad_request", "", 0},
		{"two values", "/v1/track", track + track, nil, 400, 400, "bad_request", "", 0},
		{"duplicate name", "/v1/track", `{"userId":"u","event":"E","event":"F"}`, nil, 400, 400, "bad_request", "", 0},
		{"invalid UTF-8", "/v1/track", "{\"userId\":\"\xff\",\"event\":\"E\"}", nil, 400, 400, "bad_request", "", 0},
		{
			"too deep", "/v1/track",
			`{"userId":"u","event":"E","properties":` + strings.Repeat(`{"a":`, 600) + `1` +
				strings.Repeat(`}`, 600) + `}`,
			nil, 400, 400, "bad_request", "", 0,
		},
		{"too large", "/v1/track", big(emulator.MaxMessageBytes), nil, 400, 413, "bad_request", "", 0},
		{
			"batch too large", "/v1/batch", `{"batch":[` + big(emulator.MaxBatchBytes) + `]}`, nil, 400, 413,
			"bad_request", "", 0,
		},
		{"huge", "/v1/batch", pad(4 << 20), nil, 400, 413, "bad_request", "", 0},
		{
			"large message in batch", "/v1/batch", `{"batch":[` + big(emulator.MaxMessageBytes) + `]}`, nil, 400,
			413, "bad_request", "/batch/0", 0,
		},
		{
			"form", "/v1/track", track,
			[]string{"Content-Type: application/x-www-form-urlencoded"},
			400, 415,
			"bad_request", "", 0,
		},
		{"no content type", "/v1/track", track, []string{"Content-Type:"}, 400, 415, "bad_request", "", 0},
		{"unknown encoding", "/v1/track", track, []string{"Content-Encoding: br"}, 400, 415, "bad_request", "", 0},
		{"not gzip", "/v1/track", track, []string{"Content-Encoding: gzip"}, 400, 400, "bad_request", "", 0},
		{"no key", "/v1/track", track, []string{"Authorization:"}, 400, 401, "unknown_source", "/writeKey", 0},
		{
			"short key", "/v1/track", track,
			[]string{"Authorization: Basic YWJjMTIzOg=="},
			400, 401,
			"unknown_source", "/writeKey", 0,
		},
		{
			"no key, empty batch", "/v1/batch", `{"batch":[]}`,
			[]string{"Authorization:"},
			400, 401,
			"unknown_source", "/writeKey", 0,
		},
	}
	for _, tt := range tests {
		for _, mode := range []emulator.AnswerMode{emulator.Segment, emulator.Strict} {
			t.Run(fmt.Sprintf("%s/%s", mode, tt.name), func(t *testing.T) {
				srv := start(t, emulator.Mode(mode))
				want, stored := tt.segment, tt.stored
				if mode == emulator.Strict {
					want = tt.strict
					if tt.code != "" {
						stored = 0
					}
				}
				got := post(t, srv, tt.path, tt.body, tt.header...)
				require.Equal(t, want, got.status, got.body)
				require.Equal(t, "application/json", got.header.Get("Content-Type"))
				require.Equal(t, "*", got.header.Get("Access-Control-Allow-Origin"))
				require.Len(t, srv.Events(emulator.Filter{}), stored)
				if want == 200 {
					require.JSONEq(t, `{"success":true}`, got.body)
				} else {
					require.Equal(t, false, got.field(t, "success"))
					require.NotEmpty(t, got.field(t, "message"))
				}
				discards := srv.Discards(emulator.DiscardFilter{})
				if tt.code == "" {
					require.Empty(t, discards)
					return
				}
				require.Len(t, discards, 1)
				require.Equal(t, tt.code, discards[0].Code())
				require.Equal(t, tt.pointer, discards[0].Problems[0].Pointer)
				require.NotEmpty(t, discards[0].Problems[0].Text)
				require.Equal(t, 1, srv.Requests()[0].Discarded)
				require.Equal(t, want, srv.Requests()[0].Status)
			})
		}
	}
}

func TestEverythingIsAnsweredWithJSON(t *testing.T) {
	srv := start(t)
	tests := []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/v1/track", 405, "POST, OPTIONS"},
		{"PUT", "/v1/batch", 405, "POST, OPTIONS"},
		{"POST", "/v1/pixel/track", 405, "GET, OPTIONS"},
		{"POST", "/v1/projects/" + testKey + "/settings", 405, "GET, OPTIONS"},
		{"GET", "/", 404, ""},
		{"POST", "/v1/merge", 404, ""},
		{"POST", "//v1/track", 404, ""},
		{"GET", "/v1/pixel/merge", 404, ""},
		{"GET", "/v1/projects/short/settings", 404, ""},
		{"GET", "/emulator/v1/nothing", 404, ""},
		{"GET", "/emulator/v1/events/none", 404, ""},
		{"PATCH", "/emulator/v1/events", 405, "GET, DELETE"},
		{"PUT", "/emulator/v1/faults", 405, "GET, POST, DELETE"},
		{"POST", "/emulator/v1/stats", 405, "GET"},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			got := send(t, tt.method, srv.URL+tt.path, "")
			require.Equal(t, tt.status, got.status)
			require.Equal(t, "application/json", got.header.Get("Content-Type"))
			require.Equal(t, tt.allow, got.header.Get("Allow"))
			require.Equal(t, false, got.field(t, "success"))
		})
	}
}

func TestStrictBatchTellsEveryProblemAndStoresNothing(t *testing.T) {
	srv := start(t, emulator.Mode(emulator.Strict))
	got := post(t, srv, "/v1/batch",
		`{"batch":[{"type":"identify","userId":"u"},{"type":"track"},{"type":"nope","userId":"u"}]}`)
	require.Equal(t, 400, got.status)
	require.Equal(t, "multi_user_error", got.field(t, "code"))
	require.JSONEq(t, `{"success":false,"code":"multi_user_error",
		"message":"2 messages refused, nothing was stored: must have userId or anonymousId, and 2 more",
		"problems":[
			{"code":"no_user_anon_id","pointer":"/batch/1","text":"must have userId or anonymousId"},
			{"code":"event_not_defined","pointer":"/batch/1/event","text":"must have an event"},
			{"code":"invalid_type","pointer":"/batch/2/type",
				"text":"must be one of alias, group, identify, page, screen, track: \"nope\""}
		]}`, got.body)
	require.Empty(t, srv.Events(emulator.Filter{}))
}

func TestStrictModeCanBeAskedForOnOneRequest(t *testing.T) {
	srv := start(t)
	require.Equal(t, 400, post(t, srv, "/v1/track", `{"userId":"u"}`, "X-Strict-Mode: 1").status)
	require.Equal(t, 200, post(t, srv, "/v1/track", `{"userId":"u"}`).status)
}

func TestOversizeItemCanBeDropped(t *testing.T) {
	srv := start(t, emulator.OversizeItem(emulator.DropItem))
	body := `{"batch":[{"type":"identify","userId":"u","traits":{"p":"` + pad(emulator.MaxMessageBytes) + `"}},
		{"type":"identify","userId":"u"}]}`
	require.Equal(t, 200, post(t, srv, "/v1/batch", body).status)
	require.Len(t, srv.Events(emulator.Filter{}), 1)
	require.Equal(t, "bad_request", srv.Discards(emulator.DiscardFilter{})[0].Code())
}

func TestLimitsAreTakenToTheByte(t *testing.T) {
	srv := start(t)
	head, tail := `{"userId":"u","event":"E","properties":{"p":"`, `"}}`
	exact := head + pad(emulator.MaxMessageBytes-len(head)-len(tail)) + tail
	require.Equal(t, 200, post(t, srv, "/v1/track", exact).status)
	require.Equal(t, 400, post(t, srv, "/v1/track", exact+" ").status)

	item := `{"type":"identify","userId":"u"},`
	batch := `{"batch":[` + strings.TrimSuffix(strings.Repeat(item, emulator.MaxBatchMessages), ",") + `]}`
	require.Equal(t, 200, post(t, srv, "/v1/batch", batch).status)
	require.Equal(t, uint64(emulator.MaxBatchMessages+1), srv.Stats().Stored)
	exact = batch + strings.Repeat(" ", emulator.MaxBatchBytes-len(batch))
	require.Equal(t, 200, post(t, srv, "/v1/batch", exact).status)
	require.Equal(t, 400, post(t, srv, "/v1/batch", exact+" ").status)
}

func TestWriteKeys(t *testing.T) {
	const other = "9Zy8Xw7Vu6Ts5Rq4Po3Nm2Lk1Ji0HgFe"
	tests := []struct {
		name, path, body, auth string
		source                 string
	}{
		{"basic", "/v1/track", `{"userId":"u","event":"E"}`, "Basic " + basic(testKey), testKey},
		{"body", "/v1/track", `{"userId":"u","event":"E","writeKey":"` + other + `"}`, "", other},
		{
			"body over header", "/v1/track", `{"userId":"u","event":"E","writeKey":"` + other + `"}`,
			"Basic " + basic(testKey), other,
		},
		{"bearer", "/v1/track", `{"userId":"u","event":"E","writeKey":"` + other + `"}`, "Bearer token", other},
		{
			"batch", "/v1/batch", `{"writeKey":"` + other + `","batch":[{"type":"identify","userId":"u"}]}`,
			"Basic " + basic(testKey), other,
		},
		{
			"item over batch", "/v1/batch",
			`{"writeKey":"` + testKey + `","batch":[{"type":"identify","userId":"u","writeKey":"` + other + `"}]}`,
			"", other,
		},
		{
			"items alone", "/v1/batch",
			`{"batch":[{"type":"identify","userId":"u","writeKey":"` + other + `"}]}`, "", other,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := start(t)
			got := post(t, srv, tt.path, tt.body, "Authorization: "+tt.auth)
			require.Equal(t, 200, got.status, got.body)
			require.Equal(t, emulator.Fingerprint(tt.source), srv.Events(emulator.Filter{})[0].Source)
		})
	}
	t.Run("bearer alone", func(t *testing.T) {
		srv := start(t)
		refused := post(t, srv, "/v1/track", `{"userId":"u","event":"E"}`, "Authorization: Bearer token")
		require.Equal(t, 400, refused.status)
	})
}

func TestKnownWriteKeys(t *testing.T) {
	const track = `{"userId":"u","event":"E"}`
	srv := start(t, emulator.KnownWriteKeys("abc123", testKey))
	require.Equal(t, 200, post(t, srv, "/v1/track", track, "Authorization: Basic YWJjMTIzOg==").status)
	require.Equal(t, 200, post(t, srv, "/v1/track", track, "Authorization: Basic "+basic("unknown-unknown")).status)
	require.Equal(t, 400, post(t, srv, "/v1/track", track, "Authorization: Basic "+basic("short")).status)
	require.Len(t, srv.Events(emulator.Filter{}), 1)
	unknown := srv.Discards(emulator.DiscardFilter{Code: "unknown_source"})
	require.Len(t, unknown, 2)
	require.Equal(t, emulator.Fingerprint("unknown-unknown"), unknown[0].Source)
	strict := post(t, srv, "/v1/track", track, "X-Strict-Mode: 1", "Authorization: Basic "+basic("unknown-unknown"))
	require.Equal(t, 401, strict.status)
}

func TestPreflight(t *testing.T) {
	srv := start(t)
	for _, path := range []string{"/v1/t", "/v1/batch", "/v1/projects/" + testKey + "/settings"} {
		got := send(t, http.MethodOptions, srv.URL+path, "",
			"Origin: https://shop.example", "Access-Control-Request-Method: POST",
			"Access-Control-Request-Headers: content-type,authorization",
			"Access-Control-Request-Private-Network: true")
		require.Equal(t, 200, got.status)
		require.Equal(t, "https://shop.example", got.header.Get("Access-Control-Allow-Origin"))
		require.Contains(t, got.header.Get("Access-Control-Allow-Headers"), "Authorization")
		require.Contains(t, got.header.Get("Access-Control-Allow-Headers"), "Content-Type")
		require.Equal(t, "true", got.header.Get("Access-Control-Allow-Private-Network"))
		require.Contains(t, got.header.Values("Vary"), "Origin")
	}
	require.Empty(t, srv.Requests(), "a preflight is not a request of the client's")
}
