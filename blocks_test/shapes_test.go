package blocks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	goruntime "runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// shape is a kind of input that can have any size.
type shape struct {
	name  string
	block string
	make  func(size int) []byte
	// refused is true if the input breaks a rule at every size.
	refused bool
}

// repeated writes before, element number 0, 1, 2 … joined by commas, and after, size bytes in all
// or a little more.
func repeated(before string, element func(i int) string, after string) func(size int) []byte {
	return func(size int) []byte {
		var b bytes.Buffer
		b.WriteString(before)
		for i := 0; i == 0 || b.Len()+len(after) < size; i++ {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(element(i))
		}
		b.WriteString(after)
		return b.Bytes()
	}
}

func the(element string) func(int) string { return func(int) string { return element } }

// shapes are inputs that are valid, faulty throughout, or made to cost more than their size.
func shapes() []shape {
	wide := func(i int) string {
		var b strings.Builder
		fmt.Fprintf(&b, `{"type":"track","userId":"u-%d","event":"E"`, i)
		for n := range 30 {
			fmt.Fprintf(&b, `,"member%d":%d`, n, n)
		}
		return b.String() + "}"
	}
	tiny := func(i int) string { return fmt.Sprintf(`{"type":"track","userId":"u%d","event":"E"}`, i) }
	const track, batch = "segment_track", "segment_batch"
	return []shape{
		{name: "tiny messages", block: batch, make: repeated(`{"batch":[`, tiny, `]}`)},
		{name: "wide messages", block: batch, make: repeated(`{"batch":[`, wide, `]}`)},
		{name: "messages in a text", block: batch, make: func(size int) []byte {
			list := repeated(`[`, tiny, `]`)(size * 3 / 4)
			return rawjson.Object{{Name: "batch", Value: rawjson.Quote(string(list))}}.JSON()
		}},
		{
			name: "messages with blanks", block: batch,
			make: repeated(`{"batch":[`, the(`{"type":"track","userId":"u","event":"E","anonymousId":""}`), `]}`),
		},
		{
			name: "one huge message", block: batch, refused: true,
			make: repeated(`{"batch":[{"type":"track","userId":"u","event":"E","properties":{"list":[`,
				the(`0`), `]}}]}`),
		},
		{
			name: "huge properties", block: track, refused: true,
			make: repeated(`{"event":"E","userId":"u","properties":{`,
				func(i int) string { return fmt.Sprintf(`"n%d":%d`, i, i) }, `}}`),
		},
		{
			name: "references in properties", block: track, refused: true,
			make: repeated(`{"event":"E","userId":"u","properties":{"list":[`, the(`"{{A}}"`), `]}}`),
		},
		{name: "empty messages", block: batch, refused: true, make: repeated(`{"batch":[`, the(`{}`), `]}`)},
		{name: "numbers for messages", block: batch, refused: true, make: repeated(`{"batch":[`, the(`1`), `]}`)},
		{
			name: "blank messages", block: batch, refused: true,
			make: repeated(`{"batch":[`, the(`{"type":"track","event":"","userId":null}`), `]}`),
		},
		{
			name: "unresolved messages", block: batch, refused: true,
			make: repeated(`{"batch":[`, the(`{"event":"{{A}}"}`), `]}`),
		},
		{
			name: "unknown members", block: track, refused: true,
			make: repeated(`{`, func(i int) string { return fmt.Sprintf(`"n%d":0`, i) }, `}`),
		},
		{
			name: "one long name", block: track, refused: true,
			make: func(size int) []byte { return []byte(`{"` + strings.Repeat("n", size) + `":0}`) },
		},
		{name: "one long text", block: track, refused: true, make: func(size int) []byte {
			return []byte(`{"event":7,"userId":"` + strings.Repeat(`\u00e9`, size/6) + `"}`)
		}},
		{
			name: "an array for an event", block: track, refused: true,
			make: repeated(`{"userId":"u","event":[`, the(`{"a":[]}`), `]}`),
		},
		{
			name: "deep values", block: track, refused: true,
			make: repeated(`{"event":"E","userId":"u","properties":{"list":[`,
				the(strings.Repeat("[", 120)+strings.Repeat("]", 120)), `]}}`),
		},
		{
			name: "wide objects in wide objects", block: track, refused: true,
			make: repeated(`{"event":"E","userId":"u","properties":{"list":[`, the(nested(30, 20)), `]}}`),
		},
		{
			name: "a name twice at the end", block: track, refused: true,
			make: repeated(`{"event":"E","userId":"u","properties":{"n0":1,`,
				func(i int) string { return fmt.Sprintf(`"n%d":0`, i+1) }, `,"n0":2}}`),
		},
		{
			name: "not JSON at the end", block: track, refused: true,
			make: repeated(`{"event":"E","userId":"u","properties":{"list":[`, the(`{"a":"b"}`), `,]}}`),
		},
	}
}

// nested returns an object with many members, the last of which is such an object too.
func nested(members, levels int) string {
	if levels == 0 {
		return "0"
	}
	var b strings.Builder
	for i := range members {
		fmt.Fprintf(&b, `"m%d":0,`, i)
	}
	return "{" + b.String() + `"in":` + nested(members, levels-1) + "}"
}

// receiverless returns a runtime for validating, which sends nothing to its source.
func receiverless(t testing.TB) *runtime.Runtime {
	reg := registry.New()
	blocks.MustRegister(reg)
	rt, err := runtime.New(reg, runtime.Source("test", tracking.Source{WriteKey: "0123456789abcdefghijklmnopqrstuv"}))
	require.NoError(t, err)
	return rt
}

