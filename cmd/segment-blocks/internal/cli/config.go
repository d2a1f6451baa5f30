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
		Args:  noSuchCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigShow(p))
	return cmd
}

func newConfigShow(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show every setting, its value and where it comes from",
		Args:  noArguments,
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
