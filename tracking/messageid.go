package tracking

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/google/uuid"
)

const messageIDPrefix = "sb1-"

// DeriveMessageID returns the messageId of the message at index in the invocation that invocationID names. The same
// arguments give the same id, for good: a host that runs a step again, on another machine or with another release,
// does not double an event. The write key is part of it because Segment compares messageIds across sources.
//
// The id is "sb1-" and 32 hex digits, the first half of a SHA-256 over a version and the arguments, each preceded by its length
// so that no two lists of arguments run together into the same bytes. The key cannot be read from it. With an empty
// invocationID the id is random, as nothing tells two calls apart.
func DeriveMessageID(key WriteKey, t Type, invocationID string, index int) string {
	if invocationID == "" {
		return writeID(uuid.New())
	}
	const domain = "segment-blocks/message-id/v1"
	buf := make([]byte, 0, 160)
	for _, part := range []string{domain, string(key), string(t), invocationID} {
		buf = binary.BigEndian.AppendUint64(buf, uint64(len(part)))
		buf = append(buf, part...)
	}
	buf = binary.BigEndian.AppendUint64(buf, uint64(index))
	sum := sha256.Sum256(buf)
	return writeID([16]byte(sum[:16]))
}

func writeID(id [16]byte) string {
	var text [len(messageIDPrefix) + 2*len(id)]byte
	copy(text[:], messageIDPrefix)
	hex.Encode(text[len(messageIDPrefix):], id[:])
	return string(text[:])
}
