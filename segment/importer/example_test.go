package importer_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/importer"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// A worker imports a file, and imports it again after it was restarted: a finished import sends
// nothing twice, and one that was stopped continues.
func Example() {
	ctx := context.Background()
	segment, err := emulator.Start() // in place of Segment
	if err != nil {
		log.Fatal(err)
	}
	defer segment.Close(ctx)
	reg := registry.New()
	blocks.MustRegister(reg)
	source := tracking.Source{WriteKey: "exampleExampleExampleExampleExam", Endpoint: segment.URL}
	rt, err := runtime.New(reg, runtime.Source("prod", source))
	if err != nil {
		log.Fatal(err)
	}
	defer rt.Close(ctx)

	dir, err := os.MkdirTemp("", "import")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "orders.csv")
	rows := "customer,event,total\nu-42,Order Completed,42.50\nu-43,Order Completed,a lot\n"
	if err := os.WriteFile(file, []byte(rows), 0o600); err != nil {
		log.Fatal(err)
	}

	options := importer.Options{
		Files: []string{file}, Type: tracking.Track,
		Map: []string{"customer=userId", "total=properties.total:number"},
		Key: source.WriteKey, Source: "prod", Endpoint: source.Endpoint,
		Invoke: func(ctx context.Context, batch runtime.JSON) (*runtime.Receipt, error) {
			result, err := rt.Invoke(ctx, "segment_batch", batch)
			if err != nil {
				return runtime.ErrorOf(err).Receipt, err
			}
			return result.Receipt, nil
		},
		StatePath: file + ".import.json", RejectsPath: file + ".rejects.ndjson", Resume: true,
	}
	for range 2 {
		im, err := importer.New(options)
		if err != nil {
			log.Fatal(err)
		}
		counts, err := im.Run(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d accepted, %d rejected\n", counts.Accepted, counts.Rejected)
	}
	fmt.Println(len(segment.Events(emulator.Filter{})), "arrived")
	// Output:
	// 1 accepted, 1 rejected
	// 1 accepted, 1 rejected
	// 1 arrived
}
