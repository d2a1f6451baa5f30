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
		Short: "The configuration in force",
		Long: `The configuration in force, and where each part of it came from: a default, the configuration file, an environment
variable, or a flag. Each overrides the one before it.`,
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
		Short: "Show every setting, its value and where it came from",
		Long: `Show every setting with its value; with --origin, also where the value came from. Write keys are shown as fingerprints: the
first eight hex digits of their SHA-256, which the receipts and the emulator show as well. --source and --timeout are
taken so that their effect can be seen.`,
		Example: `  segment-blocks config show
  segment-blocks config show --origin --output json
  SEGMENT_REGION=eu segment-blocks config show --origin`,
		Args: noArguments,
	}
	origin := cmd.Flags().Bool("origin", false, "show where each value came from")
	addSource(p, cmd)
	addTimeout(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := p.load(cmd)
		if err != nil {
			return err
		}
		values := s.Values()
		if format := p.Format(s.Output, false); format != "text" {
			return p.Print(format, configDocument(s, values))
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
			p.Note("no configuration file was found; looked for %s", joinAnd(settings.SearchPath()))
		}
		return nil
	}
	return cmd
}

func configDocument(s *settings.Settings, values []settings.Value) any {
	var file *string
	if s.File != "" {
		file = &s.File
	}
	return struct {
		File     *string          `json:"file"`
		Settings []settings.Value `json:"settings"`
	}{file, values}
}

func shown(value any) string {
	if value == nil || value == "" {
		return "-"
	}
	return strings.Trim(fmt.Sprint(value), "[]") // of a list
}

func joinAnd(list []string) string {
	switch len(list) {
	case 0:
		return ""
	case 1:
		return list[0]
	}
	out := list[0]
	for _, item := range list[1 : len(list)-1] {
		out += ", " + item
	}
	return out + " and " + list[len(list)-1]
}
