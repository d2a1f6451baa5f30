package rawjson_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
)

func ExampleParseObject() {
	obj, err := rawjson.ParseObject([]byte(`{"total": 1.10, "id": 12345678901234567890}`), rawjson.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	obj = obj.Set("event", rawjson.Quote("Order Completed"))
	fmt.Println(string(obj.JSON()))
	// Output: {"total":1.10,"id":12345678901234567890,"event":"Order Completed"}
}

func ExampleMerge() {
	merged := rawjson.Merge([]byte(`{"app":{"name":"Shop","build":7},"ip":"203.0.113.9"}`),
		[]byte(`{"app":{"build":8}}`))
	fmt.Println(string(merged))
	// Output: {"app":{"name":"Shop","build":8},"ip":"203.0.113.9"}
}

func TestMergeOfManyMembers(t *testing.T) {
	object := func(first, n int) rawjson.Object {
		var obj rawjson.Object
		for i := range n {
			obj = append(obj, rawjson.Member{Name: fmt.Sprintf("m%06d", first+i), Value: fmt.Appendf(nil, "%d", first)})
		}
		return obj
	}
	merged := rawjson.OpenObject(rawjson.Merge(object(0, 100).JSON(), object(50, 100).JSON()))
	require.Equal(t, append(object(0, 100)[:50], object(50, 100)...), merged)

	// With a search for each name it would take several hundred times as long as to read the two.
	base, over := object(0, 10_000).JSON(), object(10_000, 10_000).JSON()
	quickest := func(do func()) time.Duration {
		best := time.Duration(math.MaxInt64)
		for range 5 {
			start := time.Now()
			do()
			best = min(best, time.Since(start))
		}
		return best
	}
	reading := quickest(func() { _, _ = rawjson.OpenObject(base), rawjson.OpenObject(over) })
	require.Less(t, quickest(func() { rawjson.Merge(base, over) }), 50*reading)
}

func TestParseObjectRefuses(t *testing.T) {
	for _, c := range []struct {
		name, data string
		want       string
		pointer    string
	}{
		{"nothing", ``, "invalid_json", ""},
		{"white space", " \n", "invalid_json", ""},
		{"a list", `[]`, "wrong_type", ""},
		{"a text", `"x"`, "wrong_type", ""},
		{"null", `null`, "wrong_type", ""},
		{"cut short", `{"a":{"b":1`, "invalid_json", "/a"},
		{"two values", `{} {}`, "invalid_json", ""},
		{"a name twice", `{"a":1,"b":2,"a":3}`, "duplicate_key", "/a"},
		{"a name twice, once escaped", `{"a":1,"\u0061":3}`, "duplicate_key", "/a"},
		{"a name twice, deep inside", `{"p":[{},{"q":{"a":1,"a":1}}]}`, "duplicate_key", "/p/1/q/a"},
		{"bytes that are not UTF-8", "{\"a\":\"\xff\"}", "invalid_utf8", "/a"},
		{"half a surrogate pair", `{"a":"\ud800"}`, "invalid_json", "/a"},
		{"a comment", `{/**/}`, "invalid_json", ""},
		{"a trailing comma", `{"a":1,}`, "invalid_json", ""},
		{"NaN", `{"a":NaN}`, "invalid_json", "/a"},
		{"a leading zero", `{"a":01}`, "invalid_json", ""},
		{"too deep", `{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, "too_deep", ""},
		{"a list that is too deep", strings.Repeat("[", 100000), "too_deep", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := rawjson.ParseObject([]byte(c.data), rawjson.Limits{})
			var where *rawjson.Error
			require.ErrorAs(t, err, &where)
			require.Equal(t, c.want, where.Code)
			require.Equal(t, c.pointer, where.Pointer)
		})
	}
	_, err := rawjson.ParseObject([]byte(`{"a":"0123456789"}`), rawjson.Limits{MaxBytes: 10})
	require.ErrorContains(t, err, "must be smaller: 18 bytes, 10 are allowed")
}

func TestDepthLooksPastTexts(t *testing.T) {
	_, err := rawjson.ParseObject([]byte(`{"a":"[[[[\"[[[[","b":[[1]]}`), rawjson.Limits{MaxDepth: 3})
	require.NoError(t, err)
}

// TestDepthIsBounded: whatever a caller allows, depth cannot exhaust the stack, which ends a
// process.
func TestDepthIsBounded(t *testing.T) {
	unbounded := rawjson.Limits{MaxDepth: math.MaxInt32}
	require.ErrorContains(t, rawjson.Check([]byte(strings.Repeat("[", 32<<20)), unbounded), "1000 levels are allowed")
	require.NoError(t, rawjson.Check([]byte(strings.Repeat("[", 1000)+strings.Repeat("]", 1000)), unbounded))
	deep := any("end")
	for range 1_000_000 {
		deep = []any{deep}
	}
	_, err := rawjson.Encode(map[string]any{"a": deep}, unbounded)
	require.ErrorContains(t, err, "1000 levels are allowed")
}

func TestEncode(t *testing.T) {
	type custom struct {
		N json.Number `json:"n"`
	}
	loop := map[string]any{}
	loop["self"] = []any{loop}
	for _, c := range []struct {
		name    string
		in      map[string]any
		want    string
		pointer string
		err     string
	}{
		{name: "digits stay", in: map[string]any{
			"n": json.Number("12345678901234567890"), "d": json.Number("1.10"),
			"r": json.RawMessage(`1e400`),
		}, want: `{"d":1.10,"n":12345678901234567890,"r":1e400}`},
		{
			name: "basic types",
			in:   map[string]any{"a": nil, "b": true, "c": 1, "d": int64(-2), "e": 1.5, "f": "<ä&>"},
			want: `{"a":null,"b":true,"c":1,"d":-2,"e":1.5,"f":"<ä&>"}`,
		},
		{
			name: "structs and typed maps",
			in:   map[string]any{"a": custom{"1.10"}, "b": map[string]int{"x": 1}, "c": []string{"<"}},
			want: `{"a":{"n":1.10},"b":{"x":1},"c":["<"]}`,
		},
		{
			name: "nil maps and raw messages", in: map[string]any{"a": map[string]any(nil), "b": json.RawMessage(nil)},
			want: `{"a":null,"b":null}`,
		},
		{
			name: "lists of maps", in: map[string]any{"a": []map[string]any{{"x": 1}}, "b": []any{}},
			want: `{"a":[{"x":1}],"b":[]}`,
		},
		{
			name: "NaN", in: map[string]any{"a": map[string]any{"b/c": math.NaN()}}, pointer: "/a/b~1c",
			err: "invalid_json",
		},
		{name: "infinity", in: map[string]any{"a": []any{math.Inf(1)}}, pointer: "/a/0", err: "invalid_json"},
		{name: "a channel", in: map[string]any{"a": make(chan int)}, pointer: "/a", err: "invalid_json"},
		{
			name: "bytes that are not UTF-8", in: map[string]any{"a": []any{"\xff"}}, pointer: "/a/0",
			err: "invalid_utf8",
		},
		{
			name: "the same in a name", in: map[string]any{"a": map[string]any{"\xff": 1}}, pointer: "/a",
			err: "invalid_utf8",
		},
		{
			name: "the same in a typed map", in: map[string]any{"a": map[string]string{"x": "\xff"}}, pointer: "/a",
			err: "invalid_utf8",
		},
		{
			name: "raw JSON that is none", in: map[string]any{"a": json.RawMessage(`{`)}, pointer: "/a",
			err: "invalid_json",
		},
		{
			name: "raw JSON with a name twice", in: map[string]any{"a": json.RawMessage(`{"x":{"y":1,"y":2}}`)},
			pointer: "/a/x/y", err: "duplicate_key",
		},
		{name: "a map that holds itself", in: loop, pointer: "", err: "too_deep"},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw, err := rawjson.Encode(c.in, rawjson.Limits{})
			if c.err == "" {
				require.NoError(t, err)
				require.Equal(t, c.want, string(raw))
				return
			}
			var where *rawjson.Error
			require.ErrorAs(t, err, &where)
			require.Equal(t, c.err, where.Code)
			if c.pointer != "" {
				require.Equal(t, c.pointer, where.Pointer)
			}
			require.Less(t, len(where.Pointer), 100)
		})
	}
}

func TestTexts(t *testing.T) {
	var got []string
	rawjson.Texts([]byte(`{"a":"1","b":["2",{"c/d":"3","e":4}],"f":{}}`), func(pointer, text string) bool {
		got = append(got, pointer+"="+text)
		return len(got) < 3
	})
	require.Equal(t, []string{"/a=1", "/b/0=2", "/b/1/c~1d=3"}, got)
}

func TestAt(t *testing.T) {
	doc := json.RawMessage(`{"a":[{"b~/c":7}]}`)
	got, ok := rawjson.At(doc, "/a/0/b~0~1c")
	require.True(t, ok)
	require.Equal(t, "7", string(got))
	for _, missing := range []string{"/a/1", "/a/-1", "/a/x", "/b", "/a/0/b~0~1c/d"} {
		_, ok := rawjson.At(doc, missing)
		require.False(t, ok, missing)
	}
}

func TestOpenIgnoresOtherKinds(t *testing.T) {
	require.Nil(t, rawjson.OpenObject([]byte(`[1]`)))
	require.Nil(t, rawjson.OpenArray([]byte(`{}`)))
	require.Empty(t, rawjson.OpenArray([]byte(`[ ]`)))
	require.NotNil(t, rawjson.OpenArray([]byte(`[]`)))
}

// Parsing must agree with encoding/json, and writing the result again must lose nothing.
func FuzzParseObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1.10}`, `{"a":{"b":[1,"x",null]}}`, `{"a":1,"a":2}`,
		` {"\u0061" : "\ud83d\ude00"} `, `{"a":`, "{\"a\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		obj, err := rawjson.ParseObject(data, rawjson.Limits{})
		if err != nil {
			return
		}
		require.True(t, json.Valid(data), "taken, though encoding/json refuses it: %q", data)
		written := obj.JSON()
		require.JSONEq(t, string(data), string(written))
		again, err := rawjson.ParseObject(written, rawjson.Limits{})
		require.NoError(t, err)
		require.Equal(t, string(written), string(again.JSON()))
	})
}

// A document may be a part of a buffer whose other bytes belong to somebody else. The race detector
// notices if they are read.
func TestNothingBehindTheDocumentIsRead(t *testing.T) {
	for _, doc := range []string{
		`{"a":1}`, `{"abcd":"x"}`, `[true,"ab",-1.5e3]`,
		`{"a":[{"b":"\u00e9"}],"abcdefgh":null}`,
	} {
		buffer := append([]byte(doc), make([]byte, 64)...)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range buffer[len(doc):] {
				buffer[len(doc)+i] = byte(i)
			}
		}()
		require.NoError(t, rawjson.Check(buffer[:len(doc)], rawjson.Limits{}))
		_, _ = rawjson.ParseObject(buffer[:len(doc)], rawjson.Limits{})
		<-done
	}
}

// A value that occurs many times in itself is small in memory and huge as JSON.
func TestEncodingIsBoundedBySize(t *testing.T) {
	list := []any{"x"}
	for range 60 {
		list = []any{list, list}
	}
	_, err := rawjson.Encode(list, rawjson.Limits{MaxBytes: 1 << 16})
	require.ErrorContains(t, err, "must be smaller")
	_, err = rawjson.Encode(map[string]any{"a": map[string]any{"b": list}}, rawjson.Limits{MaxBytes: 1 << 16})
	var where *rawjson.Error
	require.ErrorAs(t, err, &where)
	require.Equal(t, "too_large", where.Code)
	require.Empty(t, where.Pointer, "it is the document that is too large")
}

// An opened member takes many times the memory of its text.
func TestMembersAreBounded(t *testing.T) {
	of := func(n int) []byte {
		var b bytes.Buffer
		for i := range n {
			fmt.Fprintf(&b, `,"n%d":{"a":1,"b":2}`, i)
		}
		return append(append([]byte("{"), b.Bytes()[1:]...), '}')
	}
	obj, err := rawjson.ParseObject(of(10_000), rawjson.Limits{})
	require.NoError(t, err)
	require.Len(t, obj, 10_000)
	_, err = rawjson.ParseObject(of(10_001), rawjson.Limits{})
	var where *rawjson.Error
	require.ErrorAs(t, err, &where)
	require.Equal(t, "too_large", where.Code)
	require.EqualError(t, err, "must have 10000 members at most")
	_, err = rawjson.ParseObject(of(10_001), rawjson.Limits{MaxMembers: 10_001})
	require.NoError(t, err)
	require.NoError(t, rawjson.Check(of(10_001), rawjson.Limits{}), "which opens nothing")
}

// A message about a large object looks for a thousand members in it.
func TestAtOpensNothing(t *testing.T) {
	raw := []byte(`{"b":{` + strings.Repeat(`"x":[1],`, 1000) + `"\u0063":1,"a":2}}`)
	for pointer, want := range map[string]string{"/b/a": "2", "/b/c": "1", "/b/x/0": "1"} {
		value, ok := rawjson.At(raw, pointer)
		require.True(t, ok, pointer)
		require.Equal(t, want, string(value))
	}
	_, ok := rawjson.At(raw, "/b/d")
	require.False(t, ok)
	require.Less(t, testing.AllocsPerRun(10, func() { rawjson.At(raw, "/b/a") }), 10.0)
}
