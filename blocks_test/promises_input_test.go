package blocks_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime"
)

func TestPromiseUnknownParameterIsRefusedWithTheNearestName(t *testing.T) {
	b := start(t)
	for given, nearest := range map[string]string{
		"user_id": "userId", "UserID": "userId", "annonymousId": "anonymousId", "propertys": "properties",
		"time stamp": "timestamp",
		"write_key":  "writeKey", "somethingElse": "",
	} {
		e := b.refused("segment_track", `{"event":"e","userId":"u","`+given+`":"s3cret value"}`)
		require.Equal(t, []violation{{"/" + given, "unknown_parameter"}}, violations(e))
		if nearest == "" {
			require.NotContains(t, e.Error(), "did you mean")
		} else {
			require.Contains(t, e.Error(), `did you mean "`+nearest+`"?`)
		}
		require.NotContains(t, e.Error(), "s3cret", "it may be a secret under a wrong name")
	}
}

// TestPromiseUnresolvedReferences gives each parameter a value that is only a reference. Each must
// refuse it.
func TestPromiseUnresolvedReferences(t *testing.T) {
	b := start(t)
	references := []string{"{{VAR}}", " {{ some.var }} ", "<start.input>", "<agent.response.items[0].id>"}
	for _, block := range segmentBlocks().List() {
		m := block.Manifest()
		for _, f := range m.Input.Fields() {
			for _, reference := range references {
				input := m.Examples[0].Input.Without(f.Name).Set(f.Name, json.RawMessage(jsonOf(t, reference)))
				e := b.refused(m.ID, string(input.JSON()))
				require.Equal(t, runtime.UnresolvedReference, e.Code)
				require.Equal(t, []violation{{"/" + f.Name, "unresolved_reference"}}, violations(e))
			}
		}
	}
	e := b.refused("segment_batch", `{"batch":[{"type":"track","event":"e","userId":"<start.userId>"}]}`)
	require.Equal(t, []violation{{"/batch/0/userId", "unresolved_reference"}}, violations(e))
}

func TestPromiseDeeperReferencesAreWarnedOf(t *testing.T) {
	b := start(t)
	res := b.accepted("segment_track",
		`{"event":"Hello {{NAME}}","userId":"u","properties":{"a":{"b":["{{VAR}}"]},"html":"<b>x</b>",`+
			`"lt":"\u003cagent.out\u003e"}}`)
	var paths []string
	for _, w := range res.Receipt.Warnings {
		require.Equal(t, "unresolved_reference", w.Code)
		paths = append(paths, w.Path)
	}
	require.Equal(t, []string{"/event", "/properties/a/b/0", "/properties/lt"}, paths)
	require.Len(t, b.stored(), 1)

	res = b.accepted("segment_batch",
		`{"batch":[{"type":"track","event":"e","userId":"u","properties":{"a":"<x.y>"}}],"context":{"ip":"{{IP}}"}}`)
	require.Equal(t, "/batch/0/properties/a", res.Receipt.Warnings[0].Path)
	require.Equal(t, "/context/ip", res.Receipt.Warnings[1].Path)
}

// Every json parameter also accepts text, and every parameter takes "" and null for absent.
func TestPromiseHostConventions(t *testing.T) {
	b := start(t)
	for _, block := range segmentBlocks().List() {
		m := block.Manifest()
		for _, f := range m.Input.Fields() {
			if f.Type == "json" {
				value := json.RawMessage(`{"some":{"key":[1.10]}}`)
				if f.Name == "batch" {
					value = json.RawMessage(`[{"type":"track","event":"e","userId":"u","messageId":"m",` +
						`"timestamp":"2026-01-31"}]`)
				}
				given := m.Examples[0].Input.Without(f.Name)
				direct := given.Set(f.Name, value).JSON()
				asText := given.Set(f.Name, json.RawMessage(jsonOf(t, " "+string(value)+"\n"))).JSON()
				require.Equal(t, bodiesOf(t, b, m.ID, direct), bodiesOf(t, b, m.ID, asText),
					"%s of %s as text", f.Name, m.ID)
			}
			without := bodiesOf(t, b, m.ID, m.Examples[0].Input.Without(f.Name).JSON())
			for _, blank := range []string{`""`, `null`} {
				with := bodiesOf(t, b, m.ID,
					m.Examples[0].Input.Without(f.Name).Set(f.Name, json.RawMessage(blank)).JSON())
				require.Equal(t, without, with, "%s of %s given as %s", f.Name, m.ID, blank)
			}
		}
	}
}

// bodiesOf returns what would be sent or, after a refusal, the violations.
func bodiesOf(t *testing.T, b *bench, block string, input json.RawMessage) []string {
	t.Helper()
	requests, receipt, err := b.rt.Preview(t.Context(), block, runtime.JSON(input), runtime.InvocationID("same"))
	if err != nil {
		var codes []string
		for _, v := range violations(asError(t, err)) {
			codes = append(codes, v.path+" "+v.code)
		}
		return codes
	}
	var bodies []string
	for _, r := range requests {
		bodies = append(bodies, stable("\n\n"+r.Body, receipt, false))
	}
	return bodies
}

