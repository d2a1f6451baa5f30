package cli

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/serve/mcp"
)

func newMCP(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mcp",
		Short: "Serve the blocks over MCP on stdin and stdout, for one agent",
		Long: `Serve the blocks as MCP tools on stdin and stdout, for an agent that starts this command itself. It ends when
stdin does. Over HTTP, segment-blocks serve does the same for many clients.

The write key comes from the configured source, never from the model. Without a source events go to an emulator inside
this process, and none is real.

--profile is how the tools describe their inputs: agent (flat, what models and their providers take), sim (for the
MCP block of AACFlow and Sim, whose forms may pass objects as text) or strict (the blocks' own schemas, with all
their rules).

Traces are exported over OTLP if OTEL_EXPORTER_OTLP_ENDPOINT is set.`,
		Example: `  segment-blocks mcp < /dev/null
  segment-blocks mcp --profile strict < /dev/null`,
		Args: noArguments,
	}
	profile := cmd.Flags().String("profile", string(mcp.Agent), "how inputs are described: agent, sim or strict")
	_ = cmd.RegisterFlagCompletionFunc("profile",
		cobra.FixedCompletions([]string{"agent", "sim", "strict"}, cobra.ShellCompDirectiveNoFileComp))
	addSource(p, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := p.load(cmd)
		if err != nil {
			return err
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
	}
	return cmd
}
