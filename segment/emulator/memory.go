package emulator

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// memory remembers messageIds for a time. It keeps hashes, so that a client that
// sends long ids cannot fill it: a million take some 60 MB. It is not safe for
// concurrent use.
type memory struct {
	window time.Duration
	seen   map[idHash]int64 // when, in milliseconds
	order  []remembered     // oldest first
	head   int
}

type idHash uint64

type remembered struct {
	id idHash
	at int64
}

func newMemory(window time.Duration) *memory {
	return &memory{window: window, seen: map[idHash]int64{}}
}

func hashID(messageID string) idHash {
	sum := sha256.Sum256([]byte(messageID))
	return idHash(binary.BigEndian.Uint64(sum[:]))
}

// knows reports whether the id was remembered less than the window ago.
func (m *memory) knows(messageID string, now time.Time) bool {
	at, ok := m.seen[hashID(messageID)]
	return ok && m.recent(at, now)
}

func (m *memory) recent(at int64, now time.Time) bool { return now.Sub(time.UnixMilli(at)) < m.window }

// remember notes an id that knows has just denied.
func (m *memory) remember(messageID string, now time.Time) {
	if m.window == 0 {
		return
	}
	id := hashID(messageID)
	m.seen[id] = now.UnixMilli()
	m.order = append(m.order, remembered{id, now.UnixMilli()})
	for m.head < len(m.order) {
		oldest := m.order[m.head]
		if m.recent(oldest.at, now) && len(m.order)-m.head <= maxRemembered {
			break
		}
		// The id may have been remembered anew since.
		if m.seen[oldest.id] == oldest.at {
			delete(m.seen, oldest.id)
		}
		m.head++
	}
	if m.head > len(m.order)/2 {
		m.order = m.order[:copy(m.order, m.order[m.head:])]
		m.head = 0
	}
}

func (m *memory) forgetAll() {
	clear(m.seen)
	m.order, m.head = nil, 0
}
