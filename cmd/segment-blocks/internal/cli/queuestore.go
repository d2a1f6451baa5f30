package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/delivery"
)

// storeQueue is the store of a source, opened to be looked at. Where nothing has been stored yet there is none.
type storeQueue struct {
	source string
	path   string
	empty  bool // the file is there and has 0 bytes
	store  letterStore
	ctx    context.Context //nolint:containedctx // that of the command
}

func addStore(cmd *cobra.Command) *string {
	return cmd.Flags().String("store", "", "file of the store to look into, in place of those that the configuration leads to")
}

// addQueueSource adds the flags that say whose messages a command is about.
func addQueueSource(p *Program, cmd *cobra.Command) (file *string) {
	addSource(p, cmd)
	cmd.Flags().Lookup("source").Usage = "source whose messages; one that is not configured any more, too"
	return addStore(cmd)
}

// openPath opens a store to be looked at, through the process that has it open if there is one. A
// store that is not there, or has nothing in it, is not made. One that is damaged is an error of
// close, so that what can be read of it is.
func openPath(ctx context.Context, source, path string) (*storeQueue, error) {
	q := &storeQueue{source: source, path: path, ctx: ctx}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return q, nil
	case err != nil:
		return nil, console.Failed("%w", err)
	case info.Mode().IsRegular() && info.Size() == 0:
		q.empty = true
		return q, nil
	}
	if running := dialStore(ctx, path); running != nil {
		q.store = running
		return q, nil
	}
	store, err := openStore(path, delivery.StoreOptions{})
	switch {
	case err == nil:
		q.store = store
	case errors.Is(err, delivery.ErrDamaged):
		stats, _ := delivery.Check(path)
		q.store = &salvagedStore{path, stats, err}
	default:
		return nil, err
	}
	return q, nil
}

// queueState is a line of the status.
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

func (s queueState) row() []string {
	switch {
	case s.empty:
		return []string{s.Source, "nothing is stored: the file is empty, " + s.Store}
	case !s.Exists:
		return []string{s.Source, "there is no store yet: " + s.Store}
	}
	last := ""
	if s.Oldest != nil {
		last = "the oldest since " + s.Oldest.Format(time.RFC3339)
	}
	if !s.Configured {
		last = strings.TrimPrefix(last+"; not configured: nothing sends them", "; ")
	}
	return []string{s.Source, text.Grouped(int64(s.Waiting)) + " waiting", text.Grouped(int64(s.Dead)) + " dead", s.Store, last}
}

// queueStates looks into the stores: the one file, or all that the configuration leads to. The error is of those that could not be opened.
func (p *Program) queueStates(cmd *cobra.Command, s *settings.Settings, file string) ([]queueState, error) {
	list := []queueState{}
	var errs []error
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
		if _, err := os.Stat(file); err != nil {
			return list, console.Failed("cannot look into the store: %w", err)
		}
		look(file)
		return list, errors.Join(errs...)
	}
	paths, err := ownStores(s)
	if err != nil {
		return list, err
	}
	for _, path := range paths {
		look(path)
	}
	own := len(errs)
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

// ownStores lists the stores of the durable sources.
func ownStores(s *settings.Settings) (paths []string, err error) {
	for _, name := range s.Names() {
		if s.Sources[name].Way() != settings.Durable {
			continue
		}
		path, err := s.StorePath(s.Sources[name])
		if err != nil {
			return nil, console.Fail(console.ExitUsage, console.CodeConfiguration, err.Error(), err)
		}
		if !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	return paths, nil
}

// states has a line for each source in the store, and for each that is configured to have it.
func (q *storeQueue) states(s *settings.Settings) (list []queueState) {
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
		list = append(list, queueState{Source: name, Store: q.path, Configured: true, Exists: q.store != nil, empty: q.empty})
	}
	slices.SortFunc(list, func(a, b queueState) int { return strings.Compare(a.Source, b.Source) })
	return list
}

// withQueue runs a command on the store of the chosen source.
func (p *Program) withQueue(file *string, do func(s *settings.Settings, q *storeQueue, args []string) error) func(*cobra.Command, []string) error {
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

// findQueue opens the store of the chosen source: its own, the file that was named, or one where a source of this name has left something.
func (p *Program) findQueue(cmd *cobra.Command, s *settings.Settings, file string) (*storeQueue, error) {
	source, configured, wrong := s.Chosen()
	name := source.Name
	asked := cmd.Flags().Changed("source")
	if asked {
		name = s.DefaultSource
	}
	if file != "" {
		return p.namedQueue(cmd, file, name, asked)
	}
	switch {
	case wrong != nil && !asked:
		return nil, sourceFailure(wrong)
	case configured && source.Way() == settings.Durable:
		path, err := s.StorePath(source)
		if err != nil {
			return nil, console.Fail(console.ExitUsage, console.CodeConfiguration, err.Error(), err)
		}
		return openPath(cmd.Context(), name, path)
	}
	list, err := p.queueStates(cmd, s, "")
	for _, one := range list {
		if one.Source == name && one.Exists {
			return openPath(cmd.Context(), name, one.Store)
		}
	}
	switch {
	case err != nil: // it may be in there
		return nil, err
	case wrong != nil:
		return nil, sourceFailure(fmt.Errorf("%w; and no store has messages of one", wrong))
	}
	return nil, console.Fail(console.ExitUsage, string(runtime.UnknownSource), "the source is not durable, so nothing of it is stored: "+strconv.Quote(name)+p.durables(s), nil)
}

// namedQueue opens a file and finds the source in it: the one asked for, or the only one, or the chosen one.
func (p *Program) namedQueue(cmd *cobra.Command, file, name string, asked bool) (*storeQueue, error) {
	if _, err := os.Stat(file); err != nil {
		return nil, console.Failed("cannot look into the store: %w", err)
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
		return nil, errors.Join(console.Usage("the store has messages of %s; name one of these with --source: %q", strings.Join(names, ", "), name), q.close())
	}
	return q, nil
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

func (q *storeQueue) damagedLetters() (n int) {
	for l, err := range q.letters(false) {
		if err == nil && l.Damaged {
			n++
		}
	}
	return n
}

func (q *storeQueue) close() error {
	if q.store == nil {
		return nil
	}
	var own *console.Error
	_, err := q.store.Close(q.ctx)
	if err == nil || errors.As(err, &own) {
		return err
	}
	return console.Failed("%w", err)
}
