package cli

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/serve/mcp"
)

// newMCP makes mcp. Its stdout belongs to the protocol, so everything else goes to stderr.
func newMCP(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mcp",
		Short: "Serve the blocks over MCP on stdin and stdout, for one agent",
		Args:  noArguments,
	}
	profile := cmd.Flags().String("profile", string(mcp.Agent), "how inputs are described: agent, sim or strict")
	offer(cmd, "profile", "agent", "sim", "strict")
	addSource(p, cmd)
	cmd.RunE = p.settled(func(cmd *cobra.Command, _ []string, s *settings.Settings) error {
		if !slices.Contains(mcp.Profiles(), mcp.Profile(*profile)) {
			return console.Usage("--profile must be agent, sim or strict: %q", *profile)
		}
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
			Sources: h.names, DefaultProfile: mcp.Profile(*profile), Version: blocks.Version(), Logger: h.logger,
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
