// Package registry holds blocks. A registry is a value: make one, register blocks, and pass it to
// the code that lists or invokes them. There is no global registry, and importing a package
// registers nothing.
//
//	reg := registry.New()
//	if err := reg.Register(block); err != nil { … }
//	for _, b := range reg.List() {
//		fmt.Println(b.Manifest().ID)
//	}
//
// The registry knows what blocks declare, not how they run: package runtime makes blocks that can
// be invoked.
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

// Block is a tool that has a manifest. Package runtime makes blocks that can be invoked.
type Block interface {
	// Manifest returns the block's manifest: always the same one, never nil.
	Manifest() *schemas.Manifest
}

// Errors of Register and lookups.
var (
	ErrDuplicate = errors.New("a block with this id and major version is already registered")
	ErrInvalidID = errors.New("a block id must be lower-case words joined by underscores, 64 characters at most")
	ErrUnknown   = errors.New("is not a known block")
)

// Registry holds blocks by id and major version. It is safe for concurrent use. Make one with
// [New].
type Registry struct {
	mu     sync.RWMutex
	blocks map[string][]Block // major versions by id, newest first; the lists never change
}

// New returns an empty registry.
func New() *Registry { return &Registry{blocks: map[string][]Block{}} }

// Register adds all blocks, or none if it refuses one. Two blocks may have the same id with
// different major versions. The error wraps [ErrDuplicate] or [ErrInvalidID] and ends with the id.
func (r *Registry) Register(blocks ...Block) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	added := maps.Clone(r.blocks)
	for _, b := range blocks {
		id := b.Manifest().ID
		if !schemas.ValidID(id) {
			return fmt.Errorf("register block: %w: %q", ErrInvalidID, id)
		}
		major := func(b Block) int { return b.Manifest().Major() }
		if slices.ContainsFunc(added[id], func(other Block) bool { return major(other) == major(b) }) {
			return fmt.Errorf("register block: %w: %q", ErrDuplicate, id)
		}
		majors := append(slices.Clone(added[id]), b)
		slices.SortFunc(majors, func(a, b Block) int { return major(b) - major(a) })
		added[id] = majors
	}
	r.blocks = added
	return nil
}

// MustRegister is Register for programs that cannot run without the blocks. It panics on an error.
func (r *Registry) MustRegister(blocks ...Block) {
	if err := r.Register(blocks...); err != nil {
		panic(err)
	}
}

// Lookup returns the block with the id, in its newest major version, and whether there is one.
func (r *Registry) Lookup(id string) (Block, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if majors := r.blocks[id]; majors != nil {
		return majors[0], true
	}
	return nil, false
}

// Find returns the block that a reference names: an id, for the newest major version, or an id and
// a major version, such as segment_track@1. The error wraps [ErrUnknown] if no block has the id.
// Its text continues after the reference, and suggests an id that is near.
func (r *Registry) Find(ref string) (Block, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	id, major := schemas.CutMajor(ref)
	majors := r.blocks[id]
	if majors == nil {
		return nil, fmt.Errorf("%w%s", ErrUnknown, schemas.DidYouMean(id, r.ids()))
	}
	var versions []string
	for _, b := range majors {
		if major == 0 || major == b.Manifest().Major() {
			return b, nil
		}
		versions = append(versions, b.Manifest().Version)
	}
	return nil, fmt.Errorf("has no major version %d here, only %s", major, strings.Join(versions, " and "))
}

func (r *Registry) ids() []string { return slices.Sorted(maps.Keys(r.blocks)) }

// List returns the newest major version of each block, sorted by id.
func (r *Registry) List() []Block {
	all := r.All()
	return slices.CompactFunc(all, func(a, b Block) bool { return a.Manifest().ID == b.Manifest().ID })
}

// All returns all major versions of all blocks, sorted by id, newest first.
func (r *Registry) All() []Block {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var list []Block
	for _, id := range r.ids() {
		list = append(list, r.blocks[id]...)
	}
	return list
}

// Search returns the blocks of [Registry.List] that contain every word of the query, in any case.
// Matches in the id or name come first, then those in summary and tags, then those in prose and
// parameters; equals are sorted by id. An empty query finds all.
func (r *Registry) Search(query string) []Block {
	words := strings.Fields(strings.ToLower(query))
	score := map[string]int{}
	found := slices.DeleteFunc(r.List(), func(b Block) bool {
		for _, word := range words {
			s := searchScore(b.Manifest(), word)
			if s == 0 {
				return true
			}
			score[b.Manifest().ID] += s
		}
		return false
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

// Clone returns an independent registry with the same blocks.
func (r *Registry) Clone() *Registry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return &Registry{blocks: maps.Clone(r.blocks)}
}

// With returns a registry of only the blocks that the references name (see [Registry.Find]), or an
// error if one names no block.
func (r *Registry) With(refs ...string) (*Registry, error) { return r.subset(refs, true) }

// Without returns a registry of all other blocks than With.
func (r *Registry) Without(refs ...string) (*Registry, error) { return r.subset(refs, false) }

func (r *Registry) subset(refs []string, keep bool) (*Registry, error) {
	for _, ref := range refs {
		if _, err := r.Find(ref); err != nil {
			return nil, fmt.Errorf("%q %w", ref, err)
		}
	}
	c := New()
	for _, b := range r.All() {
		m := b.Manifest()
		if (slices.Contains(refs, m.ID) || slices.Contains(refs, m.Ref())) == keep {
			c.blocks[m.ID] = append(c.blocks[m.ID], b)
		}
	}
	return c, nil
}
