package delivery

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/aacflow/segment-blocks/segment/tracking"
)

// StoreOptions set up [Open]. The zero value is good; a field that is zero has
// its default.
type StoreOptions struct {
	// Client sends what is stored. Default: tracking.NewClient(nil). Give the
	// store a client of its own: what it waits for (a rate limit, a slow
	// receiver) may take long.
	Client *tracking.Client
	// MaxEvents and MaxBytes bound what is kept, dead letters included: a call
	// that would go beyond is refused, and may be made again later. Default
	// 1,000,000 messages and 1 GiB of them; negative for no bound. The file is
	// larger than its messages: by a fifth where many calls come at once, by
	// more where they come one by one. It does not shrink: room that becomes
	// free is used again.
	MaxEvents int
	MaxBytes  int64
	// MaxAge is how long to try to deliver a message. Older ones become dead
	// letters. Default 7 days; negative for ever.
	MaxAge time.Duration
	// Rate is how many messages a second are sent for each source. Default
	// 1000, from where on Segment may queue them; negative for no limit. What
	// comes faster waits on disk.
	Rate float64
	// MaxBackoff is the longest wait between tries while the receiver cannot
	// take messages. Default 5 min. It starts at a quarter of a second,
	// doubles, and starts anew when a message is accepted. A Retry-After is
	// waited out, longer or not. While the receiver refuses the source as such
	// (401, 403, 404, …) each wait is the longest.
	MaxBackoff time.Duration
	// Logger gets the errors that keep a source's messages from being sent,
	// their end, and dead letters. Default: nothing is logged.
	Logger *slog.Logger
}

