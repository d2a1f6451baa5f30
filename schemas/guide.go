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

// checkWords refuses unsorted lists of words, so that equal files look equal, and skills that do
// not name the block.
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

// clausePattern takes the first part off a sentence: [for {userId|anonymousId}], {event}, or text.
var clausePattern = regexp.MustCompile(`^(\[?)([^][{}]*)(?:\{([\w|]+)\})?(\]?)`)

// sentence parses a sentence such as Track {event} [for {userId|anonymousId}]. The part in brackets
// is omitted while it has no value.
func (r *reader) sentence(text string, m *Manifest) (clauses []Clause) {
	for rest := strings.TrimSpace(text); rest != ""; {
		part := clausePattern.FindStringSubmatch(rest)
		names, optional := part[3], part[1] != ""
		if part[0] == "" || optional != (part[4] != "") || optional && names == "" {
			r.Fault("/sentence",
				"sentence must be text with {parameter}, and [text {parameter}] where it may be left out: %q", text)
			return nil
		}
		c := Clause{Text: strings.TrimSpace(part[2]), Optional: optional}
		if names != "" {
			c.Fields = strings.Split(names, "|")
		}
		for _, name := range c.Fields {
			if m.Input != nil && Find(m.Input.Fields(), name) == nil {
				r.Fault("/sentence", "sentence names a parameter that the block does not have: %q", name)
			}
		}
		if c.Text != "" || c.Fields != nil {
			clauses = append(clauses, c)
		}
		rest = rest[len(part[0]):]
	}
	return clauses
}
