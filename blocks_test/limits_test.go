package blocks_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// fill makes an input whose measure on the wire is exactly n bytes. make returns the input with a
// filler, and measure the bytes in a request's body that count.
func fill(t *testing.T, b *bench, n int, block string, make func(filler string) string,
	measure func(body string) int,
) string {
	t.Helper()
	requests, _, err := b.rt.Preview(t.Context(), block, runtime.JSON(make("")))
	require.NoError(t, err)
	require.Len(t, requests, 1)
	input := make(strings.Repeat("x", n-measure(requests[0].Body)))
	return input
}

func whole(body string) int { return len(body) }

// onlyItem is the size of the one message in the body of a batch.
func onlyItem(body string) int {
	start := strings.Index(body, `"batch":[`) + len(`"batch":[`)
	return len(body) - start - len(`]}`)
}

func trackOf(filler string) string {
	return `{"event":"e","userId":"u","properties":{"x":"` + filler + `"}}`
}

func batchOf(filler string) string {
	return `{"batch":[{"type":"track","event":"e","userId":"u","properties":{"x":"` + filler + `"}}]}`
}

func TestLimitsMessageBytes(t *testing.T) {
	for _, c := range []struct {
		block   string
		make    func(string) string
		measure func(string) int
		path    string
	}{
		{"segment_track", trackOf, whole, ""},
		{"segment_batch", batchOf, onlyItem, "/batch/0"},
	} {
		t.Run(c.block, func(t *testing.T) {
			b := start(t)
			exact := fill(t, b, tracking.MaxMessageBytes, c.block, c.make, c.measure)
			b.accepted(c.block, exact)
			require.Equal(t, 32_000, c.measure(string(b.requests()[0].body)))
			require.Len(t, b.stored(), 1)

			over := strings.Replace(exact, "xx", "xxx", 1)
			e := b.refused(c.block, over)
			require.Equal(t, runtime.TooLarge, e.Code)
			require.False(t, e.Retryable)
			require.Equal(t, []violation{{c.path, "message_too_large"}}, violations(e))
			require.Contains(t, e.Error(), "message is 32,001 bytes, 32,000 are allowed")
			require.Len(t, b.stored(), 1)

			// A character of several bytes counts with all of them.
			e = b.refused(c.block, strings.Replace(exact, "xx", "é\u00e9", 1))
			require.Contains(t, e.Error(), "message is 32,002 bytes")
		})
	}
}

// What the batch's context adds to a message counts, because it is sent with each message.
func TestLimitsContextCounts(t *testing.T) {
	b := start(t)
	context := `,"context":{"page":{"title":"` + strings.Repeat("x", 1000) + `"}}}`
	input := fill(t, b, tracking.MaxMessageBytes, "segment_batch", batchOf, onlyItem)
	e := b.refused("segment_batch", strings.TrimSuffix(input, "}")+context)
	require.Equal(t, runtime.TooLarge, e.Code)
	require.Contains(t, e.Error(), "message is 33,0")
}

func TestLimitsBodyBytes(t *testing.T) {
	t.Parallel()
	filler := strings.Repeat("y", 28_000)
	make := func(last string) string {
		var items []string
		for i := range 16 {
			items = append(items,
				fmt.Sprintf(`{"type":"track","event":"e","userId":"u","properties":{"n":%d,"x":"%s"}}`, i, filler))
		}
		items = append(items, `{"type":"track","event":"e","userId":"u","properties":{"n":16,"x":"`+last+`"}}`)
		return `{"batch":[` + strings.Join(items, ",") + `]}`
	}
	b := start(t)
	exact := fill(t, b, tracking.MaxBodyBytes, "segment_batch", make, whole)
	b.accepted("segment_batch", exact)
	require.Len(t, b.requests(), 1)
	require.Len(t, b.requests()[0].body, 475_000)
	require.Len(t, b.stored(), 17)

	require.NoError(t, b.segment.Clear())
	b.accepted("segment_batch", strings.Replace(exact, "xx", "xxx", 1))
	require.Len(t, b.requests(), 3, "a byte more takes a second request")
	require.Len(t, b.requests()[1].messages(t), 16)
	require.Len(t, b.requests()[2].messages(t), 1)
	require.Len(t, b.stored(), 17)
}

