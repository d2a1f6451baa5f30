package customblock_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/aacflow/segment-blocks/blocks"
	customblock "github.com/aacflow/segment-blocks/examples/custom-block"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// One registry and one runtime hold the blocks of two vendors. Each block gets the source of its
// type.
func Example() {
	ctx := context.Background()
	segment, err := emulator.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer segment.Close(ctx)
	tally := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer tally.Close()

	reg := registry.New()
	blocks.MustRegister(reg)
	customblock.MustRegister(reg)
	rt, err := runtime.New(reg,
		runtime.Source("segment", tracking.Source{WriteKey: "an-emulator-takes-any-key", Endpoint: segment.URL}),
		runtime.Source("tally", customblock.Source{URL: tally.URL, APIKey: "a-key-of-tally"}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer rt.Close(ctx)

	for _, call := range []struct {
		block string
		input runtime.Map
	}{
		{"segment_track", runtime.Map{"event": "Order Completed", "userId": "u-42"}},
		{"tally_event", runtime.Map{"event_type": "Order Completed", "user_id": "u-42"}},
		{"tally_event", runtime.Map{"event_type": "Order Completed"}},
	} {
		res, err := rt.Invoke(ctx, call.block, call.input)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(res.Receipt.Source, string(res.Output))
	}
	// Output:
	// segment {"success":true,"event":"Order Completed","userId":"u-42","anonymousId":null}
	// tally {"accepted":1}
	// tally_event refused its input, nothing was sent: /user_id must be given
}
