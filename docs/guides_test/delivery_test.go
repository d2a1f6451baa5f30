package guides

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// What docs/delivery.md shows is taken from here.
func TestDelivery(t *testing.T) {
	segment, err := emulator.Start()
	require.NoError(t, err)
	defer segment.Close(context.WithoutCancel(t.Context()))
	t.Chdir(t.TempDir())
	require.NoError(t, ways(t.Context(), tracking.Source{WriteKey: key, Endpoint: segment.URL}))
	require.Len(t, segment.Events(emulator.Filter{}), 2)
}

func ways(ctx context.Context, source tracking.Source) error {
	reg := registry.New()
	blocks.MustRegister(reg)
	store, err := delivery.Open("shop.store", delivery.StoreOptions{})
	if err != nil {
		return err
	}
	busy, closeBusy := delivery.Coalesce(source, delivery.CoalesceOptions{})
	rt, err := runtime.New(reg,
		runtime.Source("shop", store.Source("shop", source)),
		runtime.Source("busy", busy))
	if err != nil {
		return err
	}
	for _, name := range []string{"shop", "busy"} {
		if _, err := rt.Invoke(ctx, "segment_track", runtime.Map{"event": "Order Completed", "userId": "u-42"},
			runtime.ToSource(name)); err != nil {
			return err
		}
	}
	err = errors.Join(rt.Close(ctx), closeBusy(ctx))
	_, closing := store.Close(ctx)
	return errors.Join(err, closing)
}
