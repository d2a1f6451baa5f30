package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/segment/delivery"
)

// storeQueue is a store that is looked at, and the source whose messages a command is about.
type storeQueue struct {
	source string
	path   string
	// exists is false if there is no file yet. A file of 0 bytes, which is empty, counts as none:
	// a crash may leave one before the first message is stored.
	exists, empty bool
	// waiting turns the command from dead letters to the messages that wait.
	waiting bool
	// ask reaches the store, wherever it is open.
	ask asker
}

// addStore adds the flag that names a file, also one that no configuration knows, such as a copy.
func addStore(cmd *cobra.Command) *string {
	return cmd.Flags().String("store", "",
		"store `file` to read, instead of those of the configured sources")
}

// openPath returns a store to be looked at. One that is not there, or has nothing in it, is not
// made: looking leaves nothing behind.
func openPath(ctx context.Context, source, path string) (*storeQueue, error) {
	q := &storeQueue{source: source, path: path, ask: reach(ctx, path)}
	info, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, console.Failed("%w", err)
	}
	q.empty = err == nil && info.Mode().IsRegular() && info.Size() == 0
	if q.exists = err == nil && !q.empty; !q.exists {
		// What is not there has no messages, and naming one is a mistake as in any other store.
		q.ask = func(r queueRequest, _ visitor) (a queueAnswer, err error) {
			if len(r.IDs) > 0 {
				err = fmt.Errorf("there is no store yet, so there are no dead letters: %s", path)
			}
			return a, err
		}
	}
	return q, nil
}

// reach returns what asks a store. The lock on the file admits one process, so one that has it is
// asked before the file is tried.
func reach(ctx context.Context, path string) asker {
	running := dialStore(ctx, path)
	return func(r queueRequest, visit visitor) (queueAnswer, error) {
		if running != nil {
			return running.ask(ctx, r, visit)
		}
		return askFile(ctx, path, r, visit)
	}
}

// queueState is a line of the status: what one source has in one store.
type queueState struct {
	Source  string     `json:"source"`
	Store   string     `json:"store"`
	Waiting int        `json:"waiting"`
	Dead    int        `json:"dead"`
	Oldest  *time.Time `json:"oldest"`
	// Configured is false where nothing sends the messages; Exists, where there is no store yet.
	Configured bool `json:"configured"`
	Exists     bool `json:"exists"`

	empty bool
}

// row returns the cells of the state in the table of queue status.
func (s queueState) row() []string {
	switch {
	case s.empty:
		return []string{s.Source, "nothing is stored: the file is empty; if it held messages, they are lost: " +
			s.Store}
	case !s.Exists:
		return []string{s.Source, "there is no store yet; the first message creates it: " + s.Store}
	}
	// How long the oldest has waited tells an outage from a busy moment.
	last := ""
	if s.Oldest != nil {
		last = "the oldest since " + s.Oldest.Format(time.RFC3339)
	}
	if !s.Configured {
		last = strings.TrimPrefix(last+"; not configured: nothing sends them", "; ")
	}
	waiting, dead := text.Grouped(int64(s.Waiting))+" waiting", text.Grouped(int64(s.Dead))+" dead"
	row := []string{s.Source, waiting, dead, s.Store, last}
	return slices.DeleteFunc(row, func(cell string) bool { return cell == "" })
}

// queueStates looks into the stores: the one file, or all that the configuration leads to. The
// error is of those that could not be read. Stores that only lie in the folder are no reason to
// fail, because they may belong to another program of this user.
func (p *Program) queueStates(cmd *cobra.Command, s *settings.Settings, file string) ([]queueState, error) {
	list := []queueState{}
	look := func(path string) error {
		q, err := openPath(cmd.Context(), "", path)
		if err != nil {
			return err
		}
		states, err := q.states(s)
		list = append(list, states...) // also those of a damaged store, as far as it can be read
		return err
	}
	if file != "" {
		err := mustExist(file)
		if err == nil {
			err = look(file)
		}
		return list, err
	}
	stores, err := ownStores(s)
	if err != nil {
		return list, err
	}
	for _, store := range stores {
		err = errors.Join(err, look(store.path))
	}
	for _, path := range s.OtherStores() { // nobody has named them
		if err := look(path); err != nil {
			p.Note("not read: %s", console.Sentence(err))
		}
	}
	return list, err
}

// mustExist refuses a file of --store that is not there. A configured store may be missing, because
// the first message makes it; a named one is more likely misspelled.
func mustExist(file string) error {
	if _, err := os.Stat(file); err != nil {
		return console.Failed("cannot read the store: %w", err)
	}
	return nil
}

// ownStore is the store of a durable source, which other sources may share.
type ownStore struct{ source, path string }

// ownStores lists the stores of the durable sources, each once. The error is of sources for whose
// store there is no path; the others are listed all the same.
func ownStores(s *settings.Settings) (list []ownStore, err error) {
	for _, name := range durableNames(s) {
		path, failed := s.StorePath(s.Sources[name])
		if failed != nil {
			err = configurationFailure(failed)
		} else if !slices.ContainsFunc(list, func(other ownStore) bool { return other.path == path }) {
			list = append(list, ownStore{name, path})
		}
	}
	return list, err
}

// durableNames lists the durable sources, sorted.
func durableNames(s *settings.Settings) []string {
	return slices.DeleteFunc(s.Names(), func(name string) bool { return s.Sources[name].Way() != settings.Durable })
}

