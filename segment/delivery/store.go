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

// StoreOptions are the options of [Open]. A zero field has its default.
type StoreOptions struct {
	// Client sends the stored messages. Default: tracking.NewClient(nil). Do
	// not share it with direct sources: it may wait long for a rate limit or a
	// slow receiver.
	Client *tracking.Client
	// MaxEvents and MaxBytes limit what the store holds, with dead letters. A
	// call that would exceed a limit is refused, and may be made again later.
	// Default: 1,000,000 messages and 1 GiB; negative: no limit. The file is
	// larger than its messages: by a fifth if many calls come at once, by more
	// if they come one by one. It does not shrink, but reuses free pages.
	MaxEvents int
	MaxBytes  int64
	// MaxAge is how long the store tries to deliver a message. Older ones
	// become dead letters. Default: 7 days; negative: for ever.
	MaxAge time.Duration
	// Rate is how many messages a second are sent for each source; others wait
	// on disk. Default: 1000, above which Segment may queue them; negative: no
	// limit.
	Rate float64
	// MaxBackoff is the longest wait between tries while the receiver does not
	// take messages. Default: 5 min. Waits start at a quarter of a second and
	// double, until a message is accepted. A Retry-After may be longer. While
	// the receiver refuses the source as such (401, 403, 404, …), every wait is
	// MaxBackoff.
	MaxBackoff time.Duration
	// Logger gets the errors that keep messages from being sent, the end of
	// such an error, and dead letters. Default: nothing is logged.
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
// synced to disk: they survive a crash of the process, and one of the machine
// if the disk does. Calls that come together share a sync. The messages of a
// call are stored together or not at all. Then they are sent in the background,
// in batches, in order for each person, for as long as it takes. After a crash,
// the next process that opens the file continues. Messages that it repeats have
// the same messageId.
//
// A message that the receiver refuses when it is sent by itself becomes a dead
// letter, and so does one that is older than StoreOptions.MaxAge. Dead letters
// stay in the file until they are retried or dropped. If the receiver refuses
// the source as such (401, 403, 404 and the like), nothing is wrong with the
// messages, and the store tries again at long intervals. It does the same if
// the receiver refuses a hundred messages one after another, accepts none
// between, and refuses the last ones, too.
//
// The file holds the messages as they go over the wire, the names of sources
// and fingerprints of their write keys, but never a write key. Only its owner
// can read it. One process at a time can use it.
type Store struct {
	path    string
	options StoreOptions
	db      *bbolt.DB
	file    *os.File // that of db
	logger  *slog.Logger

	mu      sync.Mutex
	sources map[string]*storedSource
	closed  bool           // takes no more calls
	calls   sync.WaitGroup // calls that are being stored

	// Close ends these one after the other: the deliverers send what waits,
	// then they give up, then the writer ends.
	closing, ctx, stopped context.Context //nolint:containedctx // of goroutines
	end, cancel, stop     context.CancelFunc

	ops        chan *op // for the writer
	writer     sync.WaitGroup
	kept       tally // the writer's
	broken     error // the writer's: why it can no longer write
	deliverers sync.WaitGroup
}

// ErrInUse is in the error of [Open] and [Check] if another process has the
// file open.
var ErrInUse = errors.New("it is in use by another process")

// ErrDamaged is in the error of [Open] and [Check] if the file is damaged, or
// is something else. It is left as it is. [Check] visits the messages that can
// be read.
var ErrDamaged = errors.New("the file is damaged, or is not a store of segment-blocks")

// Open opens a store. If there is no file, it makes one that only its owner can
// read; the folder must exist. It reads the whole file once, to find damage and
// to count the messages, and does not touch a file that is damaged or no store.
// A single message that does not match its checksum becomes a dead letter with
// Damaged set. A file of 0 bytes, which a crash before the first write may
// leave, becomes a new store, with a warning in the log. Add sources with
// [Store.Source], and close the store when no more calls come.
func Open(path string, options StoreOptions) (*Store, error) {
	options.fill()
	s := &Store{
		path: path, options: options, logger: options.Logger.With("store", path),
		sources: map[string]*storedSource{}, ops: make(chan *op),
	}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	s.closing, s.end = context.WithCancel(context.Background())
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.stopped, s.stop = context.WithCancel(context.Background())
	s.writer.Go(s.write)
	return s, nil
}

// open opens the file, and reads an existing one first: see pages.
func (s *Store) open() error {
	info, err := os.Stat(s.path)
	found := &contents{}
	switch {
	case err != nil: // there is none, or opening it says what is wrong
	case info.Mode().IsRegular() && info.Size() == 0:
		s.logger.Warn("the file of the store is empty, and becomes a new store; " +
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
					return ErrInUse // until now
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
		err = os.Chmod(s.path, 0o600) // only now, when it is surely a store
	}
	if err != nil {
		return errors.Join(err, s.db.Close())
	}
	return nil
}

// move moves some messages from where format 2 has them, and tells whether there
// may be more. A process that ends between two moves leaves a valid store.
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
		db.AllocSize = 1 << 20 // the file grows by this, and not by 16 MiB
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

// view reads the file as it is now. A fault of the disk, or a file that somebody
// has truncated, is an error and no panic.
func (s *Store) view(read func(tx *bbolt.Tx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("reading panicked: %v", p)
		}
	}()
	return s.db.View(read)
}

// Close refuses further calls, and stores those in progress. It sends messages
// until none wait or ctx ends, but does not wait for a receiver that fails.
// When nothing is sent any more, it calls the functions of last, which may
// still read the store, and closes the file. It returns how many messages are
// left for the next process that opens the file; they are no error. The error
// is from closing the file, or says why it could no longer be written. No
// goroutine outlives it. Closing twice is harmless.
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
	err = s.broken // bbolt's Close would wait for the transaction that panicked
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
	// Waiting messages have not been accepted yet. InFlight of them are being
	// sent or retried.
	Waiting  int `json:"waiting"`
	InFlight int `json:"inFlight"`
	// Oldest is when the first waiting message was stored, zero if none waits.
	Oldest time.Time `json:"oldest,omitzero"`
	// Dead counts the dead letters.
	Dead int `json:"dead"`
	// Damaged counts the damaged messages, waiting or dead, that [Check] has
	// found. Store.Stats does not count them.
	Damaged int `json:"damaged,omitempty"`
	// Delivered counts the messages accepted since the store was opened.
	Delivered int64 `json:"delivered"`
	// LastError says why messages cannot be delivered at present, "" once one
	// is accepted again.
	LastError string `json:"lastError,omitempty"`
	// WaitsUntil is the time of the next try. Retried counts such tries since
	// the store was opened.
	WaitsUntil time.Time `json:"waitsUntil,omitzero"`
	Retried    int64     `json:"retried,omitempty"`
	// StoredWith is the fingerprint of the write key with which messages were
	// last stored before the file was opened, "" for a new source.
	StoredWith string `json:"storedWith,omitempty"`
}

// Stats returns the state of every source that is in the file or was added,
// sorted by name.
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
