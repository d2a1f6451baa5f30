package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/serve/invocations"
	"github.com/aacflow/segment-blocks/serve/mcp"
)

// longestList bounds a list, and longestWait the time of wait_for_event in seconds: a model reads
// all of an answer, and waits for it.
const longestList, longestWait = 50, 30.0

// eventFilter is what the tools know events by. Members of the same name in Segment's messages mean
// the same.
type eventFilter struct {
	Type        string `json:"type"`
	Event       string `json:"event"`
	UserID      string `json:"userId"`
	AnonymousID string `json:"anonymousId"`
	MessageID   string `json:"messageId"`
	Text        string `json:"text"`
	After       uint64 `json:"after"`
}

// The schemas are written out, not derived from the types: a model reads the descriptions, and the
// limits in them keep it from asking for what check refuses.
const (
	filterSchema = `"type":{"type":"string","enum":["track","identify","page","screen","group","alias"]},` +
		`"event":{"type":"string","description":"The name of the event, page or screen."},` +
		`"userId":{"type":"string"},"anonymousId":{"type":"string"},"messageId":{"type":"string"},` +
		`"text":{"type":"string","description":"Text anywhere in the message."},` + afterSchema
	afterSchema = `"after":{"type":"integer","minimum":0,"description":"Only what has a greater seq."}`
	limitSchema = `"limit":{"type":"integer","minimum":1,"maximum":50,"default":20}`
)

// filter returns the filter of the emulator. Whoever goes on after an event wants the next ones,
// and whoever does not wants the newest.
func (f eventFilter) filter(limit int) emulator.Filter {
	return emulator.Filter{
		Type: f.Type, Name: f.Event, UserID: f.UserID, AnonymousID: f.AnonymousID, MessageID: f.MessageID, Text: f.Text,
		Since: f.After, Limit: limit, Newest: f.After == 0,
	}
}

// watchTools are the MCP tools that tell what has run, and what has arrived at the emulator inside
// this process if there is one.
func (h *hosting) watchTools() []mcp.Tool {
	tools := []mcp.Tool{listRuns(h.invocations)}
	if h.emulator != nil {
		e := h.emulator.Emulator
		tools = append(tools, listEvents(e), waitForEvent(e), explainDiscard(e))
	}
	return tools
}

