package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/segment/delivery"
)

// newQueueCommand makes the commands that look into the stores of durable sources. They work on the
// file if no process has it open, and otherwise ask that process: see [heldStore].
func newQueueCommand(p *Program) *cobra.Command {
	return group("queue", "Show and change what durable sources have stored",
		newQueueStatus(p), newQueueList(p), newQueueShow(p),
		p.newQueueChange("retry", "Queue dead letters again", "put back"),
		p.newQueueChange("drop", "Delete dead letters", "dropped"),
		newQueueExport(p), newQueueCheck(p))
}

// newQueueStatus makes queue status. It prints what it can find out, even if some store cannot be
// read, and then ends with that error.
func newQueueStatus(p *Program) *cobra.Command {
	cmd := command("status", "Count the stored messages of each durable source")
	file := addStore(cmd)
	return p.runs(cmd, func(_ []string, s *settings.Settings) error {
		list, err := p.queueStates(cmd, s, *file)
		return errors.Join(p.show(list, func(w io.Writer) {
			if len(list) == 0 && err == nil {
				p.Note("no source is durable and there is no store: nothing is stored; " +
					"see delivery in segment-blocks help environment")
			}
			console.WriteList(w, list, queueState.row)
		}), err)
	})
}

// newQueueList makes queue list. It stops reading at the limit: a store may hold a million
// messages.
func newQueueList(p *Program) *cobra.Command {
	cmd := command("list", "List dead letters or waiting messages")
	limit := cmd.Flags().Int("limit", 100, "most messages to list; 0 for all")
	return p.ofQueue(cmd, true, func(q *storeQueue, _ []string) error {
		// It reads one message more than it lists, to know whether there are more.
		list, err := []delivery.StoredMessage{}, error(nil)
		for m := range q.messages(&err) {
			if *limit > 0 && len(list) == *limit {
				p.Note("there are more; --limit 0 lists them all")
				break
			}
			list = append(list, m)
		}
		return errors.Join(p.show(list, func(w io.Writer) {
			switch {
			case len(list) > 0:
				writeMessages(w, list, console.Columns(w))
			case err == nil:
				p.Note("there are none")
			}
		}), err)
	})
}

// newQueueShow makes queue show. Its output is a document in any case, since a message is one.
func newQueueShow(p *Program) *cobra.Command {
	cmd := command("show ID", "Show a dead letter or a waiting message",
		needs(1, "%[1]s needs the id of one message; segment-blocks queue list shows the ids"))
	return p.ofQueue(cmd, true, func(q *storeQueue, args []string) error {
		ids, err := messageIDs(args)
		if err != nil {
			return err
		}
		// A store has no index by the numbers that are printed, and stops at the one that is looked
		// for.
		for m := range q.messages(&err) {
			if m.ID == ids[0] {
				return p.printDocument(m)
			}
		}
		if err == nil {
			err = console.Failed("the source has no such message: %d", ids[0])
		}
		return err
	})
}

// newQueueChange makes a command that does something with dead letters, named or all. There is no
// default for which: dropping is final, and retrying sends. A damaged message is never sent again,
// so --all leaves it and says so.
func (p *Program) newQueueChange(verb, short, past string) *cobra.Command {
	// How many arguments there must be depends on a flag, so the command itself counts them.
	cmd := &cobra.Command{Use: verb + " ID… | --all", Short: short}
	all := cmd.Flags().Bool("all", false, "all dead letters of the source")
	return p.ofQueue(cmd, false, func(q *storeQueue, args []string) error {
		ids, err := messageIDs(args)
		switch {
		case err != nil:
			return err
		case *all == (len(ids) > 0):
			return console.Usage("queue %s needs the ids of dead letters, or --all", verb)
		}
		// No ids are all. The store changes all of them or none, and names those that it does not
		// have.
		done, err := q.ask(queueRequest{verb, q.source, ids}, nil)
		if err != nil {
			return storeFailure(q.path, err)
		}
		if *all {
			// Nobody has named the damaged ones that --all has left, so the command does.
			damaged := 0
			for m := range q.messages(&err) {
				if m.Damaged {
					damaged++
				}
			}
			if damaged > 0 {
				p.Note("not %s: %s", past, console.Count(damaged, "damaged dead letter"))
			}
		}
		return errors.Join(p.show(map[string]int{"deadLetters": done.Changed}, func(w io.Writer) {
			console.Writeln(w, console.Count(done.Changed, "dead letter")+" "+past)
		}), err)
	})
}

// newQueueExport makes queue export. It prints messages as they are read and keeps none, so that a
// store of any size can be exported.
func newQueueExport(p *Program) *cobra.Command {
	cmd := command("export", "Print dead letters or waiting messages, one a line")
	return p.ofQueue(cmd, true, func(q *storeQueue, _ []string) error {
		// A message is printed as it goes over the wire, so that importing it changes nothing.
		// Escaping for HTML would change its bytes.
		out := json.NewEncoder(p.Stdout)
		out.SetEscapeHTML(false)
		// What is damaged is not what was stored, and importing it would send something else.
		damaged, err := 0, error(nil)
		for m := range q.messages(&err) {
			if m.Damaged {
				damaged++
			} else if out.Encode(m.Message) != nil {
				break // stdout remembers its error
			}
		}
		if damaged > 0 {
			p.Warn("%s and not printed; segment-blocks queue list --output json shows what is left",
				messages(damaged, "is damaged", "are damaged"))
		}
		return err
	})
}

