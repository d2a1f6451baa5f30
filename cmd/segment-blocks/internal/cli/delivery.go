package cli

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/go-resty/resty/v2"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/observe/metrics"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/tracking"
	"github.com/aacflow/segment-blocks/serve/rest"
)

// deliveries are the coalesced and durable sources of a command. They outlive the invocations, so
// the command closes them.
type deliveries struct {
	settings *settings.Settings
	// logger gets what goes wrong after an invocation has returned.
	logger *slog.Logger
	// closers are those of the coalesced sources.
	closers []func(context.Context) error
	// stores are by path. Several sources may share one: its file is opened once. They share the
	// transport, which is nil until there is a store.
	stores    map[string]*heldStore
	transport *http.Transport
	// paths has the path of each durable source's store.
	paths map[string]string
	// notices are what the logger has been told and a command without a log should say.
	notices []string
}

// newDeliveries returns deliveries without a source.
func newDeliveries(s *settings.Settings, logger *slog.Logger) *deliveries {
	return &deliveries{settings: s, logger: logger, stores: map[string]*heldStore{}, paths: map[string]string{}}
}

// sender returns a source with its way of delivery.
func (d *deliveries) sender(source settings.Source, key tracking.WriteKey) (tracking.Sender, error) {
	to := d.settings.Tracking(source, key)
	switch source.Way() {
	case settings.Coalesced:
		// It has no file to share, so each source has a queue of its own, closed by itself.
		sender, closeSource := delivery.Coalesce(to, delivery.CoalesceOptions{Logger: d.logger})
		d.closers = append(d.closers, closeSource)
		return sender, nil
	case settings.Durable:
		if key == "" {
			message := "the source " + source.Name +
				" is durable, so it needs a write key of its own"
			return nil, console.Fail(console.ExitCredentials, string(runtime.MissingCredential), message, nil)
		}
		store, err := d.store(source)
		if err != nil {
			return nil, err
		}
		// The messages were stored for a source that had another key then. They go out with the new
		// one, which is right after a key was renewed and wrong after a name was given to another
		// source.
		for _, stats := range store.Stats() {
			before, now := stats.StoredWith, key.Fingerprint()
			if stats.Source == source.Name && stats.Waiting > 0 && before != "" && before != now {
				d.notices = append(d.notices, fmt.Sprintf("%s for source %q with another write key; "+
					"sent with the one it has now: before %s, now %s",
					messages(stats.Waiting, "was stored", "were stored"), source.Name, before, now))
			}
		}
		return store.Source(source.Name, to), nil
	}
	return to, nil
}

// store opens the store of a source, which may be that of others too. Those must have the same
// limits, because the file has one set of them. The stores have a transport of their own: while
// they wait for a slow receiver, invocations keep their connections.
func (d *deliveries) store(source settings.Source) (*heldStore, error) {
	path, err := d.settings.StorePath(source)
	if err != nil {
		return nil, configurationFailure(err)
	}
	if store := d.stores[path]; store != nil {
		for other, at := range d.paths {
			if at == path && d.settings.Sources[other].Durable != source.Durable {
				return nil, configurationFailure(fmt.Errorf(
					"the sources %s and %s share a store and must have the same limits below durable: %s",
					other, source.Name, path,
				))
			}
		}
		d.paths[source.Name] = path
		return store, nil
	}
	d.paths[source.Name] = path
	// Messages hold what is known of people, so the folder is its owner's alone.
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, console.Failed("cannot make the folder of the store: %w", err)
	}
	if d.transport == nil {
		d.transport = runtime.NewTransport()
	}
	client := resty.New().SetTransport(d.transport).SetRedirectPolicy(resty.NoRedirectPolicy()).SetDisableWarn(true)
	if info, err := os.Stat(path); err == nil && info.Size() == 0 {
		d.notices = append(d.notices, "the store's file was there and empty, and begins as a new store; "+
			"if it has held messages, they are lost: "+path)
	}
	// The file has one client, for all the sources that share it.
	options := source.Durable
	options.Client = tracking.NewClient(client, tracking.WithVersion(blocks.Version()))
	options.Logger = d.logger
	store, err := delivery.Open(path, options)
	if err != nil {
		return nil, storeFailure(path, err)
	}
	held := &heldStore{Store: store, path: path}
	// The store works all the same, so that is no reason to end a server.
	if err := held.listen(context.Background()); err != nil {
		d.logger.Warn("segment-blocks queue cannot read the store while this process runs",
			"store", path, "reason", err)
	}
	d.stores[path] = held
	return held, nil
}

// storeFailure says what to do about a store that cannot be read or changed. A damaged file is
// never replaced: it may be all that is left of the messages.
func storeFailure(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, delivery.ErrInUse):
		return console.Failed("%w: a running segment-blocks serve, mcp or run has it; "+
			"stop that, or send through it", err)
	case errors.Is(err, delivery.ErrDamaged):
		return console.Failed("%w; segment-blocks queue export --store %s prints the readable dead letters, "+
			"with --waiting the waiting messages; then move the file away: the next start creates one", err, path)
	}
	return console.Failed("%w", err)
}

// messages writes how many messages, with the verb that fits.
func messages(n int, one, many string) string {
	if n == 1 {
		return "1 message " + one
	}
	return console.Count(n, "message") + " " + many
}

