package mcp_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

// fixtures are the tools, prompts and resources that the conformance suite calls, by the names it
// calls them. They are mounted beside the blocks.
type fixtures struct{ image, sound []byte }

func newFixtures(t *testing.T) fixtures {
	t.Helper()
	decode := func(text string) []byte {
		data, err := base64.StdEncoding.DecodeString(text)
		require.NoError(t, err)
		return data
	}
	return fixtures{
		image: decode(
			"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
		), // one pixel
		sound: decode(
			"UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=",
		), // no sample
	}
}

func (f fixtures) mount(server *sdk.Server) {
	f.mountContent(server)
	f.mountTalk(server)
	f.mountResources(server)
	f.mountPrompts(server)
}

// fixture is what a tool of the suite does with its arguments.
type fixture func(ctx context.Context, session *sdk.ServerSession, req *sdk.CallToolRequest) ([]sdk.Content, error)

func add(server *sdk.Server, name, schema string, run fixture) {
	tool := &sdk.Tool{
		Name: name, Description: "A fixture of the conformance suite.", InputSchema: json.RawMessage(schema),
	}
	server.AddTool(tool, func(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		content, err := run(ctx, req.Session, req)
		if err != nil {
			return &sdk.CallToolResult{IsError: true, Content: says(err.Error())}, nil
		}
		return &sdk.CallToolResult{Content: content}, nil
	})
}

func says(text string) []sdk.Content { return []sdk.Content{&sdk.TextContent{Text: text}} }

func embedded(uri, mediaType, text string) sdk.Content {
	return &sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: uri, MIMEType: mediaType, Text: text}}
}

const noInput = `{"type":"object"}`

// mountContent mounts the tools that only answer.
func (f fixtures) mountContent(server *sdk.Server) {
	answers := map[string][]sdk.Content{
		"test_simple_text":   says("This is a simple text response for testing."),
		"test_image_content": {&sdk.ImageContent{Data: f.image, MIMEType: "image/png"}},
		"test_audio_content": {&sdk.AudioContent{Data: f.sound, MIMEType: "audio/wav"}},
		"test_embedded_resource": {
			embedded("test://embedded-resource", "text/plain", "This is an embedded resource content."),
		},
		"test_multiple_content_types": {
			&sdk.TextContent{Text: "Multiple content types test:"},
			&sdk.ImageContent{Data: f.image, MIMEType: "image/png"},
			embedded("test://mixed-content-resource", "application/json", `{"test":"data","value":123}`),
		},
	}
	for name, content := range answers {
		add(server, name, noInput,
			func(context.Context, *sdk.ServerSession, *sdk.CallToolRequest) ([]sdk.Content, error) {
				return content, nil
			})
	}
	add(
		server,
		"test_error_handling",
		noInput,
		func(context.Context, *sdk.ServerSession, *sdk.CallToolRequest) ([]sdk.Content, error) {
			return nil, errors.New("this tool intentionally returns an error for testing")
		},
	)
	add(server, "json_schema_2020_12_tool", `{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false,
		"$defs": {"address": {"type": "object",
			"properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
		"properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}}
	}`, func(_ context.Context, _ *sdk.ServerSession, req *sdk.CallToolRequest) ([]sdk.Content, error) {
		return says(string(req.Params.Arguments)), nil
	})
}

// mountTalk mounts the tools that speak with the client before they answer.
//
//nolint:staticcheck // logging is deprecated by SEP-2577, and still part of the suite
func (f fixtures) mountTalk(server *sdk.Server) {
	add(
		server,
		"test_tool_with_logging",
		noInput,
		func(ctx context.Context, session *sdk.ServerSession, _ *sdk.CallToolRequest) ([]sdk.Content, error) {
			for _, line := range []string{
				"Tool execution started", "Tool processing data", "Tool execution completed",
			} {
				if err := session.Log(ctx, &sdk.LoggingMessageParams{Level: "info", Data: line}); err != nil {
					return nil, err
				}
				time.Sleep(50 * time.Millisecond)
			}
			return says("logged"), nil
		},
	)
	add(
		server,
		"test_tool_with_progress",
		noInput,
		func(ctx context.Context, session *sdk.ServerSession, req *sdk.CallToolRequest) ([]sdk.Content, error) {
			token := req.Params.GetProgressToken()
			for _, progress := range []float64{0, 50, 100} {
				if err := session.NotifyProgress(ctx,
					&sdk.ProgressNotificationParams{ProgressToken: token, Progress: progress, Total: 100}); err != nil {
					return nil, err
				}
				time.Sleep(50 * time.Millisecond)
			}
			return says("progressed"), nil
		},
	)
	add(
		server,
		"test_sampling",
		`{"type":"object","required":["prompt"],"properties":{"prompt":{"type":"string"}}}`,
		sample,
	)
	ask := func(name, schema string) {
		add(
			server,
			name,
			noInput,
			func(ctx context.Context, session *sdk.ServerSession, _ *sdk.CallToolRequest) ([]sdk.Content, error) {
				answer, err := session.Elicit(
					ctx,
					&sdk.ElicitParams{Message: "Please answer", RequestedSchema: json.RawMessage(schema)},
				)
				if err != nil {
					return nil, err
				}
				return says(fmt.Sprintf("Elicitation completed: action=%s, content=%v", answer.Action, answer.Content)),
					nil
			},
		)
	}
	ask("test_elicitation", `{"type":"object","required":["username","email"],"properties":{
		"username":{"type":"string","description":"User's response"},
		"email":{"type":"string","description":"User's email address"}}}`)
	ask("test_elicitation_sep1034_defaults", `{"type":"object","properties":{
		"name":{"type":"string","default":"John Doe"},"age":{"type":"integer","default":30},
		"score":{"type":"number","default":95.5},
		"status":{"type":"string","enum":["active","inactive","pending"],"default":"active"},
		"verified":{"type":"boolean","default":true}}}`)
	const titled = `[{"const":"value1","title":"First Option"},{"const":"value2","title":"Second Option"},` +
		`{"const":"value3","title":"Third Option"}]`
	ask("test_elicitation_sep1330_enums", `{"type":"object","properties":{
		"untitledSingle":{"type":"string","enum":["option1","option2","option3"]},
		"titledSingle":{"type":"string","oneOf":`+titled+`},
		"legacyEnum":{"type":"string","enum":["opt1","opt2","opt3"],
			"enumNames":["Option One","Option Two","Option Three"]},
		"untitledMulti":{"type":"array","items":{"type":"string","enum":["option1","option2","option3"]}},
		"titledMulti":{"type":"array","items":{"anyOf":`+titled+`}}}}`)
	add(
		server,
		"test_reconnection",
		noInput,
		func(_ context.Context, _ *sdk.ServerSession, req *sdk.CallToolRequest) ([]sdk.Content, error) {
			if req.Extra != nil && req.Extra.CloseSSEStream != nil {
				req.Extra.CloseSSEStream(sdk.CloseSSEStreamArgs{RetryAfter: 10 * time.Millisecond})
			}
			time.Sleep(100 * time.Millisecond)
			return says("Reconnection test completed successfully"), nil
		},
	)
}

