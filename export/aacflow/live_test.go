package aacflow_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/emulator"
)

// known returns an input without what the block does not declare: the form has no field for it, and
// the tool does not pass it on.
func known(t *testing.T, e registry.Entry, input rawjson.Object) map[string]any {
	t.Helper()
	values := map[string]any{}
	for _, f := range e.Input {
		if raw, ok := input.Get(f.Name); ok {
			var value any
			require.NoError(t, json.Unmarshal(raw, &value))
			values[f.Name] = value
		}
	}
	return values
}

// everything returns an input with each parameter that is not secret, as the manifest has it for an
// example.
func everything(e registry.Entry) (input rawjson.Object) {
	for _, f := range e.Input {
		if !f.Secret {
			input = append(input, rawjson.Member{Name: f.Name, Value: f.Example})
		}
	}
	return input
}

// asText returns an input as a person types it into a form: what is not text becomes JSON.
func asText(t *testing.T, e registry.Entry, input map[string]any) map[string]any {
	t.Helper()
	values := map[string]any{}
	for _, f := range e.Input {
		value, ok := input[f.Name]
		if _, text := value.(string); ok && !text && f.Type == "json" {
			raw, err := json.Marshal(value)
			require.NoError(t, err)
			value = string(raw)
		}
		if ok {
			values[f.Name] = value
		}
	}
	return values
}

// filled returns an input as the form gives it: what is left out is empty text.
func filled(e registry.Entry, input map[string]any) map[string]any {
	values := map[string]any{}
	for _, f := range e.Input {
		values[f.Name] = ""
	}
	maps.Copy(values, input)
	return values
}

// TestLive runs the committed files, compiled once.
func TestLive(t *testing.T) {
	f := compiled(t)
	t.Run("declarations", func(t *testing.T) { testDeclarations(t, f) })
	t.Run("examples", func(t *testing.T) { testExamples(t, f) })
	t.Run("values arrive as typed", func(t *testing.T) { testValuesArriveAsTyped(t, f) })
	t.Run("invocation id", func(t *testing.T) { testInvocationID(t, f) })
	t.Run("failures", func(t *testing.T) { testFailures(t, f) })
}

// testExamples runs each example and refusal of each manifest, and one call with all parameters,
// through the canvas block, as a form fills it in and as a model calls it, and compares with the
// block invoked in Go.
func testExamples(t *testing.T, f fork) {
	s := start(t)
	subs := f.run(t, nil).Blocks["segment"].SubBlocks
	var calls []call
	var titles []string
	type expectation struct {
		id    string
		input map[string]any
	}
	var expected []expectation
	for _, e := range segmentBlocks(t).Catalog() {
		cases := map[string]rawjson.Object{"all parameters": everything(e)}
		for _, x := range e.Examples {
			cases[x.Title] = x.Input
		}
		for _, x := range e.Refused {
			cases[x.Title] = x.Input
		}
		for name, input := range cases {
			object := known(t, e, input)
			for _, params := range []map[string]any{object, asText(t, e, object)} {
				values := map[string]any{"operation": strings.TrimPrefix(e.ID, "segment_")}
				for name, value := range params {
					values[fieldOf(t, subs, e.ID, name).ID] = value
				}
				asked := maps.Clone(params)
				asked["operation"] = values["operation"]
				calls = append(calls,
					call{Block: "segment", Values: values}, call{Block: "segment", Values: asked, Model: true})
				titles = append(titles, e.ID+": "+name, e.ID+", called by a model: "+name)
				expected = append(expected, expectation{e.ID, filled(e, params)}, expectation{e.ID, params})
			}
		}
	}
	said := f.run(t, calls, s.environment()...)
	sent := s.sent(t)
	s.segment.Clear()
	refused := 0
	for i, got := range said.Results {
		res, err := s.rt.Invoke(t.Context(), expected[i].id, runtime.Map(expected[i].input))
		if err != nil {
			refused++
			require.False(t, got.Success, titles[i])
			require.Equal(t, err.Error(), got.Error, titles[i])
			var failure *runtime.Error
			require.True(t, errors.As(err, &failure))
			var output struct{ Code string }
			require.NoError(t, json.Unmarshal(got.Output, &output))
			require.Equal(t, string(failure.Code), output.Code, titles[i])
			continue
		}
		require.True(t, got.Success, "%s: %s", titles[i], got.Error)
		require.Empty(t, got.Error)
		require.JSONEq(t, string(schemas.WithoutNulls(res.Output)), string(got.Output), titles[i])
	}
	require.Positive(t, refused)
	require.Less(t, refused, len(calls))
	require.NotEmpty(t, sent)
	want := s.sent(t)
	require.Len(t, sent, len(want))
	for i := range want {
		require.Equal(t, want[i], sent[i], "a message arrives with all that was given")
	}
}

