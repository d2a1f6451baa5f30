package tracking_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

const wireLibrary = `"library":{"name":"segment-blocks","version":"dev"}`

var when = time.Date(2025, 6, 7, 8, 9, 10, 0, time.UTC)

// wire returns what a message looks like on the wire, without the sentAt before it.
func wire(t testing.TB, m tracking.Message) (string, tracking.Report, error) {
	t.Helper()
	requests, report, err := tracking.NewClient(nil).Preview(tracking.Source{WriteKey: testKey},
		tracking.Call{Messages: []tracking.Message{m}, Alone: true, InvocationID: "inv", Time: when})
	if err != nil {
		failure(t, err)
		return "", report, err
	}
	require.Len(t, requests, 1)
	require.Equal(t, "https://api.segment.io/v1/"+string(m.Type()), requests[0].URL)
	require.True(t, json.Valid(requests[0].Body), "%s", requests[0].Body)
	body := string(requests[0].Body)
	return body[strings.Index(body, `"type"`)-1:], report, nil
}

func TestMessagesOnTheWire(t *testing.T) {
	tail := func(typ tracking.Type) string {
		return `,"messageId":"` + tracking.DeriveMessageID(testKey, typ, "inv",
			0) + `","timestamp":"2025-06-07T08:09:10.000Z"}`
	}
	bare := `,"context":{` + wireLibrary + `}`
	for _, c := range []struct{ in, want string }{
		// Values as written, members in order.
		{
			`{"type":"track","properties":{ "b":1.10,"a":12345678901234567890 },"event":"É\u0041","userId":"u"}`,
			`"type":"track","properties":{ "b":1.10,"a":12345678901234567890 },"event":"É\u0041","userId":"u"` + bare +
				tail("track"),
		},
		// What forms leave empty is not sent.
		{
			`{"type":"page","userId":"u","anonymousId":"","name":"","category":null,"messageId":null,"timestamp":"",` +
				`"properties":null,"context":null,"integrations":null}`,
			`"type":"page","userId":"u"` + bare + tail("page"),
		},
		{
			`{"type":"screen","anonymousId":"a","name":"Home"}`,
			`"type":"screen","anonymousId":"a","name":"Home"` + bare + tail("screen"),
		},
		{
			`{"type":"alias","userId":"new","previousId":"old"}`,
			`"type":"alias","userId":"new","previousId":"old"` + bare + tail("alias"),
		},
		{
			`{"type":"group","groupId":"g","userId":"u","traits":{}}`,
			`"type":"group","groupId":"g","userId":"u","traits":{}` + bare + tail("group"),
		},
		{
			`{"type":"identify","userId":"u","messageId":"m","timestamp":"2024-01-02T03:04:05.6+02:00"}`,
			`"type":"identify","userId":"u","messageId":"m","timestamp":"2024-01-02T01:04:05.600Z"` + bare + `}`,
		},
		// Other spellings of a time become the one that Segment documents.
		{
			`{"type":"identify","userId":"u","messageId":"m","timestamp":"20240102T030405Z"}`,
			`"type":"identify","userId":"u","messageId":"m","timestamp":"2024-01-02T03:04:05.000Z"` + bare + `}`,
		},
		// The library joins the caller's context, unless there is one.
		{
			`{"type":"identify","userId":"u","context":{"ip":"1.2.3.4"}}`,
			`"type":"identify","userId":"u","context":{"ip":"1.2.3.4",` + wireLibrary + `}` + tail("identify"),
		},
		{
			`{"type":"identify","userId":"u","context": { } }`,
			`"type":"identify","userId":"u","context":{` + wireLibrary + `}` + tail("identify"),
		},
		{
			`{"type":"identify","userId":"u","context":{"library":{"name":"mine"}}}`,
			`"type":"identify","userId":"u","context":{"library":{"name":"mine"}}` + tail("identify"),
		},
		{
			`{"type":"identify","userId":"u","context":{"libr\u0061ry":{"name":"mine"}}}`,
			`"type":"identify","userId":"u","context":{"libr\u0061ry":{"name":"mine"}}` + tail("identify"),
		},
		{
			`{"type":"identify","userId":"u","context":{"library":null,"x":1}}`,
			`"type":"identify","userId":"u","context":{` + wireLibrary + `,"x":1}` + tail("identify"),
		},
		{
			`{"type":"identify","userId":"u","context":{"app":{"library":1}}}`,
			`"type":"identify","userId":"u","context":{"app":{"library":1},` + wireLibrary + `}` + tail("identify"),
		},
		{
			`{"type":"identify","userId":"u","context":{"title":"\"library\": a \\ history"} }`,
			`"type":"identify","userId":"u","context":{"title":"\"library\": a \\ history",` + wireLibrary + `}` +
				tail("identify"),
		},
		{
			`{"type":"track","event":"e","userId":"u","integrations":{"All":true,"X":{"a": 1}}}`,
			`"type":"track","event":"e","userId":"u","integrations":{"All":true,"X":{"a": 1}}` + bare + tail("track"),
		},
		// What we do not know is passed on.
		{
			`{"type":"track","event":"e","userId":"u","a/b~c":"","traits":[1],"version":2}`,
			`"type":"track","event":"e","userId":"u","a/b~c":"","traits":[1],"version":2` + bare + tail("track"),
		},
	} {
		t.Run(c.in, func(t *testing.T) {
			got, _, err := wire(t, item(t, c.in))
			require.NoError(t, err)
			require.Equal(t, c.want, got[1:])
		})
	}
}

