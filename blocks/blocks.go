// Package blocks are the Segment blocks: each joins a manifest of package schemas/segment to the
// API of package tracking.
//
//	reg := registry.New()
//	blocks.MustRegister(reg)
//	rt, err := runtime.New(reg, runtime.Source("prod", tracking.Source{WriteKey: key}))
//
// The blocks are segment_track, segment_identify, segment_page, segment_screen, segment_group,
// segment_alias and segment_batch. The sources they use are a tracking.Source or any other
// tracking.Sender, such as those of package delivery. A write key in the input takes the place of
// the source's own; where events are sent is the source's alone.
package blocks

import (
	"cmp"
	"context"

	"github.com/go-resty/resty/v2"

	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/schemas/segment"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// Register adds the Segment blocks to a registry: all or, with an error, none.
func Register(reg *registry.Registry) error {
	executors := map[string]executor{"segment_batch": batch}
	for _, t := range tracking.Types() {
		executors["segment_"+string(t)] = single(t)
	}
	return runtime.Register(reg, segment.Manifests(), executors)
}

// MustRegister is Register for programs that cannot go on without the blocks: it panics on an
// error.
func MustRegister(reg *registry.Registry) {
	if err := Register(reg); err != nil {
		panic(err)
	}
}

// executor does the work of a block.
type executor = runtime.Executor[tracking.Sender]

// client is shared by all the blocks of a runtime, since they wait together when a source is rate
// limited.
func client(call *runtime.Call) *tracking.Client {
	return runtime.Once(call, func(http *resty.Client) *tracking.Client {
		options := []tracking.Option{tracking.WithVersion(Version())}
		if call.DryRun {
			options = append(options, tracking.WithOneByOne())
		}
		return tracking.NewClient(http, options...)
	})
}

// send sends messages to the source, with the input's write key where it gives one. A dry run
// goes straight to the client, which records, whatever way the messages would leave.
func send(
	ctx context.Context, call *runtime.Call, source tracking.Sender, messages tracking.Call,
) (tracking.Report, error) {
	messages.WriteKey = tracking.WriteKey(call.Input.Text("writeKey"))
	messages.InvocationID, messages.Time = call.InvocationID, call.Time
	// A missing or malformed key is a fault of the input, so it is refused as one, with its place.
	target := source.Target()
	target.WriteKey = cmp.Or(messages.WriteKey, target.WriteKey)
	if target.WriteKey == "" {
		return tracking.Report{}, runtime.Refuse([]schemas.Violation{{
			Path: "/writeKey", Code: string(runtime.MissingCredential),
			Message: "must be given, since the source has no write key",
		}})
	}
	if (tracking.Source{WriteKey: messages.WriteKey}).Validate() != nil { // the schema has seen to the rest
		return tracking.Report{}, runtime.Refuse([]schemas.Violation{{
			Path: "/writeKey", Code: "invalid_write_key", Message: "must have at least 8 characters",
		}})
	}
	call.Receipt.Credential = target.WriteKey.Fingerprint()
	if call.DryRun {
		target.Gzip = false // for a person to read
		source = target
	}
	return source.Send(ctx, client(call), messages)
}
