package cli

import (
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/delivery"
)

func newQueueCommand(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "What durable sources have stored: what waits, and dead letters",
		Long: `What the sources with delivery: durable have stored on this machine. Messages wait until the receiver has accepted them.
Those that it refuses for themselves, or that waited for seven days, become dead letters: they stay until they are retried
or dropped.

These commands open the store themselves, and so cannot while a segment-blocks serve, mcp or run has it open; then the
/metrics of serve tell how many messages wait and have died. They send nothing: what waits is sent by the next
segment-blocks that serves or runs with the source.`,
		Example: `  segment-blocks queue status
  segment-blocks queue list --source queued`,
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newQueueStatus(p), newQueueList(p), newQueueShow(p), newQueueRetry(p), newQueueDrop(p), newQueueExport(p))
	return cmd
}

func newQueueStatus(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Count what is stored, for each durable source",
		Long: `Count the messages that wait and the dead letters of each durable source, and say since when the oldest waits. Sources that
have messages in a store and are not configured for it are listed too: nothing sends those until a durable source of that name
has the store again. Stores are those of the durable sources, those of sources that are not durable any more, and what else lies
in the folder of the stores that nobody has named; --store looks into another.`,
		Example: `  segment-blocks queue status
  segment-blocks queue status --output json`,
		Args: noArguments,
	}
	file := addStore(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := p.load(cmd)
		if err != nil {
			return err
		}
		list, err := p.queueStates(cmd, s, *file)
		if format := p.format(s.Output, false); format != "text" {
			return errors.Join(p.write(format, list), err)
		}
		if len(list) == 0 && err == nil {
			p.note("no source is durable, and there is no store: nothing is stored; see delivery in segment-blocks help environment")
		}
		var rows [][]string
		for _, one := range list {
			rows = append(rows, one.row())
		}
		writeTable(p.stdout, rows)
		return err
	}
	return cmd
}

func newQueueList(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List dead letters, or what waits",
		Long:  "List the dead letters of a source and why each was given up; with --waiting, the messages that wait to be sent.",
		Example: `  segment-blocks queue list --source queued
  segment-blocks queue list --source queued --waiting --limit 20 --output json`,
		Args: noArguments,
	}
	waiting := addWaiting(cmd)
	limit := cmd.Flags().Int("limit", 100, "list at most so many; 0 for all")
	file := addQueueSource(p, cmd)
	cmd.RunE = p.withQueue(file, func(s *settings.Settings, q *storeQueue, _ []string) error {
		list := []delivery.Letter{}
		more := false
		for l, err := range q.letters(*waiting) {
			if err != nil {
				return failed("%w", err)
			}
			if more = *limit > 0 && len(list) == *limit; more {
				break
			}
			list = append(list, l)
		}
		if more {
			p.note("there are more; --limit 0 lists them all")
		}
		if format := p.format(s.Output, false); format != "text" {
			return p.write(format, list)
		}
		if len(list) == 0 {
			p.note("there are none")
		}
		writeLetters(p.stdout, list, columns(p.stdout))
		return nil
	})
	return cmd
}

func newQueueShow(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Show a dead letter, or a message that waits",
		Long:    "Show a dead letter as one JSON document: why it was given up, when, and the message as it goes over the wire. Lists have the ids.",
		Example: "  segment-blocks queue show 1 --source queued",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("queue show needs the id of one message; segment-blocks queue list has them")
			}
			return nil
		},
	}
	waiting := addWaiting(cmd)
	file := addQueueSource(p, cmd)
	cmd.RunE = p.withQueue(file, func(s *settings.Settings, q *storeQueue, args []string) error {
		ids, err := letterIDs(args)
		if err != nil {
			return err
		}
		for l, err := range q.letters(*waiting) {
			if err != nil {
				return failed("%w", err)
			}
			if l.ID == ids[0] {
				format := p.format(s.Output, true)
				if format == "text" {
					format = "json"
				}
				return p.write(format, l)
			}
		}
		return failed("the source has no such message: %d", ids[0])
	})
	return cmd
}

