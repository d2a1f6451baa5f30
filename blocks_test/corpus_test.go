package blocks_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/internal/isotime"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
)

// recorded is a line of the corpus: a Segment call as another project wrote it, and why a receiver
// would drop it.
type recorded struct {
	line   int
	source string
	event  rawjson.Object
	why    []string
}

// corpus reads a file of recorded calls, from the folder in SEGMENT_BLOCKS_CORPUS or, without it,
// from one beside the repository. Without such a folder the tests skip, unless
// SEGMENT_BLOCKS_REQUIRE_CORPUS is 1.
func corpus(t *testing.T, name string) []recorded {
	t.Helper()
	dir := os.Getenv("SEGMENT_BLOCKS_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "corpus")
	}
	data, err := os.ReadFile(filepath.Join(dir, name))
	if os.IsNotExist(err) && os.Getenv("SEGMENT_BLOCKS_REQUIRE_CORPUS") != "1" {
		t.Skipf("the corpus of recorded events is not here, so nothing is compared with it; SEGMENT_BLOCKS_CORPUS "+
			"may name its folder: %s", dir)
	}
	require.NoError(t, err)
	var list []recorded
	for line := range bytes.Lines(data) {
		obj, err := rawjson.ParseObject(bytes.TrimSpace(line), rawjson.Limits{})
		require.NoError(t, err, "line %d of %s", len(list)+1, name)
		event, _ := obj.Get("event")
		r := recorded{line: len(list) + 1, source: obj.Text("source"), event: rawjson.OpenObject(event)}
		why, _ := obj.Get("why")
		for _, w := range rawjson.OpenArray(why) {
			text, _ := rawjson.Text(w)
			r.why = append(r.why, text)
		}
		list = append(list, r)
	}
	return list
}

func batchInput(events ...recorded) string {
	var items []string
	for _, e := range events {
		items = append(items, string(e.event.JSON()))
	}
	return `{"batch":[` + strings.Join(items, ",") + `]}`
}

// changes are the ways in which Segment gets something else than was given, and how often each
// occurs in the corpus.
func changes() map[string]struct {
	why   string
	times int
} {
	return map[string]struct {
		why   string
		times int
	}{
		"messageId added": {"every message gets one, so that a retry can be recognised", 548},
		"timestamp added": {"the time of the invocation, since Segment would take the time of receipt, which a retry " +
			"delays", 514},
		"timestamp normalised": {"any form of ISO 8601 goes on in UTC with milliseconds", 16},
		"context added":        {"holds the library, which Segment wants from every sender", 490},
		"library added":        {"the same, in a context that named none", 118},
		"sentAt dropped":       {"the protocol wants the time of sending there, and the body has it", 22},
		"blank dropped":        {"an empty text and null in a field of the protocol mean that it is absent", 2},
	}
}

// refusedWell are the events of the well-formed file that are still refused, by line: where, with
// which code, and why.
func refusedWell() map[int][3]string {
	const time, key = "/batch/0/timestamp", "/batch/0/writeKey"
	const notISO = "Segment wants ISO 8601; it does not say what it makes of anything else, and a wrong time cannot " +
		"be mended later"
	return map[int][3]string{
		106: {time, "invalid_timestamp", "seconds since 1970. " + notISO},
		488: {time, "invalid_timestamp", "a year alone. " + notISO},
		532: {key, "write_key_in_message", "a write key in a message would send it to another source"},
		544: {time, "invalid_timestamp", "a month of one digit. " + notISO},
		545: {time, "invalid_timestamp", "a month of one digit. " + notISO},
		570: {"/batch/0/userId", "unresolved_reference", "a template that nobody has filled in: {{user.id}}"},
	}
}

