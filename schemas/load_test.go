package schemas_test

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/schemas/segment"
)

const shared = `$defs:
  name:
    type: string
    minLength: 1
    description: A name.
    examples: [Ada]
    x-filled-by: user-or-llm
    x-aacflow-type: string
`

const good = `id: hello_greet
name: Greet
summary: Greet somebody
description: Says hello.
whenToUse: When somebody arrives.
version: 1.0.0
category: examples
tags: [hello]
input:
  type: object
  additionalProperties: false
  properties:
    name: {$ref: shared.yaml#/$defs/name, description: Whom to greet.}
  allOf:
    - {required: [name], title: Somebody must be named}
output:
  type: object
  properties:
    text: {type: string, description: The greeting.}
examples:
  - title: A friend
    input: {name: Ada}
    output: {text: Hello Ada}
`

func load(manifest string) ([]*schemas.Manifest, error) {
	files := fstest.MapFS{
		"greet.yaml":  {Data: []byte(manifest)},
		"shared.yaml": {Data: []byte(shared)},
	}
	if strings.Contains(manifest, "loop.yaml") {
		files["loop.yaml"] = &fstest.MapFile{
			Data: []byte("$defs:\n  a: {allOf: [{$ref: loop.yaml#/$defs/b}]}\n  b: {$ref: loop.yaml#/$defs/a}\n"),
		}
	}
	return schemas.Load(files)
}

func TestLoad(t *testing.T) {
	manifests, err := load(good)
	require.NoError(t, err)
	require.Len(t, manifests, 1, "a file of definitions is no manifest")
	m := manifests[0]
	require.Equal(t, "hello_greet", m.ID)
	require.Equal(t, "Whom to greet.", m.Input.Fields()[0].Description, "the words beside a $ref win")
	require.Equal(t, []string{"Somebody must be named"}, m.Input.Rules())
	require.NotContains(t, string(m.Input.JSON()), "shared.yaml", "a published schema stands alone")
}

func TestLimits(t *testing.T) {
	manifests, err := load(good + "limits:\n  - A greeting may have 9 bytes.\nmaxRequestBytes: 9\n")
	require.NoError(t, err)
	require.Equal(t, []string{"A greeting may have 9 bytes."}, manifests[0].Limits)
	require.Equal(t, 9, manifests[0].MaxRequestBytes)
}

// What follows from a type need not be given.
func TestFieldDefaults(t *testing.T) {
	manifests, err := load(strings.Replace(good, "  allOf:", `    age: {type: [integer, "null"], description: D.}
    happy: {type: boolean, description: D.}
    more: {type: array, description: D.}
    any: {description: D., x-aacflow-type: json}
    key: {type: string, writeOnly: true, format: password, description: D.}
  allOf:`, 1))
	require.NoError(t, err)
	var got []string
	for _, f := range manifests[0].Input.Fields() {
		got = append(got, f.Name+" "+f.Type+" "+f.FilledBy)
	}
	require.Equal(t, []string{
		"name string user-or-llm", "age number user-or-llm", "happy boolean user-or-llm", "more json user-or-llm",
		"any json user-or-llm", "key string user-only",
	}, got)
	require.Equal(t, "string", manifests[0].Output.Fields()[0].Type)
	require.Empty(t, manifests[0].Output.Fields()[0].FilledBy)
}

func TestHistory(t *testing.T) {
	const history = `
deprecated: Greetings have moved
replacedBy: hello_greet@2
sunset: 2027-06-30
changes:
  1.0.0: The first version.
  0.9.0: A try.
`
	manifests, err := load(good + history)
	require.NoError(t, err)
	require.Equal(t, "Greetings have moved. Use hello_greet@2 instead. It may be gone from 2027-06-30 on.",
		manifests[0].Notice())
	require.Equal(t, []schemas.Change{{"1.0.0", "The first version."}, {"0.9.0", "A try."}}, manifests[0].Changes)
	manifests, err = load(good)
	require.NoError(t, err)
	require.Empty(t, manifests[0].Notice())

	for text, says := range map[string]string{
		"sunset: 2027-06-30":                          "sunset needs deprecated too",
		"deprecated: D\nsunset: soon":                 `sunset must be a day, such as 2027-06-30: "soon"`,
		"deprecated: D\nsunset: 2027-02-30":           `sunset must be a day`,
		"deprecated: |\n  A\n  B":                     "deprecated must be one line",
		"deprecated: true\nreplacedBy: hello_greet":   "such as hello_greet@2",
		"deprecated: true\nreplacedBy: hello_greet@1": "must be another block, or another major version",
		"deprecated: D\nreplacedBy: Other":            `replacedBy must be the id of a block`,
		"changes: [one]":                              "changes must be a mapping of versions to lines",
		"changes: {one: A}":                           `changes must name versions like 1.2.3: "one"`,
		"changes: {1.0.1: A}":                         `must not have a version above the manifest's, 1.0.0: "1.0.1"`,
		"changes: {0.1.0: A, 0.2.0: B}":               `changes must begin with the newest version: "0.2.0"`,
		"changes: {1.0.0: [A]}":                       "1.0.0 must be text",
	} {
		_, err := load(good + text + "\n")
		require.ErrorContains(t, err, says, text)
	}
}

