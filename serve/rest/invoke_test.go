package rest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/serve/rest"
)

const order = `{"input":{"event":"Order Completed","userId":"u-42","properties":{"total":42.50,` +
	`"id":12345678901234567890,"html":"<b>"}}}`

// receipt is what the tests look at of one.
type receipt struct {
	InvocationID string   `json:"invocationId"`
	Source       string   `json:"source"`
	MessageIDs   []string `json:"messageIds"`
	Accepted     int      `json:"accepted"`
	Attempts     int      `json:"attempts"`
}

func (b *bench) receiptOf(a answer) receipt {
	b.t.Helper()
	var body struct{ Receipt receipt }
	a.into(b.t, &body)
	return body.Receipt
}

func TestInvoke(t *testing.T) {
	b := start(t)
	a := b.post("segment_track", "invoke", order)
	require.Equal(t, 200, a.StatusCode, a.text)
	require.Equal(t, "application/json", a.Header.Get("Content-Type"))
	require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
	var body struct{ Output json.RawMessage }
	a.into(t, &body)
	require.JSONEq(t, `{"success":true,"event":"Order Completed","userId":"u-42","anonymousId":null}`,
		string(body.Output))
	r := b.receiptOf(a)
	require.Equal(t, "prod", r.Source)
	require.Equal(t, 1, r.Accepted)
	events := b.segment.Events(emulator.Filter{})
	require.Len(t, events, 1)
	require.Contains(
		t,
		string(events[0].Message),
		`{"total":42.50,"id":12345678901234567890,"html":"<b>"}`,
		"as it was written",
	)
	require.Equal(t, r.MessageIDs, []string{events[0].MessageID})

	a = b.post(
		"segment_track",
		"invoke",
		`{"source":"other","input":{"event":"e","userId":"u"}}`,
		"Content-Type",
		"application/json; charset=utf-8",
	)
	require.Equal(t, "other", b.receiptOf(a).Source)
	require.Equal(
		t,
		200,
		b.post("segment_track", "invoke", `{"source":null,"input":{"event":"e","userId":"u"}}`).StatusCode,
	)
}

