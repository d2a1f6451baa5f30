package mcp

import (
	"context"
	"encoding/json"
	"fmt"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/aacflow/segment-blocks/internal/text"
)

// Tool is a tool that is no block and changes nothing, such as one that lists the events that have
// arrived. See [Config.Tools].
type Tool struct {
	Name, Title, Description string
	// InputSchema is a JSON Schema of type object. Call must check its arguments itself.
	InputSchema json.RawMessage
	// Call returns a value that marshals as a JSON object. It returns early if ctx ends. The caller
	// sees its error.
	Call func(ctx context.Context, arguments json.RawMessage) (any, error)
}

// add adds the tool to a server.
func (t Tool) add(server *sdk.Server) {
	closed := false
	tool := &sdk.Tool{
		Name: t.Name, Title: t.Title, Description: t.Description, InputSchema: t.InputSchema,
		Annotations: &sdk.ToolAnnotations{ReadOnlyHint: true, IdempotentHint: true, OpenWorldHint: &closed},
	}
	server.AddTool(tool, func(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		arguments := req.Params.Arguments
		if len(arguments) == 0 || string(arguments) == "null" {
			arguments = json.RawMessage("{}")
		}
		said, err := t.Call(ctx, arguments)
		var doc []byte
		if err == nil {
			doc, err = json.Marshal(said)
		}
		if err != nil {
			return &sdk.CallToolResult{IsError: true, Content: []sdk.Content{&sdk.TextContent{
				Text: text.Clip(text.Escape(fmt.Sprintf("%s: %v", t.Name, err)), 1000),
			}}}, nil
		}
		return &sdk.CallToolResult{
			Content: []sdk.Content{&sdk.TextContent{Text: string(doc)}}, StructuredContent: json.RawMessage(doc),
		}, nil
	})
}
