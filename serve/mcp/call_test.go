package mcp_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/serve/mcp"
)

// versions are the protocol that has sessions and the one that has none.
func versions() []string { return []string{"2025-06-18", "2025-11-25", "2026-07-28"} }

func TestEveryExampleOverHTTP(t *testing.T) {
	for _, version := range versions() {
		for _, profile := range mcp.Profiles() {
			t.Run(version+"/"+string(profile), func(t *testing.T) {
				h := build(t)
				s := h.connect(t, "/mcp/-/"+string(profile), version)
				requireExamples(t, h, s, profile)
				requireRefusals(t, h, s)
			})
		}
	}
}

func requireExamples(t *testing.T, h *house, s *sdk.ClientSession, profile mcp.Profile) {
	t.Helper()
	for _, e := range h.reg.Catalog() {
		for _, x := range e.Examples {
			require.NoError(t, h.segment.Clear())
			res := call(t, s, e.ID, x.Input)
			require.False(t, res.IsError, text(t, res, 0))
			want := x.Output.JSON()
			if profile == mcp.Sim {
				want = schemas.WithoutNulls(want)
			}
			require.JSONEq(t, string(want), text(t, res, 0))
			require.JSONEq(t, string(want), marshal(t, res.StructuredContent))
			require.EqualValues(t, len(h.segment.Events(emulator.Filter{})), receipt(t, res)["accepted"])
			require.NotEmpty(t, h.segment.Events(emulator.Filter{Source: emulator.Fingerprint(firstKey)}))
			require.Empty(t, h.segment.Discards(emulator.DiscardFilter{}))
		}
	}
}

func requireRefusals(t *testing.T, h *house, s *sdk.ClientSession) {
	t.Helper()
	require.NoError(t, h.segment.Clear())
	for _, e := range h.reg.Catalog() {
		for _, x := range e.Refused {
			res := call(t, s, e.ID, x.Input)
			require.True(t, res.IsError, x.Title)
			require.Nil(t, res.StructuredContent)
			var said struct {
				Message    string
				Violations []struct{ Path, Code string }
			}
			require.NoError(t, json.Unmarshal([]byte(text(t, res, 1)), &said))
			require.Equal(t, text(t, res, 0), said.Message)
			var got, want []string
			for _, v := range said.Violations {
				got = append(got, v.Path+" "+v.Code)
			}
			for _, v := range x.Violations {
				want = append(want, v.Path+" "+v.Code)
			}
			require.ElementsMatch(t, want, got)

			_, err := h.rt.Invoke(t.Context(), e.ID, runtime.JSON(x.Input.JSON()))
			require.EqualError(t, err, text(t, res, 0), "the very words of the runtime")
		}
	}
	require.Empty(t, h.segment.Requests())
}

func TestRefusalSaysAllInOneLine(t *testing.T) {
	h := build(t)
	res := call(t, h.connect(t, "/mcp", ""), "segment_track", map[string]any{"event": "", "properties": []int{1}})
	require.True(t, res.IsError)
	require.Equal(
		t,
		`segment_track refused its input, nothing was sent: /event must not be empty: ""; `+
			`must have userId or anonymousId; /properties must be an object: [1]`,
		text(t, res, 0),
	)
}

func TestNoArgumentsAreAnEmptyInput(t *testing.T) {
	h := build(t)
	res := call(t, h.connect(t, "/mcp", ""), "segment_track", nil)
	require.Contains(t, text(t, res, 0), "/event must be given")
}

func TestValuesKeepTheirDigits(t *testing.T) {
	h := build(t)
	s := h.connect(t, "/mcp", "")
	res := call(
		t,
		s,
		"segment_track",
		json.RawMessage(`{"event":"E","userId":"u","properties":{"n":12345678901234567890.10}}`),
	)
	require.False(t, res.IsError)
	require.Contains(t, string(h.segment.Events(emulator.Filter{})[0].Message), `"n":12345678901234567890.10`)
}

func TestWarningsAreSeenByModels(t *testing.T) {
	h := build(t)
	res := call(t, h.connect(t, "/mcp", ""), "segment_track", map[string]any{
		"event": "E", "userId": "u", "properties": map[string]any{"plan": "on {{PLAN}}"},
	})
	require.False(t, res.IsError)
	require.Equal(t, "warning: /properties/plan was sent with an unresolved reference: {{PLAN}}", text(t, res, 1))
}

