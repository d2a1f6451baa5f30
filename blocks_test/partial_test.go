package blocks_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
)

func smallLimits() rawjson.Limits { return rawjson.Limits{MaxBytes: 4096} }

// manyUsers is a batch of n messages of several users, numbered for each user. Every tenth message
// has two ids of its user, so that the order of some users spans several ids. The filler makes
// messages large, so that few of them take many requests.
func manyUsers(n, users int, filler string) string {
	var items []string
	count := map[int]int{}
	for i := range n {
		u := (i*7919 + i/3) % users
		item := fmt.Sprintf(`"userId":"u-%d"`, u)
		switch i % 10 {
		case 0:
			item += fmt.Sprintf(`,"anonymousId":"a-%d"`, u)
		case 5:
			item = fmt.Sprintf(`"anonymousId":"a-%d"`, u)
		}
		items = append(items, fmt.Sprintf(`{"type":"track","event":"e","properties":{"user":%d,"n":%d,"x":"%s"},%s}`, u,
			count[u], filler, item))
		count[u]++
	}
	return `{"batch":[` + strings.Join(items, ",") + `]}`
}

func TestBatchKeepsEachUsersOrder(t *testing.T) {
	t.Parallel()
	b := start(t, inFlight(4))
	res := b.accepted("segment_batch", manyUsers(6000, 97, ""))
	require.JSONEq(t, `{"success":true,"count":6000}`, string(res.Output))
	require.GreaterOrEqual(t, res.Receipt.Requests, 3)
	require.Equal(t, 6000, res.Receipt.Accepted)
	require.Len(t, res.Receipt.MessageIDs, 6000)

	events := b.stored()
	require.Len(t, events, 6000, "none lost, none doubled")
	require.Empty(t, b.segment.Discards(emulator.DiscardFilter{}))
	next := map[int]int{}
	for _, ev := range events {
		var m struct{ Properties struct{ User, N int } }
		require.NoError(t, json.Unmarshal(ev.Message, &m))
		require.Equal(t, next[m.Properties.User], m.Properties.N, "user %d", m.Properties.User)
		next[m.Properties.User]++
	}
	require.Len(t, next, 97)
}

// A batch that fails half-way says what happened to each message, and that is true.
func TestBatchHalfWay(t *testing.T) {
	const n = 110
	for _, c := range []struct {
		name  string
		fault emulator.Fault
		// after is how many requests go through first, inFlight how many go at once.
		after, inFlight int
		retryable       bool
	}{
		{"refused for good, one at a time", emulator.Fault{Status: 400}, 2, 1, false},
		{"refused for good, four at once", emulator.Fault{Status: 400}, 2, 4, false},
		{"failing, four at once", emulator.Fault{Status: 500}, 1, 4, true},
		{"stored, but a gateway gives up", emulator.Fault{Status: 504, Store: true}, 1, 1, true},
		{"cut before storing", emulator.Fault{Reset: true}, 1, 2, true},
		{"cut after storing", emulator.Fault{Reset: true, Store: true}, 1, 4, true},
		{"rate limited for too long", emulator.Fault{Status: 429, RetryAfter: "200"}, 2, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, retrying(fast(1)), inFlight(c.inFlight))
			c.fault.Times = -1
			b.script(emulator.Fault{Times: c.after}, c.fault)
			input, id := manyUsers(n, 41, strings.Repeat("x", 14_000)), runtime.InvocationID("run-7/node-3/0")
			e := b.failed("segment_batch", input, id)
			require.Equal(t, runtime.PartialFailure, e.Code, "%v", e)
			require.Equal(t, c.retryable, e.Retryable)
			require.Len(t, e.Items, n, "each message has its outcome")
			counts := requireTruth(t, b, e)
			require.Equal(t, e.Receipt.Accepted, counts["accepted"])
			require.Contains(t, e.Error(), itoa(counts["accepted"])+" of 110 messages were accepted")
			if counts["unconfirmed"] > 0 {
				more := " more"
				if counts["accepted"] == 0 {
					more = ""
				}
				require.Contains(t, e.Error(), itoa(counts["unconfirmed"])+more+" may have been")
			}

			// The same invocation completes it. It is another runtime's, because this one remembers
			// a rate limit.
			b.segment.ClearFaults()
			again := open(t, runtime.Source("test", b.source))
			res, err := again.Invoke(t.Context(), "segment_batch", runtime.JSON(input), id)
			require.NoError(t, err)
			require.Equal(t, n, res.Receipt.Accepted)
			require.Equal(t, e.Receipt.MessageIDs, res.Receipt.MessageIDs)
			require.Len(t, b.stored(), n, "none lost, none doubled")
		})
	}
}

// requireTruth compares the status of each message in the error with what the emulator has stored,
// and counts each status.
func requireTruth(t *testing.T, b *bench, e *runtime.Error) map[string]int {
	t.Helper()
	stored := map[string]bool{}
	for _, ev := range b.stored() {
		stored[ev.MessageID] = true
	}
	arrived := map[string]bool{}
	for _, r := range b.requests() {
		for _, m := range r.messages(t) {
			arrived[m.Text("messageId")] = true
		}
	}
	counts := map[string]int{}
	for i, item := range e.Items {
		require.Equal(t, i, item.Index)
		require.Equal(t, e.Receipt.MessageIDs[i], item.MessageID)
		counts[string(item.Status)]++
		switch item.Status {
		case "accepted":
			require.True(t, stored[item.MessageID], "message %d is said to be accepted", i)
		case "rejected":
			require.True(t, arrived[item.MessageID], "message %d is said to have been sent", i)
			require.False(t, stored[item.MessageID], "message %d is said to be rejected", i)
		case "unsent":
			require.False(t, arrived[item.MessageID], "message %d is said to be unsent", i)
		case "unconfirmed":
			require.True(t, arrived[item.MessageID], "message %d is said to have been sent", i)
		default:
			require.Fail(t, "unknown status", string(item.Status))
		}
	}
	return counts
}

// A batch of one request without an answer has items too, and none is accepted.
func TestBatchUnconfirmed(t *testing.T) {
	b := start(t, retrying(fast(1)))
	b.script(emulator.Fault{Reset: true, Store: true, Times: -1})
	e := b.failed("segment_batch", trackBatch(3), runtime.InvocationID("run-8"))
	require.Equal(t, runtime.Unavailable, e.Code)
	require.Equal(t, map[string]int{"unconfirmed": 3}, requireTruth(t, b, e))
	require.Contains(t, e.Error(), "0 of 3 messages were accepted, 3 may have been")
	require.Len(t, b.stored(), 3)
}
