package schemas_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/schemas/segment"
)

// authority is jsonschema itself, on everything decoded.
func authority(t require.TestingT, schema []byte) func(require.TestingT, []byte) bool {
	c := jsonschema.NewCompiler()
	c.Draft, c.AssertFormat = jsonschema.Draft2020, true
	require.NoError(t, c.AddResource("schema.json", bytes.NewReader(schema)))
	compiled, err := c.Compile("schema.json")
	require.NoError(t, err)
	return func(t require.TestingT, instance []byte) bool { return compiled.Validate(decoded(t, instance)) == nil }
}

func decoded(t require.TestingT, instance []byte) any {
	d := json.NewDecoder(bytes.NewReader(instance))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v))
	return v
}

// soundness fails if the plan accepts what jsonschema refuses. It returns whether the plan
// accepted.
func soundness(t require.TestingT, s *schemas.Schema, valid func(require.TestingT, []byte) bool, instance []byte) bool {
	accepted := s.AcceptsJSON(instance, rawjson.Limits{})
	if accepted {
		require.True(t, valid(t, instance), "the plan accepts %s\nunder %s", instance, s.JSON())
	}
	opened, ok := s.Scan(instance, rawjson.Limits{})
	require.Equal(t, accepted, ok)
	if ok {
		obj, err := rawjson.ParseObject(instance, rawjson.Limits{})
		require.NoError(t, err)
		require.Equal(t, obj, opened.Object)
		for name, list := range opened.Lists {
			raw, _ := obj.Get(name)
			elements := rawjson.OpenArray(raw)
			require.Len(t, list, len(elements))
			for i := range list {
				require.Equal(t, rawjson.OpenObject(elements[i]), list[i])
			}
		}
	}
	if obj, err := rawjson.ParseObject(instance, rawjson.Limits{}); err == nil {
		require.Equal(t, valid(t, instance), s.Validate(context.Background(), obj) == nil,
			"%s\nunder %s", instance, s.JSON())
	}
	return accepted
}

func manifests(t require.TestingT) []*schemas.Manifest {
	list, err := schemas.Load(segment.Manifests())
	require.NoError(t, err)
	return list
}

// A plan is useless if it leaves usual inputs to jsonschema.
func TestPlanAcceptsTheUsual(t *testing.T) {
	usual := map[string][]string{
		"segment_track": {
			`{"event":"Order Completed","userId":"u-42","properties":{"total":42.50,"products":[{"sku":"G-32"}]},` +
				`"context":{"ip":"203.0.113.9"},"timestamp":"2026-01-31T09:30:00.000Z","integrations":{"All":true}}`,
			`{"event":"a","anonymousId":"b","timestamp":"2026-01-31T09:30:00+02:00","writeKey":"abc"}`,
			`{"event":"Segment Consent Preference Updated","userId":"u","context":{"consent":{"categoryPreferences":` +
				`{"Advertising":true,"Analytics":false},"version":2},"device":{"advertisingId":"x"}}}`,
		},
		"segment_identify": {`{"userId":"u-42","traits":{"email":"a@example.com"}}`},
		"segment_alias":    {`{"userId":"u-42","previousId":"u-41"}`},
		"segment_batch": {
			`{"batch":[{"type":"identify","userId":"u","traits":{}},{"type":"group","userId":"u","groupId":"g"},
			 {"type":"track","userId":"u","event":"e","messageId":"m"},{"type":"alias","userId":"u","previousId":"p"},
			 {"type":"page","anonymousId":"a","channel":"web","version":2}],"context":{"app":{}}}`,
		},
	}
	for _, m := range manifests(t) {
		for _, input := range usual[m.ID] {
			require.True(t, soundness(t, m.Input, authority(t, m.Input.JSON()), []byte(input)), "%s %s", m.ID, input)
		}
		for _, e := range m.Examples {
			require.True(t, m.Output.AcceptsJSON(e.Output.JSON(), rawjson.Limits{}), "%s %s", m.ID, e.Output.JSON())
		}
		for _, r := range m.Refused {
			soundness(t, m.Input, authority(t, m.Input.JSON()), r.Input.JSON())
		}
	}
}

