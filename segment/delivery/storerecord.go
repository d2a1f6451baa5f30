package delivery

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"time"

	"go.etcd.io/bbolt"
)

// A record is a message in the file, by the number of its key. All numbers are big-endian.
//
//	waiting   checksum (4 bytes), stored (8), message
//	dead      checksum (4 bytes), stored (8), died (8), damaged (1), length of the reason (2), reason, message
//
// The times are in milliseconds since 1970. The checksum is the CRC-32C of the source's name, the
// bucket's, the key, and what follows the checksum: a record that has been moved is noticed, too.
// CRC-32C finds every error of up to 3 bits, and processors compute it faster than a disk reads.
const (
	checksumBytes = 4
	stampBytes    = 8
	deadBytes     = stampBytes + 1 + 2
	longestReason = 1000
)

var (
	errDamagedRecord = errors.New("the message was damaged in the store: its checksum does not match, and it is not sent")
	errNoTally       = errors.New("the number of its messages is missing")
)

func checksum(source string, parts ...[]byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Checksum([]byte(source), table)
	for _, part := range parts {
		sum = crc32.Update(sum, table, part)
	}
	return sum
}

// seal puts the checksum into a record, which has room for it at its start.
func seal(source string, bucket, key, record []byte) []byte {
	binary.BigEndian.PutUint32(record, checksum(source, bucket, key, record[checksumBytes:]))
	return record
}

// unseal returns what follows the checksum, or an error and what there is.
func unseal(source string, bucket, key, record []byte) ([]byte, error) {
	if len(record) < checksumBytes+stampBytes {
		return append(make([]byte, stampBytes), record...), errDamagedRecord
	}
	content := record[checksumBytes:]
	if sealOf(record) != uint64(checksum(source, bucket, key, content)) {
		return content, errDamagedRecord
	}
	return content, nil
}

// sealOf returns the checksum that a record has, right or wrong. The file keeps their sum.
func sealOf(record []byte) uint64 {
	if len(record) < checksumBytes {
		return 0
	}
	return uint64(binary.BigEndian.Uint32(record))
}

// stampOf returns the time at the start of a content, zero for one that damage made impossible.
func stampOf(content []byte) time.Time {
	t := time.UnixMilli(int64(binary.BigEndian.Uint64(content)))
	if year := t.Year(); year < 1970 || year > 9999 {
		return time.Time{}
	}
	return t
}

func stampNow() []byte { return binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixMilli())) }

func sequence(key []byte) uint64 { return binary.BigEndian.Uint64(key) }

func keyOf(sequence uint64) []byte { return binary.BigEndian.AppendUint64(nil, sequence) }

// newDead returns the record of a dead letter, without its checksum. The content is that of the
// message that waited.
func newDead(content []byte, died time.Time, reason string, damaged bool) []byte {
	reason = reason[:min(len(reason), longestReason)]
	record := append(make([]byte, checksumBytes), content[:stampBytes]...)
	record = binary.BigEndian.AppendUint64(record, uint64(died.UnixMilli()))
	record = append(record, 0)
	if damaged {
		record[len(record)-1] = 1
	}
	record = binary.BigEndian.AppendUint16(record, uint16(len(reason)))
	return append(append(record, reason...), content[stampBytes:]...)
}

// dead is what the record of a dead letter says besides when it was stored.
type dead struct {
	died    time.Time
	reason  string
	damaged bool
	message json.RawMessage
}

// readDead reads what follows the time at which it was stored, of a record that may be damaged.
func readDead(content []byte) dead {
	if len(content) < deadBytes {
		return dead{message: content}
	}
	rest := content[deadBytes:]
	n := min(int(binary.BigEndian.Uint16(content[deadBytes-2:])), len(rest))
	return dead{stampOf(content), string(rest[:n]), content[stampBytes] != 0, rest[n:]}
}

// A tally says how many records a file has, and the sum of their checksums. Each transaction
// brings it up to date, so that a record that is missing, or is back, is noticed.
type tally struct{ records, sum uint64 }

const tallyBytes = 8 + 8 + checksumBytes

func (t tally) bytes() []byte {
	b := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, t.records), t.sum)
	return binary.BigEndian.AppendUint32(b, checksum("", tallyKey, b))
}

func readTally(b []byte) (tally, error) {
	if len(b) != tallyBytes || binary.BigEndian.Uint32(b[16:]) != checksum("", tallyKey, b[:16]) {
		return tally{}, errors.New("the number of its messages does not match its checksum")
	}
	return tally{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}, nil
}

// count brings the tally of the file up to date.
func count(tx *bbolt.Tx, records int, sum uint64) error {
	root := tx.Bucket(rootBucket)
	t, err := readTally(root.Get(tallyKey))
	if err != nil {
		return err
	}
	t.records += uint64(records)
	t.sum += sum
	return root.Put(tallyKey, t.bytes())
}

// sealedCredential is how the file keeps the fingerprint of a source's write key.
func sealedCredential(source, fingerprint string) []byte {
	sum := checksum(source, credentialKey, []byte(fingerprint))
	return append(binary.BigEndian.AppendUint32(nil, sum), fingerprint...)
}