func TestRefusals(t *testing.T) {
	b := startWith(t, rest.Config{MaxBody: 50_000})
	deep := strings.Repeat(`{"a":`, 128) + "1" + strings.Repeat("}", 128)
	for name, c := range map[string]struct {
		body    string
		headers []string
		status  int
		code    string
		// violations are path and code, joined by a blank.
		violations []string
		says       string
	}{
		"unknown member": {
			`{"sorce":"prod"}`, nil, 400, "invalid_request",
			[]string{"/sorce unknown_member", "/input missing_member"},
			`the body is not valid; /sorce is not a known member; did you mean "source"?; /input must be given`,
		},
		"all at once": {
			`{"source":1,"x":2}`, nil, 400, "invalid_request",
			[]string{"/source wrong_type", "/x unknown_member", "/input missing_member"},
			"",
		},
		"input as text": {
			`{"input":"{\"writeKey\":\"` + writeKey + `\"}"}`, nil, 400, "invalid_request",
			[]string{"/input wrong_type"},
			"",
		},
		"duplicate in body": {
			`{"input":{},"input":{}}`, nil, 400, "invalid_request",
			[]string{"/input duplicate_key"},
			"",
		},
		"duplicate in input": {
			`{"input":{"properties":{"a":1,"a":2}}}`, nil, 422, "invalid_input",
			[]string{"/properties/a duplicate_key"},
			"",
		},
		"too deep":         {`{"input":{"properties":` + deep + `}}`, nil, 422, "invalid_input", nil, "128 levels"},
		"far too deep":     {`{"source":"prod","input":` + strings.Repeat("[", 9999), nil, 422, "invalid_input", nil, ""},
		"not JSON":         {`{"input":{"event":}}`, nil, 400, "invalid_request", nil, ""},
		"cut off":          {`{"input":{`, nil, 400, "invalid_request", nil, ""},
		"something behind": {`{"input":{}} x`, nil, 400, "invalid_request", nil, ""},
		"a list": {
			`[]`, nil, 400, "invalid_request",
			[]string{" wrong_type"},
			"the body cannot be read; must be a JSON object",
		},
		"not UTF-8": {
			"{\"input\":{\"event\":\"\xff\"}}", nil, 422, "invalid_input",
			[]string{"/event invalid_utf8"},
			"",
		},
		"a line break": {
			`{"input":{},"a\nb":1}`, nil, 400, "invalid_request",
			[]string{"/a\nb unknown_member"},
			`/a\nb`,
		},
		"a form": {
			`a=b`,
			[]string{"Content-Type", "application/x-www-form-urlencoded"},
			415,
			"unsupported_media_type", nil, "",
		},
		"plain text":     {`{}`, []string{"Content-Type", "text/plain"}, 415, "unsupported_media_type", nil, ""},
		"no type":        {`{}`, []string{"Content-Type", ""}, 415, "unsupported_media_type", nil, ""},
		"compressed":     {`{}`, []string{"Content-Encoding", "gzip"}, 415, "unsupported_media_type", nil, ""},
		"too large":      {`{"input":{"event":"` + strings.Repeat("x", 50_000) + `"}}`, nil, 413, "too_large", nil, ""},
		"unknown source": {`{"input":{},"source":"prd"}`, nil, 422, "unknown_source", nil, `did you mean "prod"?`},
		"no credential": {
			`{"input":{"event":"e","userId":"u"},"source":"keyless"}`, nil, 422, "missing_credential",
			[]string{"/writeKey missing_credential"},
			"",
		},
		"unresolved reference": {
			`{"input":{"event":"e","userId":"<start.userId>"}}`, nil, 422, "unresolved_reference",
			[]string{"/userId unresolved_reference"},
			"",
		},
		"invalid input": {
			`{"input":{"event":"","properties":[1]}}`, nil, 422, "invalid_input",
			[]string{"/event event_not_defined", " no_user_anon_id", "/properties properties_not_object"},
			"nothing was sent",
		},
		"odd key":   {order, []string{"Idempotency-Key", "a b"}, 400, "invalid_request", nil, "Idempotency-Key"},
		"empty key": {order, []string{"Idempotency-Key", `""`}, 400, "invalid_request", nil, "Idempotency-Key"},
		"long key": {
			order,
			[]string{"Idempotency-Key", strings.Repeat("k", 256)},
			400, "invalid_request", nil,
			"Idempotency-Key",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := b.post("segment_track", "invoke", c.body, c.headers...)
			p := b.requireProblem(a, c.status, c.code)
			require.False(t, p.Retryable)
			require.Contains(t, p.Detail, c.says)
			var got []string
			for _, v := range p.Violations {
				got = append(got, v.Path+" "+v.Code)
			}
			if c.violations != nil {
				require.Equal(t, c.violations, got)
			}
			result := b.post(
				"segment_track",
				"invoke",
				c.body,
				append(c.headers, "Accept", "application/vnd.aacflow.result+json")...)
			require.Equal(t, 200, result.StatusCode, "AACFlow's shape has no other")
			var shape struct {
				Success bool
				Output  map[string]any
				Error   string
			}
			result.into(t, &shape)
			require.False(t, shape.Success)
			require.Equal(t, p.Detail, shape.Error)
			require.Equal(t, c.code, shape.Output["code"])
		})
	}
	b.requireProblem(b.post("segment_trak", "invoke", `{"input":{}}`), 404, "unknown_block")
	p := b.requireProblem(b.post("segment_track@2", "invoke", `{"input":{}}`), 404, "unknown_block")
	require.Regexp(t, `^segment_track has no major version 2 here, only 1\.\d+\.\d+`, p.Detail)
	require.Empty(t, b.segment.Requests(), "nothing was sent")
}

func TestIdempotencyKey(t *testing.T) {
	b := start(t)
	ids := func(block, body, key string) string {
		a := b.post(block, "invoke", body, "Idempotency-Key", key)
		require.Equal(t, 200, a.StatusCode, a.text)
		return b.receiptOf(a).MessageIDs[0]
	}
	first := ids("segment_track", order, "run-7/node-3")
	require.Equal(t, first, ids("segment_track", order, "run-7/node-3"))
	require.Equal(t, first, ids("segment_track", order, `"run-7/node-3"`), "quoted, as the draft of the header says")
	require.NotEqual(t, first, ids("segment_track", order, "run-7/node-4"))

	page := `{"input":{"userId":"u-42","name":"Home"}}`
	require.NotEqual(t, ids("segment_page", page, "k"), ids("segment_screen", page, "k"), "two blocks")
	require.NotEqual(
		t,
		ids("segment_page", page, "k"),
		ids("segment_page", `{"source":"other",`+page[1:], "k"),
		"two sources",
	)

	a := b.post("segment_track", "preview", order, "Idempotency-Key", "run-7/node-3")
	require.Contains(t, a.text, first, "a preview shows the same")

	without := b.post("segment_track", "invoke", order)
	require.NotEmpty(t, without.Header.Get("Idempotency-Key"))
	require.True(t, strings.HasSuffix(b.receiptOf(without).InvocationID, "/"+without.Header.Get("Idempotency-Key")))
}

