package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// StoredSource is a source whose calls succeed when their messages are stored. [Store.Source] makes it. It is a [tracking.Sender], safe for
// concurrent use.
type StoredSource struct {
	store  *Store
	name   string
	source tracking.Source
	added  bool // not only found in the file
	err    error
	wake   chan struct{}
	// storedWith is the fingerprint of the key that what the file has was stored with.
	storedWith string

	// guarded by the store's lock
	waiting, inFlight, dead int
	delivered               int64
	trouble                 string
}

// Source adds a source under a name, by which its messages are kept, and begins to send what there is of it. Call it once for a name; the same
// name finds them again in another process, with whatever region, endpoint and write key the source has then. What is wrong with it says
// Validate, which a runtime asks: a faulty source takes and sends nothing.
func (s *Store) Source(name string, source tracking.Source) *StoredSource {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := s.sources[name]
	switch {
	case stored != nil && stored.added:
		return &StoredSource{store: s, name: name, source: source, err: fmt.Errorf("the store has a source of this name already: %q", name)}
	case s.closed:
		return &StoredSource{store: s, name: name, source: source, err: errors.New("the store is closed")}
	case stored == nil:
		stored = &StoredSource{store: s, name: name, wake: make(chan struct{}, 1)}
		s.sources[name] = stored
	}
	stored.source, stored.added, stored.err = source, true, source.Validate()
	if name == "" {
		stored.err = errors.New("a stored source must have a name")
	}
	s.compareKeys(stored)
	if stored.err == nil && source.WriteKey != "" {
		s.deliverers.Go(stored.run)
		if stored.waiting > 0 {
			stored.notify()
		}
	}
	return stored
}

// compareKeys warns when messages are going to leave with another key than they were stored for. They do leave: keys of a source are rotated,
// and messages that nobody lets go would die of age. What a message is for is the name of its source, not the key.
func (s *Store) compareKeys(source *StoredSource) {
	before, now := source.storedWith, source.source.WriteKey.Fingerprint()
	if source.waiting > 0 && before != "" && before != now {
		s.logger.Warn("the source has another write key than when its messages were stored; they are sent with the new one",
			"source", source.name, "waiting", source.waiting, "before", before, "now", now)
	}
}

// Target returns the source.
func (s *StoredSource) Target() tracking.Source { return s.source }

// Validate reports what is wrong with the source's settings, as [tracking.Source.Validate], or its name.
func (s *StoredSource) Validate() error { return s.err }

// Secrets lists what must be kept out of texts, as [tracking.Source.Secrets].
func (s *StoredSource) Secrets() []string { return s.source.Secrets() }

// Send checks the messages of a call and stores them. It returns when they are on disk, or could not be stored: then none of them is. The client
// only checks and writes them.
//
// The error is a [*tracking.Error]. Its code is [retry.Unavailable] when the store is full or the disk does not take them: the call may be
// made again later. A call that brings a write key of its own is refused, as [tracking.InvalidInput]: the key would have to be kept with
// the messages, and write keys are not written to disk. When the context ends before they are being written, nothing is stored; when
// the disk does not answer for a second after it has ended, they are unconfirmed.
func (s *StoredSource) Send(ctx context.Context, client *tracking.Client, call tracking.Call) (tracking.Report, error) {
	if client == nil {
		client = s.store.options.Client
	}
	call.Alone = false
	batch, err := client.Prepare(ctx, s.source, call)
	messages, report := batch.Messages, batch.Report()
	report.Delivery = Durable
	switch {
	case err != nil:
		return report, err
	case s.err != nil:
		return report, &tracking.Error{Code: tracking.InvalidSource, Err: s.err, Total: len(messages)}
	case call.WriteKey != "" && call.WriteKey != s.source.WriteKey:
		problem := tracking.Finding{Index: -1}
		problem.Path, problem.Code = "/writeKey", CodeKeyNotKept
		problem.Message = "must be left out, or be that of the source: the source stores its messages, and write keys are never stored"
		return report, &tracking.Error{Code: tracking.InvalidInput, Total: 1, Problems: []tracking.Finding{problem}}
	case ctx.Err() != nil:
		return report, interrupted(ctx, report)
	}
	if err := s.keep(ctx, messages); err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return report, interrupted(ctx, report)
		}
		if errors.Is(err, errNotKnown) {
			for i := range report.Messages {
				report.Messages[i].Status = tracking.Unconfirmed
			}
			return report, &tracking.Error{Code: retry.DeadlineExceeded, Err: err, Unconfirmed: len(messages), Total: len(messages)}
		}
		var own *tracking.Error
		if errors.As(err, &own) {
			return report, err
		}
		return report, &tracking.Error{
			Code: retry.Unavailable, Total: len(messages),
			Err: fmt.Errorf("nothing was stored or sent: %w", err),
		}
	}
	report.Stored = len(messages)
	for i := range report.Messages {
		report.Messages[i].Status = tracking.Stored
	}
	return report, nil
}

