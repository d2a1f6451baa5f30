package cli

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/observe/traces"
	"github.com/aacflow/segment-blocks/serve/mcp"
)

// newMCP makes mcp. Its stdout belongs to the protocol, so everything else goes to stderr. It ends
// when stdin does, which is how an agent stops a server that it has started.
func newMCP(p *Program) *cobra.Command {
	cmd := command("mcp", "Serve the blocks over MCP on stdin and stdout, for one agent")
	profile := mcp.Agent
	addChoice(cmd, &profile, "profile", "input schemas: agent, sim or strict",
		mcp.Agent, mcp.Sim, mcp.Strict)
	watch := cmd.Flags().Bool("watch", false,
		"add read-only tools for invocations and the events of the emulator")
	addSource(p, cmd)
	return p.runs(cmd, func(_ []string, s *settings.Settings) error {
		h, err := p.openToHost(cmd.Context(), s, p.logger("text"), false)
		if err != nil {
			return err
		}
		// The agent has closed stdin and may soon kill this process.
		defer func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			left, _ := h.close(ctx)
			p.sayLeft(left)
		}()
		// A model may want to see what became of its calls. It cannot change that with these.
		var tools []mcp.Tool
		if *watch {
			tools = h.watchTools()
		}
		server, err := mcp.New(h.Runtime, p.registry(), mcp.Config{
			Sources: h.names(), DefaultProfile: profile, Version: blocks.Version(), Logger: h.logger,
			CallContext: traces.JoinMeta, Tools: tools,
		})
		if err != nil {
			return console.Usage("%w", err)
		}
		if h.emulator != nil {
			p.Note("no source is configured: events go to an emulator inside this process and are not real")
		}
		if err := server.Serve(cmd.Context(), io.NopCloser(p.Stdin), p.Stdout); err != nil {
			return console.Failed("%w", err)
		}
		return nil
	})
}
