package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/serve"
	"github.com/aacflow/segment-blocks/serve/guard"
	"github.com/aacflow/segment-blocks/serve/mcp"
)

// newAPI returns the engine's own API, with the blocks below /segment: REST at /segment/v1/blocks,
// MCP at /segment/mcp. The blocks run in the engine's runtime, so sources, rate limits and logs are
// the same as for its workflows.
func newAPI(rt *runtime.Runtime, reg *registry.Registry) (http.Handler, error) {
	tools, err := serve.New(rt, reg, serve.Config{MCP: mcp.Config{Sources: []string{"prod"}}})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /workflows", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, `["wf-1"]`)
	})
	mux.Handle("/segment/", http.StripPrefix("/segment", tools))
	return mux, nil
}

// serveAlone serves the blocks on a listener of their own, which other machines can reach with a
// token. It drains when ctx ends.
func serveAlone(ctx context.Context, rt *runtime.Runtime, reg *registry.Registry, address, token string) error {
	g, err := guard.New(guard.Config{Tokens: []string{token}, Hosts: []string{"blocks.example.com"}})
	if err != nil {
		return err
	}
	server, err := serve.New(rt, reg, serve.Config{Guard: g})
	if err != nil {
		return err
	}
	ln, err := g.Listen(ctx, address)
	if err != nil {
		return err
	}
	return server.Serve(ctx, ln)
}
