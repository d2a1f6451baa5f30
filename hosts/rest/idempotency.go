package rest

import (
	"container/list"
	"crypto/sha256"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/google/uuid"
)

const keyHeader = "Idempotency-Key"

// idempotencyKey is what a client calls an invocation.
type idempotencyKey string

// keyOf returns the key of a request, or a random one and that it is. The draft of the header wants it quoted, most clients send it bare: both mean
// the same.
func keyOf(r *http.Request) (key idempotencyKey, random bool, _ *Problem) {
	values := r.Header.Values(keyHeader)
	if len(values) == 0 {
		return idempotencyKey(uuid.NewString()), true, nil
	}
	text := values[0]
	if inner, ok := strings.CutPrefix(text, `"`); ok && strings.HasSuffix(inner, `"`) {
		text = strings.TrimSuffix(inner, `"`)
	}
	odd := func(c rune) bool { return c <= ' ' || c > '~' || c == '"' }
	if len(values) > 1 || text == "" || len(text) > 255 || strings.IndexFunc(text, odd) >= 0 {
		return "", false, badRequest("the header Idempotency-Key must be there once, with 1 to 255 visible ASCII characters and no quotes inside", 0)
	}
	return idempotencyKey(text), false, nil
}

// invocationID keeps apart the same key of two blocks or two sources. The source is escaped so that no two join into the same.
func (k idempotencyKey) invocationID(block, source string) string {
	return "rest/" + block + "/" + url.PathEscape(source) + "/" + string(k)
}

func keyReused() *Problem {
	return fault{
		http.StatusUnprocessableEntity, codeKeyReused,
		"the Idempotency-Key has been used for another input; nothing was sent, since the receiver would drop it as a duplicate",
	}.problem()
}

// mostKeys bounds what a keyMemory holds, to a few megabytes.
const mostKeys = 10_000

// keyMemory remembers which input a key was used for. It is a help against mistakes, not what makes repeats safe: that needs no memory.
type keyMemory struct {
	mu     sync.Mutex
	uses   map[string]*list.Element
	recent *list.List // of *keyUse, the latest first
}

// keyUse is one key and its input.
type keyUse struct {
	memory  *keyMemory
	id      string
	digest  [sha256.Size]byte
	running int
	kept    bool
}

func newKeyMemory() *keyMemory {
	return &keyMemory{uses: map[string]*list.Element{}, recent: list.New()}
}

// claim notes that a request is under way. It reports false where its key belongs to another input.
func (m *keyMemory) claim(q request) (*keyUse, bool) {
	id, digest := q.key.invocationID(q.block, q.source), sha256.Sum256(q.input)
	m.mu.Lock()
	defer m.mu.Unlock()
	element := m.uses[id]
	if element == nil {
		if len(m.uses) >= mostKeys {
			delete(m.uses, m.recent.Remove(m.recent.Back()).(*keyUse).id)
		}
		element = m.recent.PushFront(&keyUse{memory: m, id: id, digest: digest})
		m.uses[id] = element
	}
	use := element.Value.(*keyUse)
	if use.digest != digest {
		return nil, false
	}
	m.recent.MoveToFront(element)
	use.running++
	return use, true
}

// done ends a use. Where nothing was sent the key need not be kept, and a mended input may have it.
func (u *keyUse) done(keep bool) {
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
