package blocks

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/tracking"
)

const batchPath = "/batch"

// batch is the executor of segment_batch.
func batch(ctx context.Context, call *runtime.Call, source tracking.Source) (any, error) {
	source, err := chosen(call, source)
	if err != nil {
		return nil, err
	}
	items := call.Objects("batch")
	messages := make([]tracking.Message, len(items))
	for i, item := range items {
		messages[i] = tracking.NewMessage("", item)
	}
	batchContext, _ := call.Input.Get("context")
	report, err := client(call).SendBatch(ctx, source, messages, tracking.BatchOptions{
		InvocationID: call.InvocationID,
		Time:         call.Receipt.StartedAt,
		Context:      batchContext,
	})
	record(call.Receipt, report, batchPath)
	if err != nil {
		return nil, failure(err, report, batchPath)
	}
	return rawjson.Object{
		{Name: "success", Value: json.RawMessage("true")},
		{Name: "count", Value: json.RawMessage(strconv.Itoa(report.Accepted))},
	}, nil
}
