// Package idempotency remembers which input an invocation id was used for. An id that comes again
// with another input must be refused: its messages would have the ids of those sent before, and the
// receiver would drop them as duplicates.
package idempotency

import (
	"crypto/sha256"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/aacflow/segment-blocks/runtime"
)

// most bounds what a Memory holds, to a few megabytes.
const most = 10_000

// Memory remembers the inputs of the ids used last. It guards against mistakes; repeats are safe
// without it. It is safe for concurrent use.
type Memory struct {
	mu   sync.Mutex
	uses *simplelru.LRU[string, *Use]
}

// New returns an empty Memory.
func New() *Memory {
	uses, _ := simplelru.NewLRU[string, *Use](most, nil) // fails for sizes below 1
	return &Memory{uses: uses}
}

// Use is an id and the input that it is used for.
type Use struct {
	memory  *Memory
	id      string
	digest  [sha256.Size]byte
	running int
	kept    bool
}

// Claim notes that an invocation of a block with an input uses an id. It reports false where the id
// belongs to anything else. Otherwise Done must be called on the use when the invocation has ended.
func (m *Memory) Claim(id, block string, input []byte) (*Use, bool) {
	hash := sha256.New()
	hash.Write([]byte(block + "\x00"))
	hash.Write(input)
	digest := [sha256.Size]byte(hash.Sum(nil))
	m.mu.Lock()
	defer m.mu.Unlock()
	use, ok := m.uses.Peek(id)
	if !ok {
		use = &Use{memory: m, id: id, digest: digest}
	}
	if use.digest != digest {
		return nil, false
	}
	m.uses.Add(id, use)
	use.running++
	return use, true
}

// Done ends a use. An id that is not kept is free again: nothing was sent, and a corrected input
// may have it.
func (u *Use) Done(keep bool) {
	m := u.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	u.running--
	u.kept = u.kept || keep
	if current, _ := m.uses.Peek(u.id); current == u && u.running == 0 && !u.kept {
		m.uses.Remove(u.id)
	}
}

// Sent reports whether a failed invocation has sent anything.
func Sent(e *runtime.Error) bool {
	return e.Receipt != nil && e.Receipt.Attempts > 0 || e.Status != 0 || len(e.Items) > 0
}
