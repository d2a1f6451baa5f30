package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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

// storeQueue is a store, opened to be looked at, and the source whose messages a command is about.
type storeQueue struct {
	ctx    context.Context //nolint:containedctx // that of the command
	source string
	path   string
	// exists is false if there is no file yet. A file of 0 bytes, which is empty, counts as none:
	// a crash may leave one before the first message is stored.
	exists, empty bool
	// ask reaches the store, wherever it is open. close says what was wrong with it.
	ask   asker
	close func() error
}

// addStore adds the flag that names a file, also one that no configuration knows, such as a copy.
func addStore(cmd *cobra.Command) *string {
	return cmd.Flags().String("store", "",
		"store `file` to read, instead of those of the configured sources")
}

// addQueueSource adds the flags that say whose messages a command is about.
func addQueueSource(p *Program, cmd *cobra.Command) (file *string) {
	addSource(p, cmd)
	cmd.Flags().Lookup("source").Usage = "`name` of the source of the messages, even one that is no longer configured"
	return addStore(cmd)
}

// openPath opens a store to be looked at, through the process that has it open if there is one. A
// store that is not there, or has nothing in it, is not made: looking leaves nothing behind. One
// that is damaged is an error of close, so that what can be read of it is printed first.
func openPath(ctx context.Context, source, path string) (*storeQueue, error) {
	q := &storeQueue{ctx: ctx, source: source, path: path, close: func() error { return nil }}
	info, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, console.Failed("%w", err)
	}
	q.empty = err == nil && info.Mode().IsRegular() && info.Size() == 0
	if q.exists = err == nil && !q.empty; !q.exists {
		q.ask = func(_ context.Context, r queueRequest, _ func(delivery.StoredMessage) bool) (a queueAnswer, err error) {
			if len(r.IDs) > 0 {
				err = fmt.Errorf("there is no store yet, and so no dead letter: %s", path)
			}
			return a, err
		}
		return q, nil
	}
	// The lock on the file admits one process, so one that has it is asked before opening is tried.
	if running := dialStore(ctx, path); running != nil {
		q.ask = running.ask
		return q, nil
	}
	store, err := openStore(path, delivery.StoreOptions{}) //nolint:contextcheck // opening is short
	switch {
	case err == nil:
		q.ask = askStore(store)
		q.close = func() error {
			if _, err := store.Close(ctx); err != nil {
				return console.Failed("%w", err)
			}
			return nil
		}
	case errors.Is(err, delivery.ErrDamaged):
		q.ask, q.close = askDamaged(path), func() error { return err }
	default:
		return nil, err
	}
	return q, nil
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
		return []string{s.Source, "nothing is stored: the file is empty; if it has held messages, they are lost: " + s.Store}
	case !s.Exists:
		return []string{s.Source, "there is no store yet, the first message makes it: " + s.Store}
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
// error is of those that could not be opened. Stores that only lie in the folder are no reason to
// fail, because they may belong to another program of this user.
func (p *Program) queueStates(cmd *cobra.Command, s *settings.Settings, file string) ([]queueState, error) {
	list := []queueState{}
	var errs []error
	// Damage is noticed when a store is closed, after its states have been listed.
	look := func(path string) {
		q, err := openPath(cmd.Context(), "", path)
		if err != nil {
			errs = append(errs, err)
			return
		}
		list = append(list, q.states(s)...)
		errs = append(errs, q.close())
	}
	if file != "" {
		if err := mustExist(file); err != nil {
			return list, err
		}
		look(file)
		return list, errors.Join(errs...)
	}
	stores, err := ownStores(s)
	if err != nil {
		return list, err
	}
	for _, store := range stores {
		look(store.path)
	}
	own := len(errs) // those after are of stores that nobody has named
	for _, path := range s.OtherStores() {
		look(path)
	}
	for _, err := range errs[own:] { // it may be somebody else's, and in use there
		if err != nil {
			p.Note("not looked into: %s", console.Sentence(err))
		}
	}
	return list, errors.Join(errs[:own]...)
}

