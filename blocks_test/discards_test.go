package blocks_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/emulator"
)

const consentEvent = "Segment Consent Preference Updated"

// discard is a message that Segment drops after it has answered 200, and the code under which its
// Delivery Overview lists it.
type discard struct {
	name, code string
	// at is the path of the fault in the message.
	at string
	// message is as it would go over the wire.
	message string
	// ours is what the blocks say, if it is not the same code at the same path; why has the reason.
	ours, oursAt string
	why          string
	// alone is the path that a single block reports, if it is another: its schema names the
	// outermost member that is missing. In a batch, only the API client knows what the batch's
	// context adds.
	alone string
	// batchOnly is for messages that no input of a single block can lead to.
	batchOnly bool
}

const blank = `an empty text means absent to workflow hosts, so the field counts as missing`

func discards() []discard {
	consent := func(context string) string {
		return `{"type":"track","event":"` + consentEvent + `","userId":"u","anonymousId":"a","context":` + context +
			`}`
	}
	const preferences = "/context/consent/categoryPreferences"
	return []discard{
		{name: "nobody", code: "no_user_anon_id", message: `{"type":"track","event":"e"}`},
		{name: "nobody on an identify", code: "no_user_anon_id", message: `{"type":"identify","traits":{}}`},
		{name: "nobody on a page", code: "no_user_anon_id", message: `{"type":"page","name":"n"}`},
		{name: "nobody on a screen", code: "no_user_anon_id", message: `{"type":"screen","name":"n"}`},
		{name: "nobody in the group", code: "no_user_anon_id", message: `{"type":"group","groupId":"g"}`},
		{name: "no event", code: "event_not_defined", at: "/event", message: `{"type":"track","userId":"u"}`},
		{
			name: "empty event", code: "event_not_defined", at: "/event",
			message: `{"type":"track","userId":"u","event":""}`,
		},
		{
			name: "event is a number", code: "event_not_string", at: "/event",
			message: `{"type":"track","userId":"u","event":7}`,
		},
		{
			name: "event is an object", code: "event_not_string", at: "/event",
			message: `{"type":"track","userId":"u","event":{}}`,
		},
		{
			name: "properties are a list", code: "properties_not_object", at: "/properties",
			message: `{"type":"track","userId":"u","event":"e","properties":[]}`,
		},
		{
			name: "properties are a number", code: "properties_not_object", at: "/properties",
			message: `{"type":"page","userId":"u","properties":1}`,
		},
		{
			name: "properties of a screen", code: "properties_not_object", at: "/properties",
			message: `{"type":"screen","userId":"u","properties":true}`,
		},
		{
			name: "traits are a list", code: "traits_not_object", at: "/traits",
			message: `{"type":"identify","userId":"u","traits":[1]}`,
		},
		{
			name: "traits of a group", code: "traits_not_object", at: "/traits",
			message: `{"type":"group","groupId":"g","userId":"u","traits":1}`,
		},
		{
			name: "name of a page", code: "name_not_string", at: "/name",
			message: `{"type":"page","userId":"u","name":7}`,
		},
		{
			name: "name of a screen", code: "name_not_string", at: "/name",
			message: `{"type":"screen","userId":"u","name":["n"]}`,
		},
		{
			name: "category of a page", code: "category_not_string", at: "/category",
			message: `{"type":"page","userId":"u","category":{}}`,
		},
		{name: "group without its id", code: "id_required", at: "/groupId", message: `{"type":"group","userId":"u"}`},
		{
			name: "alias without the new id", code: "id_required", at: "/userId",
			message: `{"type":"alias","previousId":"p"}`,
		},
		{
			name: "alias without the old id", code: "id_required", at: "/previousId",
			message: `{"type":"alias","userId":"u"}`,
		},
		{
			name: "user id is a number", code: "id_not_string", at: "/userId",
			message: `{"type":"track","event":"e","userId":42}`,
		},
		{
			name: "anonymous id is a boolean", code: "id_not_string", at: "/anonymousId",
			message: `{"type":"identify","userId":"u","anonymousId":true}`,
		},
		{
			name: "group id is a number", code: "id_not_string", at: "/groupId",
			message: `{"type":"group","userId":"u","groupId":7}`,
		},
		{
			name: "previous id is a number", code: "id_not_string", at: "/previousId",
			message: `{"type":"alias","userId":"u","previousId":7}`,
		},
		{
			name: "empty user id", code: "id_not_string", at: "/userId",
			message: `{"type":"track","event":"e","userId":""}`,
			ours:    "no_user_anon_id", why: blank,
		},
		{name: "user id is null", code: "no_user_anon_id", message: `{"type":"track","event":"e","userId":null}`},
		{
			name: "empty group id", code: "id_not_string", at: "/groupId",
			message: `{"type":"group","userId":"u","groupId":""}`,
			ours:    "id_required", oursAt: "/groupId", why: blank,
		},
		{
			name: "type that is none", code: "invalid_type", at: "/type", message: `{"type":"purchase","userId":"u"}`,
			batchOnly: true,
		},
		{
			name: "type in another case", code: "invalid_type", at: "/type",
			message: `{"type":"Track","event":"e","userId":"u"}`, batchOnly: true,
		},
		{
			name: "type is a number", code: "invalid_type", at: "/type", message: `{"type":1,"userId":"u"}`,
			batchOnly: true,
		},
		{name: "no type", code: "missing_type", at: "/type", message: `{"event":"e","userId":"u"}`, batchOnly: true},
		{
			name: "context is text", code: "bad_request", at: "/context",
			message: `{"type":"track","event":"e","userId":"u","context":7}`,
			ours:    "context_not_object", oursAt: "/context", why: "Segment has no code of its own for it",
		},
		{
			name: "integrations are a list", code: "bad_request", at: "/integrations",
			message: `{"type":"track","event":"e","userId":"u","integrations":[]}`,
			ours:    "integrations_not_object", oursAt: "/integrations", why: "Segment has no code of its own for it",
		},
		{
			name: "consent without preferences", code: "consent_categorypreferences_should_exist", at: preferences,
			message: consent(`{"consent":{}}`),
		},
		{
			name: "consent event without a context", code: "consent_categorypreferences_should_exist", at: preferences,
			message: `{"type":"track","event":"` + consentEvent + `","userId":"u","anonymousId":"a"}`,
			alone:   "/context",
		},
		{
			name: "preferences are a list", code: "consent_categorypreferences_fields_should_be_object",
			at:      preferences,
			message: consent(`{"consent":{"categoryPreferences":["a"]}}`),
		},
		{
			name: "a preference is text", code: "consent_categorypreferences_fields_should_be_bool",
			at:      preferences + "/a",
			message: consent(`{"consent":{"categoryPreferences":{"a":"yes"}}}`),
		},
		{
			name: "advertising id is a number", code: "device_advertisingid_should_be_string",
			at:      "/context/device/advertisingId",
			message: consent(`{"consent":{"categoryPreferences":{}},"device":{"advertisingId":7}}`),
		},
		{
			name: "consent version is text", code: "consent_version_should_be_number", at: "/context/consent/version",
			message: consent(`{"consent":{"categoryPreferences":{},"version":"1"}}`),
		},
	}
}

