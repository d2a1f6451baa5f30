// Package idempotency remembers which input an invocation id was used for. An id that comes again
// with another input must be refused: its messages would have the ids of those sent before, and the
// receiver would drop them as duplicates.
package idempotency

import (
	"container/list"
	"crypto/sha256"
	"sync"

	"github.com/aacflow/segment-blocks/runtime"
)

// most bounds what a Memory holds, to a few megabytes.
const most = 10_000

// Memory remembers the inputs of the ids used last. It is a help against mistakes, not what makes
// repeats safe: that needs no memory. Its zero value is ready, and it is safe for concurrent use.
type Memory struct {
	mu     sync.Mutex
	uses   map[string]*list.Element
	recent list.List // of *Use, the latest first
}

// Use is an id and the input that it is used for.
type Use struct {
	memory  *Memory
	id      string
	digest  [sha256.Size]byte
	running int
	kept    bool
}

// Claim notes that an id is being used to invoke a block with an input. It reports false where the id
// belongs to anything else. Otherwise Done must be called on the use when the invocation has ended.
func (m *Memory) Claim(id, block string, input []byte) (*Use, bool) {
	hash := sha256.New()
	hash.Write([]byte(block + "\x00"))
	hash.Write(input)
	digest := [sha256.Size]byte(hash.Sum(nil))
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.uses == nil {
		m.uses = map[string]*list.Element{}
	}
	element := m.uses[id]
	if element == nil {
		if len(m.uses) >= most {
			delete(m.uses, m.recent.Remove(m.recent.Back()).(*Use).id)
		}
		element = m.recent.PushFront(&Use{memory: m, id: id, digest: digest})
		m.uses[id] = element
	}
	use := element.Value.(*Use)
	if use.digest != digest {
		return nil, false
	}
	m.recent.MoveToFront(element)
	use.running++
	return use, true
}

// Done ends a use. Where nothing was sent the id need not be kept, and a mended input may have it.
func (u *Use) Done(keep bool) {
	m := u.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	u.running--
	u.kept = u.kept || keep
	if element := m.uses[u.id]; u.running == 0 && !u.kept && element != nil && element.Value == any(u) {
		delete(m.uses, u.id)
		m.recent.Remove(element)
	}
}

// Sent reports whether a failed invocation has sent anything.
func Sent(e *runtime.Error) bool {
	return e.Receipt != nil && e.Receipt.Attempts > 0 || e.Status != 0 || len(e.Items) > 0
}
