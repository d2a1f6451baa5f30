package blocks_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
)

// These tests are for edge cases of the promises. The blocks once failed each of them.

// A source may lack a write key, for inputs that bring their own.
func TestSourceMayHaveNoWriteKey(t *testing.T) {
	b := start(t)
	source := b.source
	source.WriteKey = ""
	rt, err := runtime.New(segmentBlocks(), runtime.Source("keyless", source))
	require.NoError(t, err, "the input may give the key")
	defer func() { require.NoError(t, rt.Close(t.Context())) }()

	_, err = rt.Invoke(t.Context(), "segment_track", runtime.JSON(`{"event":"e","userId":"u"}`))
	require.Equal(t, runtime.MissingCredential, asError(t, err).Code)
	_, err = rt.Invoke(t.Context(), "segment_track",
		runtime.JSON(`{"event":"e","userId":"u","writeKey":"`+anotherKey+`"}`))
	require.NoError(t, err)
	require.Len(t, b.stored(), 1)
}

// The context of a batch is merged into each message before the consent event is checked.
func TestConsentMayStandInTheBatchsContext(t *testing.T) {
	b := start(t)
	_, err := b.invoke("segment_batch",
		`{"batch":[{"type":"track","event":"`+consentEvent+`","userId":"u","anonymousId":"a"}],
		"context":{"consent":{"categoryPreferences":{"Advertising":true}}}}`)
	require.NoError(t, err)
}

// The batch's context is checked like a message's own.
func TestConsentInTheBatchsContextIsChecked(t *testing.T) {
	b := start(t)
	_, err := b.invoke("segment_batch",
		`{"batch":[{"type":"track","event":"`+consentEvent+`","userId":"u","anonymousId":"a",
		"context":{"consent":{"categoryPreferences":{}}}}],"context":{"consent":{"version":"1"}}}`)
	require.Error(t, err)
	require.Equal(t, "consent_version_should_be_number", asError(t, err).Violations[0].Code)
}

// A text in a typed Go value that has a backslash followed by "ufffd" is valid.
func TestBackslashUFFFDIsText(t *testing.T) {
	b := start(t)
	_, err := b.rt.Invoke(t.Context(), "segment_track", runtime.Map{
		"event": "e", "userId": "u", "properties": map[string]any{"a": []string{`C:\ufffd`}},
	})
	require.NoError(t, err)
}

// Limits bound inputs. An accepted call does not fail because its output is a little longer.
func TestLimitsDoNotBoundOutputs(t *testing.T) {
	const input = `{"event":"Order Completed","userId":"u"}`
	b := start(t, func(s *setup) {
		limits := smallLimits()
		limits.MaxBytes = len(input)
		s.runtime = []runtime.Option{runtime.Limits(limits)}
	})
	_, err := b.invoke("segment_track", input)
	require.Len(t, b.stored(), 1)
	require.NoError(t, err, "it was accepted")
}

// Warnings beyond those listed are counted.
func TestWarningsBeyondTheBoundAreCounted(t *testing.T) {
	t.Parallel()
	b := start(t)
	input := `{"batch":[`
	for i := range 1500 {
		if i > 0 {
			input += ","
		}
		input += `{"type":"track","event":"e","userId":"u","foo":1}`
	}
	warnings := b.accepted("segment_batch", input+"]}").Receipt.Warnings
	require.Less(t, len(warnings), 1500)
	require.Contains(t, warnings[len(warnings)-1].Message, "more", "the last one must count the rest")
}

// A name in an input, or the id of a block that does not exist, may hold a line break, which would
// split an error into two lines, or an escape sequence, which would steer a terminal.
func TestErrorsHoldNoControlCharacters(t *testing.T) {
	b := start(t)
	for _, c := range []struct{ block, input string }{
		{"segment_track", `{"event":"e","userId":"u","a\nb":1}`},
		{"segment_track", `{"event":"e","userId":"u","a\u001b[31mb":1}`},
		{"segment_track", `{"event":"e","userId":"u","properties":{"a\r":1,"a\r":2}}`},
		{"segment_track", `{"event":"e","userId":"u","us\r_id"`},
		{"segment\ntrack", `{}`},
	} {
		_, err := b.invoke(c.block, c.input)
		require.Error(t, err)
		if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
			t.Errorf("an error must be one line of plain text: %q", err.Error())
		}
	}
}