func TestProblems(t *testing.T) {
	consent := `{"type":"track","event":"Segment Consent Preference Updated","anonymousId":"a",`
	long := strings.Repeat("é", 100)
	const preferences = "/context/consent/categoryPreferences"
	for in, want := range map[string][]string{
		`{}`:               {"/type missing_type"},
		`{"type":"Track"}`: {"/type invalid_type"},
		`{"type":5}`:       {"/type invalid_type"},
		`{"type":"track"}`: {"/event event_not_defined", " no_user_anon_id"},
		`{"type":"track","event":"","userId":"","anonymousId":null}`: {"/event event_not_defined", " no_user_anon_id"},
		`{"type":"track","event":{},"userId":5}`: {
			"/event event_not_string",
			"/userId id_not_string",
		},
		`{"type":"track","event":"e","userId":"u","properties":[]}`: {"/properties properties_not_object"},
		`{"type":"identify","userId":"u","traits":"{}"}`:            {"/traits traits_not_object"},
		`{"type":"identify","anonymousId":true}`:                    {"/anonymousId id_not_string"},
		`{"type":"page","userId":"u","name":1,"category":false}`: {
			"/name name_not_string",
			"/category category_not_string",
		},
		`{"type":"group","userId":"u"}`: {"/groupId id_required"},
		`{"type":"group","groupId":7}`:  {"/groupId id_not_string", " no_user_anon_id"},
		`{"type":"alias"}`: {
			"/userId id_required",
			"/previousId id_required",
		},
		`{"type":"alias","anonymousId":"a","previousId":"p"}`: {"/userId id_required"},
		`{"type":"alias","userId":"u","previousId":[]}`:       {"/previousId id_not_string"},
		`{"type":"page","userId":"u","context":1,"integrations":true}`: {
			"/context context_not_object",
			"/integrations integrations_not_object",
		},
		`{"type":"page","userId":"u","messageId":5}`:                        {"/messageId invalid_message_id"},
		`{"type":"page","userId":"u","messageId":"` + long + `"}`:           {"/messageId invalid_message_id"},
		`{"type":"page","userId":"u","timestamp":"yesterday"}`:              {"/timestamp invalid_timestamp"},
		`{"type":"page","userId":"u","timestamp":1704207845}`:               {"/timestamp invalid_timestamp"},
		`{"type":"page","userId":"u","writeKey":"` + string(testKey) + `"}`: {"/writeKey write_key_in_message"},

		`{"type":"page","userId":"null","anonymousId":"undefined"}`: {
			"/userId placeholder_id", "/anonymousId placeholder_id",
		},
		`{"type":"group","groupId":"[object Object]","userId":"NaN"}`: {
			"/groupId placeholder_id", "/userId placeholder_id",
		},
		`{"type":"alias","userId":"u","previousId":"None"}`:        {"/previousId placeholder_id"},
		`{"type":"page","userId":"u","messageId":"nul\u006c"}`:     {"/messageId placeholder_id"},
		`{"type":"page","userId":"nullable","anonymousId":"NULL"}`: nil,
		`{"type":"track","userId":"u","event":"null"}`:             nil,

		consent + `"context":{"consent":{"categoryPreferences":{"ads":true}}}}`: nil,
		consent + `"x":1}`: {preferences + " consent_categorypreferences_should_exist"},
		consent + `"context":{"consent":{"categoryPreferences":null}}}`: {preferences +
			" consent_categorypreferences_should_exist"},
		consent + `"context":{"consent":{"categoryPreferences":[]}}}`: {preferences +
			" consent_categorypreferences_fields_should_be_object"},
		consent + `"context":{"consent":{"categoryPreferences":{"a/b":"yes","c":false}}}}`: {preferences +
			"/a~1b consent_categorypreferences_fields_should_be_bool"},
		consent + `"context":{"device":{"advertisingId":1},"consent":{"categoryPreferences":` +
			`{"a":true}}}}`: {"/context/device/advertisingId device_advertisingid_should_be_string"},
		consent + `"context":{"consent":{"categoryPreferences":{},"version":"2"}}}`: {"/context/consent/version " +
			"consent_version_should_be_number"},
	} {
		t.Run(in, func(t *testing.T) {
			_, report, err := wire(t, item(t, in))
			if want == nil {
				require.NoError(t, err)
				return
			}
			e := failure(t, err)
			require.Equal(t, tracking.InvalidInput, e.Code)
			require.True(t, strings.HasPrefix(err.Error(), "nothing was sent: "), err)
			var got []string
			for _, p := range e.Problems {
				got = append(got, p.Path+" "+p.Code)
				require.Zero(t, p.Index)
				require.NotEmpty(t, p.Message)
				require.LessOrEqual(t, len([]rune(p.Message)), 160)
				requireClean(t, fmt.Sprintf("%+v", p))
			}
			require.ElementsMatch(t, want, got)
			require.Equal(t, tracking.Unsent, report.Messages[0].Status)
		})
	}
}

