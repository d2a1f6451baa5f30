package tracking_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// manyOrders makes n messages of about 250 bytes, shared by so many users.
func manyOrders(t testing.TB, n, users int) []tracking.Message {
	t.Helper()
	out := make([]tracking.Message, n)
	for i := range out {
		const form = `{"type":"track","event":"Step","userId":"u-%d","properties":{"seq":%d}}`
		out[i] = item(t, fmt.Sprintf(form, i%users, i))
	}
	return out
}

func TestBatchOnTheWire(t *testing.T) {
	r := newReceiver(t)
	report, err := r.source().Send(t.Context(), r.client(), tracking.Call{
		Messages: []tracking.Message{
			item(t, `{"type":"identify","userId":"u","traits":{"n":1.10},`+
				`"timestamp":"2024-01-02T03:04:05Z","messageId":"mine"}`),
			item(t, `{"type":"group","userId":"u","groupId":"g",`+
				`"context":{"ip":"1.2.3.4"},"integrations":{"Mixpanel":{"a":1}}}`),
		}, InvocationID: "run-1", Time: time.Date(2025, 6, 7, 8, 9, 10, 11_000_000, time.UTC),
		Context:      json.RawMessage(`{"ip":"0.0.0.0","app":{"name":"shop"}}`),
		Integrations: json.RawMessage(`{"All":false}`),
	})
	require.NoError(t, err)
	got := r.requests()
	require.Len(t, got, 1)
	require.Equal(t, "/v1/batch", got[0].path)
	require.Equal(t, "POST", got[0].method)
	body := string(got[0].body)
	require.Regexp(t, `^{"sentAt":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","batch":\[`, body)
	id := tracking.DeriveMessageID(testKey, tracking.Group, "run-1", 1)
	library := `"library":{"name":"segment-blocks","version":"dev"}`
	require.Equal(t, `"batch":[`+
		`{"type":"identify","userId":"u","traits":{"n":1.10},"timestamp":"2024-01-02T03:04:05.000Z",`+
		`"messageId":"mine","context":{"ip":"0.0.0.0","app":{"name":"shop"},`+library+`},`+
		`"integrations":{"All":false}},`+
		`{"type":"group","userId":"u","groupId":"g","context":{"ip":"1.2.3.4","app":{"name":"shop"},`+library+`},`+
		`"integrations":{"All":false,"Mixpanel":{"a":1}},"messageId":"`+id+`",`+
		`"timestamp":"2025-06-07T08:09:10.011Z"}]}`,
		body[strings.Index(body, `"batch"`):])
	require.Equal(t, tracking.Report{
		Delivery: tracking.Direct, Endpoint: r.URL, Requests: 1, Attempts: 1, Bytes: len(body), Accepted: 2,
		Messages: []tracking.Outcome{
			{MessageID: "mine", Status: tracking.Accepted, Request: 0},
			{MessageID: id, Status: tracking.Accepted, Request: 0},
		},
	}, report)
}

func TestBadMessagesSendNothing(t *testing.T) {
	r := newReceiver(t)
	large := item(t, `{"type":"track","event":"e","userId":"u","properties":{"x":"`+strings.Repeat("x", 40_000)+`"}}`)
	report, err := r.source().Send(t.Context(), r.client(), tracking.Call{Messages: []tracking.Message{
		order(t),
		item(t, `{"type":"track","event":5,"userId":"u"}`),
		order(t),
		item(t, `{"type":"alias","userId":"u"}`),
		large,
	}})
	e := failure(t, err)
	require.Equal(t, tracking.InvalidInput, e.Code)
	require.False(t, e.Code.Retryable())
	require.Empty(t, r.requests())
	require.Equal(t, map[tracking.Status]int{tracking.Unsent: 5}, statuses(report))
	require.Equal(t, "nothing was sent, 3 of 5 messages are not valid: message 1: /event must be a string: 5; "+
		"message 3: /previousId must be given: the id that the person had before; "+
		"message 4: message is 40,217 bytes, 32,000 are allowed", err.Error())

	_, err = r.source().Send(t.Context(), r.client(), tracking.Call{Messages: []tracking.Message{order(t), large}})
	require.Equal(t, retry.TooLarge, failure(t, err).Code)

	_, err = r.source().Send(t.Context(), r.client(), tracking.Call{Messages: nil})
	e = failure(t, err)
	require.Equal(t, []tracking.Finding{finding(-1, "", "empty_batch", "must hold at least one message")}, e.Problems)
	require.Empty(t, r.requests())
}

func TestManyBadMessagesAreAllNamed(t *testing.T) {
	bad := make([]tracking.Message, 20)
	for i := range bad {
		bad[i] = order(t)
		if i%3 == 0 || i > 15 {
			bad[i] = item(t, `{"type":"track","event":"e"}`)
		}
	}
	_, _, err := tracking.NewClient(nil).Preview(tracking.Source{WriteKey: testKey}, tracking.Call{Messages: bad})
	e := failure(t, err)
	require.Len(t, e.Problems, 10)
	require.Contains(t, err.Error(), "and 5 more problems, the messages in question are 0, 3, 6, 9, 12, 15-19")
}

// A batch with nothing but faults costs no more than its listing: the error is bounded, and the end
// is not looked at.
func TestManyProblemsAreBounded(t *testing.T) {
	bad := item(t, `{"type":"track"}`) // has two
	for n, listed := range map[int]int{60: 120, 4_000: 1_000, 300_000: 1_000} {
		messages := slices.Repeat([]tracking.Message{bad}, n)
		report, err := tracking.Source{WriteKey: testKey}.Send(t.Context(), tracking.NewClient(nil),
			tracking.Call{Messages: messages})
		e := failure(t, err)
		require.Equal(t, tracking.InvalidInput, e.Code)
		require.Len(t, e.Problems, listed)
		require.Equal(t, n, e.Total)
		require.Len(t, report.Messages, n)
		require.Less(t, len(err.Error()), 2000)
		require.Contains(t, err.Error(),
			fmt.Sprintf("; and %s more problems", map[int]string{120: "115", 1000: "995"}[listed]))
	}
}

