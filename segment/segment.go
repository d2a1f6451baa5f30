// Package segment has a Go type for the input of each Segment block.
//
//	res, err := segment.Invoke(ctx, rt, segment.Track{
//		Event:      "Order Completed",
//		UserID:     "u-42",
//		Properties: map[string]any{"total": 42.5},
//	})
//
// A field with its zero value is not sent. Invoke checks what Segment requires, as it does for a
// runtime.Map. The types are generated from the manifests of the blocks, and require the major
// version that they were generated from.
package segment

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/aacflow/segment-blocks/runtime"
)

// Call is the input of a block, such as [Track].
type Call interface {
	// Block names the block with its major version, as runtimes take it: segment_track@1.
	Block() string
	// Input returns the parameters that are given. The values are shared with the call.
	Input() runtime.Map
}

// Invoke invokes the block of a call. It is rt.Invoke(ctx, call.Block(), call.Input(), options...).
func Invoke(
	ctx context.Context, rt *runtime.Runtime, call Call, options ...runtime.InvokeOption,
) (*runtime.Result, error) {
	return rt.Invoke(ctx, call.Block(), call.Input(), options...)
}

// Message is an element of a [Batch].
type Message struct {
	// ID is the messageId, by which Segment drops repeats of the message. If it is empty, the block
	// makes one.
	ID string
	// Call is any call but a Batch. It must not have a WriteKey: a batch goes to one source.
	Call Call
}

// given removes the parameters that have their zero value.
func given(input runtime.Map) runtime.Map {
	maps.DeleteFunc(input, func(_ string, value any) bool {
		switch v := value.(type) {
		case string:
			return v == ""
		case map[string]any:
			return v == nil
		case time.Time:
			return v.IsZero()
		}
		return false
	})
	return input
}

func messages(list []Message) []any {
	elements := make([]any, len(list))
	for i, m := range list {
		if m.Call == nil {
			continue // it stays null, which the block refuses and names by its index
		}
		element := m.Call.Input()
		name, _, _ := strings.Cut(m.Call.Block(), "@")
		element["type"] = strings.TrimPrefix(name, "segment_")
		if m.ID != "" {
			element["messageId"] = m.ID
		}
		elements[i] = map[string]any(element)
	}
	return elements
}
