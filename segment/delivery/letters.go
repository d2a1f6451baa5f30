package delivery

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/segment/tracking"
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
	// Damaged is set where the message is not what was stored, as its checksum shows. It is never
	// sent. Message then is a JSON string of what there is, and MessageID is empty.
	Damaged bool `json:"damaged,omitempty"`
	// Message is it as it goes over the wire.
	Message json.RawMessage `json:"message"`
}

// Waiting visits the messages of a source that wait to be sent, in their order. What changes meanwhile may be visited or not.
func (s *Store) Waiting(source string) iter.Seq2[Letter, error] {
	return s.letters(source, waitingBucket)
}

// Dead visits the dead letters of a source, in the order in which they were stored. What changes meanwhile may be visited or not.
func (s *Store) Dead(source string) iter.Seq2[Letter, error] {
	return s.letters(source, deadBucket)
}

// letters reads piece by piece: a long transaction would keep the file from using its free room again.
func (s *Store) letters(source string, bucket []byte) iter.Seq2[Letter, error] {
	const piece = 500
	return func(yield func(Letter, error) bool) {
		for next := uint64(0); ; {
			var list []Letter
			err := s.view(func(tx *bbolt.Tx) error {
				b := bucketOf(tx, source, bucket)
				if b == nil {
					return nil
				}
				cursor := b.Cursor()
				for key, value := cursor.Seek(keyOf(next)); key != nil && len(list) < piece; key, value = cursor.Next() {
					l, _ := readLetter(source, bucket, key, slices.Clone(value))
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

// readLetter reads a record, and keeps it. The error says that it does not match its checksum.
func readLetter(source string, bucket, key, record []byte) (Letter, error) {
	content, err := unseal(source, bucket, key, record)
	l := Letter{Source: source, ID: sequence(key), StoredAt: stampOf(content), Damaged: err != nil}
	l.Message = content[stampBytes:]
	if string(bucket) == string(deadBucket) {
		d := readDead(l.Message)
		l.DiedAt, l.Reason, l.Message, l.Damaged = d.died, d.reason, d.message, l.Damaged || d.damaged
	}
	if err != nil {
		l.Reason = err.Error()
	}
	if !l.Damaged {
		m, err := tracking.ReadPrepared(l.Message)
		l.MessageID, l.Damaged = m.MessageID(), err != nil
	}
	if l.Damaged {
		l.Message = rawjson.Quote(string(l.Message))
	}
	return l, err
}

// Retry puts dead letters of a source behind those that wait, as if they had just been stored:
// those with the ids, or all where none is given. Messages of the same person that came after have
// gone before them. It returns how many there were. Where an id is not that of a dead letter, or
// the message is damaged, nothing is changed, and the error names it. Of all, the damaged ones
// stay.
func (s *Store) Retry(source string, ids ...uint64) (int, error) {
	return s.endDead(source, ids, true)
}

// Drop deletes dead letters of a source: those with the ids, or all where none is given. It returns how many there were. Where
// an id is not that of a dead letter, nothing is changed, and the error names it.
func (s *Store) Drop(source string, ids ...uint64) (int, error) {
	return s.endDead(source, ids, false)
}

// endDead removes dead letters, and puts them back among those that wait if they are to be sent
// again. Those with ids go in one transaction, all in several.
func (s *Store) endDead(source string, ids []uint64, again bool) (int, error) {
	s.mu.Lock()
	stored := s.sources[source]
	s.mu.Unlock()
	switch {
	case stored == nil && len(ids) > 0:
		return 0, noSuchLetters(source, ids)
	case stored == nil:
		return 0, nil
	case len(ids) > 0:
		return stored.endPiece(ids, again, true)
	}
	for l, err := range s.Dead(source) {
		if err != nil {
			return 0, err
		}
		if !again || !l.Damaged {
			ids = append(ids, l.ID)
		}
	}
	const piece = 1000
	total := 0
	for ids := range slices.Chunk(ids, piece) {
		n, err := stored.endPiece(ids, again, false)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// endPiece removes dead letters in one transaction. Where they are named, all of them have to be
// there.
func (s *StoredSource) endPiece(ids []uint64, again, named bool) (int, error) {
	var missing, damaged []uint64
	did, err := s.store.perform(s, func(b *bbolt.Bucket) (did change) {
		dead, records, messages := b.Bucket(deadBucket), map[uint64][]byte{}, []tracking.Prepared{}
		for _, id := range ids {
			record := slices.Clone(dead.Get(keyOf(id)))
			if record == nil {
				missing = append(missing, id)
				continue
			}
			l, _ := readLetter(s.name, deadBucket, keyOf(id), record)
			m, err := tracking.ReadPrepared(l.Message)
			switch {
			case again && (l.Damaged || err != nil):
				damaged = append(damaged, id)
			case records[id] == nil:
				records[id], messages = record, append(messages, m)
			}
		}
		if named && len(missing)+len(damaged) > 0 {
			return did // others may be written in the same transaction, so this is not its failure
		}
		if again {
			did = put(b.Bucket(waitingBucket), s.name, stampNow(), messages)
		}
		for id, record := range records {
			did.dead, did.bytes, did.sum = did.dead-1, did.bytes-int64(len(record)), did.sum-sealOf(record)
			did.err = errors.Join(did.err, dead.Delete(keyOf(id)))
		}
		return did
	})
	switch {
	case err != nil:
		return 0, fmt.Errorf("write store %s: %w", s.store.path, err)
	case named && len(missing) > 0:
		return 0, noSuchLetters(s.name, missing)
	case named && len(damaged) > 0:
		return 0, fmt.Errorf("dead letters of source %q are damaged and cannot be sent, and nothing was changed: %s",
			s.name, listed(damaged))
	}
	return -did.dead, nil
}

// noSuchLetters is the error for ids that no dead letter has.
func noSuchLetters(source string, ids []uint64) error {
	return fmt.Errorf("source %q has no dead letters with these ids, and nothing was changed: %s", source, listed(ids))
}

func listed(ids []uint64) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.FormatUint(id, 10)
	}
	return strings.Join(texts, ", ")
}
