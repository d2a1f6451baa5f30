package blocks

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

const batchPath = "/batch"

// batch is the executor of segment_batch.
func batch(ctx context.Context, call *runtime.Call, source tracking.Sender) (any, error) {
	items := call.Objects("batch")
	count := len(items)
	messages := make([]tracking.Message, count)
	for i, item := range items {
		messages[i] = tracking.NewMessage("", item)
	}
	// Items and messages are not used any more once they are sent, which frees their memory.
	batchContext, _ := call.Input.Get("context")
	report, err := send(ctx, call, source, tracking.Call{Messages: messages, Context: batchContext})
	record(call.Receipt, report, batchPath)
	if err != nil {
		return nil, failure(err, report, batchPath)
	}
	return rawjson.Object{
		{Name: "success", Value: json.RawMessage("true")},
		{Name: "count", Value: json.RawMessage(strconv.Itoa(count))},
	}, nil
}
