// Package customblock shows how a second vendor joins the Segment blocks: two blocks, one of them a
// batch, with a credential and retries of their own. The vendor, Tally, is invented; its API is
// similar to Amplitude's. This file and the manifests beside it are all that it takes.
//
//	reg := registry.New()
//	blocks.MustRegister(reg)      // the Segment blocks
//	customblock.MustRegister(reg) // and these beside them
//	rt, err := runtime.New(reg,
//		runtime.Source("segment", tracking.Source{WriteKey: key, Region: tracking.EU}),
//		runtime.Source("tally", customblock.Source{URL: "https://tally.example.com", APIKey: apiKey}))
package customblock

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/retry"
)

//go:embed *.yaml
var manifests embed.FS

// Source is a project at Tally. A runtime passes it only to the blocks that need this type.
type Source struct {
	URL    string // https, without the path of a call
	APIKey string
	Retry  retry.Policy // the zero value is the default of package retry
}

// Validate checks the source. runtime.New calls it.
func (s Source) Validate() error {
	if len(s.APIKey) < 8 {
		return errors.New("the source must have an APIKey of at least 8 characters")
	}
	_, err := retry.BaseURL(s.URL, false)
	return err
}

// Secrets tells the runtime what to keep out of errors, receipts and previews.
func (s Source) Secrets() []string { return []string{s.APIKey} }

// MustRegister adds the blocks to a registry. It panics if [Register] returns an error.
func MustRegister(reg *registry.Registry) {
	if err := Register(reg); err != nil {
		panic(err)
	}
}

// Register adds the blocks to a registry.
func Register(reg *registry.Registry) error {
	return runtime.Register(reg, manifests, map[string]runtime.Executor[Source]{
		"tally_event": func(ctx context.Context, call *runtime.Call, source Source) (any, error) {
			return send(ctx, call, source, []rawjson.Object{call.Input})
		},
		"tally_batch": func(ctx context.Context, call *runtime.Call, source Source) (any, error) {
			return send(ctx, call, source, call.Objects("events"))
		},
	})
}

// send sends events in one request. Tally recognizes a repeated event by its insert_id.
func send(ctx context.Context, call *runtime.Call, source Source, events []rawjson.Object) (any, error) {
	for i, event := range events {
		id := call.MessageID(source.URL, i)
		call.Receipt.MessageIDs = append(call.Receipt.MessageIDs, id)
		events[i] = slices.Clone(event).Set("insert_id", rawjson.Quote(id))
		if _, given := event.Get("time"); !given {
			events[i] = events[i].Set("time", rawjson.Quote(call.Time.Format(time.RFC3339Nano)))
		}
	}
	body, err := json.Marshal(map[string]any{"api_key": source.APIKey, "events": events})
	if err != nil {
		return nil, fmt.Errorf("encode events: %w", err)
	}
	base, _ := retry.BaseURL(source.URL, false)
	_, err = call.Send(ctx, retry.Request{
		URL: base + "/2/httpapi", Endpoint: base, Credential: source.APIKey, Policy: source.Retry,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   func() ([]byte, error) { return body, nil },
	})
	if err != nil {
		return nil, err
	}
	call.Receipt.Accepted = len(events)
	return map[string]any{"accepted": len(events)}, nil
}
