package tracking

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Nothing lost, nothing twice, every body within its limits to the byte, each person's messages in one lane and in order.
func TestSplit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		inFlight := rapid.IntRange(1, 6).Draw(rt, "inFlight")
		size := rapid.SampledFrom([]*rapid.Generator[int]{
			rapid.IntRange(100, 400), rapid.IntRange(1, MaxMessageBytes), rapid.Just(MaxMessageBytes), rapid.IntRange(30, 60),
		}).Draw(rt, "size")
		sizes := rapid.SliceOfN(size, 1, rapid.SampledFrom([]int{1, 40, 400, 9000}).Draw(rt, "most")).Draw(rt, "sizes")
		people := rapid.IntRange(1, 60).Draw(rt, "people")
		ids := rapid.SliceOfN(rapid.SliceOfN(rapid.IntRange(0, people), 1, 3), len(sizes), len(sizes)).Draw(rt, "ids")
		links := func(i int, visit func([]byte)) {
			for _, id := range ids[i] {
				visit([]byte(fmt.Sprint(id)))
			}
		}
		lanes := split(sizes, links, inFlight)

		require.LessOrEqual(rt, len(lanes), inFlight)
		laneOf := map[int]int{}
		chunks := 0
		for l, lane := range lanes {
			last := -1
			for _, c := range lane {
				chunks++
				require.NotEmpty(rt, c)
				require.LessOrEqual(rt, len(c), MaxBatchMessages)
				body := batchBytes + len(c) - 1
				for _, i := range c {
					require.Greater(rt, i, last, "order within a lane")
					last = i
					require.NotContains(rt, laneOf, i, "twice")
					laneOf[i] = l
					body += sizes[i]
				}
				require.LessOrEqual(rt, body, MaxBodyBytes)
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
	nobody := func(int, func([]byte)) {}
	room := MaxBodyBytes - batchBytes
	require.Len(t, split([]int{room / 2, room - room/2 - 1}, nobody, 1)[0], 1)
	require.Len(t, split([]int{room / 2, room - room/2}, nobody, 1)[0], 2)
	require.Len(t, split(make([]int, MaxBatchMessages), nobody, 1)[0], 1)
	require.Len(t, split(make([]int, MaxBatchMessages+1), nobody, 1)[0], 2)
}

func TestBodySizeIsWhatSplitCounts(t *testing.T) {
	c := NewClient(nil)
	d := c.deliver(&target{base: "http://x"}, &prepared{messages: []Prepared{{item: json.RawMessage(`{"a":1}`)}, {item: json.RawMessage(`{}`)}}}, BatchPath, []lane{{{0, 1}}})
	body := d.body(chunk{0, 1})
	require.Len(t, body, batchBytes+len(`{"a":1}`)+len(`{}`)+1)
	require.Equal(t, `{"sentAt":"`+sentAtBlank+`","batch":[{"a":1},{}]}`, string(body))
	at := time.Date(2024, 1, 2, 3, 4, 5, 678_999_999, time.FixedZone("", 3600))
	stamp(body, at)
	require.Equal(t, `{"sentAt":"2024-01-02T02:04:05.678Z","batch":[{"a":1},{}]}`, string(body))
}

// The transport may read a body after its attempt has returned.
func TestNextLeavesTheLastBodyAlone(t *testing.T) {
	now := time.Unix(0, 0)
	s := &shipment{client: &Client{now: func() time.Time { return now }}, body: []byte(sentAtOpen + sentAtBlank + sentAtClose + `"x":1}`)}
	first := s.next()
	s.attempts++
	kept := string(first)
	now = now.Add(time.Hour)
	second := s.next()
	require.Equal(t, kept, string(first))
	require.Equal(t, `{"sentAt":"1970-01-01T01:00:00.000Z","x":1}`, string(second))
}

func TestDelay(t *testing.T) {
	p := RetryPolicy{}.withDefaults()
	for n, most := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, time.Minute, time.Minute} {
		for range 100 {
			require.LessOrEqual(t, p.delay(n), most)
			require.GreaterOrEqual(t, p.delay(n), most/2)
		}
	}
	require.LessOrEqual(t, p.delay(1_000_000), time.Minute)
	p.BaseDelay, p.MaxDelay = 1<<62, 1<<62
	require.Positive(t, p.delay(5))
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	for in, want := range map[string]time.Duration{
		"": 0, "0": 0, "1": time.Second, " 7 ": 7 * time.Second, "300": 300 * time.Second, "301": 300 * time.Second,
		"99999999999999999999999": 300 * time.Second, "-1": 0, "1.5": 0, "soon": 0, "+5": 0, "0x10": 0,
		now.Add(time.Minute).Format(http.TimeFormat):  time.Minute,
		now.Add(time.Hour).Format(http.TimeFormat):    300 * time.Second,
		now.Add(-time.Minute).Format(http.TimeFormat): 0,
		now.Format(http.TimeFormat):                   0,
	} {
		require.Equal(t, want, parseRetryAfter(in, now), in)
	}
}

func TestPausesForget(t *testing.T) {
	var p pauses
	now := time.Unix(1000, 0)
	key := func(i int) pauseKey { return pauseKey{key: WriteKey(fmt.Sprint(i))} }
	for i := range 1000 {
		p.set(key(i), now, time.Duration(1+i%10)*time.Second)
	}
	require.Len(t, p.until, 1000)
	require.Equal(t, 3*time.Second, p.remaining(key(2), now))
	p.set(key(2), now, time.Second)
	require.Equal(t, 3*time.Second, p.remaining(key(2), now), "a shorter pause does not end a longer one")
	require.Zero(t, p.remaining(key(5000), now))

	require.Zero(t, p.remaining(key(0), now.Add(time.Second)))
	require.Len(t, p.until, 900)
	require.Zero(t, p.remaining(key(5000), now.Add(10*time.Second)))
	require.Empty(t, p.until)
	require.Zero(t, p.count.Load())
	p.set(key(1), now.Add(11*time.Second), time.Second)
	require.Equal(t, time.Second, p.remaining(key(1), now.Add(11*time.Second)))
}

func TestErrorTexts(t *testing.T) {
	require.Equal(t, "segment call failed: rejected", (&Error{Kind: KindRejected}).Error())
	require.Equal(t, "the receiver answered 418 (i'm a teapot): short and stout", (&Error{Status: 418, Text: "short and stout"}).Error())
	require.Equal(t, "0, 2-4, 9", enumerate([]int{0, 2, 3, 4, 9}))
	var odd []int
	for i := range 500 {
		odd = append(odd, 2*i)
	}
	require.True(t, strings.HasSuffix(enumerate(odd), ", 198 and 400 more"))
	require.Equal(t, []string{"0", "999", "1,000", "12,345,678"}, []string{grouped(0), grouped(999), grouped(1000), grouped(12345678)})
	require.Equal(t, "äö…", clip("äöü", 2))
	require.Equal(t, "äöü", clip("äöü", 3))
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
