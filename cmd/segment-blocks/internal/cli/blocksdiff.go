package cli

import (
	"cmp"
	"io"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/schemas/contract"
)

// newBlocksDiff makes blocks diff. Its exit code is for CI, so what is in order ends with 0 even
// where something has changed.
func newBlocksDiff(p *Program) *cobra.Command {
	return &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say what has changed in manifests, and which version that needs",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return console.Usage("%s needs two places: files or folders of manifests, commits, or URLs of services",
					cmd.CommandPath())
			}
			return nil
		},
		RunE: p.settled(func(cmd *cobra.Command, args []string, s *settings.Settings) error {
			before, err := p.contractsAt(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			after, err := p.contractsAt(cmd.Context(), args[1], args[0])
			if err != nil {
				return err
			}
			diffs := contract.CompareAll(before, after)
			if err := p.show(s.Output, diffs, func(w io.Writer) { writeDiffs(w, p.Style(w), diffs) }); err != nil {
				return err
			}
			wrong := 0
			for _, d := range diffs {
				if !d.Versioned {
					wrong++
				}
			}
			if wrong > 0 {
				return console.Failed("%s changed more than the version says", console.Count(wrong, "block"))
			}
			return nil
		}),
	}
}

// writeDiffs writes a line for each block and, below it, one for each change.
func writeDiffs(w io.Writer, s console.Style, diffs []contract.Diff) {
	for _, d := range diffs {
		verdict := "unchanged"
		switch {
		case d.Needs == "":
			verdict = s.Bad("gone")
		case !d.Versioned:
			verdict = s.Bad("needs " + d.Needs)
		case d.Before == "":
			verdict = "new"
		case d.Breaking():
			verdict = "breaking, and a new major version"
		case len(d.Changes) > 0:
			verdict = "compatible"
		}
		console.Writef(w, "%s  %s  %s\n", s.Strong(d.Block), versions(d), verdict)
		var rows [][]string
		for _, c := range d.Changes {
			if c.Part == "block" {
				continue // the verdict says so
			}
			effect := "compatible"
			if c.Breaking {
				effect = "breaking"
			}
			rows = append(rows, []string{effect, c.Part + " " + c.Path, c.Message})
		}
		console.WriteTableWithin(w, rows, console.PageWidth(w))
	}
}

func versions(d contract.Diff) string {
	if d.Before == "" || d.After == "" || d.Before == d.After {
		return cmp.Or(d.After, d.Before)
	}
	return d.Before + " → " + d.After
}
