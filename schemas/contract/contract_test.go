package contract_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/schemas/contract"
)

// one returns a contract with the same schema on both sides.
func one(version, schema string) contract.Contract {
	return contract.New("a_block", version, json.RawMessage(schema), json.RawMessage(schema), nil)
}

// Every kind of change, from left to right and back: narrowing breaks inputs, widening outputs.
func TestCompare(t *testing.T) {
	const narrows, widens, breaks, adds = "narrower", "wider", "breaking", "compatible"
	for _, c := range []struct{ before, after, there, back, path, says string }{
		{`{}`, `{"type":"object"}`, narrows, widens, "", `type restricted to ["object"]`},
		{`{"type":["string","null"]}`, `{"type":"string"}`, narrows, widens, "", `type no longer allowed: "null"`},
		{`{"type":"number"}`, `{"type":"integer"}`, narrows, widens, "", `type no longer allowed: "number"`},
		{`{"type":"string"}`, `{"type":"boolean"}`, breaks, breaks, "", `type no longer allowed: "string"`},
		{`{"enum":["a","b",null]}`, `{"const":"a"}`, narrows, widens, "", `value no longer allowed: null`},
		{`{}`, `{"enum":["a"]}`, narrows, widens, "", `value restricted to ["a"]`},
		{`{"required":["a"]}`, `{"required":["b","a"]}`, narrows, widens, "/b", `required now`},
		{`{"minLength":1}`, `{"minLength":2}`, narrows, widens, "", `minLength changed: 1 → 2`},
		{`{}`, `{"minItems":1}`, narrows, widens, "", `minItems changed: none → 1`},
		{`{"maximum":2}`, `{"maximum":1.5}`, narrows, widens, "", `maximum changed: 2 → 1.5`},
		{`{}`, `{"maxProperties":0}`, narrows, widens, "", `maxProperties changed: none → 0`},
		{`{"maximum":1}`, `{"maximum":1.0}`, breaks, breaks, "", `maximum changed: 1 → 1.0`},
		{`{}`, `{"pattern":"^a"}`, narrows, widens, "", `pattern changed: none → "^a"`},
		{`{"pattern":"^a"}`, `{"pattern":"^b"}`, breaks, breaks, "", `pattern changed: "^a" → "^b"`},
		{`{}`, `{"format":"date-time"}`, narrows, widens, "", `format changed: none → "date-time"`},
		{`{}`, `{"allOf":[{"required":["a"]}]}`, narrows, widens, "", `new rule: {"required":["a"]}`},
		{
			`{"anyOf":[{"type":"null"},{"required":["a"]}]}`, `{"anyOf":[{"type":"null"}]}`, narrows, widens, "",
			`choice no longer allowed`,
		},
		{`{"oneOf":[true]}`, `{"oneOf":[false]}`, breaks, breaks, "", `oneOf changed`},
		{`{"items":{}}`, `{"items":{"type":"string"}}`, narrows, widens, "/*", `type restricted`},
		{`{"properties":{"a":{}}}`, `{"properties":{"a":false}}`, narrows, widens, "/a", `no longer allowed`},
		{`{"properties":{"a":{}}}`, `{"properties":{"a":{"minLength":1}}}`, narrows, widens, "/a", `minLength changed`},
		{`{}`, `{"additionalProperties":false}`, narrows, widens, "/…", `no longer allowed`},
		{
			`{"additionalProperties":false}`, `{"additionalProperties":false,"properties":{"a":{"type":"string"}}}`,
			adds, breaks, "/a", `new`,
		},
		{`{}`, `{"properties":{"a":{"type":"string"}}}`, narrows, breaks, "/a", `type restricted`},
		{
			`{"type":"string","x-code":"a"}`, `{"type":"string","x-codes":{"type":"b"}}`, breaks, breaks, "",
			`code of type changed: "a" → "b"`,
		},
		{`{"pattern":"^a","x-codes":{"pattern":"a"}}`, `{}`, widens, narrows, "", `pattern changed`},
		{`{"x-aacflow-type":"json"}`, `{"x-aacflow-type":"string"}`, breaks, breaks, "", `x-aacflow-type changed`},
		{
			`{"$ref":"#/$defs/a","$defs":{"a":{}}}`, `{"$ref":"#/$defs/a","$defs":{"a":false}}`, breaks, breaks, "",
			`another schema`,
		},
		{
			`{"properties":{"a":{}},"unevaluatedProperties":false}`, `{"unevaluatedProperties":false}`, breaks, breaks,
			"", `another schema`,
		},
	} {
		name := c.before + " to " + c.after
		there := contract.Compare(one("1.0.0", c.before), one("1.0.0", c.after))
		var messages []string
		for _, change := range there.Changes {
			messages = append(messages, change.Path+" "+change.Message)
		}
		require.Contains(t, strings.Join(messages, "\n"), c.path+" "+c.says, name)
		check := func(d contract.Diff, want string) {
			breaking := map[string]bool{}
			for _, change := range d.Changes {
				breaking[change.Part] = breaking[change.Part] || change.Breaking && change.Part != "codes"
			}
			require.Equal(t, want == breaks || want == narrows, breaking["input"], "%s: %v", name, d.Changes)
			if strings.HasPrefix(c.after, `{"properties":{"a":{"type"`) {
				return // what comes back differs from what goes there: see the next test
			}
			require.Equal(t, want == breaks || want == widens, breaking["output"], "%s: %v", name, d.Changes)
		}
		check(there, c.there)
		check(contract.Compare(one("1.0.0", c.after), one("1.0.0", c.before)), c.back)
	}
}

