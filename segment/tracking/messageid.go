package tracking

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"

	"github.com/google/uuid"
)

const messageIDPrefix = "sb1-"

// DeriveMessageID returns the messageId of the message at index in the invocation that invocationID
// names. The same arguments give the same id, for good: a host that runs a step again, on another
// machine or with another release, does not double an event. The write key is part of it because
// Segment compares messageIds across sources.
//
// The id is "sb1-" and 32 hex digits, half of a SHA-256 over the index and another SHA-256, that of
// a version and the other arguments, each preceded by its length so that no two lists of arguments
// run together into the same bytes. The key cannot be read from it. With an empty invocationID the
// id is random, as nothing tells two calls apart.
func DeriveMessageID(key WriteKey, t Type, invocationID string, index int) string {
	if invocationID == "" {
		id := idText(uuid.New())
		return string(id[:])
	}
	id := newIDSeed(key, t, invocationID).at(index)
	return string(id[:])
}

// idSeed is what the ids of an invocation's messages of one type have in common.
type idSeed [sha256.Size]byte

func newIDSeed(key WriteKey, t Type, invocationID string) idSeed {
	const domain = "segment-blocks/message-id/v1"
	buf := make([]byte, 0, 256) // on the stack, with room for the ids of an import too
	for _, part := range []string{domain, string(key), string(t), invocationID} {
		buf = binary.BigEndian.AppendUint64(buf, uint64(len(part)))
		buf = append(buf, part...)
	}
	return sha256.Sum256(buf)
}

func (s idSeed) at(index int) [idLength]byte {
	var buf [sha256.Size + 8]byte
	copy(buf[:], s[:])
	binary.BigEndian.PutUint64(buf[sha256.Size:], uint64(index))
	sum := sha256.Sum256(buf[:])
	return idText([16]byte(sum[:16]))
}

// idLength is that of the ids that are made here.
const idLength = len(messageIDPrefix) + 32

func idText(id [16]byte) (text [idLength]byte) {
	copy(text[:], messageIDPrefix)
	hex.Encode(text[len(messageIDPrefix):], id[:])
	return text
}

// idMaker makes the ids of one call's messages. They share memory, so that not each is allocated by
// itself.
type idMaker struct {
	key          WriteKey
	invocationID string
	typ          Type // the one that seed is for
	seed         idSeed
	made         strings.Builder
}

// next returns the id of a message. Left is how many more there may be, this one included.
func (m *idMaker) next(t Type, index, left int) string {
	var id [idLength]byte
	if m.invocationID == "" {
		id = idText(uuid.New())
	} else {
		if m.typ != t {
			m.typ, m.seed = t, newIDSeed(m.key, t, m.invocationID)
		}
		id = m.seed.at(index)
	}
	if m.made.Cap()-m.made.Len() < idLength {
		m.made = strings.Builder{} // the ids made so far keep theirs
		m.made.Grow(min(left, 1024) * idLength)
	}
	start := m.made.Len()
	m.made.Write(id[:])
	return m.made.String()[start:]
}
