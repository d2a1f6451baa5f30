package delivery

import (
	"errors"
	"fmt"
	"runtime/debug"

	"go.etcd.io/bbolt"

	"github.com/aacflow/segment-blocks/segment/tracking"
)

// op is something to be written. Several go into a transaction, and so share a sync.
type op struct {
	source *StoredSource
	// credential is the fingerprint of the source's key, "" to leave what the file has.
	credential string

	put   []tracking.Prepared          // to be stored, or
	apply func(b *bbolt.Bucket) change // something else to be done with the source's bucket
	did   change                       // what it came to
	taken bool                         // by the writer
	done  chan struct{}                // closed when it is on disk, or err says why not
	err   error
}

// change is what an op did to the numbers of its source.
type change struct {
	waiting, dead int
	delivered     int
	bytes         int64
	sum           uint64 // of checksums
	err           error  // fails the transaction
}

// What one transaction takes at most, so that none takes long.
const (
	groupEvents = 20_000
	groupBytes  = 16 << 20
)

// enqueue hands an op to the writer. The caller holds the lock.
func (s *Store) enqueue(o *op) {
	o.done = make(chan struct{})
	if o.source != nil && o.source.added {
		o.credential = o.source.source.WriteKey.Fingerprint()
	}
	s.ops = append(s.ops, o)
	if len(s.ops) == 1 {
		s.wake.Signal()
	}
}

// perform has the writer do something with a source's bucket, and waits for it.
func (s *Store) perform(source *StoredSource, apply func(b *bbolt.Bucket) change) (change, error) {
	o := &op{source: source, apply: apply}
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return change{}, errors.New("the store is closed")
	}
	s.enqueue(o)
	s.mu.Unlock()
	<-o.done
	return o.did, o.err
}

// write is the goroutine that writes. It ends when the store is stopped and all is written.
func (s *Store) write() {
	defer close(s.writer)
	for {
		s.mu.Lock()
		for len(s.ops) == 0 && !s.stopped {
			s.wake.Wait()
		}
		group := s.group()
		s.mu.Unlock()
		if len(group) == 0 {
			return
		}
		err := s.commit(group)
		s.settle(group, err)
	}
}

// group takes as many ops as one transaction may have. The caller holds the lock.
func (s *Store) group() []*op {
	events, bytes, n := 0, 0, 0
	for _, o := range s.ops {
		o.taken = true
		n++
		events += len(o.put)
		for _, m := range o.put {
			bytes += len(m.JSON())
		}
		if events >= groupEvents || bytes >= groupBytes {
			break
		}
	}
	group := s.ops[:n:n]
	s.ops = s.ops[n:]
	if len(s.ops) == 0 {
		s.ops = nil
	}
	return group
}

// commit writes ops in one transaction. Where bbolt panics, which damage makes it do, nothing more is
// written: the transaction is left as it is, since bbolt ends it by reading the pages once more, in a
// goroutine of its own.
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
	if err = writeGroup(tx, group); err == nil {
		err = tx.Commit()
	}
	if err != nil {
		_ = tx.Rollback() // it may have been
	}
	return err
}

func writeGroup(tx *bbolt.Tx, group []*op) (err error) {
	stamp, all := stampNow(), change{}
	opened := map[*StoredSource]*bbolt.Bucket{}
	for _, o := range group {
		if o.source == nil {
			continue // it only waits for those before it
		}
		b := opened[o.source]
		if b == nil {
			if b, err = sourceBucket(tx, o.source.name, o.credential); err != nil {
				return err
			}
			opened[o.source] = b
		}
		if o.apply != nil {
			o.did = o.apply(b)
		} else {
			o.did = put(b.Bucket(waitingBucket), o.source.name, stamp, o.put)
		}
		if o.did.err != nil {
			return o.did.err
		}
		all.waiting, all.dead, all.sum = all.waiting+o.did.waiting, all.dead+o.did.dead, all.sum+o.did.sum
	}
	return count(tx, all.waiting+all.dead, all.sum)
}

// put appends messages to a bucket.
func put(b *bbolt.Bucket, source string, stamp []byte, messages []tracking.Prepared) change {
	b.FillPercent = 1 // keys only grow
	did := change{waiting: len(messages), bytes: sizeOf(messages)}
	room := make([]byte, 0, did.bytes) // bbolt keeps values until the transaction ends
	for _, m := range messages {
		n, err := b.NextSequence()
		if err != nil {
			did.err = err
			return did
		}
		key, start := keyOf(n), len(room)
		room = append(append(append(room, 0, 0, 0, 0), stamp...), m.JSON()...)
		record := seal(source, waitingBucket, key, room[start:len(room):len(room)])
		did.sum += sealOf(record)
		if did.err = b.Put(key, record); did.err != nil {
			return did
		}
	}
	return did
}

// sourceBucket returns the bucket of a source, with all that belongs into it.
func sourceBucket(tx *bbolt.Tx, name, credential string) (*bbolt.Bucket, error) {
	b, err := tx.Bucket(sourcesBucket).CreateBucketIfNotExists([]byte(name))
	if err != nil {
		return nil, err
	}
	for _, part := range [][]byte{waitingBucket, deadBucket} {
		if _, err := b.CreateBucketIfNotExists(part); err != nil {
			return nil, err
		}
	}
	if credential == "" {
		return b, nil
	}
	return b, b.Put(credentialKey, sealedCredential(name, credential))
}

// settle counts what a transaction has done and tells those who wait for it.
func (s *Store) settle(group []*op, err error) {
	s.mu.Lock()
	for _, o := range group {
		o.err = err
		if o.put != nil {
			s.release(o.put) // from here on it is counted by what has been written
		}
		if err != nil || o.source == nil {
			continue
		}
		o.source.waiting += o.did.waiting
		o.source.dead += o.did.dead
		o.source.delivered += int64(o.did.delivered)
		s.events += o.did.waiting + o.did.dead
		s.bytes += o.did.bytes
		if o.did.waiting > 0 {
			o.source.notify()
		}
	}
	s.mu.Unlock()
	for _, o := range group {
		close(o.done)
	}
}

// reserve counts messages that are about to be stored, or says that there is no room. The caller holds the lock.
func (s *Store) reserve(messages []tracking.Prepared) error {
	size := sizeOf(messages)
	if most := s.options.MaxEvents; most > 0 && s.events+len(messages) > most {
		return fmt.Errorf("the store is full: it keeps %d of %d messages, dead letters included: %s", s.events, most, s.path)
	}
	if most := s.options.MaxBytes; most > 0 && s.bytes+size > most {
		return fmt.Errorf("the store is full: it keeps %d of %d bytes of messages, dead letters included: %s", s.bytes, most, s.path)
	}
	s.events += len(messages)
	s.bytes += size
	return nil
}

// release takes a reservation back. The caller holds the lock.
func (s *Store) release(messages []tracking.Prepared) {
	s.events -= len(messages)
	s.bytes -= sizeOf(messages)
}

func sizeOf(messages []tracking.Prepared) (size int64) {
	for _, m := range messages {
		size += checksumBytes + stampBytes + int64(len(m.JSON()))
	}
	return size
}