func TestVersions(t *testing.T) {
	const closed, more = `{"additionalProperties":false}`, `{"additionalProperties":false,"properties":{"a":{}}}`
	for _, c := range []struct {
		before, after, was, is, needs string
		ok                            bool
	}{
		{closed, closed, "1.2.3", "1.2.3", "1.2.3", true},
		{closed, closed, "1.2.3", "1.2.2", "1.2.3", false},
		{closed, `{"title":"Words","deprecated":true,"additionalProperties":false}`, "1.2.3", "1.2.3", "1.2.3", true},
		{closed, more, "1.2.3", "1.2.4", "1.3.0", false},
		{closed, more, "1.9.0", "1.10.0", "1.10.0", true},
		{more, closed, "1.2.3", "1.3.0", "2.0.0", false},
		{more, closed, "1.2.3", "2.0.0", "2.0.0", true},
		{more, closed, "", "soon", "1.0.0", false},
	} {
		d := contract.Compare(one(c.was, c.before), one(c.is, c.after))
		require.Equal(t, c.needs, d.Needs, "%+v", c)
		require.Equal(t, c.ok, d.Versioned, "%+v", c)
	}
}

func TestCodesAndBlocks(t *testing.T) {
	refused := func(code string) []schemas.Refusal {
		return []schemas.Refusal{{Violations: []schemas.Violation{{Code: code}}}}
	}
	empty := json.RawMessage("{}")
	d := contract.Compare(contract.New("b", "1.0.0", empty, empty, refused("old")),
		contract.New("b", "2.0.0", json.RawMessage(`{"allOf":[{"x-code":"a"}]}`), empty, refused("new")))
	require.Equal(t, []contract.Change{
		{Breaking: true, Part: "input", Message: `new rule: {"x-code":"a"}`},
		{Breaking: true, Part: "codes", Message: "code gone: old"},
		{Breaking: false, Part: "codes", Message: "new code: a"},
		{Breaking: false, Part: "codes", Message: "new code: new"},
	}, d.Changes)

	all := contract.CompareAll([]contract.Contract{{ID: "gone", Version: "1.0.0"}, {ID: "same", Version: "1.0.0"}},
		[]contract.Contract{{ID: "same", Version: "1.0.0"}, {ID: "new", Version: "3.0.0"}})
	require.Equal(t, []string{"gone", "new", "same"}, []string{all[0].Block, all[1].Block, all[2].Block})
	require.Equal(t, []bool{false, true, true}, []bool{all[0].Versioned, all[1].Versioned, all[2].Versioned})
	require.Equal(t, []bool{true, false, false}, []bool{all[0].Breaking(), all[1].Breaking(), all[2].Breaking()})
}

// Each major version of a block has a contract of its own.
func TestCompareMajors(t *testing.T) {
	of := func(version, parameter string) contract.Contract {
		return one(version, `{"properties":{"`+parameter+`":{}}}`)
	}
	verdicts := func(before, after []contract.Contract) (got []string) {
		for _, d := range contract.CompareAll(before, after) {
			got = append(got, fmt.Sprintf("%s>%s %v %v", d.Before, d.After, d.Versioned, d.Breaking()))
		}
		return got
	}
	v1, v2 := of("1.0.0", "a"), of("2.0.0", "b")
	both := []contract.Contract{v2, v1}
	require.Equal(t, []string{"1.0.0>1.0.0 true false", "2.0.0>2.0.0 true false"}, verdicts(both, both))
	require.Equal(t, []string{"1.0.0>1.0.0 true false", "1.0.0>2.0.0 true true"}, verdicts(both[1:], both))
	require.Equal(t, []string{"1.0.0>2.0.0 true true"}, verdicts(both[1:], both[:1]))
	require.Equal(t, []string{"1.0.0> false true", "2.0.0>2.0.0 true false"}, verdicts(both, both[:1]))
	require.Equal(t, []string{"1.0.0>1.1.0 false true", "2.0.0>2.0.0 true false"},
		verdicts(both, []contract.Contract{of("1.1.0", "c"), v2}))
}

