package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/serve/invocations"
	"github.com/aacflow/segment-blocks/serve/mcp"
)

// The schemas are written out, not derived from a type: a model reads the descriptions. Their
// limits keep a list as short as a model can read, and a call as short as it can wait.
const (
	filterSchema = `"type":{"type":"string","enum":["track","identify","page","screen","group","alias"]},` +
		`"event":{"type":"string","description":"The name of the event, page or screen."},` +
		`"userId":{"type":"string"},"anonymousId":{"type":"string"},"messageId":{"type":"string"},` +
		`"text":{"type":"string","description":"Text anywhere in the message."},` + afterSchema
	afterSchema   = `"after":{"type":"integer","minimum":0,"description":"Only entries with a greater seq."}`
	limitSchema   = `"limit":{"type":"integer","minimum":1,"maximum":50,"default":20}`
	timeoutSchema = `"timeoutSeconds":{"type":"number","minimum":0,"maximum":30,"default":10}`
)

// watchArguments are those of all the tools. The schema of a tool says which ones it has.
type watchArguments struct {
	Type, Event, UserID, AnonymousID, MessageID, Text, Code string

	After          *uint64
	Limit          int
	TimeoutSeconds float64
}

// filter returns the filter of the emulator. Whoever goes on after an event wants the next ones,
// and whoever does not wants the newest.
func (a watchArguments) filter(limit int) emulator.Filter {
	f := emulator.Filter{
		Type: a.Type, Name: a.Event, UserID: a.UserID, AnonymousID: a.AnonymousID, MessageID: a.MessageID, Text: a.Text,
		Limit: limit, Newest: a.After == nil || *a.After == 0,
	}
	if a.After != nil {
		f.Since = *a.After
	}
	return f
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

// watchTool makes a tool of a function over its arguments, which the schema has judged.
func watchTool(
	name, title, description, properties string, call func(context.Context, watchArguments) (any, error),
) mcp.Tool {
	doc := json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{` + properties + `}}`)
	schema, err := schemas.Compile("https://blocks.invalid/"+name, doc)
	if err != nil {
		panic(err) // it is part of the program, and a test calls each tool
	}
	return mcp.Tool{
		Name: name, Title: title, Description: description, InputSchema: doc,
		Call: func(ctx context.Context, arguments json.RawMessage) (any, error) {
			// Package json takes USERID for userId, and a member twice. Neither is what a caller
			// means.
			object, err := rawjson.ParseObject(arguments, rawjson.Limits{})
			if err != nil {
				return nil, err
			}
			// One fault is enough for a model to mend its call.
			if wrong := schema.Validate(ctx, object); len(wrong) > 0 {
				return nil, fmt.Errorf("%s %s", strings.TrimPrefix(wrong[0].Path, "/"), wrong[0].Message)
			}
			given := watchArguments{Limit: 20, TimeoutSeconds: 10}
			if err := json.Unmarshal(arguments, &given); err != nil {
				return nil, err
			}
			return call(ctx, given)
		},
	}
}

// listRuns makes list_runs. It needs no emulator: what a model has invoked is of interest wherever
// the events went.
func listRuns(log *invocations.Log) mcp.Tool {
	return watchTool("list_runs", "List runs", "Lists the latest invocations of all blocks, newest last: "+
		"where they sent, how they ended, and how many attempts they took.",
		afterSchema+","+limitSchema, func(_ context.Context, a watchArguments) (any, error) {
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
	return watchTool("list_events", "List events", "Lists the events that the local emulator of Segment has stored, "+
		"newest first, or oldest first with after. A missing event may have been discarded: see explain_discard.",
		filterSchema+","+limitSchema, func(_ context.Context, a watchArguments) (any, error) {
			stats := e.Stats() // of all events, not of those that match
			return map[string]any{
				"events": e.Events(a.filter(a.Limit)), "stored": stats.Stored, "discarded": stats.Discarded,
				"lastSeq": stats.LastSeq,
			}, nil
		})
}

// waitForEvent makes wait_for_event. It looks 20 times a second, which costs nothing beside a
// model, and ends when the call does. If no event comes in time, that is an answer and not an
// error: the model is to continue from it.
func waitForEvent(e *emulator.Emulator) mcp.Tool {
	return watchTool("wait_for_event", "Wait for an event",
		"Waits until the local emulator of Segment has stored an event that matches, and returns it; at once if "+
			"there is one. event is null if none came in time.",
		filterSchema+","+timeoutSchema, func(ctx context.Context, a watchArguments) (any, error) {
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
	properties := `"messageId":{"type":"string"},` +
		`"code":{"type":"string","description":"Such as no_user_anon_id or duplicate."},` + limitSchema
	return watchTool("explain_discard", "Explain a discard",
		"Says why the local emulator has not stored messages that it was sent: the problems of each, the newest "+
			"first. Segment itself answers 200 to most of them and drops them.",
		properties, func(_ context.Context, a watchArguments) (any, error) {
			filter := emulator.DiscardFilter{Code: a.Code, MessageID: a.MessageID, Limit: a.Limit, Newest: true}
			found := e.Discards(filter)
			if len(found) == 0 && a.MessageID != "" {
				if _, stored := e.Event(a.MessageID); stored {
					return nil, errors.New("the message was not discarded: it is stored")
				}
				return nil, errors.New("no message with this messageId was discarded or stored; " +
					"it may not have been sent")
			}
			return map[string]any{"discards": found}, nil
		})
}
