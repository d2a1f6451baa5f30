package schemas

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas/segment"
)

// What is not decoded must make no difference: jsonschema must judge the rest as it judges the
// whole value.
func TestWhatIsDecodedIsJudgedAsTheWhole(t *testing.T) {
	manifests, err := Load(segment.Manifests())
	require.NoError(t, err)
	list := []*Schema{}
	for _, m := range manifests {
		list = append(list, m.Input, m.Output)
	}
	for _, raw := range trickySchemas {
		s, err := Compile("https://blocks.invalid/tricky", json.RawMessage(raw))
		require.NoError(t, err, raw)
		list = append(list, s)
	}
	agreed, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(list).Draw(t, "schema")
		obj := drawObject(t, 3)
		all, err := compile("https://blocks.invalid/whole", s.raw)
		require.NoError(t, err)
		var value any
		decoder := json.NewDecoder(bytes.NewReader(obj.JSON()))
		decoder.UseNumber()
		require.NoError(t, decoder.Decode(&value))
		whole := all.Validate(value)
		require.Equal(t, whole == nil, s.Validate(t.Context(), obj) == nil, "%s\n%s\n%v", s.raw, obj.JSON(), whole)
		if whole == nil {
			agreed++
		} else {
			refused++
		}
	})
	require.NotZero(t, agreed, "no valid value was drawn")
	require.NotZero(t, refused, "no invalid value was drawn")
}

var trickySchemas = []string{
	`{"properties":{"traits":{"$ref":"#"},"event":{"type":"string"}},"minProperties":1}`,
	`{"properties":{"batch":{"type":"array","maxItems":1}},"allOf":[{"properties":{"batch":{"minItems":2}}}]}`,
	`{"allOf":[{"properties":{"event":{"type":"string"}}},{"properties":{"event":{"type":["string","object"]}}}]}`,
	`{"anyOf":[{"properties":{"event":{"type":"string"}}},{"properties":{"traits":{"type":"array"}},` +
		`"required":["traits"]}]}`,
	`{"properties":{"context":{"enum":["x",{"type":"x"}]},"traits":{"anyOf":[{"type":"string"},{"minItems":2}]}}}`,
	`{"type":"object","properties":{"properties":{"type":"object","minProperties":1}}}`,
	`{"type":"object","properties":{"context":{"type":"object"}},"anyOf":[{"properties":{"context":` +
		`{"required":["event"]}}},{"required":["userId"]}]}`,
	`{"type":"object","not":{"properties":{"traits":{"properties":{"event":{"type":"string"}},"required":["event"]}},` +
		`"required":["traits"]}}`,
	`{"type":"object","properties":{"batch":{"type":"array","items":{"type":"object"}}}}`,
	`{"type":"object","properties":{"batch":{"type":"array","items":{"properties":{"context":{"type":"object"}}},` +
		`"uniqueItems":true}}}`,
	`{"type":"object","properties":{"batch":{"contains":{"type":"object","required":["type"]}}}}`,
	`{"type":"object","patternProperties":{"^e":{"type":"string"}},"additionalProperties":{"type":"object",` +
		`"required":["type"]}}`,
	`{"type":"object","properties":{"event":{"const":{"event":"x"}},"traits":{"enum":[{"event":"x"},{}]}}}`,
	`{"type":"object","properties":{"context":{"$ref":"#/$defs/c"}},` +
		`"$defs":{"c":{"type":"object","required":["type"]}}}`,
	`{"type":"object","properties":{"context":true,"traits":false}}`,
	`{"type":"object","additionalProperties":false,` +
		`"properties":{"context":{"additionalProperties":false,"properties":{"type":{}}}}}`,
	`{"type":"object","if":{"required":["event"]},"then":{"properties":{"batch":{"items":{"required":["type"]}}}},` +
		`"else":{"maxProperties":1}}`,
}

func drawObject(t *rapid.T, depth int) rawjson.Object {
	names := rapid.SampledFrom([]string{
		"type", "event", "userId", "anonymousId", "properties", "traits", "context", "batch", "timestamp",
		"groupId", "previousId", "name", "integrations", "writeKey", "success", "count",
	})
	var obj rawjson.Object
	for range rapid.IntRange(0, 5).Draw(t, "members") {
		obj = obj.Set(names.Draw(t, "name"), drawValue(t, depth))
	}
	return obj
}

func drawValue(t *rapid.T, depth int) json.RawMessage {
	kinds := 5
	if depth > 0 {
		kinds = 7
	}
	switch rapid.IntRange(0, kinds).Draw(t, "kind") {
	case 0:
		return json.RawMessage("null")
	case 1:
		return json.RawMessage(rapid.SampledFrom([]string{"true", "false"}).Draw(t, "boolean"))
	case 2:
		return json.RawMessage(rapid.SampledFrom([]string{"0", "7", "1.10", "-3e2"}).Draw(t, "number"))
	case 3, 4, 5:
		return rawjson.Quote(rapid.SampledFrom([]string{
			"", "x", "track", "alias", "2026-01-31T09:30:00Z",
			"Segment Consent Preference Updated",
		}).Draw(t, "text"))
	case 6:
		var list []json.RawMessage
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			list = append(list, drawValue(t, depth-1))
		}
		return rawjson.AppendArray(nil, list)
	}
	return drawObject(t, depth-1).JSON()
}
