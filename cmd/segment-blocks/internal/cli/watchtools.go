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

// The bounds of the tools that watch: a model reads all of an answer.
const (
	watchList    = 20
	longestList  = 50
	watchWait    = 10 * time.Second
	longestWatch = 30 * time.Second
)

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

const (
	filterSchema = `"type":{"type":"string","enum":["track","identify","page","screen","group","alias"]},` +
		`"event":{"type":"string","description":"The name of the event, page or screen."},` +
		`"userId":{"type":"string"},"anonymousId":{"type":"string"},"messageId":{"type":"string"},` +
		`"text":{"type":"string","description":"Text anywhere in the message."},` + afterSchema
	afterSchema = `"after":{"type":"integer","minimum":0,"description":"Only what has a greater seq."}`
	limitSchema = `"limit":{"type":"integer","minimum":1,"maximum":50,"default":20}`
)

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

// watchTool makes a tool of a function over its arguments. Unknown arguments are refused.
func watchTool[T any](
	name, title, description, properties string, call func(context.Context, T) (any, error),
) mcp.Tool {
	return mcp.Tool{
		Name: name, Title: title, Description: description,
		InputSchema: json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{` + properties + `}}`),
		Call: func(ctx context.Context, arguments json.RawMessage) (any, error) {
			var given T
			in := json.NewDecoder(bytes.NewReader(arguments))
			in.DisallowUnknownFields()
			if err := in.Decode(&given); err != nil {
				return nil, fmt.Errorf("the arguments are not as its schema says: %w", err)
			}
			return call(ctx, given)
		},
	}
}

// pageSize returns a limit that was given, or the usual one.
func pageSize(limit *int) (int, error) {
	switch {
	case limit == nil:
		return watchList, nil
	case *limit < 1 || *limit > longestList:
		return 0, fmt.Errorf("limit must be 1 to %d: %d", longestList, *limit)
	}
	return *limit, nil
}

func listRuns(log *invocations.Log) mcp.Tool {
	type arguments struct {
		After *uint64 `json:"after"`
		Limit *int    `json:"limit"`
	}
	return watchTool("list_runs", "List runs", "Lists the latest invocations of all blocks, the newest last: "+
		"where they went, how they ended, in how many attempts. Without after, the latest.",
		afterSchema+","+limitSchema, func(_ context.Context, a arguments) (any, error) {
			limit, err := pageSize(a.Limit)
			if err != nil {
				return nil, err
			}
			list := log.Latest(limit)
			if a.After != nil {
				list, _, _ = log.After(*a.After, limit)
			}
			return map[string]any{"runs": append([]*invocations.Invocation{}, list...)}, nil
		})
}

func listEvents(e *emulator.Emulator) mcp.Tool {
	type arguments struct {
		eventFilter
		Limit *int `json:"limit"`
	}
	return watchTool("list_events", "List events", "Lists the events that the local emulator of Segment has stored, "+
		"the newest first, or with after the oldest first. One that is missing may be discarded: see explain_discard.",
		filterSchema+","+limitSchema, func(_ context.Context, a arguments) (any, error) {
			limit, err := pageSize(a.Limit)
			if err != nil {
				return nil, err
			}
			stats := e.Stats()
			return map[string]any{
				"events": e.Events(a.filter(limit)), "stored": stats.Stored, "discarded": stats.Discarded, "lastSeq": stats.LastSeq,
			}, nil
		})
}

func waitForEvent(e *emulator.Emulator) mcp.Tool {
	type arguments struct {
		eventFilter
		TimeoutSeconds *float64 `json:"timeoutSeconds"`
	}
	timeout := `"timeoutSeconds":{"type":"number","minimum":0,"maximum":30,"default":10}`
	return watchTool("wait_for_event", "Wait for an event",
		"Waits until the local emulator of Segment has stored an event that matches, and returns it; at once if there is "+
			"one. event is null if none came in time.",
		filterSchema+","+timeout, func(ctx context.Context, a arguments) (any, error) {
			wait := watchWait
			if a.TimeoutSeconds != nil {
				if *a.TimeoutSeconds < 0 || *a.TimeoutSeconds > longestWatch.Seconds() {
					return nil, fmt.Errorf("timeoutSeconds must be 0 to %v: %v", longestWatch.Seconds(), *a.TimeoutSeconds)
				}
				wait = time.Duration(*a.TimeoutSeconds * float64(time.Second))
			}
			end, tick := time.After(wait), time.NewTicker(50*time.Millisecond)
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

func explainDiscard(e *emulator.Emulator) mcp.Tool {
	type arguments struct {
		MessageID string `json:"messageId"`
		Code      string `json:"code"`
		Limit     *int   `json:"limit"`
	}
	properties := `"messageId":{"type":"string"},"code":{"type":"string","description":"Such as no_user_anon_id or duplicate."},` +
		limitSchema
	return watchTool("explain_discard", "Explain a discard",
		"Says why the local emulator has not stored messages that it was sent: the problems of each, the newest first. "+
			"Segment itself answers 200 to most of them and drops them.",
		properties, func(_ context.Context, a arguments) (any, error) {
			limit, err := pageSize(a.Limit)
			if err != nil {
				return nil, err
			}
			found := e.Discards(emulator.DiscardFilter{Code: a.Code, MessageID: a.MessageID, Limit: limit, Newest: true})
			if len(found) == 0 && a.MessageID != "" {
				if _, stored := e.Event(a.MessageID); stored {
					return nil, errors.New("the message was not discarded: it is stored")
				}
				return nil, errors.New("no message with this messageId was discarded or stored; it may not have been sent")
			}
			return map[string]any{"discards": found}, nil
		})
}