func TestKeyIsNotReused(t *testing.T) {
	b := start(t)
	post := func(event string) answer {
		return b.post("segment_track", "invoke", `{"input":{"event":"`+event+`","userId":"u"}}`, "Idempotency-Key", "k")
	}
	b.requireProblem(post(""), 422, "invalid_input")
	require.Equal(t, 200, post("mended").StatusCode, "nothing had been sent")
	require.Equal(t, 200, post("mended").StatusCode)
	b.requireProblem(post("another"), 422, "idempotency_key_reused")
	require.Len(t, b.segment.Events(emulator.Filter{}), 1)
}

func TestPreviewAndValidate(t *testing.T) {
	b := start(t)
	a := b.post("segment_track", "preview", order)
	require.Equal(t, 200, a.StatusCode, a.text)
	var preview struct {
		Requests []struct{ Method, URL, Body string }
	}
	a.into(t, &preview)
	require.Len(t, preview.Requests, 1)
	require.Contains(t, preview.Requests[0].Body, `"total":42.50`)
	require.NotContains(t, a.text, writeKey)
	b.requireProblem(b.post("segment_track", "preview", `{"input":{}}`), 422, "invalid_input")
	b.requireProblem(b.post("segment_track", "preview", `{}`), 400, "invalid_request")

	require.JSONEq(t, `{"valid":true,"violations":[]}`, b.post("segment_track", "validate", order).text)
	a = b.post("segment_track", "validate", `{"input":{"event":"e"}}`)
	require.Equal(t, 200, a.StatusCode)
	require.JSONEq(
		t,
		`{"valid":false,"code":"invalid_input","violations":[{"path":"","code":"no_user_anon_id","message":"must have `+
			`userId or anonymousId"}]}`,
		a.text,
	)
	b.requireProblem(b.post("segment_track", "validate", `{"input":{},"source":"x"}`), 422, "unknown_source")
	b.requireProblem(b.post("segment_track", "validate", `{"inputs":{}}`), 400, "invalid_request")
	require.Empty(t, b.segment.Requests(), "nothing was sent")
}

func TestAACFlowResult(t *testing.T) {
	b := start(t)
	const shape = "application/vnd.aacflow.result+json"
	a := b.post("segment_track", "invoke", order, "Accept", shape+", application/json;q=0.9")
	require.Equal(t, shape, a.Header.Get("Content-Type"))
	require.JSONEq(
		t,
		`{"success":true,"output":{"success":true,"event":"Order Completed","userId":"u-42"}}`,
		a.text,
	)

	require.NoError(t, b.segment.Script(emulator.Fault{Status: 400}))
	a = b.post("segment_track", "invoke", order, "Accept", shape)
	require.Equal(t, 200, a.StatusCode)
	var failure struct {
		Success bool
		Output  map[string]any
		Error   string
	}
	a.into(t, &failure)
	require.False(t, failure.Success)
	require.Equal(t, "rejected", failure.Output["code"])
	require.Contains(t, failure.Output, "receipt")
	require.NotEmpty(t, failure.Error)
	for _, reserved := range []string{
		"error", "selectedOption", "selectedRoute", "selectedPath", "stream", "execution",
		"cost", "childTraceSpans",
	} {
		require.NotContains(t, failure.Output, reserved)
	}
}

// A pinned block is the block: the same key and input under either name count once.
func TestPinnedVersion(t *testing.T) {
	b := start(t)
	var ids []string
	for _, name := range []string{"segment_track", "segment_track@1"} {
		var result struct{ Receipt runtime.Receipt }
		a := b.post(name, "invoke", `{"input":{"event":"Order Completed","userId":"u-42"}}`, "Idempotency-Key", "run-7")
		require.Equal(t, 200, a.StatusCode)
		a.into(t, &result)
		require.Equal(t, "segment_track", result.Receipt.Block)
		require.Regexp(t, `^1\.\d+\.\d+$`, result.Receipt.Version)
		ids = append(ids, result.Receipt.MessageIDs...)
	}
	require.Len(t, ids, 2)
	require.Equal(t, ids[0], ids[1])
}
