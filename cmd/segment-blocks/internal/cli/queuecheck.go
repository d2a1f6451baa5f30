package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/segment/delivery"
)

// checkedStore is what queue check found.
type checkedStore struct {
	Store   string           `json:"store"`
	Sources []delivery.Stats `json:"sources"`
	// Problem says what is wrong with the file, "" where it is in order.
	Problem string `json:"problem,omitempty"`
}

// newQueueCheck makes queue check. It goes on after a damaged store, and then ends with 1.
func newQueueCheck(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check that a store is not damaged",
		Args:  cobra.MaximumNArgs(1),
	}
	cmd.RunE = p.settled(func(cmd *cobra.Command, args []string, s *settings.Settings) error {
		if len(args) == 0 {
			own, err := ownStores(s)
			if err != nil {
				return err
			}
			for _, store := range own {
				args = append(args, store.path)
			}
			args = slices.DeleteFunc(append(args, s.OtherStores()...), nothingStored)
		}
		list, wrong := []checkedStore{}, false
		for _, path := range args {
			one := checkStore(cmd.Context(), path)
			wrong = wrong || one.Problem != ""
			list = append(list, one)
		}
		err := p.show(s.Output, list, func(w io.Writer) { p.writeChecked(w, list) })
		if err != nil || !wrong {
			return err
		}
		return console.End(console.ExitFailure)
	})
	return cmd
}

// checkStore checks a store, through the process that has it open if there is one.
func checkStore(ctx context.Context, path string) checkedStore {
	var list []delivery.Stats
	var err error
	if running := dialStore(ctx, path); running != nil {
		var answer queueAnswer
		answer, err = running.ask(ctx, queueRequest{Do: "check"}, nil)
		list = answer.Stats
	} else {
		list, err = delivery.Check(ctx, path, nil)
	}
	one := checkedStore{Store: path, Sources: list}
	damaged := 0
	for _, stats := range list {
		damaged += stats.Damaged
	}
	switch {
	case errors.Is(err, delivery.ErrInUse):
		one.Problem = "not checked, another process has it open and does not answer; stop that first: " + path
	case err != nil:
		one.Problem = "not in order: " + console.Sentence(err)
	case damaged > 0:
		one.Problem = "not in order: " + messages(damaged, "is damaged", "are damaged") + ", and not sent: " + path
	}
	return one
}

// nothingStored says that a store is not there yet, or has nothing in it.
func nothingStored(path string) bool {
	info, err := os.Stat(path)
	return os.IsNotExist(err) || err == nil && info.Mode().IsRegular() && info.Size() == 0
}

// writeChecked writes a line for each store, and the counts of its sources below it.
func (p *Program) writeChecked(w io.Writer, list []checkedStore) {
	if len(list) == 0 {
		p.Note("there is no store to check")
	}
	for _, one := range list {
		if one.Problem == "" {
			console.Writeln(w, "in order: "+one.Store)
		} else {
			console.Writeln(w, p.Style(w).Bad(text.Escape(one.Problem)))
		}
		var rows [][]string
		for _, stats := range one.Sources {
			rows = append(rows, []string{
				stats.Source, text.Grouped(int64(stats.Waiting)) + " waiting", text.Grouped(int64(stats.Dead)) + " dead",
				text.Grouped(int64(stats.Damaged)) + " damaged",
			})
		}
		console.WriteTable(w, rows)
	}
}
