package runtime_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
)

func TestNormalisation(t *testing.T) {
	rt := start(t, echo)
	for _, c := range []struct{ name, input, want string }{
		{
			"digits and order stay", `{"title":"Hi","body":{"z":1.10,"a":12345678901234567890,"e":1E400}}`,
			`{"title":"Hi","body":{"z":1.10,"a":12345678901234567890,"e":1E400}}`,
		},
		{
			"escapes and odd Unicode stay", "{\"title\":\"\\u0041\\ud83d\\ude00\\u0000\u202e\"}",
			"{\"title\":\"\\u0041\\ud83d\\ude00\\u0000\u202e\"}",
		},
		{
			"empty text and null are absent", `{"title":"Hi","body":"","lines":null,"when":null,"times":""}`,
			`{"title":"Hi"}`,
		},
		{"so is white space where JSON is due", `{"title":"Hi","body":" \n ","times":" "}`, `{"title":"Hi"}`},
		{"white space is a title", `{"title":" "}`, `{"title":" "}`},
		{"JSON as text", `{"title":"Hi","body":" {\"a\": 1.10} "}`, `{"title":"Hi","body":{"a": 1.10}}`},
		{"a number as text", `{"title":"7","times":" 1.50 "}`, `{"title":"7","times":1.50}`},
		{"a list as text", `{"title":"Hi","lines":"[{\"text\":\"a\"}]"}`, `{"title":"Hi","lines":[{"text":"a"}]}`},
		{
			"times", `{"title":"Hi","when":"2026-01-31 10:30:00,5+01:00"}`,
			`{"title":"Hi","when":"2026-01-31T09:30:00.500Z"}`,
		},
		{
			"inside lists as well",
			`{"title":"Hi","lines":[{"text":"a","at":"20260131T0100+01","extra":null,"more":null}]}`,
			`{"title":"Hi","lines":[{"text":"a","at":"2026-01-31T00:00:00.000Z","more":null}]}`,
		},
		{
			"untouched bytes inside lists", `{"title":"Hi","lines":[ {"text" : "a"} ]}`,
			`{"title":"Hi","lines":[ {"text" : "a"} ]}`,
		},
		{
			"a word in angle brackets is no reference", `{"title":"<div>","body":{"a":"<b>"}}`,
			`{"title":"<div>","body":{"a":"<b>"}}`,
		},
		{"an address in angle brackets is none", `{"title":"<ada@example.com>"}`, `{"title":"<ada@example.com>"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, err := rt.Invoke(t.Context(), "toy_post", runtime.JSON(c.input))
			require.NoError(t, err)
			require.Equal(t, `{"seen":`+c.want+`}`, string(res.Output))
			require.Empty(t, res.Receipt.Warnings)
		})
	}
}

func TestRefusedInputs(t *testing.T) {
	rt := start(t, echo)
	deep := strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200)
	for _, c := range []struct {
		name, input string
		code        runtime.Code
		want        []string
	}{
		{"nothing", ``, runtime.InvalidInput, []string{" invalid_json must be valid JSON: it ends too early"}},
		{"empty object", `{}`, runtime.InvalidInput, []string{"/title missing_parameter must be given"}},
		{"a list", `[]`, runtime.InvalidInput, []string{" wrong_type must be a JSON object"}},
		{
			"given, but empty", `{"title":""}`, runtime.InvalidInput,
			[]string{`/title missing_parameter must not be empty: ""`},
		},
		{
			"given, but null", `{"title":null}`, runtime.InvalidInput,
			[]string{`/title missing_parameter must be given`},
		},
		{
			"a key twice", `{"title":"a","body":{"x":[{"y":1,"y":2}]}}`, runtime.InvalidInput,
			[]string{"/body/x/0/y duplicate_key must not name a member twice"},
		},
		{
			"a key twice, in text", `{"title":"a","body":"{\"y\":1,\"y\":2}"}`, runtime.InvalidInput,
			[]string{"/body duplicate_key must be valid JSON if it is text: must not name a member twice"},
		},
		{
			"too deep", `{"title":"a","body":` + deep + `}`, runtime.InvalidInput,
			[]string{" too_deep must not nest so deep: 128 levels are allowed"},
		},
		{
			"text that holds JSON cut short", `{"title":"a","body":"{\"x\":1"}`, runtime.InvalidInput,
			[]string{`/body invalid_json must be valid JSON if it is text: it ends too early, after byte 6`},
		},
		{
			"text that holds text", `{"title":"a","body":"\"{}\""}`, runtime.InvalidInput,
			[]string{`/body wrong_type must be an object: "\"{}\""`},
		},
		{
			"text that holds a list for an object", `{"title":"a","body":"[1]"}`, runtime.InvalidInput,
			[]string{`/body wrong_type must be an object: [1]`},
		},
		{
			"text that holds no number", `{"title":"a","times":"1,5"}`, runtime.InvalidInput,
			[]string{`/times wrong_type must be a number: "1,5"`},
		},
		{
			"an unresolved variable", `{"title":" {{ TITLE }} "}`, runtime.UnresolvedReference,
			[]string{`/title unresolved_reference must be resolved by the host before the call: " {{ TITLE }} "`},
		},
		{
			"an unresolved field", `{"title":"a","body":"<start.items[0].x>"}`, runtime.UnresolvedReference,
			[]string{`/body unresolved_reference must be resolved by the host before the call: "<start.items[0].x>"`},
		},
		{
			"an unresolved secret", `{"title":"a","token":"{{TOKEN}}"}`, runtime.UnresolvedReference,
			[]string{`/token unresolved_reference must be resolved by the host before the call`},
		},
		{
			"an unresolved field of a list", `{"title":"a","lines":[{"text":"<loop.currentItem>"}]}`,
			runtime.UnresolvedReference,
			[]string{`/lines/0/text unresolved_reference must be resolved by the host before the call: ` +
				`"<loop.currentItem>"`},
		},
		{"several things, in order", `{"nope":1,"when":"noon","title":"{{T}}"}`, runtime.InvalidInput, []string{
			`/title unresolved_reference must be resolved by the host before the call: "{{T}}"`,
			`/when invalid_format must be an ISO 8601 time such as 2026-01-31T09:30:00Z: "noon"`,
			`/nope unknown_parameter is not a known parameter`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := rt.Invoke(t.Context(), "toy_post", runtime.JSON(c.input))
			e := asError(t, err)
			var got []string
			for _, v := range e.Violations {
				got = append(got, v.Path+" "+v.Code+" "+v.Message)
			}
			require.Equal(t, c.want, got)
			require.Equal(t, c.code, e.Code)
			require.False(t, e.Retryable)
			require.Regexp(t, "^toy_post refused its input, nothing was sent: ", err.Error())
		})
	}
}

// A parameter that may be any JSON holds the same, whatever the others hold.
func TestTextWhereAnyJSONIsDue(t *testing.T) {
	m := strings.Replace(toyManifest, "body: {type: object, ", "body: {", 1)
	list, err := schemas.Load(fstest.MapFS{"toy.yaml": {Data: []byte(m)}})
	require.NoError(t, err)
	reg := registry.New()
	reg.MustRegister(runtime.Define(list[0], echo))
	rt, err := runtime.New(reg, runtime.Source("main", board{}))
	require.NoError(t, err)
	for _, rest := range []string{"", `,"when":""`} {
		res, err := rt.Invoke(t.Context(), "toy_post", runtime.JSON(`{"title":"Hi","body":"[true]"`+rest+`}`))
		require.NoError(t, err)
		require.Equal(t, `{"seen":{"title":"Hi","body":[true]}}`, string(res.Output))
	}
}

func TestSizeIsBounded(t *testing.T) {
	rt := start(t, echo, runtime.Limits(rawjson.Limits{MaxBytes: 100}))
	_, err := rt.Invoke(t.Context(), "toy_post", runtime.JSON(`{"title":"`+strings.Repeat("x", 200)+`"}`))
	require.Equal(t, runtime.TooLarge, asError(t, err).Code)
	require.ErrorContains(t, err, "212 bytes, 100 are allowed")
	_, err = rt.Invoke(t.Context(), "toy_post", runtime.Map{"title": strings.Repeat("x", 200)})
	require.Equal(t, runtime.TooLarge, asError(t, err).Code)
}

func TestReferencesInsideAreWarnedOf(t *testing.T) {
	rt := start(t, echo)
	res, err := rt.Invoke(t.Context(), "toy_post", runtime.JSON(
		`{"title":"Hi {{NAME}}","body":{"a":["<start.x>",{"b":"{{ B }}!"}],"{{KEY}}":1,"c":"a < b.c > d"},`+
			`"lines":[{"text":"x","extra":{"q":"{{Q}}"}}],"token":"{{x}}y"}`))
	require.NoError(t, err)
	var got []string
	for _, w := range res.Receipt.Warnings {
		require.Equal(t, "unresolved_reference", w.Code)
		got = append(got, w.Path)
	}
	require.Equal(t, []string{"/title", "/body/a/0", "/body/a/1/b", "/lines/0/extra/q"}, got)
}

func TestTimesWithoutAZoneAreWarnedOf(t *testing.T) {
	rt := start(t, echo)
	res, err := rt.Invoke(t.Context(), "toy_post", runtime.JSON(`{"title":"x","when":"2026-01-31 09:30"}`))
	require.NoError(t, err)
	require.Equal(t, `{"seen":{"title":"x","when":"2026-01-31T09:30:00.000Z"}}`, string(res.Output))
	require.Equal(t, []schemas.Violation{{
		Path: "/when", Code: "timestamp_zone_assumed", Message: "has no zone and was taken as UTC: 2026-01-31 09:30",
	}}, res.Receipt.Warnings)
}

func TestWarningsAreBounded(t *testing.T) {
	rt := start(t, echo)
	res, err := rt.Invoke(t.Context(), "toy_post",
		runtime.JSON(`{"title":"x","body":{"a":[`+strings.Repeat(`"{{A}}",`, 1500)+`1]}}`))
	require.NoError(t, err)
	require.Len(t, res.Receipt.Warnings, 101)
	require.Equal(t, schemas.Violation{Code: "more_warnings", Message: "1400 more warnings are not listed"},
		res.Receipt.Warnings[100])
}

// A runtime without conventions takes an input as it is, and the schema alone decides.
func TestWithoutConventions(t *testing.T) {
	rt := start(t, echo, runtime.WithConventions(schemas.Conventions{}))
	require.Equal(t, schemas.Conventions{}, rt.Conventions())
	res, err := rt.Invoke(t.Context(), "toy_post", runtime.JSON(`{"title":"{{TITLE}}","body":{"a":"<b.c>"}}`))
	require.NoError(t, err)
	require.JSONEq(t, `{"seen":{"title":"{{TITLE}}","body":{"a":"<b.c>"}}}`, string(res.Output))
	require.Empty(t, res.Receipt.Warnings)
	_, err = rt.Invoke(t.Context(), "toy_post",
		runtime.JSON(`{"title":"Hi","body":"{}","when":"2026-01-31","times":null}`))
	var paths []string
	for _, v := range asError(t, err).Violations {
		paths = append(paths, v.Path)
	}
	require.Equal(t, []string{"/body", "/when", "/times"}, paths)
}