// A caller that goes while a huge batch is being prepared is not kept.
func TestCancelledWhilePreparing(t *testing.T) {
	messages := slices.Repeat([]tracking.Message{order(t)}, 100_000)
	ctx := &endsAfter{Context: t.Context(), asked: 50}
	source := tracking.Source{WriteKey: testKey}
	report, err := source.Send(ctx, tracking.NewClient(nil), tracking.Call{Messages: messages})
	require.Equal(t, retry.Canceled, failure(t, err).Code)
	require.ErrorIs(t, err, context.Canceled)
	require.EqualError(t, err, "the call was canceled; nothing was sent")
	require.Equal(t, map[tracking.Status]int{tracking.Unsent: len(messages)}, statuses(report))
	require.NotEmpty(t, report.Messages[10].MessageID)
	require.Empty(t, report.Messages[100].MessageID, "it has not come to that")
}

// What has been prepared may be kept after the caller has its memory back.
func TestPreparedMessagesAreTheirOwn(t *testing.T) {
	data := []byte(`{"type":"track","event":"e","userId":"u","properties":{"n":1},"context":{"ip":"1.2.3.4"}}`)
	fields, err := rawjson.ParseObject(data, rawjson.Limits{})
	require.NoError(t, err)
	batch, err := tracking.NewClient(nil).Prepare(t.Context(), tracking.Source{WriteKey: testKey},
		tracking.Call{Messages: []tracking.Message{tracking.NewMessage("", fields)}})
	require.NoError(t, err)
	before := string(batch.Messages[0].JSON())
	require.Contains(t, before, `"properties":{"n":1}`)
	clear(data)
	require.Equal(t, before, string(batch.Messages[0].JSON()))
}

// Whenever a caller goes, the report counts what was sent, and only that.
func TestCancelledBeforeAnAttempt(t *testing.T) {
	for asked := range 5 {
		r := newReceiver(t)
		ctx := &endsAfter{Context: t.Context(), asked: asked}
		report, err := r.source().Send(ctx, r.client(), tracking.Call{Messages: []tracking.Message{order(t)}})
		require.Len(t, r.requests(), report.Attempts, asked)
		require.Equal(t, report.Attempts, report.Requests, asked)
		require.Equal(t, report.Attempts == 0, err != nil, asked)
		if err != nil {
			require.Equal(t, tracking.Outcome{
				MessageID: report.Messages[0].MessageID, Status: tracking.Unsent, Request: -1,
			}, report.Messages[0], asked)
		}
		r.Close()
	}
}

// endsAfter is a context that ends once it has been asked often enough.
type endsAfter struct {
	context.Context
	asked int
}

func (c *endsAfter) Err() error {
	if c.asked--; c.asked < 0 {
		return context.Canceled
	}
	return nil
}

func TestBatchDefaultsAreChecked(t *testing.T) {
	for text, code := range map[string]string{
		`[]`: "context_not_object", `"x"`: "context_not_object",
		`{"a":`: "invalid_json", `{"a":1,"a":2}`: "invalid_json",
	} {
		_, _, err := tracking.NewClient(nil).Preview(tracking.Source{WriteKey: testKey},
			tracking.Call{Messages: []tracking.Message{order(t)}, Context: json.RawMessage(text)})
		e := failure(t, err)
		require.Len(t, e.Problems, 1)
		require.Equal(t, code, e.Problems[0].Code)
		require.Equal(t, "/context", e.Problems[0].Path)
		require.Equal(t, -1, e.Problems[0].Index)
	}
	_, _, err := tracking.NewClient(nil).Preview(tracking.Source{WriteKey: testKey},
		tracking.Call{
			Messages: []tracking.Message{order(t)}, Context: json.RawMessage(`null`),
			Integrations: json.RawMessage(`1`),
		})
	require.Equal(t, "integrations_not_object", failure(t, err).Problems[0].Code)
}

// A large default for many messages would take far more memory than the call that brings it.
func TestDefaultsOfManyMessages(t *testing.T) {
	r := newReceiver(t)
	_, err := r.source().Send(t.Context(), r.client(), tracking.Call{
		Messages: slices.Repeat([]tracking.Message{order(t)}, 60_000),
		Context:  json.RawMessage(`{"x":"` + strings.Repeat("x", 30_000) + `"}`),
	})
	e := failure(t, err)
	require.Equal(t, retry.TooLarge, e.Code)
	require.EqualError(t, e, "nothing was sent: /context goes into each of 60,000 messages, which makes "+
		"1,800,480,000 bytes, and 67,108,864 are allowed; send fewer messages in a call")
	require.Empty(t, r.requests())
}

// What the batch lays under each message counts towards that message's size.
func TestLimitsCountWhatIsMergedIn(t *testing.T) {
	r := newReceiver(t)
	context := json.RawMessage(`{"x":"` + strings.Repeat("x", 31_900) + `"}`)
	_, err := r.source().Send(t.Context(), r.client(),
		tracking.Call{Messages: []tracking.Message{order(t), order(t)}, Context: context})
	e := failure(t, err)
	require.Equal(t, retry.TooLarge, e.Code)
	require.Len(t, e.Problems, 2)
	require.Empty(t, r.requests())
}