// watchTool makes a tool of a function over its arguments, which are the given ones where a call
// has none. Unknown arguments are refused, and so is what check finds.
func watchTool[T interface{ check() error }](
	name, title, description, properties string, defaults T, call func(context.Context, T) (any, error),
) mcp.Tool {
	return mcp.Tool{
		Name: name, Title: title, Description: description,
		InputSchema: json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{` + properties + `}}`),
		Call: func(ctx context.Context, arguments json.RawMessage) (any, error) {
			given := defaults
			in := json.NewDecoder(bytes.NewReader(arguments))
			in.DisallowUnknownFields()
			if err := in.Decode(&given); err != nil {
				return nil, fmt.Errorf("the arguments are not as its schema says: %w", err)
			}
			if err := given.check(); err != nil {
				return nil, err
			}
			return call(ctx, given)
		},
	}
}

// page is how much a tool lists. Its bounds stand in the schema too, but a client need not read
// that.
type page struct {
	Limit int `json:"limit"`
}

func (p page) check() error {
	if p.Limit < 1 || p.Limit > longestList {
		return fmt.Errorf("limit must be 1 to %d: %d", longestList, p.Limit)
	}
	return nil
}

// patience is what wait_for_event waits for, and how long.
type patience struct {
	eventFilter
	TimeoutSeconds float64 `json:"timeoutSeconds"`
}

func (p patience) check() error {
	if p.TimeoutSeconds < 0 || p.TimeoutSeconds > longestWait {
		return fmt.Errorf("timeoutSeconds must be 0 to %v: %v", longestWait, p.TimeoutSeconds)
	}
	return nil
}

// usual is the page of a call that does not say how much it wants.
func usual() page { return page{20} }

// listRuns makes list_runs. It needs no emulator: what a model has invoked is of interest wherever
// the events went.
func listRuns(log *invocations.Log) mcp.Tool {
	type arguments struct {
		page
		After *uint64 `json:"after"`
	}
	return watchTool("list_runs", "List runs", "Lists the latest invocations of all blocks, the newest last: "+
		"where they went, how they ended, in how many attempts. Without after, the latest.",
		afterSchema+","+limitSchema, arguments{page: usual()}, func(_ context.Context, a arguments) (any, error) {
			// Whoever goes on after a run has seen the newest already.
			list := log.Latest(a.Limit)
			if a.After != nil {
				list, _, _ = log.After(*a.After, a.Limit)
			}
			return map[string]any{"runs": append([]*invocations.Invocation{}, list...)}, nil
		})
}

// listEvents makes list_events. The counts come along, so that an empty list can be told from an
// emulator that has discarded everything.
func listEvents(e *emulator.Emulator) mcp.Tool {
	type arguments struct {
		eventFilter
		page
	}
	return watchTool("list_events", "List events", "Lists the events that the local emulator of Segment has stored, "+
		"the newest first, or with after the oldest first. One that is missing may be discarded: see explain_discard.",
		filterSchema+","+limitSchema, arguments{page: usual()}, func(_ context.Context, a arguments) (any, error) {
			stats := e.Stats() // of all events, not of those that match
			return map[string]any{
				"events": e.Events(a.filter(a.Limit)), "stored": stats.Stored, "discarded": stats.Discarded,
				"lastSeq": stats.LastSeq,
			}, nil
		})
}

// waitForEvent makes wait_for_event. It looks 20 times a second, which costs nothing beside a
// model, and ends when the call does. In time no event is an answer, not an error, since a model is
// to go on from it.
func waitForEvent(e *emulator.Emulator) mcp.Tool {
	timeout := `"timeoutSeconds":{"type":"number","minimum":0,"maximum":30,"default":10}`
	return watchTool("wait_for_event", "Wait for an event",
		"Waits until the local emulator of Segment has stored an event that matches, and returns it; at once if there is "+
			"one. event is null if none came in time.",
		filterSchema+","+timeout, patience{TimeoutSeconds: 10}, func(ctx context.Context, a patience) (any, error) {
			end := time.After(time.Duration(a.TimeoutSeconds * float64(time.Second)))
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for {
				if found := e.Events(a.filter(1)); len(found) > 0 {
					return map[string]any{"event": found[0]}, nil
				}
				select {
				case <-tick.C:
				case <-end:
					return map[string]any{"event": nil}, nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
		})
}

// explainDiscard makes explain_discard. For a messageId it tells the three cases apart that look
// alike to whoever misses an event: discarded, stored, or never sent.
func explainDiscard(e *emulator.Emulator) mcp.Tool {
	type arguments struct {
		page
		MessageID string `json:"messageId"`
		Code      string `json:"code"`
	}
	properties := `"messageId":{"type":"string"},` +
		`"code":{"type":"string","description":"Such as no_user_anon_id or duplicate."},` + limitSchema
	return watchTool("explain_discard", "Explain a discard",
		"Says why the local emulator has not stored messages that it was sent: the problems of each, the newest first. "+
			"Segment itself answers 200 to most of them and drops them.",
		properties, arguments{page: usual()}, func(_ context.Context, a arguments) (any, error) {
			found := e.Discards(emulator.DiscardFilter{Code: a.Code, MessageID: a.MessageID, Limit: a.Limit, Newest: true})
			if len(found) == 0 && a.MessageID != "" {
				if _, stored := e.Event(a.MessageID); stored {
					return nil, errors.New("the message was not discarded: it is stored")
				}
				return nil, errors.New("no message with this messageId was discarded or stored; it may not have been sent")
			}
			return map[string]any{"discards": found}, nil
		})
}
