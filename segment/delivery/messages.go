package delivery

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"go.etcd.io/bbolt"
)

// Waiting visits the messages of a source that wait to be sent, in the order in
// which they were stored. It may miss changes that happen meanwhile.
func (s *Store) Waiting(source string) iter.Seq2[StoredMessage, error] {
	return s.messages(source, waitingBucket)
}

// Dead visits the dead letters of a source, in the order in which they were
// stored. It may miss changes that happen meanwhile.
func (s *Store) Dead(source string) iter.Seq2[StoredMessage, error] {
	return s.messages(source, deadBucket)
}

func (s *Store) messages(source, bucket string) iter.Seq2[StoredMessage, error] {
	return func(yield func(StoredMessage, error) bool) {
		for e, err := range s.entries(source, bucket) {
			if !yield(e.public(), err) {
				return
			}
		}
	}
}

// entries reads a bucket piece by piece, because a long transaction would keep
// the file from reusing its free pages.
func (s *Store) entries(source, bucket string) iter.Seq2[entry, error] {
	const most, mostBytes = 500, 16 << 20
	return func(yield func(entry, error) bool) {
		for from := uint64(0); ; {
			list, err := s.read(source, bucket, from, most, mostBytes)
			for _, e := range list {
				if from = e.ID + 1; !yield(e, nil) {
					return
				}
			}
			if err != nil {
				yield(entry{}, fmt.Errorf("read store %s: %w", s.path, err))
			}
			if err != nil || len(list) == 0 {
				return
			}
		}
	}
}

// read returns the messages in a bucket from a number on: at most most, and
// after the first one only as long as their size stays below mostBytes.
func (s *Store) read(source, bucket string, from uint64, most int, mostBytes int64) (list []entry, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		b := bucketOf(tx, bucket, source)
		if b == nil {
			return nil
		}
		cursor := b.Cursor()
		for key, value := cursor.Seek(keyOf(from)); key != nil && len(list) < most; key, value = cursor.Next() {
			if mostBytes -= int64(len(value)); mostBytes < 0 && len(list) > 0 {
				break
			}
			e := readEntry(source, bucket, key, bytes.Clone(value))
			e.prepare()
			list = append(list, e)
		}
		return nil
	})
	return list, err
}

// Retry puts dead letters of a source behind the waiting messages, as if they
// had just been stored, and returns how many: those with the given ids, or
// without ids all that are not damaged. Later messages of the same person may
// have been sent before them. If an id has no dead letter, or a damaged one,
// Retry changes nothing, and the error wraps [ErrIDs] and names the id.
func (s *Store) Retry(source string, ids ...uint64) (int, error) {
	return s.removeDead(source, ids, true)
}

// Drop deletes dead letters of a source, and returns how many: those with the
// given ids, or all without ids. If an id has no dead letter, Drop changes
// nothing, and the error wraps [ErrIDs] and names the id.
func (s *Store) Drop(source string, ids ...uint64) (int, error) {
	return s.removeDead(source, ids, false)
}

// removeDead removes dead letters, and puts them behind the waiting messages if
// retry is set. With ids it takes one transaction, otherwise several.
func (s *Store) removeDead(source string, ids []uint64, retry bool) (total int, err error) {
	s.mu.Lock()
	stored := s.sources[source]
	s.mu.Unlock()
	switch {
	case len(ids) == 0:
	case stored == nil:
		return 0, noSuchDead(source, ids)
	default:
		return stored.removePiece(ids, retry, true)
	}
	for m, err := range s.Dead(source) {
		if err != nil {
			return 0, err
		}
		if !retry || !m.Damaged {
			ids = append(ids, m.ID)
		}
	}
	const piece = 250
	for ids := range slices.Chunk(ids, piece) {
		n, err := stored.removePiece(ids, retry, false)
		if total += n; err != nil {
			return total, err
		}
	}
	return total, nil
}

// removePiece removes dead letters in one transaction. If they are named, all
// of them have to be there.
func (s *storedSource) removePiece(ids []uint64, retry, named bool) (int, error) {
	name := s.stats.Source
	var missing, damaged []uint64
	did, err := s.store.perform(s, func(tx *bbolt.Tx) (did change, err error) {
		dead, list := bucketOf(tx, deadBucket, name), []entry{}
		for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
			e := readEntry(name, deadBucket, keyOf(id), bytes.Clone(dead.Get(keyOf(id))))
			switch e.prepare(); {
			case e.size == 0:
				missing = append(missing, id)
			case retry && e.Damaged:
				damaged = append(damaged, id)
			default:
				list = append(list, e)
			}
		}
		if named && len(missing)+len(damaged) > 0 {
			return did, nil // no error: it would fail the other ops of the transaction
		}
		for _, e := range list {
			did.dead--
			did.removed(e)
			err = errors.Join(err, dead.Delete(keyOf(e.ID)))
			if retry {
				err = errors.Join(err, did.put(tx, name, e.Message))
			}
		}
		return did, err
	})
	switch {
	case err != nil:
		return 0, fmt.Errorf("write store %s: %w", s.store.path, err)
	case named && len(missing) > 0:
		return 0, noSuchDead(name, missing)
	case named && len(damaged) > 0:
		return 0, fmt.Errorf("dead letters of source %q are damaged and cannot be sent, and %w: %s",
			name, ErrIDs, listed(damaged))
	}
	return -did.dead, nil
}

// ErrIDs is in the errors of [Store.Retry] and [Store.Drop] about their ids.
var ErrIDs = errors.New("nothing was changed")

func noSuchDead(source string, ids []uint64) error {
	return fmt.Errorf("source %q has no dead letters with these ids, and %w: %s", source, ErrIDs, listed(ids))
}

func listed(ids []uint64) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.FormatUint(id, 10)
	}
	return strings.Join(texts, ", ")
}