func TestPlaceholdersMayBeAllowed(t *testing.T) {
	source := tracking.Source{WriteKey: testKey, AllowPlaceholderIDs: true}
	requests, _, err := tracking.NewClient(nil).Preview(source, tracking.Call{
		Messages: []tracking.Message{item(t, `{"type":"page","userId":"null","messageId":"None"}`)},
	})
	require.NoError(t, err)
	require.Contains(t, string(requests[0].Body), `"userId":"null","messageId":"None"`)
}

func TestConstructedMessages(t *testing.T) {
	fields := object(t, `{"event":"e","userId":"u"}`)
	_, _, err := wire(t, tracking.NewMessage(tracking.Track, fields))
	require.NoError(t, err)

	_, _, err = wire(t, tracking.NewMessage(tracking.Track, object(t, `{"type":"track","event":"e","userId":"u"}`)))
	require.NoError(t, err)

	_, _, err = wire(t, tracking.NewMessage(tracking.Track, object(t, `{"type":"page","event":"e","userId":"u"}`)))
	require.Equal(t, "type_mismatch", failure(t, err).Problems[0].Code)

	_, _, err = wire(t, tracking.Message{})
	require.Equal(t, "missing_type", failure(t, err).Problems[0].Code)

	_, _, err = wire(t, tracking.NewMessage(tracking.Track, append(fields, rawjson.Member{Name: "x"})))
	require.Equal(t, "invalid_json", failure(t, err).Problems[0].Code)
}

