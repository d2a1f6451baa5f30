package schemas_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

const order = `{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "key":   {"type": "string", "writeOnly": true, "minLength": 8, "pattern": "^[a-z]+$",
              "x-says": {"pattern": "must be letters"}},
    "id":    {"type": "string", "minLength": 3, "maxLength": 5, "x-codes": {"minLength": "id_short"}},
    "state": {"enum": ["open", "paid"], "x-code": "bad_state"},
    "total": {"type": "number", "minimum": 0, "maximum": 10},
    "when":  {"type": "string", "format": "date-time"},
    "mail":  {"type": "string", "format": "email"},
    "kind":  {"const": "order"},
    "lines": {"type": "array", "minItems": 1, "maxItems": 2, "items": {
      "type": "object", "properties": {"sku": {"type": "string"}, "n": {"type": ["integer", "null"]}},
      "required": ["sku", "n"]
    }},
    "a/b~c": {"type": "boolean"}
  },
  "allOf": [
    {"anyOf": [{"required": ["id"]}, {"required": ["mail"]}], "x-code": "nobody"},
    {"title": "Either id or mail, or both with lines", "not": {"required": ["id", "mail", "kind"]}}
  ]
}`

func TestViolations(t *testing.T) {
	s, err := schemas.Compile("https://blocks.invalid/order", json.RawMessage(order))
	require.NoError(t, err)
	for _, c := range []struct {
		name, input string
		want        []string
	}{
		{"nothing wrong", `{"id":"abc","lines":[{"sku":"x","n":1}]}`, nil},
		{
			"all at once, in the order of the fields",
			`{"zzz":1,"lines":[{"sku":7},3],"kind":"x","total":11,"state":"lost","id":"ab"}`,
			[]string{
				`/id id_short must have at least 3 characters: "ab"`,
				`/state bad_state must be one of open, paid: "lost"`,
				`/total invalid_value must be at most 10: 11`,
				`/kind invalid_value must be "order": "x"`,
				`/lines/0/sku wrong_type must be a string: 7`,
				`/lines/0/n missing_parameter must be given`,
				`/lines/1 wrong_type must be an object: 3`,
				`/zzz unknown_parameter is not a known parameter`,
			},
		},
		{"a choice is one violation", `{}`, []string{` nobody must have id or mail`}},
		{"a secret is not shown", `{"id":"abc","key":"HUSH"}`, []string{
			`/key invalid_format must be letters`, `/key too_short must have at least 8 characters`,
		}},
		{"nor the value of a name misspelt", `{"id":"abc","Key_":"hush"}`, []string{
			`/Key_ unknown_parameter is not a known parameter; did you mean "key"?`,
		}},
		{
			"several types", `{"id":"abc","lines":[{"sku":"x","n":1.5}]}`,
			[]string{`/lines/0/n wrong_type must be an integer or null: 1.5`},
		},
		{"times and formats", `{"id":"abc","when":"noon","mail":"nobody"}`, []string{
			`/when invalid_format must be an ISO 8601 time such as 2026-01-31T09:30:00Z: "noon"`,
			`/mail invalid_format must be a valid email: "nobody"`,
		}},
		{"list too short, list too long", `{"id":"abc","lines":[]}`, []string{`/lines too_few must not be empty: []`}},
		{
			"names with slashes and tildes", `{"id":"abc","a/b~c":1}`,
			[]string{`/a~1b~0c wrong_type must be a boolean: 1`},
		},
		{
			"names with percent signs", `{"id":"abc","100%":1}`,
			[]string{`/100% unknown_parameter is not a known parameter`},
		},
		{
			"a long value is cut", `{"id":"` + strings.Repeat("ä", 100) + `"}`,
			[]string{`/id too_long must have at most 5 characters: "` + strings.Repeat("ä", 59) + `…`},
		},
		{"a rule that only its title explains", `{"id":"abc","mail":"a@example.com","kind":"order"}`, []string{
			` invalid_value must follow the rule: Either id or mail, or both with lines`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			obj, err := rawjson.ParseObject([]byte(c.input), rawjson.Limits{})
			require.NoError(t, err)
			var got []string
			for _, v := range s.Validate(t.Context(), obj) {
				got = append(got, v.Path+" "+v.Code+" "+v.Message)
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestKnownViolationsJoin(t *testing.T) {
	s, err := schemas.Compile("https://blocks.invalid/order", json.RawMessage(order))
	require.NoError(t, err)
	obj, err := rawjson.ParseObject([]byte(`{"lines":[{"sku":7}],"total":"x"}`), rawjson.Limits{})
	require.NoError(t, err)
	got := s.Validate(t.Context(), obj,
		schemas.Violation{Path: "/lines", Code: "unresolved_reference", Message: "must be resolved"})
	require.Equal(t, []schemas.Violation{
		{Path: "", Code: "nobody", Message: "must have id or mail"},
		{Path: "/total", Code: "wrong_type", Message: `must be a number: "x"`},
		{Path: "/lines", Code: "unresolved_reference", Message: "must be resolved"},
	}, got, "what the schema says of /lines and below is left out")
}

func TestCompileRefusesToFetch(t *testing.T) {
	_, err := schemas.Compile("https://blocks.invalid/x", json.RawMessage(`{"$ref":"https://example.com/other.json"}`))
	require.ErrorContains(t, err, "a schema must be self-contained")
}

// A schema may refuse by a keyword that has no sentence of ours. The value must be refused anyway.
func TestWhatIsRefusedIsAlwaysExplained(t *testing.T) {
	for schema, instance := range map[string]string{
		`{"unevaluatedProperties":false}`:                 `{"d":[]}`,
		`{"properties":{"a":false}}`:                      `{"a":1}`,
		`{"not":{}}`:                                      `{}`,
		`{"propertyNames":false}`:                         `{"a":1}`,
		`{"patternProperties":{"^a":false}}`:              `{"a":1}`,
		`{"dependentRequired":{"a":["b"]}}`:               `{"a":1}`,
		`{"properties":{"a":{"prefixItems":[false]}}}`:    `{"a":[1]}`,
		`{"properties":{"a":{"unevaluatedItems":false}}}`: `{"a":[1]}`,
	} {
		s, err := schemas.Compile("schema.json", []byte(schema))
		require.NoError(t, err, schema)
		obj, err := rawjson.ParseObject([]byte(instance), rawjson.Limits{})
		require.NoError(t, err)
		violations := s.Validate(t.Context(), obj)
		require.NotEmpty(t, violations, schema)
		require.NotEmpty(t, violations[0].Message, schema)
	}
}
