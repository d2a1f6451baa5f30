package delivery

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"time"

	"go.etcd.io/bbolt"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// StoredMessage is a message in a [Store].
type StoredMessage struct {
	Source string `json:"source"`
	// ID is its number within the source. It changes when a dead letter is
	// retried; MessageID does not.
	ID        uint64    `json:"id"`
	MessageID string    `json:"messageId"`
	StoredAt  time.Time `json:"storedAt"`
	// DiedAt and Reason say when and why it became a dead letter.
	DiedAt time.Time `json:"diedAt,omitzero"`
	Reason string    `json:"reason,omitempty"`
	// Damaged says that the message is not as it was stored: its checksum does
	// not match. It is never sent. Then Message is a JSON string of its bytes,
	// and MessageID is empty.
	Damaged bool `json:"damaged,omitempty"`
	// Message is the message as it goes over the wire.
	Message json.RawMessage `json:"message"`
}

// The file has the buckets "segment-blocks" with the format and the tally,
// "sources" with the fingerprint of each source's write key by its name, and,
// for each source, "waiting/NAME" and "dead/NAME" with records by 8-byte
// sequence numbers. No bucket is within another, because bbolt writes all pages
// from a record up to the root again.
//
// In format 2, "sources" has a bucket for each source, with the fingerprint
// under "credential" and the buckets "waiting" and "dead". [Open] moves their
// contents.
const (
	rootBucket    = "segment-blocks"
	formatKey     = "format"
	storeFormat   = "3"
	format2       = "2"
	tallyKey      = "tally"
	sourcesBucket = "sources"
	credentialKey = "credential"
	waitingBucket = "waiting"
	deadBucket    = "dead"
)

func bucketName(kind, source string) []byte { return []byte(kind + "/" + source) }

func bucketOf(tx *bbolt.Tx, kind, source string) *bbolt.Bucket {
	return tx.Bucket(bucketName(kind, source))
}

// A record is a message in the file. All numbers are big-endian.
//
//	waiting   checksum (4 bytes), stored (8), message
//	dead      checksum (4 bytes), stored (8), died (8), damaged (1),
//	          length of the reason (2), reason, message
//
// The times are in milliseconds since 1970. The checksum is the CRC-32C of the
// names of source and bucket, the key, and the rest of the record, so it also
// shows that a record was moved. CRC-32C finds every error of up to 3 bits, and
// processors compute it faster than a disk reads.
const (
	keyBytes      = 8
	checksumBytes = 4
	stampBytes    = 8
	deadBytes     = stampBytes + 1 + 2
	longestReason = 1000
)

const damagedReason = "the message was damaged in the store: its checksum does not match, and it is not sent"

// record returns the message as a record of a bucket.
func (m StoredMessage) record(bucket string) []byte {
	b := make([]byte, checksumBytes, checksumBytes+2*stampBytes+deadBytes+len(m.Reason)+len(m.Message))
	b = binary.BigEndian.AppendUint64(b, uint64(m.StoredAt.UnixMilli()))
	if bucket == deadBucket {
		reason := m.Reason[:min(len(m.Reason), longestReason)]
		b = append(binary.BigEndian.AppendUint64(b, uint64(m.DiedAt.UnixMilli())), 0)
		if m.Damaged {
			b[len(b)-1] = 1
		}
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(reason))), reason...)
	}
	b = append(b, m.Message...)
	binary.BigEndian.PutUint32(b, checksum(m.Source, bucket, keyOf(m.ID), b[checksumBytes:]))
	return b
}

// entry is a message as it was read from the file.
type entry struct {
	StoredMessage
	prepared tracking.Prepared
	intact   bool // the checksum matches
	size     int64
	sum      uint64 // the checksum in the file, right or wrong
}

// readEntry reads a record. The entry shares its memory.
func readEntry(source, bucket string, key, record []byte) entry {
	e := entry{StoredMessage: StoredMessage{Source: source, ID: idOf(key)}, size: int64(len(record))}
	if len(record) < checksumBytes+stampBytes {
		e.Message, e.Damaged, e.Reason = record, true, damagedReason
		return e
	}
	content := record[checksumBytes:]
	e.sum = uint64(binary.BigEndian.Uint32(record))
	e.intact = e.sum == uint64(checksum(source, bucket, key, content))
	e.StoredAt, e.Message = timeOf(content), content[stampBytes:]
	if rest := e.Message; bucket == deadBucket && len(rest) >= deadBytes {
		e.DiedAt, e.Damaged = timeOf(rest), rest[stampBytes] != 0
		rest, n := rest[deadBytes:], int(binary.BigEndian.Uint16(rest[deadBytes-2:]))
		n = min(n, len(rest))
		e.Reason, e.Message = string(rest[:n]), rest[n:]
	}
	if !e.intact {
		e.Damaged, e.Reason = true, damagedReason
	}
	return e
}

// prepare reads the message, so that it has its id and can be sent.
func (e *entry) prepare() {
	if e.Damaged || e.MessageID != "" {
		return
	}
	prepared, err := tracking.ReadPrepared(e.Message)
	if err != nil {
		e.Damaged, e.Reason = true, err.Error()
		return
	}
	e.prepared, e.MessageID = prepared, prepared.MessageID()
}

// public returns the message for users of the package.
func (e *entry) public() StoredMessage {
	m := e.StoredMessage
	if m.Damaged {
		m.Message = rawjson.Quote(string(m.Message))
	}
	return m
}

func checksum(source, name string, parts ...[]byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Checksum([]byte(source+name), table)
	for _, part := range parts {
		sum = crc32.Update(sum, table, part)
	}
	return sum
}

// timeOf reads a time. It returns zero for an impossible one, which damage has
// made.
func timeOf(b []byte) time.Time {
	t := time.UnixMilli(int64(binary.BigEndian.Uint64(b)))
	if year := t.Year(); year < 1970 || year > 9999 {
		return time.Time{}
	}
	return t
}

func idOf(key []byte) uint64 { return binary.BigEndian.Uint64(key) }

func keyOf(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

// tally is the number of the records in a file and the sum of their checksums.
// Each transaction updates it, so it shows that a record is missing, or is back.
type tally struct {
	records, sum uint64
	bytes        int64 // of the records; not in the file
}

func (t tally) record() []byte {
	b := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, t.records), t.sum)
	return binary.BigEndian.AppendUint32(b, checksum("", tallyKey, b))
}

func readTally(b []byte) (t tally, err error) {
	if len(b) == 2*8+checksumBytes {
		t = tally{records: binary.BigEndian.Uint64(b), sum: binary.BigEndian.Uint64(b[8:])}
	}
	if !bytes.Equal(t.record(), b) {
		return tally{}, errors.New("the number of its messages does not match its checksum")
	}
	return t, nil
}

// credentialValue returns the fingerprint of a source's write key, with a
// checksum, for the file.
func credentialValue(source, fingerprint string) []byte {
	sum := checksum(source, credentialKey, []byte(fingerprint))
	return append(binary.BigEndian.AppendUint32(nil, sum), fingerprint...)
}