// sent returns the messages that have arrived, in order, without what is another each time.
func (s service) sent(t *testing.T) []map[string]any {
	t.Helper()
	var messages []map[string]any
	for _, event := range s.segment.Events(emulator.Filter{}) {
		var m map[string]any
		require.NoError(t, json.Unmarshal(event.Message, &m))
		if text, _ := m["timestamp"].(string); text != "" {
			at, err := time.Parse(time.RFC3339, text)
			require.NoError(t, err)
			if time.Since(at) < time.Hour {
				m["timestamp"] = "now"
			}
		}
		delete(m, "messageId")
		delete(m, "sentAt")
		messages = append(messages, m)
	}
	return messages
}

// track is a run of the block with these values beside an event and a user.
func track(values map[string]any) call {
	all := map[string]any{"operation": "track", "event": "Order Completed", "commonUserId": "u-42"}
	maps.Copy(all, values)
	return call{Block: "segment", Values: all, Context: map[string]string{"workflowId": "wf-1", "executionId": "run-1"}}
}

func testValuesArriveAsTyped(t *testing.T, f fork) {
	s := start(t)
	said := f.run(t, []call{
		track(map[string]any{"trackProperties": `{"total":42.50,"id":12345678901234567890}`, "source": "second"}),
		track(map[string]any{"trackProperties": `{"total":42`}),
		track(map[string]any{"trackProperties": "{{PROPERTIES}}"}),
		track(map[string]any{"source": "third"}),
		track(map[string]any{"writeKey": secondKey}),
		track(map[string]any{"operation": "purchase"}),
	}, s.environment()...)
	for i, says := range []string{
		"", "valid JSON", "must be resolved", `"third"`, "", "Tool not found: segment_purchase",
	} {
		require.Equal(t, says == "", said.Results[i].Success, said.Results[i].Error)
		require.Contains(t, said.Results[i].Error, says)
	}
	events := s.segment.Events(emulator.Filter{})
	require.Len(t, events, 2)
	require.Contains(t, string(events[0].Message), `{"total":42.50,"id":12345678901234567890}`)
	for _, event := range events {
		require.Equal(t, emulator.Fingerprint(secondKey), event.Source)
	}
}

func testInvocationID(t *testing.T, f fork) {
	s := start(t)
	elsewhere := track(map[string]any{"invocationId": "order 17, ä"})
	elsewhere.Context = map[string]string{"workflowId": "wf-2"}
	said := f.run(t, []call{
		track(map[string]any{"invocationId": "order 17, ä"}),
		track(map[string]any{"invocationId": "order 17, ä"}),
		elsewhere,
		track(map[string]any{"invocationId": "order 17, ä", "event": "Order Refunded"}),
		track(map[string]any{"invocationId": "{{ORDER}}"}),
		track(map[string]any{"invocationId": "<start.order>"}),
		track(nil),
		track(nil),
	}, s.environment()...)
	for i, says := range []string{
		"", "", "", "was used for another input; nothing was sent",
		"nothing was sent: invocationId must be resolved before the call: {{ORDER}}",
		"nothing was sent: invocationId must be resolved before the call: <start.order>", "", "",
	} {
		require.Equal(t, says == "", said.Results[i].Success, said.Results[i].Error)
		require.Contains(t, said.Results[i].Error, says)
	}
	require.Len(t, s.segment.Events(emulator.Filter{}), 4,
		"the repeat is one with the first; without an id each call is its own")
}

// testFailures: whatever goes wrong ends in one line.
func testFailures(t *testing.T, f fork) {
	s := start(t)
	page := httptest.NewServer(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<h1>It works</h1>")) }),
	)
	defer page.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, c := range map[string]struct {
		environment []string
		says        string
	}{
		"a token that is none": {
			[]string{"SEGMENT_BLOCKS_URL=" + s.url, "SEGMENT_BLOCKS_TOKEN=another-token-as-long"},
			"must be given its token",
		},
		"no token": {[]string{"SEGMENT_BLOCKS_URL=" + s.url}, "must be given its token"},
		"another server": {
			[]string{"SEGMENT_BLOCKS_URL=" + page.URL},
			"what answers at SEGMENT_BLOCKS_URL is not the service of the Segment blocks",
		},
		"no server": {[]string{"SEGMENT_BLOCKS_URL=" + gone.URL}, "fetch failed"},
	} {
		t.Run(name, func(t *testing.T) {
			got := f.run(t, []call{track(nil)}, c.environment...).Results[0]
			require.False(t, got.Success)
			require.Contains(t, got.Error, c.says)
			require.NotContains(t, got.Error, "\n")
		})
	}
	t.Run("the receiver refuses", func(t *testing.T) {
		require.NoError(t, s.segment.Script(emulator.Fault{Status: 400}))
		got := f.run(t, []call{track(nil)}, s.environment()...).Results[0]
		require.False(t, got.Success)
		require.Contains(t, got.Error, "segment_track")
		var output map[string]any
		require.NoError(t, json.Unmarshal(got.Output, &output))
		require.Equal(t, "rejected", output["code"])
		require.Contains(t, output, "receipt")
		require.NotContains(t, output, "error")
	})
}
