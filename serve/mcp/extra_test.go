package mcp_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/serve/mcp"
)

func TestNamesOfToolsAreTheirOwn(t *testing.T) {
	reg := registry.New()
	blocks.MustRegister(reg)
	rt, err := runtime.New(reg)
	require.NoError(t, err)
	tool := func(name string) mcp.Tool {
		return mcp.Tool{
			Name: name, InputSchema: json.RawMessage(`{"type":"object"}`),
			Call: func(context.Context, json.RawMessage) (any, error) { return struct{}{}, nil },
		}
	}
	_, err = mcp.New(rt, reg, mcp.Config{Tools: []mcp.Tool{tool("list_events"), tool("list_runs")}})
	require.NoError(t, err)
	for _, name := range []string{"segment_track", "list_runs"} {
		_, err = mcp.New(rt, reg, mcp.Config{Tools: []mcp.Tool{tool("list_runs"), tool(name)}})
		require.EqualError(t, err, `new mcp server: a tool with this name already exists: "`+name+`"`)
	}
}