// A name may be as long as the input, but the error that names it is short.
func TestErrorsAreShort(t *testing.T) {
	b := start(t)
	e := b.refused("segment_track", `{"event":"e","userId":"u","`+strings.Repeat("k", 100_000)+`":1}`)
	require.Less(t, len(e.Error()), 2000)
}

// Limits that a host has raised apply to the whole input, including the context of a batch.
func TestRaisedLimitsHoldForTheContextOfABatch(t *testing.T) {
	b := start(t, func(s *setup) { s.runtime = []runtime.Option{runtime.Limits(rawjson.Limits{MaxDepth: 200})} })
	deep := strings.Repeat(`{"a":`, 150) + "1" + strings.Repeat("}", 150)
	b.accepted("segment_track", `{"event":"e","userId":"u","context":`+deep+`}`)
	_, err := b.invoke("segment_batch", `{"batch":[{"type":"track","event":"e","userId":"u"}],"context":`+deep+`}`)
	require.NoError(t, err)
}

// A preview lists its requests in the order of the batch, whichever goroutine records first.
func TestPreviewListsRequestsInOrder(t *testing.T) {
	b := start(t)
	input := runtime.JSON(manyUsers(110, 41, strings.Repeat("x", 14_000)))
	var first []int
	for range 10 {
		requests, _, err := b.rt.Preview(t.Context(), "segment_batch", input, runtime.InvocationID("same"))
		require.NoError(t, err)
		var sizes []int
		for _, r := range requests {
			sizes = append(sizes, strings.Index(r.Body, `"user":`)+len(r.Body)*1000+int(r.Body[80]))
		}
		if first == nil {
			first = sizes
		}
		require.Equal(t, first, sizes)
	}
}

// A proxy that wants a login answers 200 with a page of HTML. That is not an acceptance.
func TestHTMLIsNoAcceptance(t *testing.T) {
	b := start(t)
	b.script(emulator.Fault{Status: 200, Body: "<html><title>Sign in</title></html>", Times: -1})
	_, err := b.invoke("segment_track", `{"event":"e","userId":"u"}`)
	require.Equal(t, runtime.Rejected, asError(t, err).Code)
	require.ErrorContains(t, err, "an HTML page: Sign in")
}

// A 503 may come from a proxy that has passed the request on. Messages that may be stored must not
// be called rejected.
func TestStoredBehindA503IsUnconfirmed(t *testing.T) {
	b := start(t, func(s *setup) { s.source.Retry.MaxRetries = -1 })
	b.script(emulator.Fault{Status: 503, Store: true})
	_, err := b.invoke("segment_batch", trackBatch(2))
	e := asError(t, err)
	require.Len(t, b.stored(), 2)
	require.Len(t, e.Items, 2)
	for _, item := range e.Items {
		require.Equal(t, runtime.ItemUnconfirmed, item.Status)
	}
}

// If the host's transport panics in one of several requests at once, that ends the invocation, not
// the program.
func TestPanicInARequestEndsTheInvocation(t *testing.T) {
	b := start(t)
	rt, err := runtime.New(segmentBlocks(), runtime.Source("test", b.source), runtime.Transport(panicking{}))
	require.NoError(t, err)
	_, err = rt.Invoke(t.Context(), "segment_batch", runtime.JSON(manyUsers(110, 41, strings.Repeat("x", 14_000))))
	require.Equal(t, runtime.Internal, asError(t, err).Code)
	require.NoError(t, rt.Close(t.Context()))
}

type panicking struct{}

func (panicking) RoundTrip(*http.Request) (*http.Response, error) { panic("no network today") }
