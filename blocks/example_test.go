package blocks_test

import (
	"context"
	"fmt"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

func Example() {
	reg := registry.New()
	blocks.MustRegister(reg)

	rt, err := runtime.New(reg,
		runtime.Source("prod", tracking.Source{WriteKey: "0123456789abcdefghijklmnopqrstuv", Region: tracking.EU}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer rt.Close(context.Background())

	// Validate sends nothing; Invoke takes the same arguments and sends.
	err = rt.Validate(context.Background(), "segment_track", runtime.Map{"event": "", "properties": []int{1}})
	for _, v := range runtime.ErrorOf(err).Violations {
		fmt.Printf("%q %s: %s\n", v.Path, v.Code, v.Message)
	}
	// Output:
	// "/event" event_not_defined: must not be empty: ""
	// "" no_user_anon_id: must have userId or anonymousId
	// "/properties" properties_not_object: must be an object: [1]
}