// states has a line for each source in the store, and for each that is configured to have it. What
// is stored under another name is listed as not configured, unless nothing is left of it. Of a
// damaged store it lists what can be read.
func (q *storeQueue) states(s *settings.Settings) (list []queueState, err error) {
	// What is left of the names in the end has nothing in the store yet.
	names := slices.DeleteFunc(s.Names(), func(name string) bool { return !s.Keeps(name, q.path) })
	all, err := q.stats()
	for _, stats := range all {
		one := queueState{Source: stats.Source, Store: q.path, Waiting: stats.Waiting, Dead: stats.Dead, Exists: true}
		if !stats.Oldest.IsZero() {
			one.Oldest = &stats.Oldest
		}
		i := slices.Index(names, stats.Source)
		if one.Configured = i >= 0; one.Configured {
			names = slices.Delete(names, i, i+1)
		} else if stats.Waiting+stats.Dead == 0 {
			continue
		}
		list = append(list, one)
	}
	if err != nil {
		return list, err
	}
	for _, name := range names {
		list = append(list, queueState{Source: name, Store: q.path, Configured: true, Exists: q.exists, empty: q.empty})
	}
	// What the file has and what is configured come in one order, so that a source is easy to find.
	slices.SortFunc(list, func(a, b queueState) int { return strings.Compare(a.Source, b.Source) })
	return list, nil
}

// ofQueue completes a command about the stored messages of one source: it gets the flags that say
// whose they are and, if it can be about the messages that wait too, --waiting.
func (p *Program) ofQueue(
	cmd *cobra.Command, waiting bool, do func(q *storeQueue, args []string) error,
) *cobra.Command {
	addSource(p, cmd)
	cmd.Flags().Lookup("source").Usage = "`name` of the messages' source, even if it is no longer configured"
	file, wait := addStore(cmd), new(bool)
	if waiting {
		wait = cmd.Flags().Bool("waiting", false, "waiting messages instead of dead letters")
	}
	return p.runs(cmd, func(args []string, s *settings.Settings) error {
		q, err := p.findQueue(cmd, s, *file)
		if err != nil {
			return err
		}
		q.waiting = *wait
		return do(q, args)
	})
}

// findQueue opens the store of the chosen source: its own, the file that was named, or one where a
// source of this name has left something. So the messages of a source that has been renamed or made
// direct can still be seen.
func (p *Program) findQueue(cmd *cobra.Command, s *settings.Settings, file string) (*storeQueue, error) {
	source, configured, wrong := s.Chosen()
	name, asked := source.Name, cmd.Flags().Changed("source")
	if asked { // the flag may name a source that is no longer configured
		name = s.DefaultSource
	}
	switch {
	case file != "":
		return p.namedQueue(cmd, file, name, asked)
	case wrong != nil && !asked:
		return nil, sourceFailure(wrong)
	case configured && source.Way() == settings.Durable:
		path, err := s.StorePath(source)
		if err != nil {
			return nil, configurationFailure(err)
		}
		return openPath(cmd.Context(), name, path)
	}
	// The source has no store now, but may have had one under this name.
	list, err := p.queueStates(cmd, s, "")
	for _, one := range list {
		if one.Source == name && one.Exists {
			return openPath(cmd.Context(), name, one.Store)
		}
	}
	durable := strings.Join(durableNames(s), ", ")
	switch {
	case err != nil: // it may be in there
		return nil, err
	case wrong != nil:
		err = fmt.Errorf("%w; and no store has messages of one", wrong)
	case name == "":
		err = errors.New("no source is durable, so nothing is stored; see delivery in segment-blocks help environment")
	case durable == "":
		err = fmt.Errorf("the source is not durable, so nothing of it is stored: %q; no source is durable", name)
	default:
		err = fmt.Errorf("the source is not durable, so nothing of it is stored: %q; the durable sources: %s",
			name, durable)
	}
	return nil, sourceFailure(err)
}

// namedQueue opens a file and finds the source in it: the one asked for, or the only one, or the
// chosen one. A copy of a store may be that of another machine, whose sources this configuration
// does not know.
func (p *Program) namedQueue(cmd *cobra.Command, file, name string, asked bool) (*storeQueue, error) {
	if err := mustExist(file); err != nil {
		return nil, err
	}
	q, err := openPath(cmd.Context(), name, file)
	if err != nil {
		return nil, err
	}
	stats, _ := q.stats() // the command says what is wrong, after it has printed what it can
	var names []string
	for _, one := range stats {
		names = append(names, one.Source)
	}
	switch {
	case slices.Contains(names, name), len(names) == 0:
	case !asked && len(names) == 1:
		q.source = names[0]
	default:
		return nil, console.Usage("the store has messages of %s; name one of these with --source: %q",
			strings.Join(names, ", "), name)
	}
	return q, nil
}

// stats returns the counts of all sources in the store, and of a damaged one those that can be
// read.
func (q *storeQueue) stats() ([]delivery.Stats, error) {
	answer, err := q.ask(queueRequest{Do: "stats"}, nil)
	return answer.Stats, storeFailure(q.path, err)
}

// messages are the dead letters of the source, or what waits. When the loop over them has ended,
// err is what was wrong: that of a damaged store comes after all that can be read of it.
func (q *storeQueue) messages(err *error) iter.Seq[delivery.StoredMessage] {
	r := queueRequest{Do: "dead", Source: q.source}
	if q.waiting {
		r.Do = "waiting"
	}
	return func(yield func(delivery.StoredMessage) bool) {
		_, failed := q.ask(r, yield)
		*err = storeFailure(q.path, failed)
	}
}