// TestCorpus sends every well-formed event in batches and compares what is stored with what was
// given, field by field.
func TestCorpus(t *testing.T) {
	t.Parallel()
	all := corpus(t, "events.jsonl")
	require.Len(t, all, 633)
	// Some ids occur more than once, and all events must be stored to be compared. Requests one
	// after the other store them in order.
	b := start(t, inFlight(1), keeping(emulator.DedupWindow(0)))
	var sent []recorded
	refused := 0
	for _, r := range all {
		err := b.rt.Validate(t.Context(), "segment_batch", runtime.JSON(batchInput(r)))
		if err == nil {
			sent = append(sent, r)
			continue
		}
		refused++
		known, ok := refusedWell()[r.line]
		require.True(t, ok, "line %d is refused: %v\n%s", r.line, err, r.event.JSON())
		require.Equal(t, []violation{{known[0], known[1]}}, violations(asError(t, err)))
	}
	require.Len(t, refusedWell(), refused)
	require.Equal(t, len(all), len(sent)+refused)

	const invocations = 3
	for part := range slices.Chunk(sent, (len(sent)+invocations-1)/invocations) {
		res := b.accepted("segment_batch", batchInput(part...))
		require.Equal(t, len(part), res.Receipt.Accepted)
	}
	events := b.stored()
	require.Len(t, events, len(sent), "none lost, none doubled")
	require.Empty(t, b.segment.Discards(emulator.DiscardFilter{}))

	times := map[string]int{}
	for name := range changes() {
		times[name] = 0
	}
	for i, r := range sent {
		stored, err := rawjson.ParseObject(events[i].Message, rawjson.Limits{})
		require.NoError(t, err)
		compare(t, r, stored, times)
	}
	want := map[string]int{}
	for name, c := range changes() {
		require.NotEmpty(t, c.why)
		want[name] = c.times
	}
	require.Equal(t, want, times)
}

// compare counts the differences by kind, and fails on one that has no kind.
func compare(t *testing.T, given recorded, stored rawjson.Object, times map[string]int) {
	t.Helper()
	place := "line " + itoa(given.line) + ", from " + given.source
	for _, m := range given.event {
		got, ok := stored.Get(m.Name)
		switch {
		case ok && string(got) == string(m.Value):
		case m.Name == "sentAt" && !ok:
			times["sentAt dropped"]++
		case !ok && (string(m.Value) == "null" || string(m.Value) == `""`):
			times["blank dropped"]++
		case m.Name == "timestamp" && ok:
			text, _ := rawjson.Text(m.Value)
			at, err := isotime.Parse(text)
			require.NoError(t, err, place)
			require.Equal(t, isotime.Format(at), stored.Text("timestamp"), place)
			times["timestamp normalised"]++
		case m.Name == "context" && ok:
			library := rawjson.OpenObject(got)
			_, named := rawjson.OpenObject(m.Value).Get("library")
			require.False(t, named, place)
			require.JSONEq(t, string(m.Value), string(library.Without("library").JSON()), place)
			times["library added"]++
		default:
			require.Failf(t, "a difference of no known kind", "%s: %s was %s and is %s", place, m.Name, m.Value, got)
		}
	}
	for _, m := range stored {
		if old, ok := given.event.Get(m.Name); ok && string(old) != "null" && string(old) != `""` {
			continue
		}
		require.Contains(t, []string{"messageId", "timestamp", "context"}, m.Name, place)
		times[m.Name+" added"]++
	}
}

// A receiver that remembers ids, as Segment does, stores events that share an id once. The receipt
// warns of them.
func TestCorpusRepeatedIDs(t *testing.T) {
	t.Parallel()
	all := corpus(t, "events.jsonl")
	refused := slices.Collect(maps.Keys(refusedWell()))
	all = slices.DeleteFunc(all, func(r recorded) bool { return slices.Contains(refused, r.line) })
	distinct, repeats := map[string]bool{}, 0
	for _, r := range all {
		id := r.event.Text("messageId")
		if id != "" && distinct[id] {
			repeats++
		}
		distinct[id] = true
	}
	b := start(t)
	res := b.accepted("segment_batch", batchInput(all...), runtime.InvocationID("corpus"))
	require.Len(t, b.stored(), len(all)-repeats)
	require.Equal(t, uint64(repeats), b.segment.Stats().Duplicates)
	require.NotEmpty(t, res.Receipt.Warnings)

	b.accepted("segment_batch", batchInput(all...), runtime.InvocationID("corpus"))
	require.Len(t, b.stored(), len(all)-repeats, "the same invocation again adds nothing")
}
