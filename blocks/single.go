package blocks

import (
	"context"
	"encoding/json"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// single is the executor of the blocks that send one message. Their output repeats what was sent
// under the same names.
func single(t tracking.Type) executor {
	return func(ctx context.Context, call *runtime.Call, source tracking.Sender) (any, error) {
		fields := call.Input
		if _, given := fields.Get("writeKey"); given {
			fields = fields.Without("writeKey")
		}
		message := tracking.NewMessage(t, fields)
		report, err := send(ctx, call, source, tracking.Call{Messages: []tracking.Message{message}, Alone: true})
		record(call.Receipt, report, "")
		if err != nil {
			return nil, failure(err, report, "")
		}
		return echo(call.Manifest.Output.Fields(), call.Input), nil
	}
}

// echo returns the output, each member of which repeats the parameter of its name as it was given.
// One that was not given is null: a workflow that refers to it then gets a value, not an error.
func echo(outputs []schemas.Field, input rawjson.Object) rawjson.Object {
	out := make(rawjson.Object, len(outputs))
	for i, f := range outputs {
		value, given := input.Get(f.Name)
		switch {
		case f.Name == "success":
			value = json.RawMessage("true")
		case !given:
			value = json.RawMessage("null")
		}
		out[i] = rawjson.Member{Name: f.Name, Value: value}
	}
	return out
}