func newQueueRetry(p *Program) *cobra.Command {
	return p.newQueueChange("retry", "Put dead letters back to be sent",
		`Put dead letters behind the messages that wait, as if they had just been stored: the next segment-blocks that serves or
runs with the source sends them, with their messageIds. Messages of the same people that came later have gone before them.`,
		"put back", (*delivery.Store).Retry)
}

func newQueueDrop(p *Program) *cobra.Command {
	return p.newQueueChange("drop", "Delete dead letters", "Delete dead letters for good. segment-blocks queue export keeps a copy.", "dropped", (*delivery.Store).Drop)
}

// newQueueChange makes a command that does something with dead letters, named or all.
func (p *Program) newQueueChange(verb, short, long, past string, do func(*delivery.Store, string, ...uint64) (int, error)) *cobra.Command {
	cmd := &cobra.Command{
		Use: verb + " ID… | --all", Short: short, Long: long,
		Example: "  segment-blocks queue " + verb + " 1 2 --source queued\n  segment-blocks queue " + verb + " --all --source queued",
	}
	all := cmd.Flags().Bool("all", false, "all dead letters of the source")
	file := addQueueSource(p, cmd)
	cmd.RunE = p.withQueue(file, func(s *settings.Settings, q *storeQueue, args []string) error {
		ids, err := letterIDs(args)
		switch {
		case err != nil:
			return err
		case *all == (len(ids) > 0):
			return usage("queue %s needs the ids of dead letters, or --all", verb)
		}
		n := 0
		switch {
		case q.store == nil && len(ids) > 0:
			return failed("there is no store yet, and so no dead letter: %s", q.path)
		case q.store != nil:
			if n, err = do(q.store, q.source, ids...); err != nil {
				return failed("%w", err)
			}
		}
		if format := p.format(s.Output, false); format != "text" {
			return p.write(format, map[string]int{"letters": n})
		}
		writeln(p.stdout, count(n, "dead letter")+" "+past)
		return nil
	})
	return cmd
}

func newQueueExport(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print dead letters, or what waits, one JSON document a line",
		Long: `Print the dead letters of a source, one JSON document a line: why each was given up, and the message. With --messages only
the messages, as they go over the wire; each has its messageId.`,
		Example: `  segment-blocks queue export --source queued > dead-letters.ndjson
  segment-blocks queue export --source queued --waiting --messages > waiting.ndjson`,
		Args: noArguments,
	}
	waiting := addWaiting(cmd)
	messages := cmd.Flags().Bool("messages", false, "print only the messages themselves")
	file := addQueueSource(p, cmd)
	cmd.RunE = p.withQueue(file, func(_ *settings.Settings, q *storeQueue, _ []string) error {
		out := json.NewEncoder(p.stdout)
		out.SetEscapeHTML(false)
		for l, err := range q.letters(*waiting) {
			if err != nil {
				return failed("%w", err)
			}
			if *messages {
				err = out.Encode(l.Message)
			} else {
				err = out.Encode(l)
			}
			if err != nil {
				return failed("cannot write to stdout: %w", err)
			}
		}
		return nil
	})
	return cmd
}

// writeLetters lists messages, each reason on lines of its own. Width is that of a terminal, 0 for what is none.
func writeLetters(w io.Writer, list []delivery.Letter, width int) {
	for _, l := range list {
		writef(w, "  %d  %s  %s\n", l.ID, l.StoredAt.Format(time.RFC3339), clean(l.MessageID))
		switch reason := clean(l.Reason); {
		case reason == "":
		case width > 0:
			writes(w, wrap(reason, "      ", max(width, 40)))
		default:
			writeln(w, "      "+reason)
		}
	}
}

func addWaiting(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("waiting", false, "the messages that wait to be sent, in place of the dead letters")
}

func letterIDs(args []string) ([]uint64, error) {
	ids := make([]uint64, len(args))
	for i, arg := range args {
		id, err := strconv.ParseUint(arg, 10, 64)
		if err != nil {
			return nil, usage("the id of a message must be a number, as segment-blocks queue list shows it: %q", arg)
		}
		ids[i] = id
	}
	return ids, nil
}