func (o *StoreOptions) fill() {
	if o.Client == nil {
		o.Client = tracking.NewClient(nil)
	}
	o.MaxEvents = cmp.Or(o.MaxEvents, 1_000_000)
	o.MaxBytes = cmp.Or(o.MaxBytes, 1<<30)
	o.MaxAge = cmp.Or(o.MaxAge, 7*24*time.Hour)
	o.Rate = cmp.Or(o.Rate, 1000)
	o.MaxBackoff = cmp.Or(max(o.MaxBackoff, 0), 5*time.Minute)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Store keeps messages in a file until a receiver has accepted them. [Open]
// makes it. It is safe for concurrent use.
//
// A call of one of its sources ([Store.Source]) succeeds when its messages are
// on disk, synced: they survive the end of the process, and that of the machine
// as far as the disk does. Calls that come together share a sync. The messages
// of a call are stored together or not at all. From then on they are sent in
// the background, in batches, in order for each person, for as long as it
// takes; after a crash the next process that opens the file goes on, and what
// it repeats carries the same messageId.
//
// A message that the receiver refuses for itself, once it has been sent apart
// from others, becomes a dead letter, and so does one that is older than
// StoreOptions.MaxAge. Dead letters stay in the file until they are retried or
// dropped. A receiver that refuses the source as such (401, 403, 404 and the
// like) is asked again at long intervals, as nothing is wrong with the
// messages, and so is one that refuses a hundred messages one after another,
// accepts none between, and refuses the last ones too.
//
// The file holds the messages as they go over the wire, the names of sources
// and fingerprints of their write keys, never a write key. Only its owner can
// read it. One process at a time can use it.
type Store struct {
	path    string
	options StoreOptions
	db      *bbolt.DB
	file    *os.File // that of db
	logger  *slog.Logger

	mu      sync.Mutex
	sources map[string]*storedSource
	closed  bool           // takes no more calls
	calls   sync.WaitGroup // that are being stored
	closing chan struct{}  // closed by end: sources send what waits, and end

	ops        chan *op      // for the writer
	stopped    chan struct{} // closed by stop: the writer takes no more of them
	end, stop  func()
	writer     sync.WaitGroup
	kept       tally // the writer's
	broken     error // the writer's: why nothing can be written any more
	deliverers sync.WaitGroup
	ctx        context.Context //nolint:containedctx // of the deliverers
	cancel     context.CancelFunc
}

// ErrInUse is in the error of [Open] and [Check] when a process has the file
// open.
var ErrInUse = errors.New("it is in use by another process")

// ErrDamaged is in the error of [Open] and [Check] when the file cannot be read
// as a store: it is damaged, or something else. It is left as it is. [Check]
// visits the messages that can be read.
var ErrDamaged = errors.New("the file is damaged, or is not a store of segment-blocks")

// Open opens a store, and makes the file, readable by its owner only, where
// there is none; the folder must be there. It reads the file through once, to
// find damage and to count; one that is no store, or does not hold what it
// should, is not touched. A single message that does not match its checksum is
// not sent: it becomes a dead letter with Damaged set. A file of 0 bytes, which
// a crash may leave before the first write, begins as a new store, which is
// logged. Sources are added with [Store.Source]. Close it when no more calls
// come.
func Open(path string, options StoreOptions) (*Store, error) {
	options.fill()
	s := &Store{
		path: path, options: options, logger: options.Logger.With("store", path),
		sources: map[string]*storedSource{}, closing: make(chan struct{}),
		ops: make(chan *op), stopped: make(chan struct{}),
	}
	s.end = sync.OnceFunc(func() { close(s.closing) })
	s.stop = sync.OnceFunc(func() { close(s.stopped) })
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.writer.Go(s.write)
	return s, nil
}

// open opens the file. One that is there is read through first: see pages.
func (s *Store) open() error {
	info, err := os.Stat(s.path)
	found := &contents{}
	switch {
	case err != nil: // opening it says what is wrong with that
	case info.Mode().IsRegular() && info.Size() == 0:
		s.logger.Warn("the store's file is there and empty: it begins as a new store; " +
			"if it has held messages, they are lost")
	default:
		if found, err = readFile(context.Background(), s.path, nil); err != nil {
			return err
		}
	}
	s.kept = found.found
	for name, source := range found.sources {
		s.sources[name] = &storedSource{store: s, wake: make(chan struct{}, 1), stats: source.Stats}
		s.sources[name].stats.Damaged = 0
	}
	if s.db, s.file, err = openBolt(s.path, false); err != nil {
		return err
	}
	for more := true; more && err == nil; {
		err = s.db.Update(func(tx *bbolt.Tx) error {
			if found.pages != nil {
				if found.transaction++; uint64(tx.ID()) != found.transaction {
					return ErrInUse // until a moment ago
				}
			}
			root, err := tx.CreateBucketIfNotExists([]byte(rootBucket))
			if err != nil {
				return err
			}
			sources, err := tx.CreateBucketIfNotExists([]byte(sourcesBucket))
			if err != nil {
				return err
			}
			more, err = move(tx, sources)
			return errors.Join(err, root.Put([]byte(formatKey), []byte(storeFormat)),
				root.Put([]byte(tallyKey), s.kept.record()))
		})
	}
	if err == nil && info != nil && info.Mode().Perm()&0o077 != 0 {
		err = os.Chmod(s.path, 0o600) // only now it is certain that it is ours
	}
	if err != nil {
		return errors.Join(err, s.db.Close())
	}
	return nil
}

// move moves some of what is where format 2 had it, and says whether there may be
// more. A process that ends between two moves leaves a store that is whole.
func move(tx *bbolt.Tx, sources *bbolt.Bucket) (more bool, err error) {
	var names [][]byte
	err = sources.ForEachBucket(func(name []byte) error {
		names = append(names, bytes.Clone(name))
		return nil
	})
	left := 1000 // messages and sources
	for _, name := range names {
		old := sources.Bucket(name)
		for _, kind := range []string{waitingBucket, deadBucket} {
			if err == nil {
				err = moveMessages(tx, old, kind, string(name), &left)
			}
		}
		if left--; left < 0 || err != nil {
			return true, err
		}
		credential := bytes.Clone(old.Get([]byte(credentialKey)))
		err = errors.Join(sources.DeleteBucket(name), sources.Put(name, credential))
	}
	return false, err
}

func moveMessages(tx *bbolt.Tx, old *bbolt.Bucket, kind, source string, left *int) error {
	from, err := old.CreateBucketIfNotExists([]byte(kind))
	if err != nil {
		return err
	}
	to, err := tx.CreateBucketIfNotExists(bucketName(kind, source))
	if err != nil {
		return err
	}
	to.FillPercent = 1 // keys only grow
	err = to.SetSequence(from.Sequence())
	for ; *left > 0 && err == nil; *left-- {
		key, value := from.Cursor().First()
		if key == nil {
			break
		}
		err = errors.Join(to.Put(key, value), from.Delete(key))
	}
	return err
}

func openBolt(path string, readOnly bool) (db *bbolt.DB, file *os.File, err error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, nil, errors.New("it is a folder; a store is a file")
	} else if err == nil && !info.Mode().IsRegular() {
		return nil, nil, errors.New("it is not a regular file") // opening a pipe would wait for ever
	}
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{
		ReadOnly: readOnly, Timeout: time.Second, FreelistType: bbolt.FreelistMapType,
		NoFreelistSync: true, NoStatistics: true,
		OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
	})
	if err == nil {
		db.AllocSize = 1 << 20 // by which a file grows, in place of 16 MiB: it is never much larger than what it holds
	}
	_, system := errors.AsType[syscall.Errno](err)
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		err = ErrInUse
	case err != nil && !system:
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return db, file, err
}

