package registry

import (
	"encoding/json"
	"strings"

	"github.com/aacflow/segment-blocks/schemas"
)

// Entry is a block as a catalog shows it: plain data, ready to be JSON.
type Entry struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Summary     string `json:"summary"`
	Description string `json:"description"`
	WhenToUse   string `json:"whenToUse"`
	Version     string `json:"version"`
	// Majors are the major versions that are registered, the newest first, where there are several.
	// Each can be demanded: segment_track@1.
	Majors []int `json:"majors,omitempty"`
	schemas.Deprecation
	Changes  []schemas.Change `json:"changes,omitempty"`
	Category string           `json:"category"`
	Tags     []string         `json:"tags"`
	Link     string           `json:"link,omitempty"`
	Icon     string           `json:"icon,omitempty"`
	Color    string           `json:"color,omitempty"`
	Verb     string           `json:"verb,omitempty"`
	// Sentence, Templates and Skills are those of [schemas.Manifest].
	Sentence  []schemas.Clause   `json:"sentence,omitempty"`
	Templates []schemas.Template `json:"templates,omitempty"`
	Skills    []schemas.Skill    `json:"skills,omitempty"`
	Input     []schemas.Field    `json:"input"`
	Output    []schemas.Field    `json:"output"`
	// Rules say in words what the input must keep beyond the types of its parameters.
	Rules []string `json:"rules"`
	// Limits say in words how much the receiver takes, MaxRequestBytes how large the body of one
	// request may be.
	Limits          []string          `json:"limits"`
	MaxRequestBytes int               `json:"maxRequestBytes,omitempty"`
	InputSchema     json.RawMessage   `json:"inputSchema"`
	OutputSchema    json.RawMessage   `json:"outputSchema"`
	Examples        []schemas.Example `json:"examples"`
	Refused         []schemas.Refusal `json:"refused"`
}

// Ref is the id with the major version: segment_track@1.
func (e Entry) Ref() string { return (&schemas.Manifest{ID: e.ID, Version: e.Version}).Ref() }

// Older reports whether a newer major version is registered beside this one.
func (e Entry) Older() bool {
	return len(e.Majors) > 0 && schemas.VersionNumbers(e.Version)[0] != e.Majors[0]
}

// Unique names the entry among all major versions where a name may hold no @, as those of tools:
// the id, and for an older major version segment_track_v1.
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
	e := EntryOf(b)
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, other := range r.blocks[e.ID] {
		e.Majors = append(e.Majors, other.Manifest().Major())
	}
	if len(e.Majors) < 2 {
		e.Majors = nil
	}
	return e
}

// EntryOf returns the entry of one block, without [Entry.Majors].
func EntryOf(b Block) Entry {
	m := b.Manifest()
	return Entry{
		ID: m.ID, Name: m.Name, Summary: m.Summary, Description: m.Description, WhenToUse: m.WhenToUse,
		Version: m.Version, Deprecation: m.Deprecation, Changes: m.Changes,
		Category: m.Category, Tags: append([]string{}, m.Tags...), Link: m.Link,
		Icon: m.Icon, Color: m.Color, Verb: m.Verb,
		Sentence: m.Sentence, Templates: m.Templates, Skills: m.Skills,
		Input: m.Input.Fields(), Output: m.Output.Fields(), Rules: append([]string{}, m.Input.Rules()...),
		Limits: append([]string{}, m.Limits...), MaxRequestBytes: m.MaxRequestBytes,
		InputSchema: m.Input.JSON(), OutputSchema: m.Output.JSON(),
		Examples: append([]schemas.Example{}, m.Examples...), Refused: append([]schemas.Refusal{}, m.Refused...),
	}
}
