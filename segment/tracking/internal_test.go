package tracking

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Nothing lost, nothing twice, every body within its limits to the byte, each person's messages in
// one lane and in order.
func TestSplit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		inFlight := rapid.IntRange(1, 6).Draw(rt, "inFlight")
		size := rapid.SampledFrom([]*rapid.Generator[int]{
			rapid.IntRange(100, 400), rapid.IntRange(1, MaxMessageBytes), rapid.Just(MaxMessageBytes),
			rapid.IntRange(30, 60),
		}).Draw(rt, "size")
		sizes := rapid.SliceOfN(size, 1, rapid.SampledFrom([]int{1, 40, 400, 9000}).Draw(rt, "most")).Draw(rt, "sizes")
		people := rapid.IntRange(1, 60).Draw(rt, "people")
		ids := rapid.SliceOfN(rapid.SliceOfN(rapid.IntRange(0, people), 1, 3), len(sizes), len(sizes)).Draw(rt, "ids")
		messages := make([]Prepared, len(sizes))
		for i, size := range sizes {
			messages[i].item = make([]byte, size)
			for _, id := range ids[i] {
				field := rawjson.Member{Name: "userId", Value: rawjson.Quote(fmt.Sprint(id))}
				messages[i].fields = append(messages[i].fields, field)
			}
		}
		lanes := split(messages, inFlight)

		require.LessOrEqual(rt, len(lanes), inFlight)
		laneOf := map[int]int{}
		chunks := 0
		for l, lane := range lanes {
			last := -1
			for _, c := range lane {
				chunks++
				require.NotEmpty(rt, c.messages)
				require.LessOrEqual(rt, len(c.messages), MaxBatchMessages)
				body := batchBytes + len(c.messages) - 1
				for _, i := range c.messages {
					require.Greater(rt, i, last, "order within a lane")
					last = i
					require.NotContains(rt, laneOf, i, "twice")
					laneOf[i] = l
					body += sizes[i]
				}
				require.LessOrEqual(rt, body, MaxBodyBytes)
				require.Equal(rt, body, c.size)
			}
		}
		require.Len(rt, laneOf, len(sizes))
		byID := map[int]int{}
		for i := range sizes {
			for _, id := range ids[i] {
				if lane, seen := byID[id]; seen {
					require.Equal(rt, lane, laneOf[i], "message %d", i)
				}
				byID[id] = laneOf[i]
			}
		}
		total := batchBytes - 1
		for _, s := range sizes {
			total += s + 1
		}
		if total <= MaxBodyBytes && len(sizes) <= MaxBatchMessages {
			require.Equal(rt, 1, chunks, "what fits one request goes in one")
		}
	})
}

func TestSplitFillsBodiesToTheByte(t *testing.T) {
	ofSizes := func(sizes ...int) []Prepared {
		messages := make([]Prepared, len(sizes))
		for i, size := range sizes {
			messages[i].item = make([]byte, size)
		}
		return messages
	}
	room := MaxBodyBytes - batchBytes
	require.Len(t, split(ofSizes(room/2, room-room/2-1), 1)[0], 1)
	require.Len(t, split(ofSizes(room/2, room-room/2), 1)[0], 2)
	require.Len(t, split(make([]Prepared, MaxBatchMessages), 1)[0], 1)
	require.Len(t, split(make([]Prepared, MaxBatchMessages+1), 1)[0], 2)
}

func TestBodySizeIsWhatSplitCounts(t *testing.T) {
	s := &sending{client: &Client{}, Batch: &Batch{Messages: []Prepared{
		{item: json.RawMessage(`{"type":"a"}`)},
		{item: json.RawMessage(`{}`)},
	}}}
	r := s.requests()[0][0]
	body := s.body(r)
	require.Equal(t, BatchPath, s.path())
	require.Len(t, body, r.size)
	require.Equal(t, batchBytes+len(`{"type":"a"}`)+len(`{}`)+1, r.size)
	require.Regexp(t, `^{"sentAt":"[-0-9]{10}T[0-9:.]{12}Z","batch":\[{"type":"a"},{}\]}$`, string(body))

	s.alone = true
	r = s.requests()[0][0]
	body = s.body(r)
	require.Equal(t, "/v1/a", s.path())
	require.Len(t, body, r.size)
	require.Regexp(t, `^{"sentAt":"[-0-9]{10}T[0-9:.]{12}Z","type":"a"}$`, string(body))
}

func TestErrorTexts(t *testing.T) {
	require.Equal(t, "rejected", (&Error{Code: "rejected"}).Error())
	require.Equal(t, "0, 2-4, 9", enumerate([]int{0, 2, 3, 4, 9}))
	var odd []int
	for i := range 500 {
		odd = append(odd, 2*i)
	}
	require.True(t, strings.HasSuffix(enumerate(odd), ", 198 and 400 more"))
}

func TestTypes(t *testing.T) {
	require.IsIncreasing(t, Types())
	for _, typ := range Types() {
		require.True(t, typ.Valid())
		require.Equal(t, "/v1/"+string(typ), typ.Path())
	}
	require.False(t, Type("batch").Valid())
	require.False(t, Type("").Valid())
}
