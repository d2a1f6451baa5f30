package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// Calls that come together share requests.
func ExampleCoalesce() {
	ctx := context.Background()
	segment, err := emulator.Start() // in the place of Segment
	if err != nil {
		fmt.Println(err)
		return
	}
	defer segment.Close(ctx)

	source := tracking.Source{WriteKey: "0123456789abcdefghijklmnopqrstuv", Endpoint: segment.URL}
	prod, closeProd := delivery.Coalesce(source, delivery.CoalesceOptions{})
	reg := registry.New()
	blocks.MustRegister(reg)
	rt, err := runtime.New(reg, runtime.Source("prod", prod))
	if err != nil {
		fmt.Println(err)
		return
	}
	var calls sync.WaitGroup
	for i := range 100 {
		calls.Go(func() {
			input := runtime.Map{"event": "Order Completed", "userId": fmt.Sprint("u-", i)}
			if _, err := rt.Invoke(ctx, "segment_track", input); err != nil {
				fmt.Println(err)
			}
		})
	}
	calls.Wait()
	if err := errors.Join(rt.Close(ctx), closeProd(ctx)); err != nil {
		fmt.Println(err)
	}
	fmt.Println(len(segment.Events(emulator.Filter{})), "events, fewer requests:", len(segment.Requests()) < 100)
	// Output: 100 events, fewer requests: true
}

// Success means that the message is on disk. It is sent in the background.
func ExampleOpen() {
	ctx := context.Background()
	segment, err := emulator.Start() // in the place of Segment
	if err != nil {
		fmt.Println(err)
		return
	}
	defer segment.Close(ctx)
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	store, err := delivery.Open(filepath.Join(dir, "prod.store"), delivery.StoreOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	prod := store.Source("prod", tracking.Source{WriteKey: "0123456789abcdefghijklmnopqrstuv", Endpoint: segment.URL})
	reg := registry.New()
	blocks.MustRegister(reg)
	rt, err := runtime.New(reg, runtime.Source("prod", prod))
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := rt.Invoke(ctx, "segment_track", runtime.Map{"event": "Order Completed", "userId": "u-42"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Receipt.Delivery, "stored:", res.Receipt.Stored, "accepted:", res.Receipt.Accepted)

	left, err := store.Close(ctx) // sends what it can, for as long as ctx allows
	fmt.Println("left:", left, err, "arrived:", len(segment.Events(emulator.Filter{})))
	if err := rt.Close(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// durable stored: 1 accepted: 0
	// left: 0 <nil> arrived: 1
}
