// Package registry holds blocks. A registry is a value: make one, register blocks in it, hand it to
// whoever lists or invokes them. There is no global one, and no package registers anything by being
// imported.
//
//	reg := registry.New()
//	if err := reg.Register(block); err != nil { … }
//	for _, b := range reg.List() {
//		fmt.Println(b.Manifest().ID)
//	}
//
// The registry knows what blocks declare, not how they run: that is for package runtime, whose
// blocks fit in here.
package registry

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/aacflow/segment-blocks/schemas"
)

// Block is one tool, known by its manifest. Blocks that can be invoked are made by package runtime.
type Block interface {
	// Manifest returns what the block declares: always the same, never nil.
	Manifest() *schemas.Manifest
}

// What Register refuses.
var (
	ErrDuplicate = errors.New("a block with this id is registered already")
	ErrInvalidID = errors.New("a block id must be lower-case words joined by underscores, 64 characters at most")
	ErrUnknown   = errors.New("no block has this id")
)

// Registry holds blocks by id. It is safe for concurrent use. The zero value is not ready: use
// [New].
type Registry struct {
	mu     sync.RWMutex
	blocks map[string]Block
}

// New returns an empty registry.
func New() *Registry { return &Registry{blocks: map[string]Block{}} }

// Register adds blocks: all of them or, where one is refused, none. It returns an error that wraps
// [ErrDuplicate] or [ErrInvalidID] and ends in the id.
func (r *Registry) Register(blocks ...Block) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	added := map[string]Block{}
	for _, b := range blocks {
		id := b.Manifest().ID
		if !schemas.ValidID(id) {
			return fmt.Errorf("register block: %w: %q", ErrInvalidID, id)
		}
		if r.blocks[id] != nil || added[id] != nil {
			return fmt.Errorf("register block: %w: %q", ErrDuplicate, id)
		}
		added[id] = b
	}
	maps.Copy(r.blocks, added)
	return nil
}

// MustRegister is Register for programs that cannot go on without the blocks: it panics on an
// error.
func (r *Registry) MustRegister(blocks ...Block) {
	if err := r.Register(blocks...); err != nil {
		panic(err)
	}
}

// Lookup returns the block with the id, and whether there is one.
func (r *Registry) Lookup(id string) (Block, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	b, ok := r.blocks[id]
	return b, ok
}

// Find returns the block that a reference names: an id, or an id and the major version that the
// block must have, such as segment_track@1. The error goes on from the id: is not a known block.
func (r *Registry) Find(ref string) (Block, error) {
	id, major := schemas.CutMajor(ref)
	b, ok := r.Lookup(id)
	switch {
	case !ok:
		return nil, fmt.Errorf("is not a known block%s", r.Suggest(id))
	case major != 0 && major != b.Manifest().Major():
		return nil, fmt.Errorf("has the version %s here, not %d", b.Manifest().Version, major)
	}
	return b, nil
}

// Suggest returns `; did you mean "x"?` for the registered id nearest to one that is not, or "".
func (r *Registry) Suggest(id string) string { return schemas.DidYouMean(id, r.ids()) }

func (r *Registry) ids() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Sorted(maps.Keys(r.blocks))
}

// List returns all blocks, sorted by id.
func (r *Registry) List() []Block {
	return r.where(func(*schemas.Manifest) bool { return true })
}

func (r *Registry) where(keep func(*schemas.Manifest) bool) []Block {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var list []Block
	for _, b := range r.blocks {
		if keep(b.Manifest()) {
			list = append(list, b)
		}
	}
	slices.SortFunc(list, func(a, b Block) int { return cmp.Compare(a.Manifest().ID, b.Manifest().ID) })
	return list
}

// Search returns the blocks in which every word of the query occurs, whatever its case: those with
// a word in their id or name first, then by summary and tags, then by prose and parameters; sorted
// by id among equals. An empty query finds all.
func (r *Registry) Search(query string) []Block {
	words := strings.Fields(strings.ToLower(query))
	score := map[string]int{}
	found := r.where(func(m *schemas.Manifest) bool {
		for _, word := range words {
			s := searchScore(m, word)
			if s == 0 {
				return false
			}
			score[m.ID] += s
		}
		return true
	})
	slices.SortStableFunc(found, func(a, b Block) int {
		return cmp.Compare(score[b.Manifest().ID], score[a.Manifest().ID])
	})
	return found
}

func searchScore(m *schemas.Manifest, word string) int {
	in := func(texts ...string) bool {
		return strings.Contains(strings.ToLower(strings.Join(texts, "\n")), word)
	}
	switch {
	case in(m.ID, m.Name):
		return 4
	case in(m.Summary, m.Category) || in(m.Tags...):
		return 2
	case in(m.Description, m.WhenToUse, fieldTexts(m.Input.Fields()), fieldTexts(m.Output.Fields())):
		return 1
	}
	return 0
}

func fieldTexts(fields []schemas.Field) string {
	var texts []string
	for _, f := range fields {
		texts = append(texts, f.Name, f.Description, fieldTexts(f.Fields))
	}
	return strings.Join(texts, "\n")
}

// Clone returns a registry with the same blocks; what is registered in one later is not in the
// other.
func (r *Registry) Clone() *Registry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return &Registry{blocks: maps.Clone(r.blocks)}
}

// With returns a registry that holds only the blocks with the ids given. It returns an error that
// wraps [ErrUnknown] for an id that no block has.
func (r *Registry) With(ids ...string) (*Registry, error) { return r.subset(ids, true) }

// Without returns a registry that lacks the blocks with the ids given. It returns an error that
// wraps [ErrUnknown] for an id that no block has.
func (r *Registry) Without(ids ...string) (*Registry, error) { return r.subset(ids, false) }

func (r *Registry) subset(ids []string, keep bool) (*Registry, error) {
	c := r.Clone()
	for _, id := range ids {
		if c.blocks[id] == nil {
			return nil, fmt.Errorf("%w: %q%s", ErrUnknown, id, c.Suggest(id))
		}
	}
	maps.DeleteFunc(c.blocks, func(id string, _ Block) bool { return slices.Contains(ids, id) != keep })
	return c, nil
}
