package blocks_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/internal/isotime"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/emulator"
)

// Each attempt has its own sentAt and the same messageId.
func TestRepeatSentAtIsFreshMessageIDIsNot(t *testing.T) {
	for block, input := range map[string]string{
		"segment_track": `{"event":"e","userId":"u"}`,
		"segment_batch": trackBatch(3),
	} {
		t.Run(block, func(t *testing.T) {
			b := start(t,
				retrying(retry.Policy{MaxRetries: 3, BaseDelay: 5 * time.Millisecond, MaxDelay: 5 * time.Millisecond}))
			b.script(emulator.Fault{Status: 500, Times: 3})
			begun := time.Now().Truncate(time.Millisecond)
			res := b.accepted(block, input)

			requests := b.requests()
			require.Len(t, requests, 4)
			requireSameMessages(t, requests)
			last := begun
			for i, r := range requests {
				at, err := time.Parse(time.RFC3339, r.field(t, "sentAt"))
				require.NoError(t, err)
				require.False(t, at.Before(begun))
				require.False(t, at.After(r.at), "sentAt is before the arrival")
				require.True(t, i == 0 || at.After(last), "sentAt of attempt %d must be later than %s: %s", i, last, at)
				last = at
				for n, m := range r.messages(t) {
					require.Equal(t, res.Receipt.MessageIDs[n], m.Text("messageId"))
					require.Equal(t, isotime.Format(res.Receipt.StartedAt), m.Text("timestamp"),
						"the event happened once")
				}
			}
			require.Equal(t, int64(4*len(requests[0].body)), res.Receipt.Bytes)
		})
	}
}

// Whatever goes wrong after the receiver has stored a message, the retry is recognized.
func TestRepeatAfterStoringIsStoredOnce(t *testing.T) {
	for name, c := range map[string]struct {
		fault      emulator.Fault
		duplicates uint64
	}{
		"cut before storing":      {emulator.Fault{Reset: true}, 0},
		"cut after storing":       {emulator.Fault{Reset: true, Store: true}, 1},
		"503 though stored":       {emulator.Fault{Status: 503, Store: true}, 1},
		"408 though stored":       {emulator.Fault{Status: 408, Store: true}, 1},
		"502 twice though stored": {emulator.Fault{Status: 502, Store: true, Times: 2}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t)
			b.script(c.fault)
			res := b.accepted("segment_track", `{"event":"Order Completed","userId":"u-42"}`)
			require.JSONEq(t, `{"success":true,"event":"Order Completed","userId":"u-42","anonymousId":null}`,
				string(res.Output))
			require.Len(t, b.stored(), 1)
			require.Equal(t, c.duplicates, b.segment.Stats().Duplicates)

			require.NoError(t, b.segment.Clear())
			b.script(c.fault)
			b.accepted("segment_batch", trackBatch(10))
			require.Len(t, b.stored(), 10)
			require.Equal(t, 10*c.duplicates, b.segment.Stats().Duplicates)
		})
	}
}

// A host that gave up or died invokes the same step again, from another process with the same id.
func TestRepeatOfInvocationIsStoredOnce(t *testing.T) {
	b := start(t, retrying(fast(-1)))
	b.script(emulator.Fault{Reset: true, Store: true})
	id := runtime.InvocationID("run-7/node-3/0")
	e := b.failed("segment_track", `{"event":"e","userId":"u"}`, id)
	require.Equal(t, runtime.Unavailable, e.Code)
	require.True(t, e.Retryable)

	elsewhere := open(t, runtime.Source("other name", b.source))
	res, err := elsewhere.Invoke(t.Context(), "segment_track", runtime.JSON(`{"event":"e","userId":"u"}`), id)
	require.NoError(t, err)
	require.Equal(t, e.Receipt.MessageIDs, res.Receipt.MessageIDs)
	require.Len(t, b.stored(), 1)
	require.Equal(t, uint64(1), b.segment.Stats().Duplicates)
}

// A host that invokes again later passes the time of the first try, so the message is the same.
func TestRepeatAtTheTimeOfTheFirstTry(t *testing.T) {
	b := start(t)
	first := time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)
	for range 2 {
		res, err := b.rt.Invoke(t.Context(), "segment_track", runtime.JSON(`{"event":"e","userId":"u"}`),
			runtime.InvocationID("run/node"), runtime.At(first))
		require.NoError(t, err)
		require.True(t, res.Receipt.StartedAt.After(first), "the receipt tells the truth")
	}
	stored := b.stored()
	require.Len(t, stored, 1)
	for _, r := range b.requests() {
		require.Equal(t, "2026-01-31T09:30:00.000Z", r.field(t, "timestamp"))
	}
}
