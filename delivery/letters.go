package delivery

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/tracking"
)

// Letter is a message in a [Store].
type Letter struct {
	Source string `json:"source"`
	// ID names it within its source's. It changes when a dead letter is retried; MessageID does not.
	ID        uint64    `json:"id"`
	MessageID string    `json:"messageId"`
	StoredAt  time.Time `json:"storedAt"`
	// DiedAt and Reason say when and why a dead letter was given up.
	DiedAt time.Time `json:"diedAt,omitzero"`
	Reason string    `json:"reason,omitempty"`
	// Message is it as it goes over the wire.
	Message json.RawMessage `json:"message"`
}

// Waiting visits the messages of a source that wait to be sent, in their order. What changes meanwhile may be visited or not.
func (s *Store) Waiting(source string) iter.Seq2[Letter, error] {
	return s.letters(source, waitingBucket, func(l *Letter, value []byte) { l.Message = value })
}

// Dead visits the dead letters of a source, in the order in which they were stored. What changes meanwhile may be visited or not.
func (s *Store) Dead(source string) iter.Seq2[Letter, error] {
	return s.letters(source, deadBucket, func(l *Letter, value []byte) { l.DiedAt, l.Reason, l.Message = readDead(value) })
}

// letters reads piece by piece: a long transaction would keep the file from using its free room again.
func (s *Store) letters(source string, bucket []byte, read func(l *Letter, value []byte)) iter.Seq2[Letter, error] {
	const piece = 500
	return func(yield func(Letter, error) bool) {
		for next := uint64(0); ; {
			var list []Letter
			err := s.db.View(func(tx *bbolt.Tx) error {
				b := bucketOf(tx, source, bucket)
				if b == nil {
					return nil
				}
				cursor := b.Cursor()
				for key, value := cursor.Seek(keyOf(next)); key != nil && len(list) < piece; key, value = cursor.Next() {
					l := Letter{Source: source, ID: sequence(key), StoredAt: stampOf(value)}
					read(&l, slices.Clone(value[stampBytes:]))
					if m, err := tracking.ReadPrepared(l.Message); err == nil {
						l.MessageID = m.MessageID()
					} else {
						l.Message = rawjson.Quote(string(l.Message)) // damaged: shown as text
					}
					list = append(list, l)
				}
				return nil
			})
			for _, l := range list {
				if !yield(l, nil) {
					return
				}
			}
			if err != nil {
				yield(Letter{}, fmt.Errorf("read store %s: %w", s.path, err))
				return
			}
			if len(list) < piece {
				return
			}
			next = list[len(list)-1].ID + 1
		}
	}
}

// Retry puts dead letters of a source behind those that wait, as if they had just been stored: those with the ids, or all where none is given. Messages
// of the same person that came after have gone before them. It returns how many there were. Where an id is not that of a dead letter, nothing
// is changed, and the error names it.
func (s *Store) Retry(source string, ids ...uint64) (int, error) {
	did, err := s.withDead(source, ids, func(b *bbolt.Bucket, key, value []byte) (change, error) {
		_, _, message := readDead(value[stampBytes:])
		waiting := b.Bucket(waitingBucket)
		n, err := waiting.NextSequence()
		if err != nil {
			return change{}, err
		}
		again := append(binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixMilli())), message...)
		if err := waiting.Put(keyOf(n), again); err != nil {
			return change{}, err
		}
		return change{waiting: 1, bytes: int64(len(again))}, b.Bucket(deadBucket).Delete(key)
	})
	return -did.dead, err
}

// Drop deletes dead letters of a source: those with the ids, or all where none is given. It returns how many there were. Where
// an id is not that of a dead letter, nothing is changed, and the error names it.
func (s *Store) Drop(source string, ids ...uint64) (int, error) {
	did, err := s.withDead(source, ids, func(b *bbolt.Bucket, key, _ []byte) (change, error) {
		return change{}, b.Bucket(deadBucket).Delete(key)
	})
	return -did.dead, err
}

// withDead does something with dead letters that ends their being so.
func (s *Store) withDead(source string, ids []uint64, do func(b *bbolt.Bucket, key, value []byte) (change, error)) (change, error) {
	s.mu.Lock()
	stored := s.sources[source]
	s.mu.Unlock()
	if stored == nil {
		return change{}, noSuchLetters(source, ids)
	}
	var missing []uint64
	did, err := s.perform(stored, func(b *bbolt.Bucket) (did change) {
		var keys [][]byte
		dead := b.Bucket(deadBucket)
		for _, id := range ids {
			if dead.Get(keyOf(id)) == nil {
				missing = append(missing, id)
			}
			keys = append(keys, keyOf(id))
		}
		if len(missing) > 0 {
			return did // others may be written in the same transaction, so this is not its failure
		}
		if len(ids) == 0 {
			for key := range all(dead) {
				keys = append(keys, slices.Clone(key))
			}
		}
		for _, key := range keys {
			value := dead.Get(key)
			if value == nil {
				continue
			}
			size := int64(len(value))
			step, err := do(b, key, slices.Clone(value))
			if err != nil {
				did.err = err
				return did
			}
			did.dead--
			did.waiting += step.waiting
			did.bytes += step.bytes - size
		}
		return did
	})
	if err != nil {
		return change{}, fmt.Errorf("write store %s: %w", s.path, err)
	}
	return did, noSuchLetters(source, missing)
}

// noSuchLetters is the error for ids that no dead letter has, nil for none.
func noSuchLetters(source string, ids []uint64) error {
	if len(ids) == 0 {
		return nil
	}
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.FormatUint(id, 10)
	}
	return fmt.Errorf("source %q has no dead letters with these ids, and nothing was changed: %s", source, strings.Join(texts, ", "))
}

func all(b *bbolt.Bucket) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		cursor := b.Cursor()
		for key, value := cursor.First(); key != nil; key, value = cursor.Next() {
			if !yield(key, value) {
				return
			}
		}
	}
}

// A dead letter is kept as the time at which it was stored, the time at which it died, the length of the reason, the reason and the message.
func writeDead(stored []byte, died time.Time, reason string) []byte {
	const most = 1000
	reason = reason[:min(len(reason), most)]
	value := slices.Clone(stored[:stampBytes])
	value = binary.BigEndian.AppendUint64(value, uint64(died.UnixMilli()))
	value = binary.BigEndian.AppendUint16(value, uint16(len(reason)))
	return append(append(value, reason...), stored[stampBytes:]...)
}

// readDead reads what follows the first time.
func readDead(value []byte) (died time.Time, reason string, message json.RawMessage) {
	const head = stampBytes + 2
	if len(value) < head {
		return time.Time{}, "", value
	}
	n := int(binary.BigEndian.Uint16(value[stampBytes:]))
	if len(value) < head+n {
		return time.Time{}, "", value
	}
	return stampOf(value), string(value[head : head+n]), value[head+n:]
}
