package segment_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

const key = "S3cretS3cretS3cretS3cretS3cretS3"

func Example() {
	ctx := context.Background()
	server, err := emulator.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close(ctx)
	reg := registry.New()
	blocks.MustRegister(reg)
	rt, err := runtime.New(reg, runtime.Source("prod", tracking.Source{WriteKey: key, Endpoint: server.URL}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer rt.Close(ctx)

	res, err := segment.Invoke(ctx, rt, segment.Track{
		Event:      "Order Completed",
		UserID:     "u-42",
		Properties: map[string]any{"total": 42.5},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(res.Output))

	_, err = segment.Invoke(ctx, rt, segment.Track{Event: "Order Completed"})
	fmt.Println(err)
	// Output:
	// {"success":true,"event":"Order Completed","userId":"u-42","anonymousId":null}
	// segment_track refused its input, nothing was sent: must have userId or anonymousId
}

func ExampleBatch() {
	ctx := context.Background()
	server, err := emulator.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close(ctx)
	reg := registry.New()
	blocks.MustRegister(reg)
	rt, err := runtime.New(reg, runtime.Source("prod", tracking.Source{WriteKey: key, Endpoint: server.URL}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer rt.Close(ctx)

	res, err := segment.Invoke(ctx, rt, segment.Batch{Batch: []segment.Message{
		{Call: segment.Identify{UserID: "u-42", Traits: map[string]any{"plan": "team"}}},
		{ID: "order-o-1001", Call: segment.Track{Event: "Order Completed", UserID: "u-42"}},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(res.Output), res.Receipt.MessageIDs[1])
	// Output:
	// {"success":true,"count":2} order-o-1001
}

// Each field must have the parameter's name. The examples of the manifests have most of them.
func TestInputs(t *testing.T) {
	reg := registry.New()
	blocks.MustRegister(reg)
	rt, err := runtime.New(reg, runtime.Source("prod", tracking.Source{WriteKey: key}))
	require.NoError(t, err)
	defer rt.Close(t.Context())
	some, at := map[string]any{"a": 1}, time.Date(2026, 1, 31, 9, 30, 0, 5_000_000, time.FixedZone("", 3600))
	all := []segment.Call{
		segment.Track{
			WriteKey: key, Event: "e", UserID: "u", AnonymousID: "a", Properties: some, Context: some, Timestamp: at,
			Integrations: some,
		},
		segment.Identify{WriteKey: key, UserID: "u", AnonymousID: "a", Traits: some, Context: some, Timestamp: at},
		segment.Page{WriteKey: key, UserID: "u", AnonymousID: "a", Name: "n", Category: "c", Properties: some},
		segment.Screen{WriteKey: key, UserID: "u", AnonymousID: "a", Name: "n", Category: "c", Properties: some},
		segment.Group{WriteKey: key, UserID: "u", AnonymousID: "a", GroupID: "g", Traits: some},
		segment.Alias{WriteKey: key, UserID: "u", PreviousID: "p"},
		segment.Batch{
			WriteKey: key, Batch: []segment.Message{{Call: segment.Track{Event: "e", UserID: "u"}}}, Context: some,
		},
	}
	require.Len(t, reg.List(), len(all))
	for _, call := range all {
		require.NoError(t, rt.Validate(t.Context(), call.Block(), call.Input()), call.Block())
	}
	input, err := json.Marshal(all[0].Input())
	require.NoError(t, err)
	require.JSONEq(t, `{"writeKey":"`+key+`","event":"e","userId":"u","anonymousId":"a","properties":{"a":1},
		"context":{"a":1},"timestamp":"2026-01-31T09:30:00.005+01:00","integrations":{"a":1}}`, string(input))
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", all[0], all[0], all[0]), key)

	batch := segment.Batch{
		Batch: []segment.Message{{}, {Call: segment.Batch{}}, {Call: all[0]}, {ID: "x", Call: all[5]}},
	}
	err = rt.Validate(t.Context(), batch.Block(), batch.Input())
	var paths []string
	for _, v := range runtime.ErrorOf(err).Violations {
		paths = append(paths, v.Path+" "+v.Code)
	}
	require.ElementsMatch(t, []string{
		"/batch/0 message_not_object", "/batch/1/type invalid_type", "/batch/2/writeKey write_key_in_message",
		"/batch/3/writeKey write_key_in_message",
	}, paths)
	require.Empty(t, segment.Track{}.Input())
}
