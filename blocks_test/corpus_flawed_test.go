package blocks_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
)

// codesOf returns the codes for each flaw of the corpus. One of them must be in the refusal.
func codesOf() map[string][]string {
	return map[string][]string{
		"no string id":             {"no_user_anon_id", "id_not_string"},
		"no event name":            {"event_not_defined", "event_not_string"},
		"no groupId":               {"id_required", "id_not_string"},
		"alias ids":                {"id_required", "id_not_string"},
		"properties not an object": {"properties_not_object", "invalid_json"},
	}
}

// beside returns the codes that may accompany any of the flaws, and why.
func beside() map[string]string {
	return map[string]string{
		"invalid_timestamp":  "templates of the corpus have objects where the time goes",
		"invalid_message_id": "the same, where the id goes",
		"name_not_string":    "the same, where the name of a page goes",
	}
}

// TestCorpusFlawed invokes with each flawed event. It must be refused for the flaws that its line
// names, and for no other reasons than those of beside.
func TestCorpusFlawed(t *testing.T) {
	t.Parallel()
	all := corpus(t, "flawed-events.jsonl")
	require.Len(t, all, 701)
	b := start(t, keeping(emulator.Mode(emulator.Strict)))
	// By line, with the reason. It is empty, because Segment drops a message for each of the flaws.
	accepted := map[int]string{}
	count := map[string]int{}
	for _, r := range all {
		_, err := b.invoke("segment_batch", batchInput(r))
		if err == nil {
			require.NotEmpty(t, accepted[r.line], "line %d is accepted, though: %v\n%s", r.line, r.why, r.event.JSON())
			count["accepted"]++
			continue
		}
		count["refused"]++
		e := asError(t, err)
		require.Contains(t, []runtime.Code{runtime.InvalidInput, runtime.UnresolvedReference}, e.Code,
			"line %d", r.line)
		codes := map[string]bool{}
		for _, v := range e.Violations {
			codes[v.Code] = true
		}
		expected := map[string]bool{}
		for _, why := range r.why {
			options := codesOf()[why]
			require.NotEmpty(t, options, "line %d has a flaw of a new kind: %s", r.line, why)
			found := false
			for _, code := range options {
				expected[code] = true
				found = found || codes[code]
			}
			require.True(t, found, "line %d is not refused for its flaw %q: %v\n%s", r.line, why, e, r.event.JSON())
			count[why]++
		}
		for code := range codes {
			require.True(t, expected[code] || beside()[code] != "",
				"line %d is refused for more than %v: %v\n%s", r.line, r.why,
				e, r.event.JSON())
			if !expected[code] {
				count["beside "+code]++
			}
		}
	}
	require.Empty(t, b.requests(), "nothing was sent")
	require.Equal(t, map[string]int{
		"refused": 701, "no string id": 654, "no event name": 68, "no groupId": 9, "alias ids": 18,
		"properties not an object":  1,
		"beside invalid_message_id": 7, "beside invalid_timestamp": 7, "beside name_not_string": 3,
	}, count)
}