func TestMajorsOfOneBlock(t *testing.T) {
	files := fstest.MapFS{"shared.yaml": {Data: []byte(shared)}}
	for version, file := range map[string]string{"1.0.0": "a.yaml", "10.2.0": "b.yaml", "2.0.0": "c.yaml"} {
		files[file] = &fstest.MapFile{Data: []byte(strings.Replace(good, "version: 1.0.0", "version: "+version, 1))}
	}
	manifests, err := schemas.Load(files)
	require.NoError(t, err)
	require.Equal(t, []int{10, 2, 1}, []int{manifests[0].Major(), manifests[1].Major(), manifests[2].Major()})
	files["d.yaml"] = &fstest.MapFile{Data: []byte(strings.Replace(good, "version: 1.0.0", "version: 2.1.0", 1))}
	_, err = schemas.Load(files)
	require.ErrorContains(t, err, `two manifests have the id "hello_greet" and the major version 2`)
}

func TestLook(t *testing.T) {
	manifests, err := load(good)
	require.NoError(t, err)
	require.Empty(t, manifests[0].Icon+manifests[0].Color+manifests[0].Verb, "all are optional")
	for _, icon := range []string{"M4 4h16v16H4z", "m1.5.5-2e1,+3 a2 2 0 012 2Z M1,1", "M0 0\n  L1 1"} {
		manifests, err = load(good + "icon: |\n  " + icon + "\ncolor: '#0F766E'\nverb: Grüß Gott\n")
		require.NoError(t, err)
		require.Equal(t, strings.ReplaceAll(icon, "\n  ", "\n"), manifests[0].Icon)
		require.Equal(t, []string{"#0F766E", "Grüß Gott"}, []string{manifests[0].Color, manifests[0].Verb})
	}
}

func TestGuide(t *testing.T) {
	const guide = `
sentence: Greet {name}, warmly [in {how|name}]
templates:
  - {title: T, prompt: "Greet\n  all.", category: popular, modules: [agent], tags: [hello], with: [slack]}
skills:
  - {name: say-hello, description: D, content: Call hello_greet.}
`
	manifests, err := load(strings.ReplaceAll(good+guide, "how|", ""))
	require.NoError(t, err)
	m := manifests[0]
	require.Equal(t, []schemas.Clause{
		{Text: "Greet", Fields: []string{"name"}},
		{Text: ", warmly"},
		{Text: "in", Fields: []string{"name"}, Optional: true},
	}, m.Sentence)
	require.Equal(t, "Greet all.", m.Templates[0].Prompt)
	require.Equal(t, "say-hello", m.Skills[0].Name)
	for text, says := range map[string]string{
		guide:                            `a parameter that the block does not have: "how"`,
		"sentence: Greet {who":           "sentence must be text with {parameter}",
		"sentence: '[Greet]'":            "sentence must be text with {parameter}",
		"sentence: ' '":                  `sentence must be text: " "`,
		"templates: [x]":                 "templates must be a list of mappings",
		"templates: [{title: T}]":        "prompt must be given",
		"templates: [{category: fun}]":   `category must be one of`,
		"templates: [{modules: [moon]}]": `modules must be one of agent, files, `,
		"skills: {a: b}":                 "skills must be a list of mappings",
		"skills: [{name: A B}]":          "name must be lower-case words joined by hyphens",
		"skills: [{name: a, description: d, content: c}]": `content must name the block that it is about: "hel`,
	} {
		_, err := load(good + text + "\n")
		require.ErrorContains(t, err, says, text)
	}
}

// Users must be able to tell the blocks apart, and to see a white icon on each color. Each block
// lists refused inputs.
func TestSegmentManifests(t *testing.T) {
	manifests, err := schemas.Load(segment.Manifests())
	require.NoError(t, err)
	icons, colors := map[string]bool{}, map[string]bool{}
	for _, m := range manifests {
		icons[m.Icon], colors[m.Color] = true, true
		require.NotEmpty(t, m.Verb, m.ID)
		require.NotEmpty(t, m.Refused, m.ID)
		require.GreaterOrEqual(t, contrastWithWhite(t, m.Color), 4.5, m.ID)
	}
	require.Len(t, icons, len(manifests))
	require.Len(t, colors, len(manifests))
}