// The answer of another party's service may be any JSON.
func FuzzCompare(f *testing.F) {
	f.Add(`{"properties":{"a":{"":1,"type":{},"x-codes":1}}}`, `{"properties":{"a":{"x-code":{},"type":[{}],"":2}}}`)
	f.Add(`[1]`, `{"required":[{}],"minimum":"x","allOf":{},"items":5}`)
	f.Fuzz(func(t *testing.T, before, after string) {
		d := contract.Compare(one("1.0.0", before), one("1.0.0", after))
		require.NotNil(t, d.Changes)
		require.Empty(t, contract.Compare(one("1.0.0", before), one("1.0.0", before)).Changes)
	})
}

// If no change is breaking, the validator must agree: each input that was valid still is, and each
// output that is valid was valid before.
func TestCompatibleIsCompatible(t *testing.T) {
	kept := 0
	rapid.Check(t, func(t *rapid.T) {
		before := drawSchema(t, 2)
		after := drawSchema(t, 2)
		if rapid.Bool().Draw(t, "related") { // related schemas are more often compatible
			after = rawjson.Merge(before, drawSchema(t, 0))
		}
		changes := contract.Compare(one("1.0.0", string(before)), one("1.0.0", string(after))).Changes
		breaking := map[string]bool{}
		for _, c := range changes {
			breaking[c.Part] = breaking[c.Part] || c.Breaking || c.Part == "output" && c.Message == "new member"
		}
		old, err := schemas.Compile("https://blocks.invalid/old", before)
		require.NoError(t, err)
		now, err := schemas.Compile("https://blocks.invalid/now", after)
		require.NoError(t, err)
		for range 5 {
			value := rawjson.OpenObject(drawValue(t, 2, true))
			wasValid, isValid := len(old.Validate(t.Context(), value)) == 0, len(now.Validate(t.Context(), value)) == 0
			if !breaking["input"] && wasValid {
				require.True(t, isValid, "%s\n%s\n%s", before, after, value.JSON())
				kept++
			}
			if !breaking["output"] && isValid {
				require.True(t, wasValid, "%s\n%s\n%s", before, after, value.JSON())
			}
		}
	})
	require.NotZero(t, kept, "no compatible change was drawn")
}

func drawSchema(t *rapid.T, depth int) json.RawMessage {
	inner := func() json.RawMessage {
		if depth == 0 {
			return json.RawMessage(rapid.SampledFrom([]string{"true", "false", `{"type":"string"}`}).Draw(t, "leaf"))
		}
		return drawSchema(t, depth-1)
	}
	s := rawjson.Object{}
	for range rapid.IntRange(0, 3).Draw(t, "keywords") {
		keyword := rapid.SampledFrom([]string{
			"type", "enum", "required", "minProperties", "maxProperties", "minLength", "properties",
			"additionalProperties", "items", "allOf", "anyOf", "not", "minimum", "if", "then",
		}).Draw(t, "keyword")
		var value json.RawMessage
		switch keyword {
		case "type":
			value = json.RawMessage(rapid.SampledFrom([]string{
				`"object"`, `"string"`, `["object","null"]`, `"integer"`, `"number"`,
			}).Draw(t, "type"))
		case "enum":
			value = json.RawMessage(rapid.SampledFrom([]string{`["a"]`, `["a",1,{}]`, `[{"a":1}]`}).Draw(t, "enum"))
		case "required":
			value = json.RawMessage(rapid.SampledFrom([]string{`[]`, `["a"]`, `["b","a"]`}).Draw(t, "required"))
		case "minProperties", "maxProperties", "minLength", "minimum":
			value = json.RawMessage(rapid.SampledFrom([]string{"0", "1", "2"}).Draw(t, "bound"))
		case "properties":
			members := rawjson.Object{}
			for _, name := range []string{"a", "b"} {
				if rapid.Bool().Draw(t, name) {
					members = members.Set(name, inner())
				}
			}
			value = members.JSON()
		case "allOf", "anyOf":
			value = rawjson.AppendArray(nil,
				[]json.RawMessage{inner(), inner()}[:rapid.IntRange(1, 2).Draw(t, "branches")])
		default:
			value = inner()
		}
		s = s.Set(keyword, value)
	}
	return s.JSON()
}

func drawValue(t *rapid.T, depth int, object bool) json.RawMessage {
	if !object && (depth == 0 || rapid.Bool().Draw(t, "scalar")) {
		return json.RawMessage(rapid.SampledFrom([]string{`"a"`, `""`, "1", "1.5", "null", "[]", `["a"]`}).Draw(t,
			"value"))
	}
	obj := rawjson.Object{}
	for _, name := range []string{"a", "b", "c"} {
		if rapid.Bool().Draw(t, name) {
			obj = obj.Set(name, drawValue(t, depth-1, false))
		}
	}
	return obj.JSON()
}
