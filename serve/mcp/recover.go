package mcp

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/aacflow/segment-blocks/runtime"
)

// recovered keeps panics inside: the SDK runs each handler in a goroutine of its own, where one would
// end the process. The value of the panic may carry something of the call, and is not logged.
func (s *Server) recovered(next sdk.MethodHandler) sdk.MethodHandler {
	return func(ctx context.Context, method string, req sdk.Request) (result sdk.Result, err error) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			s.settings.logger.ErrorContext(ctx, "mcp handler panicked", "method", method,
				"panic", fmt.Sprintf("a %T", p), "stack", string(debug.Stack()))
			const message = "failed in a way that it does not explain; the server's log has more"
			if call, ok := req.GetParams().(*sdk.CallToolParamsRaw); ok {
				result, err = failure(&runtime.Error{Code: runtime.Internal, Block: call.Name, Message: message}), nil
				return
			}
			result, err = nil, &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: method + " " + message}
		}()
		return next(ctx, method, req)
	}
}
