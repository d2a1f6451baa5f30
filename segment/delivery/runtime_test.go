package delivery_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// The blocks work with every kind of delivery, and a receipt names it.
func TestBlocksThroughEachWay(t *testing.T) {
	r := newReceiver(t, nil)
	store := openStore(t, storePath(t), delivery.StoreOptions{MaxEvents: 2})
	shared := coalesce(r.source(), delivery.CoalesceOptions{})
	reg := registry.New()
	blocks.MustRegister(reg)
	rt, err := runtime.New(reg,
		runtime.Source("direct", r.source()),
		runtime.Source("coalesced", shared.Sender),
		runtime.Source("durable", store.Source("durable", r.source())))
	require.NoError(t, err)
	defer rt.Close(soon(t))

	batch := runtime.Map{"batch": []any{
		map[string]any{"type": "track", "event": "A", "userId": "u"}, map[string]any{"type": "page", "userId": "u"},
	}}
	accepted := map[string]int{tracking.Direct: 2, delivery.Coalesced: 2}
	for _, way := range []string{tracking.Direct, delivery.Coalesced, delivery.Durable} {
		res, err := rt.Invoke(soon(t), "segment_batch", batch, runtime.ToSource(way), runtime.InvocationID("the same"))
		require.NoError(t, err)
		require.JSONEq(t, `{"success":true,"count":2}`, string(res.Output))
		require.Equal(t, way, res.Receipt.Delivery)
		require.Equal(t, accepted[way], res.Receipt.Accepted)
		require.Equal(t, 2-accepted[way], res.Receipt.Stored)
		require.Equal(t, r.URL, res.Receipt.Endpoint)
		_, receipt, err := rt.Preview(t.Context(), "segment_track",
			runtime.Map{"event": "A", "userId": "u"}, runtime.ToSource(way))
		require.NoError(t, err)
		require.Zero(t, receipt.Accepted+receipt.Stored)
	}
	eventually(t, func() bool { return only(t, store).Delivered == 2 })
	got := r.got()
	require.Len(t, got, 3)
	require.Equal(t, got[0], got[1])
	require.Equal(t, got[0], got[2])

	first := batch["batch"].([]any)[0]
	large := runtime.Map{"batch": []any{first, first, first}}
	_, err = rt.Invoke(soon(t), "segment_batch", large, runtime.ToSource("durable"))
	failed := runtime.ErrorOf(err)
	require.Equal(t, runtime.Unavailable, failed.Code)
	require.True(t, failed.Retryable)
	require.Contains(t, failed.Error(), "the store is full")

	own := runtime.Map{"event": "A", "userId": "u", "writeKey": "0123456789abcdefghijklmnopqrstuv"}
	_, err = rt.Invoke(soon(t), "segment_track", own, runtime.ToSource("durable"))
	failed = runtime.ErrorOf(err)
	require.Equal(t, runtime.InvalidInput, failed.Code)
	require.Equal(t, "/writeKey", failed.Violations[0].Path)
	_, err = rt.Invoke(soon(t), "segment_track", own, runtime.ToSource("coalesced"))
	require.NoError(t, err)

	require.NoError(t, shared.Close(soon(t)))
	input := runtime.Map{"event": "A", "userId": "u"}
	_, err = rt.Invoke(soon(t), "segment_track", input, runtime.ToSource("coalesced"))
	require.Equal(t, runtime.Closed, runtime.ErrorOf(err).Code)
}
