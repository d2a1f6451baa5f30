package traces_test

import (
	"context"
	"fmt"

	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/observe/traces"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
)

// A host that has its own provider passes it, and remains its owner.
func Example() {
	provider := sdk.NewTracerProvider(sdk.WithSyncer(printer{}))
	defer provider.Shutdown(context.Background())

	reg := registry.New()
	blocks.MustRegister(reg)
	t := traces.New(reg, provider)
	rt, err := runtime.New(reg, runtime.Observe(t.Observe), runtime.Transport(t.Transport(runtime.NewTransport())))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer rt.Close(context.Background())
	_, err = rt.Invoke(context.Background(), "segment_track", runtime.Map{"event": "Order Completed"})
	fmt.Println(runtime.ErrorOf(err).Code)
	// Output:
	// invoke segment_track: Error
	// unknown_source
}

// printer is an exporter that prints spans.
type printer struct{}

func (printer) ExportSpans(_ context.Context, spans []sdk.ReadOnlySpan) error {
	for _, span := range spans {
		fmt.Printf("%s: %s\n", span.Name(), span.Status().Code)
	}
	return nil
}

func (printer) Shutdown(context.Context) error { return nil }
