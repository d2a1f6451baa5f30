package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
)

func newConfig(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show the configuration in force",
		Long: `Show the configuration in force, and where each part of it comes from: a default, the configuration file, an
environment variable, or a flag. Each overrides the one before it.`,
		Example: "  segment-blocks config show --origin",
		Args:    noSuchCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigShow(p))
	return cmd
}

func newConfigShow(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show every setting, its value and where it comes from",
		Long: `Show every setting with its value and, with --origin, where the value comes from. Write keys are shown as
fingerprints: the first eight hex digits of their SHA-256, as in receipts and in the emulator. Give --source and
--timeout to see their effect.`,
		Example: `  segment-blocks config show
  segment-blocks config show --origin --output json
  SEGMENT_REGION=eu segment-blocks config show --origin`,
		Args: noArguments,
	}
	origin := cmd.Flags().Bool("origin", false, "show where each value comes from")
	addSource(p, cmd)
	addTimeout(cmd)
	cmd.RunE = p.settled(func(_ *cobra.Command, _ []string, s *settings.Settings) error {
		values := s.Values()
		if format := p.Format(s.Output, false); format != "text" {
			var file *string
			if s.File != "" {
				file = &s.File
			}
			return p.Print(format, struct {
				File     *string          `json:"file"`
				Settings []settings.Value `json:"settings"`
			}{file, values})
		}
		rows := make([][]string, len(values))
		for i, v := range values {
			rows[i] = []string{v.Key, shown(v.Value)}
			if *origin {
				rows[i] = append(rows[i], v.Origin)
			}
		}
		console.WriteTable(p.Stdout, rows)
		if s.File == "" {
			p.Note("no configuration file was found; looked for %s", strings.Join(settings.SearchPath(), " and "))
		}
		return nil
	})
	return cmd
}

func shown(value any) string {
	if value == nil || value == "" {
		return "-"
	}
	return strings.Trim(fmt.Sprint(value), "[]") // of a list
}
