package cli

import (
	"encoding/json"
	"errors"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/delivery"
	"github.com/aacflow/segment-blocks/runtime"
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
		Long:  "Count the messages that wait and the dead letters of each durable source, and say since when the oldest waits.",
		Example: `  segment-blocks queue status
  segment-blocks queue status --output json`,
		Args: noArguments,
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := p.load(cmd)
		if err != nil {
			return err
		}
		type status struct {
			Source  string     `json:"source"`
			Store   string     `json:"store"`
			Waiting int        `json:"waiting"`
			Dead    int        `json:"dead"`
			Oldest  *time.Time `json:"oldest"`
		}
		list := []status{}
		for _, name := range s.Names() {
			if s.Sources[name].Way() != settings.Durable {
				continue
			}
			q, err := p.openQueue(cmd, s, s.Sources[name])
			if err != nil {
				return err
			}
			one := status{Source: name, Store: q.path}
			for _, stats := range q.stats() {
				if stats.Source == name {
					one.Waiting, one.Dead = stats.Waiting, stats.Dead
					if !stats.Oldest.IsZero() {
						one.Oldest = &stats.Oldest
					}
				}
			}
			if err := q.close(); err != nil {
				return err
			}
			list = append(list, one)
		}
		if format := p.format(s.Output, false); format != "text" {
			return p.write(format, list)
		}
		if len(list) == 0 {
			p.note("no source is durable: nothing is stored; see delivery in segment-blocks help environment")
		}
		var rows [][]string
		for _, one := range list {
			oldest := ""
			if one.Oldest != nil {
				oldest = "the oldest since " + one.Oldest.Format(time.RFC3339)
			}
			rows = append(rows, []string{one.Source, grouped(int64(one.Waiting)) + " waiting", grouped(int64(one.Dead)) + " dead", one.Store, oldest})
		}
		writeTable(p.stdout, rows)
		return nil
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
	addSource(p, cmd)
	cmd.RunE = p.withQueue(func(s *settings.Settings, q *storeQueue, _ []string) error {
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
		rows := make([][]string, len(list))
		for i, l := range list {
			rows[i] = []string{strconv.FormatUint(l.ID, 10), l.StoredAt.Format(time.RFC3339), clean(l.MessageID), clean(l.Reason)}
		}
		writeTable(p.stdout, rows)
		return nil
	})
	return cmd
}

func newQueueShow(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Show a dead letter, or a message that waits",
		Long:    "Show a dead letter as one JSON document: why it was given up, when, and the message as it goes over the wire. Lists have the ids.",
		Example: "  segment-blocks queue show 1 --source queued || true",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("queue show needs the id of one message; segment-blocks queue list has them")
			}
			return nil
		},
	}
	waiting := addWaiting(cmd)
	addSource(p, cmd)
	cmd.RunE = p.withQueue(func(s *settings.Settings, q *storeQueue, args []string) error {
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
	addSource(p, cmd)
	cmd.RunE = p.withQueue(func(s *settings.Settings, q *storeQueue, args []string) error {
		ids, err := letterIDs(args)
		switch {
		case err != nil:
			return err
		case *all == (len(ids) > 0):
			return usage("queue %s needs the ids of dead letters, or --all", verb)
		}
		n := 0
		if q.store != nil {
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
	addSource(p, cmd)
	cmd.RunE = p.withQueue(func(_ *settings.Settings, q *storeQueue, _ []string) error {
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

// storeQueue is the store of a source, opened to be looked at. Where nothing has been stored yet there is none.
type storeQueue struct {
	source string
	path   string
	store  *delivery.Store
	cmd    *cobra.Command
}

func (p *Program) openQueue(cmd *cobra.Command, s *settings.Settings, source settings.Source) (*storeQueue, error) {
	path, err := s.StorePath(source)
	if err != nil {
		return nil, &failure{exitUsage, codeConfiguration, err.Error(), err}
	}
	q := &storeQueue{source: source.Name, path: path, cmd: cmd}
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return q, nil
		}
		return nil, failed("%w", err)
	}
	q.store, err = openStore(path, delivery.StoreOptions{})
	return q, err
}

// withQueue runs a command on the store of the chosen source.
func (p *Program) withQueue(do func(s *settings.Settings, q *storeQueue, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		s, err := p.load(cmd)
		if err != nil {
			return err
		}
		source, configured, err := s.Chosen()
		switch {
		case err != nil:
			return sourceFailure(err)
		case !configured, source.Way() != settings.Durable:
			return &failure{exitUsage, string(runtime.UnknownSource), "the source is not durable, so nothing of it is stored: " + strconv.Quote(source.Name) + p.durables(s), nil}
		}
		q, err := p.openQueue(cmd, s, source)
		if err != nil {
			return err
		}
		return errors.Join(do(s, q, args), q.close())
	}
}

// durables names the sources that are, for who chose another.
func (p *Program) durables(s *settings.Settings) string {
	names := slices.DeleteFunc(s.Names(), func(name string) bool { return s.Sources[name].Way() != settings.Durable })
	if len(names) == 0 {
		return "; none is"
	}
	return "; " + strings.Join(names, ", ") + " would be"
}

func (q *storeQueue) stats() []delivery.Stats {
	if q.store == nil {
		return nil
	}
	return q.store.Stats()
}

func (q *storeQueue) letters(waiting bool) iter.Seq2[delivery.Letter, error] {
	switch {
	case q.store == nil:
		return func(func(delivery.Letter, error) bool) {}
	case waiting:
		return q.store.Waiting(q.source)
	}
	return q.store.Dead(q.source)
}

func (q *storeQueue) close() error {
	if q.store == nil {
		return nil
	}
	if _, err := q.store.Close(q.cmd.Context()); err != nil {
		return failed("%w", err)
	}
	return nil
}
