package tracking

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"

	"github.com/google/uuid"
)

const messageIDPrefix = "sb1-"

// DeriveMessageID returns the messageId of the message at index in an invocation. The same
// arguments always give the same id: a host that repeats a step, even on another machine or with
// another release, does not double an event. The write key is part of it because Segment compares
// messageIds across sources.
//
// The id is "sb1-" and 32 hex digits: half of a SHA-256 over the index and another SHA-256, which
// covers a version and the other arguments. Each is preceded by its length, so that different
// arguments never give the same bytes. The key cannot be read from the id. If invocationID is
// empty, the id is random.
func DeriveMessageID(key WriteKey, t Type, invocationID string, index int) string {
	m := idMaker{key: key, invocationID: invocationID}
	return m.next(t, index, 1)
}

// seedOf is the common part of the ids of an invocation's messages of one type.
func seedOf(key WriteKey, t Type, invocationID string) [sha256.Size]byte {
	const domain = "segment-blocks/message-id/v1"
	buf := make([]byte, 0, 256) // on the stack, with room for the ids of an import too
	for _, part := range []string{domain, string(key), string(t), invocationID} {
		buf = binary.BigEndian.AppendUint64(buf, uint64(len(part)))
		buf = append(buf, part...)
	}
	return sha256.Sum256(buf)
}

// idLength is the length of derived and random ids.
const idLength = len(messageIDPrefix) + 32

// idMaker makes the ids of one call's messages. They share memory, which saves an allocation for
// each.
type idMaker struct {
	key          WriteKey
	invocationID string
	typ          Type // the one that seed is for
	seed         [sha256.Size]byte
	made         strings.Builder
}

// next returns the id of a message. Left is the number of ids still to make, including this one.
func (m *idMaker) next(t Type, index, left int) string {
	var id [16]byte
	if m.invocationID == "" {
		id = uuid.New()
	} else {
		if m.typ != t {
			m.typ, m.seed = t, seedOf(m.key, t, m.invocationID)
		}
		var buf [sha256.Size + 8]byte
		copy(buf[:], m.seed[:])
		binary.BigEndian.PutUint64(buf[sha256.Size:], uint64(index))
		sum := sha256.Sum256(buf[:])
		copy(id[:], sum[:])
	}
	var text [idLength]byte
	copy(text[:], messageIDPrefix)
	hex.Encode(text[len(messageIDPrefix):], id[:])
	if m.made.Cap()-m.made.Len() < idLength {
		m.made = strings.Builder{} // the ids made so far keep theirs
		m.made.Grow(min(left, 1024) * idLength)
	}
	start := m.made.Len()
	m.made.Write(text[:])
	return m.made.String()[start:]
}
