// Package idempotency remembers which input an invocation id was used for. An id that comes again
// with another input must be refused: its messages would have the ids of those sent before, and the
// receiver would drop them as duplicates.
package idempotency

import (
	"crypto/sha256"
	"errors"
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
	uses *simplelru.LRU[string, *use]
}

// New returns an empty Memory.
func New() *Memory {
	uses, _ := simplelru.NewLRU[string, *use](most, nil) // fails for sizes below 1
	return &Memory{uses: uses}
}

// use is how an id is used.
type use struct {
	digest  [sha256.Size]byte // of the block and the input
	running int               // invocations
	kept    bool              // one has sent something
}

// ErrReused is the error of Do for an id that belongs to another block or input.
var ErrReused = errors.New("the id has been used for another input")

// Do invokes a block with an input under an id. It remembers the id unless the invocation fails and
// has sent nothing: a corrected input may have it then. The id "" is not remembered.
func (m *Memory) Do(
	id, block string, input []byte, invoke func() (*runtime.Result, error),
) (result *runtime.Result, err error) {
	if id == "" {
		return invoke()
	}
	hash := sha256.New()
	hash.Write([]byte(block + "\x00"))
	hash.Write(input)
	u := m.claim(id, [sha256.Size]byte(hash.Sum(nil)))
	if u == nil {
		return nil, ErrReused
	}
	keep := true // also if the runtime panics
	defer func() { m.done(id, u, keep) }()
	result, err = invoke()
	keep = err == nil || Sent(runtime.ErrorOf(err))
	return result, err
}

func (m *Memory) claim(id string, digest [sha256.Size]byte) *use {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, ok := m.uses.Peek(id)
	if !ok {
		u = &use{digest: digest}
	}
	if u.digest != digest {
		return nil
	}
	m.uses.Add(id, u)
	u.running++
	return u
}

func (m *Memory) done(id string, u *use, keep bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u.running--
	u.kept = u.kept || keep
	if current, _ := m.uses.Peek(id); current == u && u.running == 0 && !u.kept {
		m.uses.Remove(id)
	}
}

// Sent reports whether a failed invocation has sent anything.
func Sent(e *runtime.Error) bool {
	return e.Receipt != nil && e.Receipt.Attempts > 0 || e.Status != 0 || len(e.Items) > 0
}