func TestPromiseDuplicateNamesAreRefusedAtAnyDepth(t *testing.T) {
	b := start(t)
	for input, path := range map[string]string{
		`{"event":"e","event":"f","userId":"u"}`:                              "/event",
		`{"event":"e","userId":"u","\u0075serId":"v"}`:                        "/userId",
		`{"event":"e","userId":"u","properties":{"a":[{"b":{"c":1,"c":1}}]}}`: "/properties/a/0/b/c",
		`{"event":"e","userId":"u","properties":{"a":[` + `{"x/y~":1,"x/y~":2}` +
			`]}}`: "/properties/a/0/x~1y~0",
		`{"event":"e","userId":"u","properties":"{\"a\":{\"b\":1,\"b\":2}}"}`: "/properties",
		`{"event":"e","userId":"u","context":{"a":` + strings.Repeat(`[`, 50) + `{"k":1,"k":2}` +
			strings.Repeat(`]`, 50) +
			`}}`: "/context/a" + strings.Repeat("/0", 50) + "/k",
	} {
		e := b.refused("segment_track", input)
		require.Equal(t, []violation{{path, "duplicate_key"}}, violations(e))
	}
	e := b.refused("segment_batch",
		`{"batch":[{"type":"track","event":"e","userId":"u"},{"type":"track","event":"e","userId":"u","type":"page"}]}`)
	require.Equal(t, []violation{{"/batch/1/type", "duplicate_key"}}, violations(e))
}

func TestPromiseGoValuesThatAreNoJSONAreRefused(t *testing.T) {
	cyclic := map[string]any{}
	cyclic["self"] = cyclic
	list := []any{1, nil}
	list[1] = list
	type node struct{ Next *node }
	ring := &node{}
	ring.Next = ring
	b := start(t)
	for name, c := range map[string]struct {
		value any
		path  string // a prefix of the path
		code  string
	}{
		"NaN":                {map[string]any{"a": []any{1, math.NaN()}}, "/properties/a/1", "invalid_json"},
		"infinity":           {map[string]any{"a": math.Inf(-1)}, "/properties/a", "invalid_json"},
		"infinity in floats": {map[string]any{"a": []float64{math.Inf(1)}}, "/properties/a", "invalid_json"},
		"channel": {
			map[string]any{"a": map[string]any{"b": make(chan int)}}, "/properties/a/b", "invalid_json",
		},
		"function":            {map[string]any{"a": func() {}}, "/properties/a", "invalid_json"},
		"invalid UTF-8":       {map[string]any{"a": "x\xff"}, "/properties/a", "invalid_utf8"},
		"invalid UTF-8 name":  {map[string]any{"x\xff": 1}, "/properties", "invalid_utf8"},
		"invalid UTF-8 typed": {map[string]any{"a": []string{"x\xff"}}, "/properties/a", "invalid_utf8"},
		"cyclic map":          {cyclic, "/properties/self/self", "too_deep"},
		"cyclic list":         {map[string]any{"a": list}, "/properties/a/1/1", "too_deep"},
		"cyclic pointer":      {map[string]any{"a": ring}, "/properties/a", "invalid_json"},
		"raw that is not":     {map[string]any{"a": json.RawMessage(`{"b":}`)}, "/properties/a", "invalid_json"},
		"raw with duplicate": {
			map[string]any{"a": json.RawMessage(`{"b":1,"b":2}`)}, "/properties/a/b", "duplicate_key",
		},
		"number that is not": {map[string]any{"a": json.Number("1e")}, "/properties/a", "invalid_json"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.rt.Invoke(t.Context(), "segment_track",
				runtime.Map{"event": "e", "userId": "u", "properties": c.value})
			e := asError(t, err)
			require.Equal(t, runtime.InvalidInput, e.Code)
			require.Len(t, e.Violations, 1)
			require.Equal(t, c.code, e.Violations[0].Code)
			require.True(t, strings.HasPrefix(e.Violations[0].Path, c.path), "%q", e.Violations[0].Path)
			require.Less(t, len(e.Error()), 500)
		})
	}
	require.Empty(t, b.requests())
}

// A Map and its JSON lead to the same bytes, and the map does not change.
func TestPromiseMapsAreReadOnly(t *testing.T) {
	b := start(t)
	properties := map[string]any{
		"big": json.Number("12345678901234567890"), "price": json.RawMessage("1.10"),
		"when": time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC),
		"list": []string{"<a>", "é"}, "n": 42, "f": 0.1, "nothing": nil, "yes": true,
	}
	before := jsonOf(t, properties)
	input := runtime.Map{"userId": "u", "event": "e", "properties": properties}
	_, err := b.rt.Invoke(t.Context(), "segment_track", input)
	require.NoError(t, err)
	require.Equal(t, before, jsonOf(t, properties))
	require.Len(t, input, 3)
	sent, _ := b.requests()[0].messages(t)[0].Get("properties")
	require.Equal(t, `{"big":12345678901234567890,"f":0.1,"list":["<a>","é"],"n":42,"nothing":null,"price":1.10,`+
		`"when":"2026-01-31T00:00:00Z","yes":true}`, string(sent))
}

// The schema and the API client find different faults in a time, and report both with one code.
func TestPromiseOneCodeForATimeThatIsNone(t *testing.T) {
	b := start(t)
	for _, text := range []string{
		"yesterday", "1631210020", "2026-02-30", "0001-01-01T00:00:00+01:00",
		"2016-11-30T23:59:60Z",
	} {
		e := b.refused("segment_track", `{"event":"e","userId":"u","timestamp":"`+text+`"}`)
		require.Equal(t, []violation{{"/timestamp", "invalid_timestamp"}}, violations(e), text)
	}
}
