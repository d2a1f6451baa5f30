// Embedded-host shows how a workflow engine written in Go runs the blocks inside itself: handler.go
// is the adapter, and this program the smallest engine around it. It sends to an emulator, so
// nothing leaves this machine:
//
//	go run ./examples/embedded-host
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run loops over two orders, and runs the second node again, like an engine that retries.
func run(ctx context.Context, out io.Writer) (err error) {
	segment, err := emulator.Start() //nolint:contextcheck // it lives until it is closed
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, segment.Close(context.WithoutCancel(ctx))) }()

	reg := registry.New()
	blocks.MustRegister(reg)
	rt, err := runtime.New(
		reg,
		runtime.Source("prod", tracking.Source{WriteKey: "an-emulator-takes-any-key", Endpoint: segment.URL}),
	)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rt.Close(context.WithoutCancel(ctx))) }()

	handler := Handler{reg, rt}
	node := Node{ID: "node-3", Name: "Track order", Type: "segment_track"}
	for _, step := range []struct {
		round  int
		inputs map[string]any
	}{
		{0, map[string]any{"event": "Order Completed", "userId": "u-42"}},
		{1, map[string]any{"event": "Order Completed", "userId": "u-43"}},
		{1, map[string]any{"event": "Order Completed", "userId": "u-43"}}, // again
		{2, map[string]any{"event": "Order Completed", "userId": "<start.userId>"}},
	} {
		at := Execution{WorkflowID: "wf-1", RunID: "run-7", Iterations: []Iteration{{"loop-1", step.round}}}
		_, receipt, err := handler.Execute(ctx, at, node, step.inputs)
		var failed *NodeError
		switch {
		case errors.As(err, &failed):
			_, _ = fmt.Fprintln(out, failed)
		case err != nil:
			return err
		default:
			_, _ = fmt.Fprintln(out, receipt.InvocationID, receipt.MessageIDs[0])
		}
	}
	_, err = fmt.Fprintln(out, "events stored:", len(segment.Events(emulator.Filter{})))
	return err
}