// contrastWithWhite is the contrast ratio of WCAG.
func contrastWithWhite(t *testing.T, color string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.TrimPrefix(color, "#"), 16, 24)
	require.NoError(t, err)
	luminance := 0.0
	for i, weight := range []float64{0.0722, 0.7152, 0.2126} {
		c := float64(n>>(8*i)&0xff) / 255
		if c <= 0.04045 {
			luminance += weight * c / 12.92
		} else {
			luminance += weight * math.Pow((c+0.055)/1.055, 2.4)
		}
	}
	return 1.05 / (luminance + 0.05)
}

func TestLoadNamesFileAndLine(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{
			"unknown key", "summary: Greet", "sumary: Greet",
			`greet.yaml:3: unknown key "sumary"; did you mean "summary"?`,
		},
		{"missing key", "summary: Greet somebody\n", "", `greet.yaml:1: summary must be given`},
		{"empty text", "name: Greet\n", "name: ''\n", `greet.yaml:2: name must be text`},
		{"bad id", "id: hello_greet", "id: Hello-Greet", `greet.yaml:1: id must be lower-case words`},
		{"bad version", "version: 1.0.0", "version: one", `greet.yaml:6: version must be like 1.2.3: "one"`},
		{
			"icon that is markup", "tags: [hello]", `icon: M0 0"/><script>`,
			`greet.yaml:8: icon must be the data of an SVG path on a grid of 24 by 24, at most 2,000 characters, ` +
				`such as M4 4h16v16H4z: "M0 0\"/><script>"`,
		},
		{"icon without a move", "tags: [hello]", "icon: h4v4z", `greet.yaml:8: icon must be the data of an SVG path`},
		{"icon that is a list", "tags: [hello]", "icon: [M0 0]", `greet.yaml:8: icon must be the data of an SVG path`},
		{
			"long icon", "tags: [hello]", "icon: M" + strings.Repeat("1 1 ", 500) + "z",
			`greet.yaml:8: icon must be the data`,
		},
		{
			"color without quotes", "tags: [hello]", "color: #0f766e",
			`greet.yaml:8: color must be a hash and six hexadecimal digits, in quotes, such as "#0f766e": null`,
		},
		{"color by name", "tags: [hello]", "color: teal", `such as "#0f766e": "teal"`},
		{
			"long verb", "tags: [hello]", "verb: " + strings.Repeat("x", 31),
			`greet.yaml:8: verb must be a line of at most 30 characters, such as Track event: "xxx`,
		},
		{"verb of two lines", "tags: [hello]", `verb: "a\nb"`, `greet.yaml:8: verb must be one line: "a\nb"`},
		{"limits that are no list", "tags: [hello]", "limits: many", `greet.yaml:8: limits must be a list of lines`},
		{"limit of two lines", "tags: [hello]", `limits: ["a\nb"]`, `greet.yaml:8: limits must be one line: "a\nb"`},
		{
			"limit that is no number", "tags: [hello]", "maxRequestBytes: 32 kB",
			`greet.yaml:8: maxRequestBytes must be a number of bytes above 0: "32 kB"`,
		},
		{
			"limit that no int holds", "tags: [hello]", "maxRequestBytes: 1e30",
			`greet.yaml:1: a manifest cannot have such a value`,
		},
		{"number for a text", "name: Greet\n", "name: 7\n", `greet.yaml:2: name must be text: 7`},
		{"nothing for a text", "name: Greet\n", "name:\n", `greet.yaml:2: name must be text: null`},
		{"unknown key with more below", "tags: [hello]", "extra:\n  more: 1", `greet.yaml:8: unknown key "extra"`},
		{
			"unknown key in an example", "    output: {text: Hello Ada}", "    outptu: {text: Hello Ada}",
			`greet.yaml:23: unknown key "outptu"; did you mean "output"?`,
		},
		{"unsorted tags", "tags: [hello]", "tags: [world, hello]", `greet.yaml:8: tags must be sorted`},
		{
			"unknown keyword", "additionalProperties: false", "additionalPropertys: false",
			`greet.yaml:11: unknown keyword "additionalPropertys"; did you mean "additionalProperties"?`,
		},
		{
			"keyword of a wrong type", "additionalProperties: false", "additionalProperties: 7",
			`greet.yaml:11: a schema must be a mapping, true or false`,
		},
		{
			"schema that is none", "required: [name]", "required: name",
			`greet.yaml:15: input: compile schema: /allOf/0/required expected array, but got string`,
		},
		{"$ref to nowhere", "$defs/name", "$defs/nome", `greet.yaml:13: $ref has no target: "shared.yaml#/$defs/nome"`},
		{
			"$ref to nowhere in the schema", "shared.yaml#/$defs/name", "'#/$defs/name'",
			`greet.yaml:13: $ref has no target: "#/$defs/name"`,
		},
		{
			"$ref to no file", "shared.yaml#/$defs/name", "other.yaml#/$defs/name",
			`greet.yaml:13: $ref names a missing file`,
		},
		{
			"$ref in a circle", "shared.yaml#/$defs/name", "loop.yaml#/$defs/a",
			`greet.yaml:13: $ref refers to itself`,
		},
		{"$ref in a circle", "shared.yaml#/$defs/name", "loop.yaml#/$defs/a", `loop.yaml:3: $ref refers to itself`},
		{
			"$ref to the net", "{required: [name], title: Somebody must be named}",
			"{$ref: 'https://example.com/x.json'}",
			`greet.yaml:15: $ref names a missing file`,
		},
		{
			"a rule beside a $ref", "description: Whom to greet.", "maxLength: 7",
			`greet.yaml:13: a $ref to another file may have only title, description and examples beside it: "max`,
		},
		{
			"code for no keyword", "required: [name], title", "required: [name], x-codes: {minimum: low}, title",
			`greet.yaml:15: x-codes names a keyword that is not in this schema: "minimum"`,
		},
		{
			"reserved output", "    text: {type", "    error: {type",
			`greet.yaml:19: hosts reserve this name; choose another: "error"`,
		},
		{
			"reserved parameter", "    name: {$ref", "    timeout: {$ref",
			`greet.yaml:13: hosts reserve this name; choose another: "timeout"`,
		},
		{
			"no host type", "text: {type: string,", "text: {type: [string, object],",
			`greet.yaml:19: text: must have one type, such as type: string, or an x-aacflow-type of string, json, ` +
				`boolean or number: ""`,
		},
		{
			"no properties", "  properties:\n    text: {type: string, description: The greeting.}\n", "",
			`greet.yaml:17: output must be an object with properties`,
		},
		{
			"filled in by nobody", "text: {type: string,", "text: {type: string, x-filled-by: user-only,",
			`greet.yaml:19: text: x-filled-by must be absent in an output: "user-only"`,
		},
		{
			"filled in by somebody else", "description: Whom to greet.}", "description: D.}\n    o: {x-filled-by: llm}",
			`greet.yaml:14: o: x-filled-by must be user-only or user-or-llm: "llm"`,
		},
		{
			"secret by half", "text: {type: string,", "text: {type: string, writeOnly: true,",
			`greet.yaml:19: text: a secret must have both writeOnly: true and format: password`,
		},
		{
			"example breaks the input", "input: {name: Ada}", "input: {name: 7}",
			`greet.yaml:22: example breaks the input schema: /name must be a string: 7`,
		},
		{
			"example breaks the output", "output: {text: Hello Ada}", "output: {text: 7}",
			`greet.yaml:23: example breaks the output schema: /text must be a string: 7`,
		},
		{"no example", good[strings.Index(good, "examples:\n"):], "", `greet.yaml:1: examples must be given`},
		{
			"key twice", "category: examples", "category: examples\nname: Again",
			`greet.yaml:8: a key must not be given twice: "name"`,
		},
		{"anchor", "category: examples", "category: &c examples", `greet.yaml:7: tags, anchors and aliases are not allowed`},
		{
			"number that JSON lacks", "input: {name: Ada}", "input: {name: .nan}",
			`greet.yaml:22: must be a JSON value, or text in quotes: .nan`,
		},
		{"not a mapping", good, "- just a list\n", `greet.yaml:1: must be a mapping`},
		{"not YAML", "name: Greet\n", "name: [Greet\n", `greet.yaml:1: must be valid YAML: did not find expected`},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Contains(t, good, c.old)
			_, err := load(strings.Replace(good, c.old, c.new, 1))
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestLoadReportsAllErrorsOfAllFiles(t *testing.T) {
	_, err := schemas.Load(fstest.MapFS{
		"a.yaml": {Data: []byte(strings.Replace(strings.Replace(good, "version: 1.0.0", "version: one", 1), "sumary",
			"x", 1))},
		"b.yaml":      {Data: []byte(strings.Replace(good, "summary", "sumary", 1))},
		"shared.yaml": {Data: []byte(shared)},
	})
	require.ErrorContains(t, err, "a.yaml:6: version")
	require.ErrorContains(t, err, `b.yaml:3: unknown key "sumary"`)
	require.ErrorContains(t, err, "b.yaml:1: summary must be given")

	_, err = schemas.Load(fstest.MapFS{
		"a.yaml": {Data: []byte(good)}, "b.yaml": {Data: []byte(good)},
		"shared.yaml": {Data: []byte(shared)},
	})
	require.ErrorContains(t, err, `two manifests have the id "hello_greet"`)
}