func TestPlanTellsOfBlanks(t *testing.T) {
	for input, blank := range map[string]bool{
		`{"event":"e","userId":"u","timestamp":"2026-01-31T09:30:00Z","properties":{"a":null,"b":""}}`: false,
		`{"success":true,"event":"e","userId":null,"anonymousId":"a"}`:                                 true,
		`{"success":true,"event":"","userId":"u","anonymousId":"a"}`:                                   true,
	} {
		for _, m := range manifests(t) {
			if m.ID != "segment_track" {
				continue
			}
			schema := m.Input
			if strings.Contains(input, "success") {
				schema = m.Output
			}
			opened, ok := schema.Scan([]byte(input), rawjson.Limits{})
			require.True(t, ok, input)
			require.Equal(t, blank, opened.Blank, input)
		}
	}
}

func TestPlanAllocatesNothing(t *testing.T) {
	for _, m := range manifests(t) {
		if m.ID != "segment_track" {
			continue
		}
		input := []byte(`{"event":"Order Completed","userId":"u-42","properties":{"total":42.50,` +
			`"products":[{"sku":"G-32"}]},"timestamp":"2026-01-31T09:30:00.000Z"}`)
		require.Zero(t, testing.AllocsPerRun(100, func() { m.Input.AcceptsJSON(input, rawjson.Limits{}) }))
	}
}

// FuzzPlanOnManifests looks for an instance that the plan of a manifest's schema accepts and
// jsonschema does not.
func FuzzPlanOnManifests(f *testing.F) {
	type pair struct {
		schema *schemas.Schema
		valid  func(require.TestingT, []byte) bool
	}
	var pairs []pair
	for _, m := range manifests(f) {
		for _, s := range []*schemas.Schema{m.Input, m.Output} {
			pairs = append(pairs, pair{s, authority(f, s.JSON())})
		}
		for _, e := range m.Examples {
			f.Add([]byte(e.Input.JSON()))
			f.Add([]byte(e.Output.JSON()))
		}
		for _, r := range m.Refused {
			f.Add([]byte(r.Input.JSON()))
		}
	}
	f.Fuzz(func(t *testing.T, instance []byte) {
		if rawjson.Check(instance, rawjson.Limits{}) != nil {
			return
		}
		for _, p := range pairs {
			soundness(t, p.schema, p.valid, instance)
		}
	})
}

// The same for generated schemas and instances, small and similar, so that they often fit.
func planProperty(t *rapid.T) {
	schema := drawSchema(t, 3)
	compiled, err := schemas.Compile("schema.json", []byte(schema))
	if err != nil {
		t.Skip(err)
	}
	valid := authority(t, []byte(schema))
	for range 8 {
		soundness(t, compiled, valid, []byte(drawObject(t, 3)))
	}
}

func TestPlanOnGeneratedSchemas(t *testing.T) { rapid.Check(t, planProperty) }

func FuzzPlanOnGeneratedSchemas(f *testing.F) { f.Fuzz(rapid.MakeFuzz(planProperty)) }

func pick(t *rapid.T, what string, of ...string) string { return rapid.SampledFrom(of).Draw(t, what) }

var (
	anyName   = []string{"a", "b", "c", "d"}
	anyScalar = []string{
		`null`, `true`, `false`, `0`, `1`, `-1`, `2`, `1.0`, `1.5`, `1e0`, `3`, `0.5`, `1.4999999999999999`,
		`1.50000000000000000001`, `0.99999999`, `42.50`, `1e-10`, `-0.0`, `9007199254740993`, `1e400`, `1e30`, `""`,
		`"a"`,
		`"ab"`, `"é"`, `"\u0061"`, `"abc"`, `"2026-01-31T09:30:00.000Z"`,
		`"2026-02-29T09:30:00Z"`, `"2024-02-29t23:59:60z"`, `"2024-02-29T23:59:59.1+23:59"`, `"a@example.com"`,
	}
)

func drawValue(t *rapid.T, depth int) string {
	switch kind := rapid.IntRange(0, 5).Draw(t, "kind"); {
	case kind == 0 && depth > 0:
		return drawObject(t, depth-1)
	case kind == 1 && depth > 0:
		var elements []string
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			elements = append(elements, drawValue(t, depth-1))
		}
		return "[" + strings.Join(elements, ",") + "]"
	}
	return pick(t, "scalar", anyScalar...)
}