// writeMessages lists messages, with the reason of each below it. Width is that of a terminal, 0
// for what is none.
func writeMessages(w io.Writer, list []delivery.StoredMessage, width int) {
	// The reason is long, and in a column of its own would push the rest apart.
	rows := [][]string{{"id", "stored at", "message"}} // a number alone says nothing
	for _, m := range list {
		rows = append(rows, []string{fmt.Sprint(m.ID), m.StoredAt.Format(time.RFC3339), about(m)})
		if m.Reason != "" {
			rows = append(rows, []string{"", "", m.Reason})
		}
	}
	console.WriteTableWithin(w, rows, width)
}

// about says what a message is: its type, what it is of, whose it is, and its id. It reads the
// message loosely, because a list must show what cannot be sent too.
func about(l delivery.StoredMessage) string {
	if l.Damaged {
		return "damaged"
	}
	var m struct{ Type, Event, Name, GroupID, UserID, AnonymousID string }
	_ = json.Unmarshal(l.Message, &m) // what is not a text is not shown
	return labelled(", ", m.Type, cmp.Or(m.Event, m.Name), "group", m.GroupID, "user", m.UserID,
		"anonymous", m.AnonymousID, "messageId", l.MessageID)
}

// messageIDs reads the arguments of a command as ids of messages, all of them or none: a slip in
// the last one must not leave the first ones changed.
func messageIDs(args []string) ([]uint64, error) {
	ids := make([]uint64, len(args))
	for i, arg := range args {
		id, err := strconv.ParseUint(arg, 10, 64)
		if err != nil {
			return nil, console.Usage("the id of a message must be a number, as segment-blocks queue list shows it: %q",
				arg)
		}
		ids[i] = id
	}
	return ids, nil
}

// checkedStore is what queue check found in one file. A damaged file has counts too: those of what
// can be read.
type checkedStore struct {
	Store   string           `json:"store"`
	Sources []delivery.Stats `json:"sources"`
	// Problem says what is wrong with the file, "" where it is in order.
	Problem string `json:"problem,omitempty"`
}

// newQueueCheck makes queue check. It goes on after a damaged store, and then ends with 1. It
// leaves out stores that hold nothing yet, but not those that are named.
func newQueueCheck(p *Program) *cobra.Command {
	cmd := command("check [FILE]", "Check a store for damage", cobra.ArbitraryArgs)
	return p.runs(cmd, func(args []string, s *settings.Settings) error {
		if len(args) == 0 { // all that the configuration leads to
			own, err := ownStores(s)
			if err != nil {
				return err
			}
			for _, store := range own {
				// A store that nobody has named and that holds nothing yet is not damaged.
				if q, err := openPath(cmd.Context(), "", store.path); err != nil || q.exists {
					args = append(args, store.path)
				}
			}
			args = append(args, s.OtherStores()...)
		}
		list, exit := []checkedStore{}, console.ExitOK
		for _, path := range args {
			one := checkStore(cmd.Context(), path)
			if one.Problem != "" {
				exit = console.ExitFailure
			}
			list = append(list, one)
		}
		return p.conclude(exit, list, func(w io.Writer) { p.writeChecked(w, list) })
	})
}

// checkStore checks a store, through the process that has it open if there is one. A store that
// cannot be checked is a problem too: nobody knows then that it is in order.
func checkStore(ctx context.Context, path string) checkedStore {
	answer, err := reach(ctx, path)(queueRequest{Do: "check"}, nil)
	one := checkedStore{Store: path, Sources: answer.Stats}
	damaged := 0
	for _, stats := range one.Sources {
		damaged += stats.Damaged
	}
	switch {
	case errors.Is(err, delivery.ErrInUse):
		one.Problem = "not checked: another process has it open and does not answer; stop it first: " + path
	case err != nil:
		one.Problem = "not intact: " + console.Sentence(err)
	case damaged > 0:
		one.Problem = "not intact: " + messages(damaged, "is damaged", "are damaged") + ", and not sent: " + path
	}
	return one
}

// writeChecked writes a line for each store, and the counts of its sources below it. There are
// counts of a damaged store too: they say what can be saved.
func (p *Program) writeChecked(w io.Writer, list []checkedStore) {
	if len(list) == 0 {
		p.Note("there is no store to check")
	}
	for _, one := range list {
		if one.Problem == "" {
			console.Writeln(w, "intact: "+one.Store)
		} else {
			console.Writeln(w, p.Style(w).Bad(text.Escape(one.Problem)))
		}
		console.WriteList(w, one.Sources, func(stats delivery.Stats) []string {
			count := func(n int, what string) string { return text.Grouped(int64(n)) + what }
			return []string{
				stats.Source, count(stats.Waiting, " waiting"), count(stats.Dead, " dead"),
				count(stats.Damaged, " damaged"),
			}
		})
	}
}
