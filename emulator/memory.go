package emulator

import (
	"crypto/sha256"
	"time"
)

// memory remembers messageIds for a time. It keeps hashes, so that a client that
// sends long ids cannot fill it, and is not safe for concurrent use.
type memory struct {
	window time.Duration
	seen   map[idHash]time.Time
	order  []remembered // oldest first
	head   int
}

type idHash [16]byte

type remembered struct {
	id idHash
	at time.Time
}

func newMemory(window time.Duration) *memory {
	return &memory{window: window, seen: map[idHash]time.Time{}}
}

func hashID(messageID string) idHash {
	sum := sha256.Sum256([]byte(messageID))
	return idHash(sum[:16])
}

// knows reports whether the id was remembered less than the window ago.
func (m *memory) knows(messageID string, now time.Time) bool {
	at, ok := m.seen[hashID(messageID)]
	return ok && now.Sub(at) < m.window
}

// remember notes an id that knows has just denied.
func (m *memory) remember(messageID string, now time.Time) {
	if m.window == 0 {
		return
	}
	id := hashID(messageID)
	m.seen[id] = now
	m.order = append(m.order, remembered{id, now})
	for m.head < len(m.order) {
		oldest := m.order[m.head]
		if now.Sub(oldest.at) < m.window && len(m.order)-m.head <= maxRemembered {
			break
		}
		// The id may have been remembered anew since.
		if m.seen[oldest.id].Equal(oldest.at) {
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