func TestLimitsMessagesARequest(t *testing.T) {
	t.Parallel()
	// The messages are as short as possible. Otherwise, the limit of bytes comes first.
	short := func(prefix string, n int) string {
		var items []string
		for i := range n {
			items = append(items,
				`{"type":"track","event":"e","userId":"u","context":{"library":{}},"messageId":"`+prefix+
					itoa(i)+`"}`)
		}
		return `{"batch":[` + strings.Join(items, ",") + `]}`
	}
	b := start(t, inFlight(1))
	res := b.accepted("segment_batch", short("a", 2500))
	require.Equal(t, 1, res.Receipt.Requests)
	require.Len(t, b.requests()[0].messages(t), 2500)

	res = b.accepted("segment_batch", short("b", 2501))
	require.Equal(t, 2, res.Receipt.Requests)
	require.Len(t, b.requests()[1].messages(t), 2500)
	require.Len(t, b.requests()[2].messages(t), 1)
	require.JSONEq(t, `{"success":true,"count":2501}`, string(res.Output))
	require.Len(t, b.stored(), 5001)
	require.Empty(t, b.segment.Discards(emulator.DiscardFilter{}))
}

func TestLimitsMessageID(t *testing.T) {
	b := start(t)
	with := func(id string) string {
		return `{"batch":[{"type":"track","event":"e","userId":"u","messageId":"` + id + `"}]}`
	}
	for _, letter := range []string{"m", "é", "😀"} {
		b.accepted("segment_batch", with(strings.Repeat(letter, 99)))
		e := b.refused("segment_batch", with(strings.Repeat(letter, 100)))
		require.Equal(t, []violation{{"/batch/0/messageId", "invalid_message_id"}}, violations(e))
		require.Contains(t, e.Error(), "at most 99 characters")
	}
	require.Len(t, b.stored(), 3)
	for _, ev := range b.stored() {
		require.Empty(t, ev.Notes)
	}
}

func TestLimitsBadItemMeansNothingIsSent(t *testing.T) {
	t.Parallel()
	b := start(t)
	good := trackBatch(6000)
	bad := strings.Replace(good, `{"type":"track","event":"e","userId":"u-4321"}`,
		`{"type":"track","userId":"u-4321"}`, 1)
	e := b.refused("segment_batch", bad)
	require.Equal(t, []violation{{"/batch/4321/event", "event_not_defined"}}, violations(e))
	require.Contains(t, e.Error(), "nothing was sent: /batch/4321/event must be given")
}

// The API client checks sizes. It lists a hundred problems and counts the rest.
func TestLimitsManyBadItemsAreCounted(t *testing.T) {
	t.Parallel()
	large := `{"type":"track","event":"e","userId":"u","properties":{"x":"` + strings.Repeat("x", 32_000) + `"}}`
	e := start(t).refused("segment_batch", `{"batch":[`+large+strings.Repeat(","+large, 129)+`]}`)
	require.Equal(t, runtime.TooLarge, e.Code)
	require.Len(t, e.Violations, 100)
	require.Equal(t, 30, e.UnlistedViolations)
}

// The limits of a whole input protect the host's memory.
func TestLimitsInput(t *testing.T) {
	b := start(t)
	e := b.refused("segment_track",
		`{"event":"e","userId":"u","properties":`+strings.Repeat(`{"a":`, 128)+`1`+strings.Repeat("}", 129))
	require.Equal(t, []violation{{"", "too_deep"}}, violations(e))
	require.Contains(t, e.Error(), "128 levels are allowed")
	b.accepted("segment_track",
		`{"event":"e","userId":"u","properties":`+strings.Repeat(`{"a":`, 127)+`1`+strings.Repeat("}", 128))

	small := start(t, func(s *setup) { s.runtime = []runtime.Option{runtime.Limits(smallLimits())} })
	e = small.refused("segment_track", trackOf(strings.Repeat("x", 5000)))
	require.Equal(t, runtime.TooLarge, e.Code)
	require.Contains(t, e.Error(), "4096 are allowed")
	small.accepted("segment_track", trackOf(strings.Repeat("x", 3000)))
}

// The manifests tell people the limits that package tracking enforces.
func TestManifestsSayTheLimits(t *testing.T) {
	reg := registry.New()
	blocks.MustRegister(reg)
	for _, e := range reg.Catalog() {
		said := strings.ReplaceAll(strings.Join(e.Limits, " "), ",", "")
		require.Contains(t, said, fmt.Sprintf("A message may have %d bytes", tracking.MaxMessageBytes), e.ID)
		if e.ID != "segment_batch" {
			require.Equal(t, tracking.MaxMessageBytes, e.MaxRequestBytes, e.ID)
			continue
		}
		require.Equal(t, tracking.MaxBodyBytes, e.MaxRequestBytes)
		require.Contains(t, said,
			fmt.Sprintf("%d bytes and %d messages", tracking.MaxBodyBytes, tracking.MaxBatchMessages))
		require.Contains(t, said, fmt.Sprintf("messageId may have %d characters", tracking.MaxMessageIDLength))
	}
}
