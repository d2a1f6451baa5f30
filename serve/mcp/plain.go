package mcp

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/aacflow/segment-blocks/internal/loopback"
	"github.com/aacflow/segment-blocks/rawjson"
)

// plainCall is a call of a block's tool in the form that clients commonly send. This package
// answers it without the SDK, which decodes a call in nine steps, each with a new buffer of 32 KiB:
// that takes more CPU time than all the rest of the call. Everything else is left to the SDK, such
// as what is faulty, what asks for progress, and later versions of the protocol.
type plainCall struct {
	id      jsontext.Value
	request *sdk.CallToolRequest
	tool    sdk.ToolHandler
}

// plainVersions are the values of the header MCP-Protocol-Version under which a call says all that
// matters in its name, arguments and _meta. Without the header the SDK assumes 2025-03-26.
var plainVersions = []string{"", "2025-03-26", "2025-06-18", "2025-11-25"}

// plain returns the call that a request makes, or nil where the SDK is to look at the request.
func (e *endpoint) plain(h http.Header, m message) *plainCall {
	if h.Get("Content-Type") != "application/json" || h.Get("Accept") != "application/json, text/event-stream" ||
		!slices.Contains(plainVersions, h.Get("Mcp-Protocol-Version")) || h.Values("Last-Event-Id") != nil {
		return nil
	}
	more := len(m.Others) + len(m.Params.Others) + len(m.Params.RequestID)
	if m.lax || more > 0 || m.Version != "2.0" || m.Method != "tools/call" || !plainID(m.ID) {
		return nil
	}
	tool, arguments := e.tools[m.Params.Name], m.Params.Arguments
	if tool == nil || arguments != nil && arguments.Kind() != '{' {
		return nil
	}
	var meta map[string]any
	if m.Params.Meta != nil && json.Unmarshal(m.Params.Meta, &meta) != nil {
		return nil
	}
	for key := range meta {
		if key == "progressToken" || strings.HasPrefix(key, "io.modelcontextprotocol/") {
			return nil
		}
	}
	params := &sdk.CallToolParamsRaw{Meta: meta, Name: m.Params.Name, Arguments: json.RawMessage(arguments)}
	return &plainCall{m.ID, &sdk.CallToolRequest{Params: params, Extra: &sdk.RequestExtra{Header: h}}, tool}
}

// plainID reports whether an id is a text or a whole number.
func plainID(id jsontext.Value) bool {
	_, err := strconv.ParseInt(string(id), 10, 64)
	return err == nil || id.Kind() == '"'
}

// answer makes the call, and writes what the SDK would write.
func (s *Server) answer(ctx context.Context, w http.ResponseWriter, c *plainCall) {
	result, err := s.recovered(func(ctx context.Context, _ string, _ sdk.Request) (sdk.Result, error) {
		return c.tool(ctx, c.request)
	})(ctx, "tools/call", c.request)
	var doc []byte
	if err == nil {
		doc, err = result.(*sdk.CallToolResult).MarshalJSON() // json.Marshal would read that once more
	}
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache, no-transform")
	_, _ = w.Write(rawjson.Object{
		{Name: "jsonrpc", Value: json.RawMessage(`"2.0"`)},
		{Name: "id", Value: json.RawMessage(c.id)},
		{Name: "result", Value: doc},
	}.JSON()) // fails only if the client has left
}

// namesLoopback reports whether the Host header of a request names this machine.
func namesLoopback(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.Host)
	return err == nil && loopback.Host(host)
}
