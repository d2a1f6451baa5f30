package tracking_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aacflow/segment-blocks/segment/tracking"
)

func TestWarnings(t *testing.T) {
	for in, want := range map[string][]string{
		`{"type":"track","event":"e","userId":"u"}`:                                 nil,
		`{"type":"track","event":"e","userId":"u","sentAt":"2024-01-02T03:04:05Z"}`: {"/sentAt sent_at_replaced"},
		`{"type":"track","event":"e","userId":"u","sentAt":null}`:                   nil,
		`{"type":"track","event":"e","userId":"u","receivedAt":"x","_metadata":{},"channel":"server"}`: {
			"/receivedAt field_set_by_segment", "/_metadata field_set_by_segment", "/channel field_set_by_segment",
		},
		`{"type":"identify","userId":"u","event":"e",` +
			`"a/b":1}`: {"/event field_unknown", "/a~1b field_unknown"},
		`{"type":"track","event":"e","userId":"u",` +
			`"timestamp":"2024-01-02"}`: {"/timestamp timestamp_zone_assumed"},
		`{"type":"track","event":"e","userId":"u","integrations":{"all":false,"Mixpanel":` +
			`{"all":true}}}`: {"/integrations/all integrations_all_case"},
		`{"type":"track","event":"e","userId":"u","integrations":{"All":false}}`: nil,
	} {
		t.Run(in, func(t *testing.T) {
			body, report, err := wire(t, item(t, in))
			require.NoError(t, err)
			var got []string
			for _, w := range report.Warnings {
				got = append(got, w.Path+" "+w.Code)
				require.Zero(t, w.Index)
			}
			require.Equal(t, want, got)
			require.NotContains(t, body, "sentAt")
		})
	}
}

func TestWarningsAreBounded(t *testing.T) {
	messages := make([]tracking.Message, 1500)
	for i := range messages {
		messages[i] = item(t, `{"type":"track","event":"e","userId":"u","sentAt":"x"}`)
	}
	_, report, err := tracking.NewClient(nil).Preview(tracking.Source{WriteKey: testKey},
		tracking.Call{Messages: messages})
	require.NoError(t, err)
	require.Len(t, report.Warnings, 101)
	require.Equal(t, finding(-1, "", "more_warnings", "1,400 more warnings are not listed"), report.Warnings[100])
}

func TestDuplicateMessageIDs(t *testing.T) {
	m := item(t, `{"type":"track","event":"e","userId":"u","messageId":"same"}`)
	_, report, err := tracking.NewClient(nil).Preview(tracking.Source{WriteKey: testKey},
		tracking.Call{Messages: []tracking.Message{m, order(t), m, order(t)}})
	require.NoError(t, err)
	require.Equal(t, []tracking.Finding{
		finding(2, "/messageId", tracking.WarnDuplicateID, "is also that of message 0; Segment keeps one of them"),
	}, report.Warnings)
	require.NotEqual(t, report.Messages[1].MessageID, report.Messages[3].MessageID)
}

func TestDeriveMessageID(t *testing.T) {
	// Changing this value would double the events of every host that runs a step again across the
	// update.
	require.Equal(t, "sb1-200634fd34a473e83310e72c7d586cd0",
		tracking.DeriveMessageID("key", tracking.Track, "run-7", 0))

	seen := map[string]string{}
	rapid.Check(t, func(rt *rapid.T) {
		part := rapid.StringMatching(`[ab:0-9]{1,4}`)
		key, invocation := part.Draw(rt, "key"), part.Draw(rt, "invocation")
		typ := rapid.SampledFrom(tracking.Types()).Draw(rt, "type")
		index := rapid.IntRange(0, 3000).Draw(rt, "index")
		id := tracking.DeriveMessageID(tracking.WriteKey(key), typ, invocation, index)
		require.Equal(rt, id, tracking.DeriveMessageID(tracking.WriteKey(key), typ, invocation, index))
		require.Regexp(rt, `^sb1-[0-9a-f]{32}$`, id)
		args := fmt.Sprintf("%q %q %q %d", key, typ, invocation, index)
		if before, ok := seen[id]; ok {
			require.Equal(rt, before, args)
		}
		seen[id] = args
	})
	require.NotEqual(t, tracking.DeriveMessageID("key", tracking.Track, "", 0),
		tracking.DeriveMessageID("key", tracking.Track, "", 0))
	require.Regexp(t, `^sb1-[0-9a-f]{32}$`, tracking.DeriveMessageID("key", tracking.Track, "", 0))
}

func TestUserIDs(t *testing.T) {
	m := item(t,
		`{"type":"alias","userId":"u\u002d1","previousId":"p","anonymousId":null,"groupId":"g","context":`+
			`{"userId":"not me"}}`)
	call := tracking.Call{Messages: []tracking.Message{m}}
	batch, err := tracking.NewClient(nil).Prepare(t.Context(), tracking.Source{WriteKey: testKey}, call)
	require.NoError(t, err)
	read, err := tracking.ReadPrepared(batch.Messages[0].JSON())
	require.NoError(t, err)
	require.Equal(t, batch.Messages[0].MessageID(), read.MessageID())
	for _, p := range []tracking.Prepared{batch.Messages[0], read} {
		var of []string
		for _, id := range p.UserIDs() {
			of = append(of, string(id))
		}
		require.Equal(t, []string{`"u-1"`, `"p"`}, of)
	}
}
