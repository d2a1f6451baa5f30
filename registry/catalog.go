package registry

import (
	"encoding/json"
	"strings"

	"github.com/aacflow/segment-blocks/schemas"
)

// Entry is a block as a catalog shows it: plain data, ready to be JSON.
type Entry struct {
	schemas.About
	// Majors lists the registered major versions, newest first, if there are several. A caller can
	// require each of them, such as segment_track@1.
	Majors []int           `json:"majors,omitempty"`
	Input  []schemas.Field `json:"input"`
	Output []schemas.Field `json:"output"`
	// Rules state the rules of the input beyond the types of its parameters, in words.
	Rules        []string        `json:"rules"`
	InputSchema  json.RawMessage `json:"inputSchema"`
	OutputSchema json.RawMessage `json:"outputSchema"`
}

// Older reports whether a newer major version is registered beside this one.
func (e Entry) Older() bool {
	return len(e.Majors) > 0 && e.Major() != e.Majors[0]
}

// Unique returns a unique name without @, which tools cannot have: the id or, for an older major
// version, the id and its number, such as segment_track_v1.
func (e Entry) Unique() string {
	if e.Older() {
		return strings.Replace(e.Ref(), "@", "_v", 1)
	}
	return e.ID
}

// Catalog returns an entry for the newest major version of each block, sorted by id.
func (r *Registry) Catalog() []Entry {
	entries := []Entry{}
	for _, b := range r.List() {
		entries = append(entries, r.Entry(b))
	}
	return entries
}

// Entry returns the entry of a block in this registry.
func (r *Registry) Entry(b Block) Entry {
	m := b.Manifest()
	e := Entry{
		About: m.About, Input: m.Input.Fields(), Output: m.Output.Fields(), Rules: m.Input.Rules(),
		InputSchema: m.Input.JSON(), OutputSchema: m.Output.JSON(),
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if majors := r.blocks[e.ID]; len(majors) > 1 {
		for _, other := range majors {
			e.Majors = append(e.Majors, other.Manifest().Major())
		}
	}
	return e
}
