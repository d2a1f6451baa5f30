package schemas

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Clause is a part of the sentence on a block's card: text, followed by a parameter's value.
type Clause struct {
	Text string `json:"text"`
	// Fields are parameters. The first one with a value is shown. A clause of plain text has none.
	Fields []string `json:"fields,omitempty"`
	// Optional clauses are omitted while no parameter has a value.
	Optional bool `json:"optional,omitempty"`
}

// Template is a workflow to start from, as a prompt for an assistant.
type Template struct {
	Title    string   `json:"title"`
	Prompt   string   `json:"prompt"`
	Category string   `json:"category"`
	Modules  []string `json:"modules"`
	Tags     []string `json:"tags"`
	// With lists the host's other integrations in it.
	With []string `json:"with,omitempty"`
}

// Skill is knowledge for an agent that may call the block.
type Skill struct {
	Name        string `json:"name"` // lower-case words joined by hyphens
	Description string `json:"description"`
	Content     string `json:"content"` // Markdown
}

// checkWords refuses unsorted lists of words, so that equal manifests look equal, and skills that
// do not name the block.
func (r *reader) checkWords(m *Manifest) {
	sorted := func(pointer string, words []string) {
		if !slices.IsSorted(words) {
			r.Fault(pointer, "%s must be sorted", path.Base(pointer))
		}
	}
	sorted("/tags", m.Tags)
	for i, t := range m.Templates {
		at := fmt.Sprintf("/templates/%d", i)
		sorted(at+"/modules", t.Modules)
		sorted(at+"/tags", t.Tags)
		sorted(at+"/with", t.With)
	}
	for i, s := range m.Skills {
		if s.Content != "" && m.ID != "" && !strings.Contains(s.Content, m.ID) {
			r.Fault(fmt.Sprintf("/skills/%d", i), "content must name the block that it is about: %q", m.ID)
		}
	}
}

// sentence parses a sentence such as Track {event} [for {userId|anonymousId}]. The part in brackets
// is optional. The schema of manifests has checked the form.
func (r *reader) sentence(text string, m *Manifest) (clauses []Clause) {
	part := regexp.MustCompile(`(\[?)([^][{}]*)(?:\{([\w|]+)\}\]?)?`)
	for _, found := range part.FindAllStringSubmatch(text, -1) {
		c := Clause{Text: strings.TrimSpace(found[2]), Optional: found[1] != ""}
		if found[3] != "" {
			c.Fields = strings.Split(found[3], "|")
		}
		for _, name := range c.Fields {
			if m.Input != nil && Find(m.Input.Fields(), name) == nil {
				r.Fault("/sentence", "sentence names a parameter that the block does not have: %q", name)
			}
		}
		if c.Text != "" || c.Fields != nil {
			clauses = append(clauses, c)
		}
	}
	return clauses
}
