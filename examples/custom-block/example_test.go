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

// One registry and one runtime hold blocks of two vendors. Each finds its own source by the type of
// it.
func Example() {
	ctx := context.Background()
	segment, err := emulator.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer segment.Close(ctx)
	board := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
	}))
	defer board.Close()

	reg := registry.New()
	blocks.MustRegister(reg)
	customblock.MustRegister(reg)
	rt, err := runtime.New(reg,
		runtime.Source("segment", tracking.Source{WriteKey: "an-emulator-takes-any-key", Endpoint: segment.URL}),
		runtime.Source("board", customblock.Source{URL: board.URL, Token: "a-token"}))
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
		{"board_post", runtime.Map{"title": "Order o-1001 completed"}},
		{"board_post", runtime.Map{"details": runtime.Map{"total": 42.5}}},
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
	// board {"posted":true,"title":"Order o-1001 completed"}
	// board_post refused its input, nothing was sent: /title must be given
}