// stranded says which messages lie in the stores that are open and that nothing sends: their source
// has been renamed, removed or given another store.
func (d *deliveries) stranded() (list []string) {
	for path, store := range d.stores {
		for _, s := range store.Stats() {
			if s.Waiting > 0 && !d.settings.Keeps(s.Source, path) {
				list = append(list, fmt.Sprintf("%s in %s, and no durable source of that name is configured "+
					"with this store, so nothing sends them: %q",
					messages(s.Waiting, "waits", "wait"), path, s.Source))
			}
		}
	}
	slices.Sort(list)
	return list
}

// close sends what is left to be sent for as long as ctx allows, once, and calls the functions of
// last before it closes a store. It returns the messages that stay in each store for the next run,
// by path; those of sources that are not configured are not among them.
func (d *deliveries) close(ctx context.Context, last ...func()) (left map[string]int, err error) {
	// Coalesced sources come first: what they hold is lost when the time is up.
	for _, closeSource := range d.closers {
		err = errors.Join(err, closeSource(ctx))
	}
	left = map[string]int{}
	for path, store := range d.stores {
		_, closing := store.Close(ctx, append(last, func() {
			err = errors.Join(err, store.stopListening())
		})...)
		for _, s := range store.Stats() {
			if d.settings.Keeps(s.Source, path) {
				left[path] += s.Waiting
			}
		}
		err = errors.Join(err, closing)
	}
	if d.transport != nil {
		d.transport.CloseIdleConnections()
	}
	// Closed once: when the lock is gone, the file that says where to ask is another process's.
	d.closers, d.stores = nil, nil
	return left, err
}

// abandon closes the sources at once. What is stored stays stored.
func (d *deliveries) abandon() error {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := d.close(ended)
	return err
}

// lastError waits until nothing waits any more, or ctx ends, and returns what then keeps messages
// from leaving. Closing a store does not wait for a receiver that fails, and so cannot be used for
// this.
func (d *deliveries) lastError(ctx context.Context) string {
	// A receiver that works takes messages within milliseconds, and the command waits no longer
	// than that.
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		waiting, lastError := 0, ""
		for _, s := range d.stats() {
			waiting += s.Waiting
			lastError += s.LastError
		}
		if waiting == 0 {
			return ""
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return lastError
		}
	}
}

// stats returns the state of each durable source. What else is in a file is from another time: its
// source has another store now, or none.
func (d *deliveries) stats() (list []delivery.Stats) {
	for path, store := range d.stores {
		all := store.Stats()
		list = append(list, slices.DeleteFunc(all, func(s delivery.Stats) bool { return d.paths[s.Source] != path })...)
	}
	return list
}

// queues returns the state of the durable sources for the metrics.
func (d *deliveries) queues() (list []metrics.Queue) {
	for _, s := range d.stats() {
		list = append(list, metrics.Queue{
			Source: s.Source, Waiting: s.Waiting, InFlight: s.InFlight, Dead: s.Dead,
			Delivered: s.Delivered, Oldest: s.Oldest,
		})
	}
	return list
}

// sayLeft says which messages wait for the next run, so that nobody takes them for sent.
func (p *Program) sayLeft(left map[string]int) {
	for path, n := range left {
		if n > 0 {
			p.Note("not sent yet: %s in %s, for the next segment-blocks that uses this store",
				console.Count(n, "message"), path)
		}
	}
}

// restQueues are the stores as REST shows them, by the names of their sources.
func (d *deliveries) restQueues() map[string]rest.Queue {
	queues := map[string]rest.Queue{}
	for name, path := range d.paths {
		queues[name] = restQueue(d.stores[path], name)
	}
	return queues
}

// restQueue is a source of a store as REST shows it. It copies field by field, since package rest
// serves any vendor and knows no store.
func restQueue(store *heldStore, source string) rest.Queue {
	// Ids that are not those of dead letters are a mistake of the caller.
	change := func(do func(string, ...uint64) (int, error)) func(...uint64) (int, error) {
		return func(ids ...uint64) (int, error) {
			n, err := do(source, ids...)
			if errors.Is(err, delivery.ErrIDs) {
				err = &runtime.Error{Code: runtime.InvalidInput, Message: err.Error(), Err: err}
			}
			return n, err
		}
	}
	return rest.Queue{
		// A source of which the store has nothing yet has an empty queue.
		State: func() (state rest.QueueState) {
			for _, s := range store.Stats() {
				if s.Source == source {
					state = rest.QueueState{
						Waiting: s.Waiting, InFlight: s.InFlight, Dead: s.Dead, Oldest: s.Oldest,
						LastError: s.LastError, WaitsUntil: s.WaitsUntil, Delivered: s.Delivered, Retried: s.Retried,
					}
				}
			}
			return state
		},
		Dead: func() iter.Seq2[rest.DeadLetter, error] {
			return func(yield func(rest.DeadLetter, error) bool) {
				for m, err := range store.Dead(source) {
					letter := rest.DeadLetter{
						ID: m.ID, MessageID: m.MessageID, StoredAt: m.StoredAt, DiedAt: m.DiedAt,
						Reason: m.Reason, Damaged: m.Damaged,
					}
					if !yield(letter, err) {
						return
					}
				}
			}
		},
		Retry: change(store.Retry),
		Drop:  change(store.Drop),
	}
}