func TestInvocationIDMakesARepeatHarmless(t *testing.T) {
	h := build(t)
	s := h.connect(t, "/mcp", "")
	input := map[string]any{"event": "E", "userId": "u"}
	for range 2 {
		res, err := s.CallTool(t.Context(), &sdk.CallToolParams{
			Name: "segment_track", Arguments: input, Meta: sdk.Meta{mcp.MetaInvocationID: "run-7/node-3/0"},
		})
		require.NoError(t, err)
		require.False(t, res.IsError)
		require.Equal(t, "run-7/node-3/0", receipt(t, res)["invocationId"])
	}
	require.Len(t, h.segment.Events(emulator.Filter{}), 1)

	for _, id := range []any{7, "", "a\nb", "{{RUN}}", "<start.id>/1"} {
		res, err := s.CallTool(
			t.Context(),
			&sdk.CallToolParams{Name: "segment_track", Arguments: input, Meta: sdk.Meta{mcp.MetaInvocationID: id}},
		)
		require.NoError(t, err)
		require.True(t, res.IsError, "%v", id)
		require.Contains(t, text(t, res, 0), "nothing was sent: /invocationId must ")
	}
	require.Len(t, h.segment.Requests(), 2)
}

func TestInvocationIDInput(t *testing.T) {
	h := build(t, mcp.Config{InvocationIDInput: true})
	s := h.connect(t, "/mcp", "")
	for _, id := range []any{"a", "a", "b", "", nil} {
		res := call(t, s, "segment_track", map[string]any{"event": "E", "userId": "u", "invocationId": id})
		require.False(t, res.IsError, res.Content)
	}
	require.Len(t, h.segment.Events(emulator.Filter{}), 4)
	res := call(t, s, "segment_track", map[string]any{"event": "E", "invocationId": "<loop.index>"})
	require.Equal(
		t,
		`segment_track refused its input, nothing was sent: `+
			`/invocationId must be resolved by the host before the call: "<loop.index>"; must have userId or anonymousId`,
		text(t, res, 0),
	)

	without := build(t)
	res = call(
		t,
		without.connect(t, "/mcp", ""),
		"segment_track",
		map[string]any{"event": "E", "userId": "u", "invocationId": "a"},
	)
	require.Contains(t, text(t, res, 0), "/invocationId")
	require.True(t, res.IsError)
}

func TestCancelEndsTheInvocation(t *testing.T) {
	for _, version := range versions() {
		t.Run(version, func(t *testing.T) {
			h := build(t)
			s := h.connect(t, "/mcp", version)
			require.NoError(t, h.segment.Script(emulator.Fault{Delay: time.Minute}))
			ctx, cancel := context.WithCancel(t.Context())
			failed := make(chan error, 1)
			go func() {
				_, err := s.CallTool(
					ctx,
					&sdk.CallToolParams{Name: "segment_track", Arguments: map[string]any{"event": "E", "userId": "u"}},
				)
				failed <- err
			}()
			noFault := func() bool { return len(h.segment.Faults()) == 0 }
			require.Eventually(t, noFault, 5*time.Second, 5*time.Millisecond)
			cancel()
			require.ErrorIs(t, <-failed, context.Canceled)

			closing, stop := context.WithTimeout(t.Context(), 5*time.Second)
			defer stop()
			require.NoError(t, h.rt.Close(closing), "the invocation goes on")
			require.Empty(t, h.segment.Events(emulator.Filter{}))
		})
	}
}

func TestPinnedVersion(t *testing.T) {
	for _, version := range versions() {
		h := build(t)
		s := h.connect(t, "/mcp", version)
		input := map[string]any{"event": "Order Completed", "userId": "u-42"}
		res := call(t, s, "segment_track@1", input)
		require.False(t, res.IsError, text(t, res, 0))
		require.Regexp(t, `^1\.`, receipt(t, res)["version"])
		res = call(t, s, "segment_track@2", input)
		require.True(t, res.IsError)
		require.Regexp(t, `^segment_track has no major version 2 here, only 1\.\d+\.\d+$`, text(t, res, 0))
		tools, err := s.ListTools(t.Context(), nil)
		require.NoError(t, err)
		require.Regexp(t, `^1\.`, tools.Tools[0].Meta[mcp.MetaVersion])
	}
}