// TestDiscards posts each message to the emulator, which must answer 200 and drop it. Then it gives
// the message to the blocks, which must refuse it with that code at that path and send nothing.
func TestDiscards(t *testing.T) {
	t.Parallel()
	b := start(t)
	for _, d := range discards() {
		t.Run(d.name, func(t *testing.T) {
			require.NoError(t, b.segment.Clear())
			postRaw(t, b, `{"batch":[`+d.message+`]}`)
			dropped := b.segment.Discards(emulator.DiscardFilter{})
			require.Len(t, dropped, 1, "the emulator must drop it")
			require.Equal(t, d.code, dropped[0].Code())
			require.Equal(t, "/batch/0"+d.at, dropped[0].Problems[0].Pointer)

			want := violation{d.at, d.code}
			if d.ours != "" {
				want = violation{d.oursAt, d.ours}
				require.NotEmpty(t, d.why)
			}
			e := b.refused("segment_batch", `{"batch":[`+d.message+`]}`)
			require.Equal(t, []violation{{"/batch/0" + want.path, want.code}}, violations(e))
			if d.batchOnly {
				return
			}
			var message map[string]json.RawMessage
			require.NoError(t, json.Unmarshal([]byte(d.message), &message))
			block := "segment_" + strings.Trim(string(message["type"]), `"`)
			delete(message, "type")
			if _, given := message["integrations"]; given && block != "segment_track" {
				return
			}
			if d.alone != "" {
				want.path = d.alone
			}
			e = b.refused(block, jsonOf(t, message))
			require.Equal(t, []violation{want}, violations(e))
		})
	}
	require.Empty(t, b.stored())
}