// mustExist refuses a file of --store that is not there. A configured store may be missing, because
// the first message makes it; a named one is more likely misspelled.
func mustExist(file string) error {
	if _, err := os.Stat(file); err != nil {
		return console.Failed("cannot look into the store: %w", err)
	}
	return nil
}

// ownStore is the store of a durable source, which other sources may share.
type ownStore struct{ source, path string }

// ownStores lists the stores of the durable sources, each once. The error is of sources for whose
// store there is no path; the others are listed all the same.
func ownStores(s *settings.Settings) (list []ownStore, err error) {
	for _, name := range durableNames(s) {
		path, failed := storePath(s, s.Sources[name])
		if failed != nil {
			err = failed
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
// is stored under another name is listed as not configured, unless nothing is left of it.
func (q *storeQueue) states(s *settings.Settings) (list []queueState) {
	// What is left of the names in the end has nothing in the store yet.
	names := slices.DeleteFunc(s.Names(), func(name string) bool { return !s.Keeps(name, q.path) })
	for _, stats := range q.stats() {
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
	for _, name := range names {
		list = append(list, queueState{Source: name, Store: q.path, Configured: true, Exists: q.exists, empty: q.empty})
	}
	slices.SortFunc(list, func(a, b queueState) int { return strings.Compare(a.Source, b.Source) })
	return list
}

// withQueue runs a command on the store of the chosen source. Closing tells of damage, so its error
// comes after what the command could print.
func (p *Program) withQueue(
	file *string, do func(s *settings.Settings, q *storeQueue, args []string) error,
) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		s, err := p.load(cmd)
		if err != nil {
			return err
		}
		q, err := p.findQueue(cmd, s, *file)
		if err != nil {
			return err
		}
		return errors.Join(do(s, q, args), q.close())
	}
}

// findQueue opens the store of the chosen source: its own, the file that was named, or one where a
// source of this name has left something. So the messages of a source that has been renamed or made
// direct can still be seen.
func (p *Program) findQueue(cmd *cobra.Command, s *settings.Settings, file string) (*storeQueue, error) {
	source, configured, wrong := s.Chosen()
	name, asked := source.Name, cmd.Flags().Changed("source")
	if asked {
		name = s.DefaultSource
	}
	switch {
	case file != "":
		return p.namedQueue(cmd, file, name, asked)
	case wrong != nil && !asked:
		return nil, sourceFailure(wrong)
	case configured && source.Way() == settings.Durable:
		path, err := storePath(s, source)
		if err != nil {
			return nil, err
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
		err = fmt.Errorf("the source is not durable, so nothing of it is stored: %q; the durable sources: %s", name, durable)
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
	var names []string
	for _, stats := range q.stats() {
		names = append(names, stats.Source)
	}
	switch {
	case slices.Contains(names, name), len(names) == 0:
	case !asked && len(names) == 1:
		q.source = names[0]
	default:
		err := console.Usage("the store has messages of %s; name one of these with --source: %q",
			strings.Join(names, ", "), name)
		return nil, errors.Join(err, q.close())
	}
	return q, nil
}

// stats returns the counts of all sources in the store, none if it cannot be read: closing says
// why, after the command has printed what it can.
func (q *storeQueue) stats() []delivery.Stats {
	answer, _ := q.ask(q.ctx, queueRequest{Do: "stats"}, nil)
	return answer.Stats
}

// visit calls do with the dead letters of the source, or with what waits, until it returns false.
func (q *storeQueue) visit(waiting bool, do func(delivery.StoredMessage) bool) error {
	r := queueRequest{Do: "dead", Source: q.source}
	if waiting {
		r.Do = "waiting"
	}
	if _, err := q.ask(q.ctx, r, do); err != nil {
		return console.Failed("%w", err)
	}
	return nil
}