// 32,000 bytes go, 32,001 do not: for a lone message its whole body counts.
func TestMessageSizeIsExact(t *testing.T) {
	build := func(n int) tracking.Message {
		return item(t, `{"type":"track","event":"e","userId":"u","properties":{"x":"`+strings.Repeat("x", n)+`"}}`)
	}
	client, source := tracking.NewClient(nil), tracking.Source{WriteKey: testKey}
	one := func(n int) (int, error) {
		requests, _, err := client.Preview(source, alone(build(n)))
		if err != nil {
			return 0, err
		}
		return len(requests[0].Body), nil
	}
	base, err := one(0)
	require.NoError(t, err)
	size, err := one(tracking.MaxMessageBytes - base)
	require.NoError(t, err)
	require.Equal(t, tracking.MaxMessageBytes, size)
	_, err = one(tracking.MaxMessageBytes - base + 1)
	e := failure(t, err)
	require.Equal(t, retry.TooLarge, e.Code)
	require.EqualError(t, err, "nothing was sent: message is 32,001 bytes, 32,000 are allowed")

	const sentAt = len(`"sentAt":"2006-01-02T15:04:05.000Z",`)
	_, _, err = client.Preview(source,
		tracking.Call{Messages: []tracking.Message{build(tracking.MaxMessageBytes - base + sentAt)}})
	require.NoError(t, err)
	_, _, err = client.Preview(source,
		tracking.Call{Messages: []tracking.Message{build(tracking.MaxMessageBytes - base + sentAt + 1)}})
	require.Error(t, err)
}

// However a message is written, it arrives whole: every field of the caller's is there, as it was.
func TestNothingIsLostInRendering(t *testing.T) {
	value := rapid.Custom(func(rt *rapid.T) any {
		return rapid.OneOf(rapid.String().AsAny(), rapid.Int().AsAny(), rapid.Bool().AsAny(),
			rapid.Float64Range(-1e9, 1e9).AsAny(), rapid.Just[any](nil)).Draw(rt, "scalar")
	})
	tree := rapid.Custom(func(rt *rapid.T) map[string]any {
		m := rapid.MapOfN(rapid.String(), value, 0, 4).Draw(rt, "leaf")
		if rapid.Bool().Draw(rt, "nest") {
			m[rapid.SampledFrom([]string{"app", "library", "ip", "x\\y"}).Draw(rt,
				"name")] = rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "library"}), value, 0, 3).Draw(rt, "inner")
		}
		return m
	})
	rapid.Check(t, func(rt *rapid.T) {
		fields := map[string]any{
			"userId": "u", "event": "e", "properties": tree.Draw(rt, "properties"),
			"context": tree.Draw(rt, "context"),
		}
		common := tree.Draw(rt, "common")
		event, err := rawjson.Encode(fields, rawjson.Limits{})
		require.NoError(rt, err)
		raw, err := rawjson.Encode(common, rawjson.Limits{})
		require.NoError(rt, err)
		requests, _, err := tracking.NewClient(nil).Preview(tracking.Source{WriteKey: testKey},
			tracking.Call{
				Messages: []tracking.Message{tracking.NewMessage(tracking.Track, rawjson.OpenObject(event))},
				Context:  raw,
			})
		require.NoError(rt, err)

		got := posted{body: requests[0].Body}.messages(t)[0]
		require.Equal(rt, normal(rt, fields["properties"]), got["properties"])
		want := merged(normal(rt, common).(map[string]any), normal(rt, fields["context"]).(map[string]any))
		if want["library"] == nil {
			want["library"] = map[string]any{"name": "segment-blocks", "version": "dev"}
		}
		require.Equal(rt, want, got["context"])
	})
}

func normal(t require.TestingT, v any) any {
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	var out any
	require.NoError(t, json.Unmarshal(raw, &out))
	return out
}

func merged(base, over map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range base {
		out[k] = v
	}
	for k, v := range over {
		b, bothA := out[k].(map[string]any)
		o, bothB := v.(map[string]any)
		if bothA && bothB {
			v = merged(b, o)
		}
		out[k] = v
	}
	return out
}
