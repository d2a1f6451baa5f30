package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
)

// newConfig makes config, the group of commands about the configuration.
func newConfig(p *Program) *cobra.Command {
	return group("config", "Show the configuration in force", newConfigShow(p))
}

// newConfigShow makes config show. It has the flags of commands that send, so that their effect can
// be seen without sending anything.
func newConfigShow(p *Program) *cobra.Command {
	cmd := command("show", "Show every setting, its value and where it comes from")
	origin := cmd.Flags().Bool("origin", false, "show where each value comes from")
	addSource(p, cmd)
	addTimeout(cmd)
	cmd.RunE = p.settled(func(_ *cobra.Command, _ []string, s *settings.Settings) error {
		result := struct {
			File     *string          `json:"file"` // null without one
			Settings []settings.Value `json:"settings"`
		}{nil, s.Values()}
		if s.File != "" {
			result.File = &s.File
		}
		return p.show(s.Output, result, func(w io.Writer) {
			var rows [][]string
			for _, v := range result.Settings {
				row := []string{v.Key, shown(v.Value)}
				if *origin {
					row = append(row, v.Origin)
				}
				rows = append(rows, row)
			}
			console.WriteTable(w, rows)
			if s.File == "" {
				p.Note("no configuration file was found; looked for %s", strings.Join(settings.SearchPath(), " and "))
			}
		})
	})
	return cmd
}

// shown returns a value for people: a dash for what is not set, and a list without its brackets.
func shown(value any) string {
	if value == nil || value == "" {
		return "-"
	}
	return strings.Trim(fmt.Sprint(value), "[]") // of a list
}