// CodeKeyNotKept is the code of the problem of a call that brings a write key to a source that stores its messages.
const CodeKeyNotKept = "write_key_not_stored"

// keep has messages written and waits for it.
func (s *StoredSource) keep(ctx context.Context, messages []tracking.Prepared) error {
	store := s.store
	o := &op{source: s, put: messages}
	store.mu.Lock()
	if store.closed {
		store.mu.Unlock()
		return &tracking.Error{Code: tracking.Closed, Err: errors.New("nothing was stored: the store has been closed"), Total: len(messages)}
	}
	if err := store.reserve(messages); err != nil {
		store.mu.Unlock()
		return err
	}
	store.enqueue(o)
	store.mu.Unlock()
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
	}
	store.mu.Lock()
	if !o.taken {
		store.ops = slices.DeleteFunc(store.ops, func(other *op) bool { return other == o })
		store.release(messages)
		store.mu.Unlock()
		return ctx.Err()
	}
	store.mu.Unlock()
	timer := time.NewTimer(writeGrace) // it is being written, which should not take long
	defer timer.Stop()
	select {
	case <-o.done:
		return o.err
	case <-timer.C:
		return errNotKnown
	}
}

// A call whose context ends while it is written waits for so long to learn what became of it.
const writeGrace = time.Second

var errNotKnown = errors.New("whether it was stored is not known: the disk takes longer than the call may")

// notify wakes the deliverer.
func (s *StoredSource) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Store) counts() []Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Stats, 0, len(s.sources))
	for _, source := range s.sources {
		list = append(list, Stats{
			Source: source.name, Waiting: source.waiting, InFlight: source.inFlight, Dead: source.dead,
			Delivered: source.delivered, Trouble: source.trouble, StoredWith: source.storedWith,
		})
	}
	slices.SortFunc(list, func(a, b Stats) int { return cmp.Compare(a.Source, b.Source) })
	return list
}

var _ = []tracking.Sender{(*StoredSource)(nil), (*Coalescer)(nil)}

// kept is a message as it is read back.
type kept struct {
	key     []byte
	bytes   int64
	message tracking.Prepared
	stored  []byte // the stamp and the message
	seal    uint64 // its checksum in the file
	err     error  // it is damaged
}

// read returns the first messages that wait, from a sequence number on, as many as are worth
// sending at once.
func (s *StoredSource) read(from uint64, most int, mostBytes int64) (list []kept, err error) {
	err = s.store.view(func(tx *bbolt.Tx) error {
		b := waitingOf(tx, s.name)
		if b == nil {
			return nil
		}
		var total int64
		cursor := b.Cursor()
		for key, value := cursor.Seek(keyOf(from)); key != nil && len(list) < most; key, value = cursor.Next() {
			if total += int64(len(value)); total > mostBytes && len(list) > 0 {
				break
			}
			k := kept{key: slices.Clone(key), bytes: int64(len(value)), seal: sealOf(value)}
			if k.stored, k.err = unseal(s.name, waitingBucket, key, slices.Clone(value)); k.err == nil {
				k.message, k.err = tracking.ReadPrepared(k.stored[stampBytes:])
			}
			list = append(list, k)
		}
		return nil
	})
	return list, err
}