// BenchmarkShapes validates inputs of 1 KB to 32 MiB. Time a byte should not grow with the size.
func BenchmarkShapes(b *testing.B) {
	rt := receiverless(b)
	for _, s := range shapes() {
		for _, size := range []int{1 << 10, 32 << 10, 1 << 20, 32<<20 - 1<<10} {
			input := s.make(size)
			b.Run(fmt.Sprintf("%s/%dKB", strings.ReplaceAll(s.name, " ", "-"), size>>10), func(b *testing.B) {
				b.SetBytes(int64(len(input)))
				b.ReportAllocs()
				for b.Loop() {
					_ = rt.Validate(b.Context(), s.block, runtime.JSON(input))
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(input)), "ns/B")
			})
		}
	}
}

// The cost of an input must grow linearly with its size, and the size of an answer not at all.
func TestLargeInputsCostWhatTheirSizeSays(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures time and memory of large inputs")
	}
	rt := receiverless(t)
	const small, factor = 128 << 10, 16
	for _, s := range shapes() {
		t.Run(s.name, func(t *testing.T) {
			spent := func(input []byte) (time.Duration, uint64) {
				var before, after goruntime.MemStats
				goruntime.ReadMemStats(&before)
				start := time.Now()
				err := rt.Validate(t.Context(), s.block, runtime.JSON(input))
				took := time.Since(start)
				goruntime.ReadMemStats(&after)
				requireBounded(t, s.refused, err)
				return took, after.TotalAlloc - before.TotalAlloc
			}
			spent(s.make(small)) // pays for what is done once
			quick, little := spent(s.make(small))
			slow, much := spent(s.make(factor * small))
			require.Less(t, much, 2*factor*little+16<<20, "memory that is allocated")
			require.Less(t, slow, 5*factor*quick+2*time.Second)
		})
	}
}

func requireBounded(t require.TestingT, refused bool, err error) {
	if !refused {
		require.NoError(t, err)
		return
	}
	require.Error(t, err)
	e := runtime.ErrorOf(err)
	require.Contains(t, []runtime.Code{runtime.InvalidInput, runtime.TooLarge, runtime.UnresolvedReference}, e.Code,
		err.Error())
	require.LessOrEqual(t, len(e.Violations), 100)
	answer, err := json.Marshal(e)
	require.NoError(t, err)
	require.Less(t, len(answer), 64<<10)
}

// The largest inputs are as many messages as have room, one large value, and a map. The test above
// shows that the other shapes cost no more.
func TestInputsAsLargeAsTheLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("32 MiB in each of several shapes")
	}
	rt := receiverless(t)
	largest := rawjson.Limits{}.WithDefaults().MaxBytes
	for _, s := range shapes() {
		if s.name != "tiny messages" && s.name != "huge properties" {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			input := s.make(largest - 1<<10)
			require.LessOrEqual(t, len(input), largest)
			requireBounded(t, s.refused, rt.Validate(t.Context(), s.block, runtime.JSON(input)))
		})
	}
	t.Run("a map", func(t *testing.T) {
		list := make([]any, 500_000)
		for i := range list {
			list[i] = map[string]any{"type": "track", "userId": "u-" + strconv.Itoa(i), "event": "E"}
		}
		require.NoError(t, rt.Validate(t.Context(), "segment_batch", runtime.Map{"batch": list}))
	})
	one := shapes()[0]
	err := rt.Validate(t.Context(), one.block, runtime.JSON(one.make(largest+1)))
	require.Equal(t, runtime.TooLarge, runtime.ErrorOf(err).Code)
}

// Any value may occur anywhere in an input, and very often.
func TestInputsThatGrow(t *testing.T) {
	most := 14
	if testing.Short() {
		most = 10
	}
	rt := receiverless(t)
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SampledFrom([]string{
			`{}`, `[]`, `""`, `null`, `1e400`, `-0.0`, `"{{A}}"`, `"<a.b>"`, `"\ud83d\ude00"`, `"2026-01-31"`, `[[[]]]`,
			`{"a":{"a":{}}}`,
			`{"type":"track","event":"E","userId":"u"}`, `{"type":"alias"}`,
			`{"type":"nothing","event":[],"timestamp":"x","messageId":""}`,
			nested(3, 3), nested(30, 3),
		}).Draw(t, "value")
		place := rapid.SampledFrom([]string{
			`{"batch":[%s]}`, `{"batch":[{"type":"identify","userId":"u","traits":{"list":[%s]}}]}`,
			`{"batch":[{"type":[%s]}]}`,
			`{"batch":[[%s]]}`,
			`{"batch":[],"context":{"list":[%s]}}`, `{"writeKey":[%s]}`, `{"unknown":[%s]}`, `{"batch":{"x":[%s]}}`,
		}).Draw(t, "place")
		n := 1 << rapid.IntRange(0, most).Draw(t, "doublings")
		list := strings.TrimSuffix(strings.Repeat(value+",", n), ",")
		input := strings.Replace(place, "%s", list, 1)
		if rapid.Bool().Draw(t, "names") {
			input = strings.Replace(place, "[%s]", repeatedNames(value, n), 1)
		}
		if err := rt.Validate(context.Background(), "segment_batch", runtime.JSON(input)); err != nil {
			requireBounded(t, true, err)
		}
	})
}

func repeatedNames(value string, n int) string {
	return string(repeated(`{`, func(i int) string { return fmt.Sprintf(`"n%d":%s`, i, value) },
		`}`)(n * (len(value) + 8)))
}