func drawObject(t *rapid.T, depth int) string {
	var members []string
	for _, name := range anyName {
		if rapid.Bool().Draw(t, "has "+name) {
			members = append(members, fmt.Sprintf("%q:%s", name, drawValue(t, depth)))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

func drawNames(t *rapid.T) string {
	var names []string
	for _, name := range anyName[:3] {
		if rapid.IntRange(0, 2).Draw(t, "names "+name) == 0 {
			names = append(names, `"`+name+`"`)
		}
	}
	return "[" + strings.Join(names, ",") + "]"
}

func drawSchema(t *rapid.T, depth int) string {
	if depth == 0 {
		return pick(t, "leaf", `true`, `false`, `{}`, `{"type":"string"}`, `{"type":["integer","null"]}`,
			`{"const":"a"}`)
	}
	sub := func() string { return drawSchema(t, depth-1) }
	some := func() string {
		return "[" + sub() + "," + sub() + "]"
	}
	keywords := map[string]func() string{
		"type": func() string {
			return pick(t, "type", `"object"`, `"string"`, `"integer"`, `"number"`, `"array"`, `["object","null"]`,
				`["string","integer"]`, `["object","array","boolean"]`)
		},
		"const": func() string { return drawValue(t, 1) },
		"enum": func() string {
			return "[" + drawValue(t, 1) + "," + pick(t, "scalar", anyScalar...) + "]"
		},
		"minLength": func() string { return pick(t, "n", "0", "1", "2") },
		"maxLength": func() string { return pick(t, "n", "1", "2", "30") },
		"pattern":   func() string { return pick(t, "pattern", `"^a"`, `"b$"`, `"."`) },
		"format": func() string {
			return pick(t, "format", `"date-time"`, `"email"`, `"uri"`, `"other"`)
		},
		"minimum": func() string {
			return pick(t, "bound", "0", "1", "1.5", "-1e3", "9007199254740993", "0.1")
		},
		"exclusiveMinimum":     func() string { return pick(t, "bound", "0", "1", "0.5") },
		"maximum":              func() string { return pick(t, "bound", "0", "1", "1.5", "1e30") },
		"exclusiveMaximum":     func() string { return pick(t, "bound", "2", "3", "0.5") },
		"multipleOf":           func() string { return "2" },
		"required":             func() string { return drawNames(t) },
		"minProperties":        func() string { return pick(t, "n", "0", "1", "2") },
		"maxProperties":        func() string { return pick(t, "n", "1", "2", "3") },
		"dependentRequired":    func() string { return `{"a":` + drawNames(t) + `}` },
		"properties":           func() string { return `{"a":` + sub() + `,"b":` + sub() + `}` },
		"patternProperties":    func() string { return `{"^c":` + sub() + `}` },
		"additionalProperties": sub,
		"propertyNames":        sub,
		"items":                sub,
		"prefixItems":          some,
		"contains":             sub,
		"minItems":             func() string { return pick(t, "n", "0", "1", "2") },
		"maxItems":             func() string { return pick(t, "n", "0", "1", "2") },
		"uniqueItems":          func() string { return "true" },
		"allOf":                some,
		"anyOf":                some,
		"oneOf":                some,
		"not":                  sub,
		"if":                   sub,
		"then":                 sub,
		"else":                 sub,
		"$ref":                 func() string { return pick(t, "ref", `"#"`, `"#/$defs/x"`) },
		"unevaluatedProperties": func() string {
			return pick(t, "unevaluated", "true", "false")
		},
	}
	names := []string{
		"type", "type", "const", "enum", "minLength", "maxLength", "pattern", "format", "minimum", "exclusiveMinimum",
		"maximum", "exclusiveMaximum", "multipleOf",
		"required", "required", "minProperties", "maxProperties", "dependentRequired", "properties", "properties",
		"properties", "patternProperties",
		"additionalProperties", "propertyNames", "items", "prefixItems", "contains", "minItems", "maxItems",
		"uniqueItems",
		"allOf", "anyOf", "oneOf", "not",
		"if", "if", "then", "else", "unevaluatedProperties",
	}
	if depth == 3 {
		names = append(names, "$ref", "properties", "properties")
	}
	drawn := map[string]bool{}
	var members []string
	for range rapid.IntRange(1, 4).Draw(t, "keywords") {
		name := pick(t, "keyword", names...)
		if !drawn[name] {
			drawn[name] = true
			members = append(members, fmt.Sprintf("%q:%s", name, keywords[name]()))
		}
	}
	if depth == 3 && drawn["$ref"] {
		members = append(members, `"$defs":{"x":`+sub()+`}`)
	}
	return "{" + strings.Join(members, ",") + "}"
}