func postRaw(t *testing.T, b *bench, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/v1/batch",
		bytes.NewReader([]byte(body)))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.SetBasicAuth(testKey, "")
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode, "Segment says yes, and drops it later")
}

func TestDiscardsEmptyBatch(t *testing.T) {
	b := start(t)
	for _, input := range []string{`{}`, `{"batch":[]}`, `{"batch":""}`, `{"batch":null}`, `{"batch":"[]"}`} {
		require.Equal(t, []violation{{"/batch", "empty_batch"}}, violations(b.refused("segment_batch", input)))
	}
}

// serverOnly are the codes of Segment's table that no sender can foresee.
func serverOnly() map[string]string {
	return map[string]string{
		"unknown_source": "whether a write key belongs to a source is known to Segment alone; a key of another form " +
			"gets a warning",
		"project_not_found":  "the same, under another name",
		"source_disabled":    "a switch in the workspace",
		"locked_workspace":   "a matter of the workspace's plan",
		"invalid_settings":   "settings of a source function, which the blocks do not send to",
		"multi_user_error":   "comes of a batch with some bad messages, and those are not sent",
		"empty_batch_result": "comes of a batch with bad messages only, and those are not sent",
		"bad_request":        "a body that is not JSON, which the blocks cannot make",
	}
}

// TestDiscardsNamesEveryCode compares the table of codes with the cases, so that none is missed.
func TestDiscardsNamesEveryCode(t *testing.T) {
	covered := map[string]bool{"empty_batch": true}
	for _, d := range discards() {
		covered[d.code] = true
	}
	for _, code := range strings.Fields(`
		empty_batch_result project_not_found source_disabled empty_batch multi_user_error no_user_anon_id
		event_not_defined event_not_string properties_not_object traits_not_object name_not_string category_not_string
		id_required id_not_string invalid_type missing_type consent_categorypreferences_should_exist
		consent_categorypreferences_fields_should_be_object
		consent_categorypreferences_fields_should_be_bool device_advertisingid_should_be_string
		consent_version_should_be_number bad_request unknown_source invalid_settings locked_workspace`) {
		require.True(t, covered[code] || serverOnly()[code] != "", "no case and no reason: %s", code)
	}
}

// A source can be wrong in ways that only Segment knows. A block can only say "accepted", and not
// "delivered".
func TestDiscardsUnknownSourceIsAnswered200(t *testing.T) {
	b := start(t, keeping(emulator.KnownWriteKeys("another-key-altogether")))
	res := b.accepted("segment_track", `{"event":"e","userId":"u"}`)
	require.Equal(t, 1, res.Receipt.Accepted)
	require.Empty(t, b.stored())
	require.Equal(t, "unknown_source", b.segment.Discards(emulator.DiscardFilter{})[0].Code())
}
