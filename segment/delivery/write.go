package delivery

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"

	"github.com/aacflow/segment-blocks/segment/tracking"
)

// op is something to write for a source. Several ops share a transaction, and
// so a sync.
type op struct {
	source      *storedSource
	fingerprint string                             // of the key, "" if the op stores nothing
	apply       func(tx *bbolt.Tx) (change, error) // an error fails the transaction
	events      int                                // how many it stores
	bytes       int64                              // of these

	did  change
	done chan struct{} // closed when it is on disk, or err says why not
	err  error
}

// storing returns the op that stores messages.
func storing(source *storedSource, messages []tracking.Prepared) *op {
	o := &op{source: source, events: len(messages), done: make(chan struct{})}
	o.fingerprint = source.WriteKey.Fingerprint()
	for _, m := range messages {
		o.bytes += checksumBytes + stampBytes + int64(len(m.JSON()))
	}
	o.apply = func(tx *bbolt.Tx) (did change, err error) {
		for i := 0; i < len(messages) && err == nil; i++ {
			err = did.put(tx, source.stats.Source, messages[i].JSON())
		}
		return did, err
	}
	return o
}

// addSource makes the buckets of a source if there are none, and stores the
// fingerprint of its key.
func addSource(tx *bbolt.Tx, name, fingerprint string) error {
	_, err := tx.CreateBucketIfNotExists(bucketName(waitingBucket, name))
	if err == nil {
		_, err = tx.CreateBucketIfNotExists(bucketName(deadBucket, name))
	}
	if err != nil {
		return err
	}
	sources, value := tx.Bucket([]byte(sourcesBucket)), credentialValue(name, fingerprint)
	if bytes.Equal(sources.Get([]byte(name)), value) {
		return nil // writing it again would write its page again
	}
	return sources.Put([]byte(name), value)
}

// change is what an op changed in the counts of its source, and in the tally.
type change struct {
	waiting, dead, delivered int
	bytes                    int64
	sum                      uint64 // of checksums
}

// put appends a message to the waiting ones of a source.
func (c *change) put(tx *bbolt.Tx, source string, message []byte) error {
	b := bucketOf(tx, waitingBucket, source)
	b.FillPercent = 1 // keys only grow
	id, err := b.NextSequence()
	if err != nil {
		return err
	}
	record := StoredMessage{Source: source, ID: id, StoredAt: time.Now(), Message: message}.record(waitingBucket)
	c.waiting++
	c.added(record)
	return b.Put(keyOf(id), record)
}

func (c *change) added(record []byte) {
	c.bytes += int64(len(record))
	c.sum += uint64(binary.BigEndian.Uint32(record))
}

func (c *change) removed(e entry) {
	c.bytes -= e.size
	c.sum -= e.sum
}

// A transaction takes no further op beyond these, so that none takes long.
const (
	groupEvents = 20_000
	groupBytes  = 16 << 20
)

// hand gives an op to the writer, unless ctx ends or the store closes first.
func (s *Store) hand(ctx context.Context, o *op) error {
	select {
	case s.ops <- o:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stopped.Done():
		return errors.New("the store is closed")
	}
}

// perform has the writer apply something to a source, and waits for it.
func (s *Store) perform(source *storedSource, apply func(tx *bbolt.Tx) (change, error)) (change, error) {
	o := &op{source: source, apply: apply, done: make(chan struct{})}
	if err := s.hand(context.Background(), o); err != nil {
		return change{}, err
	}
	<-o.done
	return o.did, o.err
}

// write is the writer: it writes ops as they come, until the store stops. Ops
// that come while it writes go into the next transaction together.
func (s *Store) write() {
	for {
		select {
		case o := <-s.ops:
			if group := s.group(o); len(group) > 0 {
				s.settle(group, s.commit(group))
			}
		case <-s.stopped.Done():
			return
		}
	}
}

// group adds the waiting ops to the first one, as many as a transaction may
// have. It fails those that the store has no room for. It yields to the callers
// of the last transaction, who may come again: otherwise two halves of the
// callers would take turns, and fewer would share a transaction.
func (s *Store) group(first *op) (group []*op) {
	events, bytes := 0, int64(0)
	take := func(o *op) {
		if o.events > 0 {
			o.err = s.full(events+o.events, bytes+o.bytes)
		}
		if o.err != nil {
			close(o.done)
			return
		}
		group, events, bytes = append(group, o), events+o.events, bytes+o.bytes
	}
	take(first)
	for yielded := false; events < groupEvents && bytes < groupBytes; {
		select {
		case o := <-s.ops:
			take(o)
			yielded = false
		default:
			if yielded {
				return group
			}
			runtime.Gosched()
			yielded = true
		}
	}
	return group
}

// full returns an error if there is no room for so many more messages.
func (s *Store) full(events int, bytes int64) error {
	const full = "the store is full: it holds %d of %d %s, dead letters included: %s"
	if most := s.options.MaxEvents; most > 0 && s.kept.records+uint64(events) > uint64(most) {
		return fmt.Errorf(full, s.kept.records, most, "messages", s.path)
	}
	if most := s.options.MaxBytes; most > 0 && s.kept.bytes+bytes > most {
		return fmt.Errorf(full, s.kept.bytes, most, "bytes of messages", s.path)
	}
	return nil
}

// commit writes ops in one transaction. If bbolt panics, as it does on damage,
// nothing more is written. Then commit does not end the transaction, because
// bbolt would read the pages again for that, in a goroutine of its own.
func (s *Store) commit(group []*op) (err error) {
	if s.broken != nil {
		return s.broken
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			s.broken = fmt.Errorf("the store cannot be written until it is opened again: writing panicked: %v", p)
			err = s.broken
		}
	}()
	tx, err := s.db.Begin(true)
	if err != nil {
		return err
	}
	kept := s.kept
	if err = kept.write(tx, group); err == nil {
		err = tx.Commit()
	}
	if err != nil {
		_ = tx.Rollback() // Commit may have done so
		return err
	}
	s.kept = kept
	return nil
}

// write applies ops, and updates the tally, also in the file.
func (t *tally) write(tx *bbolt.Tx, group []*op) (err error) {
	added := map[*storedSource]bool{}
	for _, o := range group {
		if o.fingerprint != "" && !added[o.source] {
			if err := addSource(tx, o.source.stats.Source, o.fingerprint); err != nil {
				return err
			}
			added[o.source] = true
		}
		if o.did, err = o.apply(tx); err != nil {
			return err
		}
		t.records += uint64(o.did.waiting + o.did.dead)
		t.sum += o.did.sum
		t.bytes += o.did.bytes
	}
	return tx.Bucket([]byte(rootBucket)).Put([]byte(tallyKey), t.record())
}

// settle counts what a transaction has done, and wakes those who wait for it.
func (s *Store) settle(group []*op, err error) {
	s.mu.Lock()
	for _, o := range group {
		if o.err = err; err != nil {
			continue
		}
		stats := &o.source.stats
		stats.Waiting += o.did.waiting
		stats.Dead += o.did.dead
		stats.Delivered += int64(o.did.delivered)
		if o.did.waiting > 0 {
			select {
			case o.source.wake <- struct{}{}:
			default: // it is awake
			}
		}
	}
	s.mu.Unlock()
	for _, o := range group {
		close(o.done)
	}
}
