package cli

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/serve/mcp"
)

// newMCP makes mcp. Its stdout belongs to the protocol, so everything else goes to stderr.
func newMCP(p *Program) *cobra.Command {
	cmd := command("mcp", "Serve the blocks over MCP on stdin and stdout, for one agent")
	profile := mcp.Agent
	addChoice(cmd, &profile, "profile", "how inputs are described: agent, sim or strict", mcp.Agent, mcp.Sim, mcp.Strict)
	addSource(p, cmd)
	cmd.RunE = p.settled(func(cmd *cobra.Command, _ []string, s *settings.Settings) error {
		h, err := p.openToHost(cmd.Context(), s, p.logger("text"), false)
		if err != nil {
			return err
		}
		defer func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			left, _ := h.close(ctx)
			p.sayLeft(left)
		}()
		server, err := mcp.New(h.Runtime, h.registry, mcp.Config{
			Sources: h.names, DefaultProfile: profile, Version: blocks.Version(), Logger: h.logger,
			CallContext: h.tracing.callContext(),
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
	return cmd
}