// view reads the file as it is now. A fault of the disk, or a file that
// somebody has cut off, is an error.
func (s *Store) view(read func(tx *bbolt.Tx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("reading panicked: %v", p)
		}
	}()
	return s.db.View(read)
}

// Close refuses further calls, stores what has been taken, sends what it can
// until ctx ends or nothing waits, and closes the file. A source whose receiver
// fails is not waited for. Before it closes the file it calls the functions of
// last, which may read what has become of messages: nothing is sent any more.
// It returns how many messages are left, which the next process that opens the
// file sends; they are no error. The error is that of closing the file, or says
// that it could not be written any more. No goroutine outlives it. Closing
// twice is harmless.
func (s *Store) Close(ctx context.Context, last ...func()) (left int, err error) {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.calls.Wait()
	s.end()
	stop := context.AfterFunc(ctx, s.cancel)
	defer stop()
	s.deliverers.Wait()
	s.cancel()
	for _, do := range last {
		do()
	}
	s.stop()
	s.writer.Wait()
	for _, source := range s.sources {
		left += source.stats.Waiting
	}
	err = s.broken // then bbolt would wait for the transaction that has panicked
	if err == nil {
		err = s.db.Close()
	}
	if err != nil {
		return left, fmt.Errorf("close store %s: %w", s.path, err)
	}
	return left, nil
}

// Stats is the state of a source.
type Stats struct {
	Source string `json:"source"`
	// Waiting messages have not been accepted yet; InFlight are those of them
	// that are being sent, with their retries.
	Waiting  int `json:"waiting"`
	InFlight int `json:"inFlight"`
	// Oldest is when the first that waits was stored, zero when none does.
	Oldest time.Time `json:"oldest,omitzero"`
	// Dead counts the dead letters.
	Dead int `json:"dead"`
	// Damaged counts the messages, waiting or dead, that [Check] has found
	// damaged. Store.Stats does not count them.
	Damaged int `json:"damaged,omitempty"`
	// Delivered counts the messages that have been accepted since the store was
	// opened.
	Delivered int64 `json:"delivered"`
	// LastError says why nothing can be delivered at present, "" once a message
	// is accepted again.
	LastError string `json:"lastError,omitempty"`
	// WaitsUntil is when it is tried again. Retried counts such tries since the
	// store was opened.
	WaitsUntil time.Time `json:"waitsUntil,omitzero"`
	Retried    int64     `json:"retried,omitempty"`
	// StoredWith is the fingerprint of the write key that the source had when
	// the file was last written before it was opened, "" for a new one.
	StoredWith string `json:"storedWith,omitempty"`
}

// Stats returns the state of every source that has something in the store or
// has been added to it, sorted by name.
func (s *Store) Stats() []Stats {
	s.mu.Lock()
	list := make([]Stats, 0, len(s.sources))
	for _, name := range slices.Sorted(maps.Keys(s.sources)) {
		list = append(list, s.sources[name].stats)
	}
	s.mu.Unlock()
	for i := range list {
		list[i].Oldest = time.Time{}
		first, _ := s.read(list[i].Source, waitingBucket, 0, 1, 0)
		for _, e := range first {
			list[i].Oldest = e.StoredAt
		}
	}
	return list
}
