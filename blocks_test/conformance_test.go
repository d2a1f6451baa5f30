package blocks_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
)

// These tests follow the basic list by which Segment's libraries test what they send. A block has
// no queue, so there are no cases for a flush at a count, after a time, or on closing: a batch is
// sent when it is invoked, and Close waits for it.

var wireTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)

func TestConformanceEnvelope(t *testing.T) {
	for block, input := range map[string]string{
		"segment_track": `{"event":"e","userId":"u"}`, "segment_batch": trackBatch(2),
	} {
		b := start(t)
		b.accepted(block, input)
		r := b.requests()[0]
		require.Equal(t, "POST", r.method)
		require.Equal(t, "/v1/"+strings.TrimPrefix(block, "segment_"), r.path)
		require.Equal(t, "application/json", r.header.Get("Content-Type"))
		require.Empty(t, r.header.Get("Content-Encoding"))
		require.Regexp(t, `^segment-blocks/\S+$`, r.header.Get("User-Agent"))
		require.Regexp(t, wireTime, r.field(t, "sentAt"))
		requireBasic(t, b.requests())
	}
}

func TestConformanceMessages(t *testing.T) {
	b := start(t)
	res := b.accepted("segment_batch", `{"batch":[
		{"type":"track","userId":"u","event":"Order Completed","properties":{"total":1}},
		{"type":"identify","userId":"u","traits":{"plan":"team"}},
		{"type":"page","userId":"u","name":"Home","properties":{"path":"/"}},
		{"type":"screen","userId":"u","name":"Start","properties":{"n":1}},
		{"type":"group","userId":"u","groupId":"g","traits":{"name":"Acme"}},
		{"type":"alias","userId":"u","previousId":"p"}],"context":{"locale":"en-GB"}}`)
	require.Len(t, b.requests(), 1, "several messages share a request")
	want := map[string]map[string]string{
		"track":    {"event": `"Order Completed"`, "properties": `{"total":1}`},
		"identify": {"traits": `{"plan":"team"}`},
		"page":     {"name": `"Home"`, "properties": `{"path":"/"}`},
		"screen":   {"name": `"Start"`, "properties": `{"n":1}`},
		"group":    {"groupId": `"g"`, "traits": `{"name":"Acme"}`},
		"alias":    {"userId": `"u"`, "previousId": `"p"`},
	}
	seen := map[string]bool{}
	for i, m := range b.requests()[0].messages(t) {
		for name, value := range want[m.Text("type")] {
			raw, _ := m.Get(name)
			require.Equal(t, value, string(raw))
		}
		id := m.Text("messageId")
		require.Equal(t, res.Receipt.MessageIDs[i], id)
		require.NotEmpty(t, id)
		require.False(t, seen[id], "message ids are unique")
		seen[id] = true
		require.Regexp(t, wireTime, m.Text("timestamp"))
		context, _ := m.Get("context")
		library, ok := rawjson.At(context, "/library/name")
		require.True(t, ok)
		require.Equal(t, `"segment-blocks"`, string(library))
		_, ok = rawjson.At(context, "/library/version")
		require.True(t, ok)
	}
	require.Len(t, b.stored(), 6)
	require.Empty(t, b.segment.Discards(emulator.DiscardFilter{}))
	for _, ev := range b.stored() {
		require.Empty(t, ev.Notes, "Segment has nothing to remark")
	}
}

// Libraries always send integrations. The blocks send only those they are given: absent means all.
func TestConformanceIntegrations(t *testing.T) {
	b := start(t)
	b.accepted("segment_track", `{"event":"e","userId":"u","integrations":{"All":false,"Mixpanel":true}}`)
	b.accepted("segment_track", `{"event":"e","userId":"u"}`)
	events := b.stored()
	require.JSONEq(t, `{"All":false,"Mixpanel":true}`, string(events[0].Integrations))
	require.Nil(t, events[1].Integrations)
}

func TestConformanceGivenIDAndTimeStay(t *testing.T) {
	b := start(t)
	b.accepted("segment_batch",
		`{"batch":[{"type":"track","event":"e","userId":"u","messageId":"own-1",
			"timestamp":"2020-02-29T23:59:59.999Z"}]}`)
	b.accepted("segment_track", `{"event":"e","userId":"u","timestamp":"2020-02-29T23:59:59.999Z"}`)
	want := time.Date(2020, 2, 29, 23, 59, 59, 999e6, time.UTC)
	events := b.stored()
	require.Equal(t, "own-1", events[0].MessageID)
	require.Equal(t, want, events[0].OriginalTimestamp)
	require.Equal(t, want, events[1].OriginalTimestamp)
}

// Segment corrects a sender's clock by the difference between timestamp and sentAt, so an event of
// now is stored with the time of now.
func TestConformanceClock(t *testing.T) {
	b := start(t)
	begun := time.Now()
	b.accepted("segment_track", `{"event":"e","userId":"u"}`)
	ev := b.stored()[0]
	require.WithinDuration(t, begun, ev.Timestamp, 5*time.Second)
	require.WithinDuration(t, begun, ev.SentAt, 5*time.Second)
}

// Close waits for invocations in progress.
func TestConformanceCloseWaits(t *testing.T) {
	b := start(t)
	b.script(emulator.Fault{Delay: 50 * time.Millisecond})
	done := make(chan error, 1)
	go func() {
		_, err := b.invoke("segment_track", `{"event":"e","userId":"u"}`)
		done <- err
	}()
	require.Eventually(t, func() bool { return len(b.requests()) == 1 }, time.Second, time.Millisecond)
	require.NoError(t, b.rt.Close(t.Context()))
	require.NoError(t, <-done)
	require.Len(t, b.stored(), 1)
	require.Equal(t, runtime.Closed, b.failed("segment_track", `{"event":"e","userId":"u"}`).Code)
}