// sample asks the client's model.
//
//nolint:staticcheck // sampling is deprecated by SEP-2577, and still part of the suite
func sample(ctx context.Context, session *sdk.ServerSession, req *sdk.CallToolRequest) ([]sdk.Content, error) {
	var input struct{ Prompt string }
	if err := json.Unmarshal(req.Params.Arguments, &input); err != nil {
		return nil, err
	}
	answer, err := session.CreateMessage(ctx, &sdk.CreateMessageParams{
		MaxTokens: 100, Messages: []*sdk.SamplingMessage{{Role: "user", Content: &sdk.TextContent{Text: input.Prompt}}},
	})
	if err != nil {
		return nil, err
	}
	text, _ := answer.Content.(*sdk.TextContent)
	if text == nil {
		return nil, errors.New("the client did not answer with a text")
	}
	return says("LLM response: " + text.Text), nil
}

func (f fixtures) mountResources(server *sdk.Server) {
	resource := func(uri, mediaType, text string, blob []byte) {
		server.AddResource(
			&sdk.Resource{URI: uri, Name: uri, Description: "A fixture of the conformance suite.", MIMEType: mediaType},
			func(context.Context, *sdk.ReadResourceRequest) (*sdk.ReadResourceResult, error) {
				return &sdk.ReadResourceResult{
					Contents: []*sdk.ResourceContents{{URI: uri, MIMEType: mediaType, Text: text, Blob: blob}},
				}, nil
			},
		)
	}
	resource("test://static-text", "text/plain", "This is the content of the static text resource.", nil)
	resource("test://static-binary", "image/png", "", f.image)
	resource("test://watched-resource", "text/plain", "Watched resource content", nil)
	server.AddResourceTemplate(
		&sdk.ResourceTemplate{URITemplate: "test://template/{id}/data", Name: "template", MIMEType: "application/json"},
		func(_ context.Context, req *sdk.ReadResourceRequest) (*sdk.ReadResourceResult, error) {
			var id string
			if _, err := fmt.Sscanf(req.Params.URI, "test://template/%3s/data", &id); err != nil {
				return nil, err
			}
			text := fmt.Sprintf(`{"id":%q,"templateTest":true,"data":"Data for ID: %s"}`, id, id)
			return &sdk.ReadResourceResult{
				Contents: []*sdk.ResourceContents{{URI: req.Params.URI, MIMEType: "application/json", Text: text}},
			}, nil
		},
	)
}

func (f fixtures) mountPrompts(server *sdk.Server) {
	prompt := func(name string, arguments []string, say func(arguments map[string]string) []sdk.Content) {
		p := &sdk.Prompt{Name: name, Description: "A fixture of the conformance suite."}
		for _, a := range arguments {
			p.Arguments = append(p.Arguments, &sdk.PromptArgument{Name: a, Description: "Any text.", Required: true})
		}
		server.AddPrompt(p, func(_ context.Context, req *sdk.GetPromptRequest) (*sdk.GetPromptResult, error) {
			result := &sdk.GetPromptResult{}
			for _, content := range say(req.Params.Arguments) {
				result.Messages = append(result.Messages, &sdk.PromptMessage{Role: "user", Content: content})
			}
			return result, nil
		})
	}
	prompt(
		"test_simple_prompt",
		nil,
		func(map[string]string) []sdk.Content { return says("This is a simple prompt for testing.") },
	)
	prompt("test_prompt_with_arguments", []string{"arg1", "arg2"}, func(given map[string]string) []sdk.Content {
		return says(fmt.Sprintf("Prompt with arguments: arg1='%s', arg2='%s'", given["arg1"], given["arg2"]))
	})
	prompt("test_prompt_with_embedded_resource", []string{"resourceUri"}, func(given map[string]string) []sdk.Content {
		return append(
			[]sdk.Content{embedded(given["resourceUri"], "text/plain", "Embedded resource content for testing.")},
			says("Please process the embedded resource above.")...,
		)
	})
	prompt("test_prompt_with_image", nil, func(map[string]string) []sdk.Content {
		return append(
			[]sdk.Content{&sdk.ImageContent{Data: f.image, MIMEType: "image/png"}},
			says("Please analyze the image above.")...)
	})
}
